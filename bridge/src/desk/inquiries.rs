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

    pub(super) fn verify(
        &mut self,
        now: Instant,
        token: Token,
        reply: oneshot::Sender<Result<Bearer, AttachError>>,
    ) {
        let request = self.pending.add(now, Asked::Verify { reply: Reply::To(reply) });
        if !self.ask(&ClientMessage::Verify { request, token: token.0.as_str().into() })
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
