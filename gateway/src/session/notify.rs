//! What a bridge says of broadcasts, and what it asks of broadcasters' tokens.

use std::time::Duration;

use suara_proto::limits::{MAX_CHANNEL_NAME, MAX_EVENT_NAME, MAX_KEEP, MAX_USER_NAME};
use suara_proto::message::{Broadcast, ServerMessage, encode};
use suara_proto::text::is_plain;
use suara_proto::{ErrorCode, RequestId};

use super::serve::Session;
use crate::auth::{AuthError, Principal, Scope};
use crate::notices::{KeepError, Keeping, To, notification};
use crate::words::{ToWord, Word};

impl Session<'_> {
    /// Tells sessions of a broadcast that a bridge heard, and keeps it for a user who is away.
    pub(super) async fn notify(&mut self, request: RequestId, broadcast: Broadcast<'_>) {
        if self.scope != Scope::Trunk {
            return self.refuse(Some(request), None, ErrorCode::Forbidden, "only a trunk broadcasts");
        }
        if let Some(fault) = fault(&broadcast) {
            return self.refuse(Some(request), None, ErrorCode::BadField, fault);
        }
        let since = Duration::from_millis(self.core.clock.now().as_millis());
        let id = match &broadcast.copy {
            None => self.core.notices.id(),
            Some(copy) => match self.core.notices.is_new(copy, self.port.id, since) {
                Some(id) => id,
                None => {
                    return self.port.outbox.say(&ServerMessage::Notified {
                        request,
                        sessions: 0,
                        kept: false,
                    });
                }
            },
        };
        let is_copy = broadcast.copy.is_some();
        let sessions = u32::try_from(self.spread(&id, &broadcast).await).unwrap_or(u32::MAX);
        // At the moment at which it was told: who comes a moment later finds it kept.
        let is_away = broadcast.user.as_ref().is_some_and(|user| !self.core.notices.is_here(user));
        let keep = broadcast.keep_ms.filter(|_| is_away);
        let (Some(keep_ms), Broadcast { event, payload, user: Some(user), .. }) = (keep, &broadcast) else {
            if !is_copy {
                // What has copies is heard by the other nodes' own bridges.
                self.core.words.say(&notice(id, &broadcast));
            }
            return self.port.outbox.say(&ServerMessage::Notified { request, sessions, kept: false });
        };
        let (outbox, metrics) = (self.port.outbox.clone(), self.core.metrics.clone());
        let done = Box::new(move |kept: Result<bool, KeepError>| match kept {
            Ok(kept) => outbox.say(&ServerMessage::Notified { request, sessions, kept }),
            Err(error) => {
                let (request, code) = (Some(request), ErrorCode::Unavailable);
                metrics.refused(code);
                let message = error.to_string().into();
                outbox.say(&ServerMessage::Error { request, member: None, channel: None, code, message });
            }
        });
        let time = Duration::from_millis(keep_ms.into()).min(MAX_KEEP);
        let (user, event, payload) = (user.to_string(), event.to_string(), payload.clone());
        self.core.notices.keep_if_away(Keeping { user, event, payload, time, id, is_copy, done });
    }

    /// Tells the sessions of this node; says how many.
    async fn spread(
        &mut self,
        id: &str,
        Broadcast { event, payload, user, role, channel, .. }: &Broadcast<'_>,
    ) -> usize {
        let notices = &self.core.notices;
        match (user, role, channel) {
            (Some(user), _, _) => notices.tell_once(id, user, event, payload),
            (_, Some(role), _) => notices.tell(To::Role(role), event, payload),
            (_, _, Some(channel)) => {
                let framed = encode(&notification(None, event, payload, None));
                self.core.hub.notice(channel, framed).await
            }
            _ => notices.tell(To::Everybody, event, payload),
        }
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

/// A broadcast for the sessions of other nodes.
fn notice(id: String, Broadcast { event, payload, user, role, channel, .. }: &Broadcast<'_>) -> Word {
    let to = match (user, role, channel) {
        (Some(user), _, _) => ToWord::User(user.to_string()),
        (_, Some(role), _) => ToWord::Role(role.to_string()),
        (_, _, Some(channel)) => ToWord::Channel(channel.to_string()),
        _ => ToWord::Everybody,
    };
    Word::Notice { to, event: event.to_string(), payload: payload.to_string(), id }
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
