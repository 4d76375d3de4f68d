//! Tokens that are being verified. That may take another server's answer, so it goes on beside the session.

use std::collections::HashMap;

use suara_proto::{MemberRef, RequestId};
use tokio::task::JoinSet;

use crate::auth::{AuthError, Authenticator, Principal, Scope};

/// What a verification came to.
pub(super) struct Verified {
    pub(super) request: RequestId,
    pub(super) member: Option<MemberRef>,
    /// What a member's token has to be for.
    pub(super) scope: Scope,
    pub(super) verdict: Result<Principal, AuthError>,
    /// Whether the member went while its token was looked at.
    pub(super) given_up: bool,
    /// Whether that was all that was wanted: to look at it.
    pub(super) looks: bool,
    attempt: u64,
}

/// One session's verifications under way.
#[derive(Default)]
pub(super) struct Verifying {
    running: JoinSet<Verified>,
    /// Which of them are still wanted, of those that are about a trunk's member.
    wanted: HashMap<MemberRef, Vec<u64>>,
    attempts: u64,
}

impl Verifying {
    pub(super) fn start(
        &mut self,
        auth: Authenticator,
        request: RequestId,
        member: Option<MemberRef>,
        scope: Scope,
        token: String,
    ) {
        self.attempts += 1;
        let attempt = self.attempts;
        if let Some(member) = member {
            self.wanted.entry(member).or_default().push(attempt);
        }
        self.running.spawn(async move {
            let verdict = auth.verify(&token).await;
            Verified { request, member, scope, verdict, given_up: false, looks: false, attempt }
        });
    }

    /// Looks at a token that is nobody's here.
    pub(super) fn look(&mut self, auth: Authenticator, request: RequestId, token: String) {
        self.running.spawn(async move {
            let verdict = auth.verify(&token).await;
            Verified {
                request,
                member: None,
                scope: Scope::User,
                verdict,
                given_up: false,
                looks: true,
                attempt: 0,
            }
        });
    }

    /// The next that is done; never, while there is none. Cancel-safe.
    pub(super) async fn next(&mut self) -> Verified {
        loop {
            match self.running.join_next().await {
                Some(Ok(verified)) => return self.check(verified),
                // One that panicked has no verdict, and its request no answer: the others go on.
                Some(Err(error)) => tracing::warn!(%error, "a verification failed"),
                None => std::future::pending().await,
            }
        }
    }

    /// A member is gone: a verdict on it that comes later must not bring it back. Says whether one was under way.
    pub(super) fn give_up(&mut self, member: MemberRef) -> bool {
        self.wanted.remove(&member).is_some()
    }

    fn check(&mut self, mut verified: Verified) -> Verified {
        if let Some(member) = verified.member {
            let attempts = self.wanted.get_mut(&member);
            let found = attempts.and_then(|attempts| {
                let index = attempts.iter().position(|attempt| *attempt == verified.attempt)?;
                attempts.swap_remove(index);
                Some(attempts.is_empty())
            });
            verified.given_up = found.is_none();
            if found == Some(true) {
                self.wanted.remove(&member);
            }
        }
        verified
    }
}
