//! What a bridge says of broadcasts, and what it asks of broadcasters' tokens.

use std::time::Duration;

use suara_proto::limits::{MAX_CHANNEL_NAME, MAX_EVENT_NAME, MAX_KEEP, MAX_USER_NAME};
use suara_proto::message::{Broadcast, ServerMessage, encode};
use suara_proto::text::is_plain;
use suara_proto::{ErrorCode, RequestId};

use super::serve::Session;
use crate::auth::{AuthError, Principal, Scope};
use crate::notices::{KeepError, To, notification};

impl Session<'_> {
    /// Tells sessions of a broadcast that a bridge heard, and keeps it for a user who is away.
    pub(super) async fn notify(&mut self, request: RequestId, broadcast: Broadcast<'_>) {
        if self.scope != Scope::Trunk {
            return self.refuse(Some(request), None, ErrorCode::Forbidden, "only a trunk broadcasts");
        }
        if let Some(fault) = fault(&broadcast) {
            return self.refuse(Some(request), None, ErrorCode::BadField, fault);
        }
        let Broadcast { event, payload, user, role, channel, keep_ms, copy } = broadcast;
        let since = Duration::from_millis(self.core.clock.now().as_millis());
        if copy.is_some_and(|copy| !self.core.notices.is_new(&copy, self.port.id, since)) {
            return self.port.outbox.say(&ServerMessage::Notified { request, sessions: 0, kept: false });
        }
        let notices = &self.core.notices;
        let sessions = match (&user, &role, &channel) {
            (Some(user), _, _) => notices.tell(To::User(user), &event, &payload),
            (_, Some(role), _) => notices.tell(To::Role(role), &event, &payload),
            (_, _, Some(channel)) => {
                let framed = encode(&notification(None, &event, &payload, None));
                self.core.hub.notice(channel, framed).await
            }
            _ => notices.tell(To::Everybody, &event, &payload),
        };
        let mut kept = false;
        if let (Some(keep_ms), Some(user)) = (keep_ms, &user)
            && !notices.is_here(user)
        {
            let time = Duration::from_millis(keep_ms.into()).min(MAX_KEEP);
            match notices.keep(user, &event, &payload, time).await {
                Ok(()) => kept = true,
                Err(error @ (KeepError::Full | KeepError::Unavailable)) => {
                    return self.refuse(Some(request), None, ErrorCode::Unavailable, error.to_string());
                }
            }
        }
        let sessions = u32::try_from(sessions).unwrap_or(u32::MAX);
        self.port.outbox.say(&ServerMessage::Notified { request, sessions, kept });
    }

    /// Says whose a token is that is no member's: a broadcaster's.
    pub(super) fn looked_at(&self, request: RequestId, verdict: Result<Principal, AuthError>) {
        match verdict {
            Ok(Principal { user, scope, expires, .. }) => self.port.outbox.say(&ServerMessage::Verified {
                request,
                user: (&*user).into(),
                scope: scope.name().into(),
                expires,
            }),
            Err(error) => self.refuse(Some(request), None, error.code(), error.to_string()),
        }
    }
}

/// Bytes of a copy's name: thousands of them are remembered.
const MAX_COPY: usize = 64;

fn fault(broadcast: &Broadcast<'_>) -> Option<&'static str> {
    let Broadcast { event, user, role, channel, keep_ms, copy, .. } = broadcast;
    let named = [user, role, channel].into_iter().flatten().count();
    let plain = |name: &Option<_>, limit| name.as_deref().is_none_or(|name| is_plain(name, limit));
    if !is_plain(event, MAX_EVENT_NAME) {
        return Some("an event's name is 1 to 128 bytes without control characters");
    }
    if named > 1 {
        return Some("at most one of user, role and channel");
    }
    if keep_ms.is_some() && user.is_none() {
        return Some("only what is for one user is kept");
    }
    if copy.as_ref().is_some_and(|copy| copy.len() > MAX_COPY) {
        return Some("copy has at most 64 bytes");
    }
    let names = plain(user, MAX_USER_NAME) && plain(role, MAX_USER_NAME) && plain(channel, MAX_CHANNEL_NAME);
    (!names).then_some("a name that nobody can have")
}
