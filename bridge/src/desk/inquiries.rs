//! What is asked of the gateway and changes nothing that the desk knows: answers go to whoever asked.

use std::time::Instant;

use suara_proto::message::{Broadcast, ClientMessage, Rights};
use suara_proto::{MemberRef, RequestId};
use tokio::sync::oneshot;

use super::answers::answer;
use super::pending::{Asked, Reply};
use super::state::State;
use super::{AttachError, JoinError, Token};
use crate::trunk::Bearer;

impl State {
    pub(super) fn may(
        &mut self,
        now: Instant,
        member: MemberRef,
        channel: String,
        reply: oneshot::Sender<Result<Rights, JoinError>>,
    ) {
        let request = self.pending.add(now, Asked::May { reply: Reply::To(reply) });
        if !self.ask(&ClientMessage::May { request, channel: channel.into(), member: Some(member) })
            && let Some(Asked::May { reply: Reply::To(reply) }) = self.pending.take(request)
        {
            answer(reply, Err(JoinError::Unavailable));
        }
    }

    pub(super) fn rights(&mut self, request: RequestId, rights: Rights) {
        if let Some(Asked::May { reply: Reply::To(reply) }) = self.pending.take(request) {
            answer(reply, Ok(rights));
        }
    }

    /// A token for one who came without.
    pub(super) fn guest(&mut self, now: Instant, reply: oneshot::Sender<Result<Token, AttachError>>) {
        let request = self.pending.add(now, Asked::Guest { reply: Reply::To(reply) });
        if !self.ask(&ClientMessage::Guest { request })
            && let Some(Asked::Guest { reply: Reply::To(reply) }) = self.pending.take(request)
        {
            answer(reply, Err(AttachError::Unavailable));
        }
    }

    pub(super) fn guest_session(&mut self, request: RequestId, token: String) {
        if let Some(Asked::Guest { reply: Reply::To(reply) }) = self.pending.take(request) {
            answer(reply, Ok(Token::guests(token)));
        }
    }

    pub(super) fn verify(
        &mut self,
        now: Instant,
        token: Token,
        reply: oneshot::Sender<Result<Bearer, AttachError>>,
    ) {
        let request = self.pending.add(now, Asked::Verify { reply: Reply::To(reply) });
        if !self.ask(&ClientMessage::Verify { request, token: token.expose().into() })
            && let Some(Asked::Verify { reply: Reply::To(reply) }) = self.pending.take(request)
        {
            answer(reply, Err(AttachError::Unavailable));
        }
    }

    pub(super) fn verified(&mut self, request: RequestId, bearer: Bearer) {
        if let Some(Asked::Verify { reply: Reply::To(reply) }) = self.pending.take(request) {
            answer(reply, Ok(bearer));
        }
    }

    pub(super) fn notify_gateway(
        &mut self,
        now: Instant,
        broadcast: Broadcast<'_>,
        reply: oneshot::Sender<Result<bool, AttachError>>,
    ) {
        let request = self.pending.add(now, Asked::Notify { reply: Reply::To(reply) });
        if !self.ask(&ClientMessage::Notify { request, broadcast })
            && let Some(Asked::Notify { reply: Reply::To(reply) }) = self.pending.take(request)
        {
            answer(reply, Err(AttachError::Unavailable));
        }
    }

    pub(super) fn notified(&mut self, request: RequestId, kept: bool) {
        if let Some(Asked::Notify { reply: Reply::To(reply) }) = self.pending.take(request) {
            answer(reply, Ok(kept));
        }
    }
}
