//! Who is logged in and in which channels: the one place that knows what to bring back after the trunk was lost.
//!
//! One task takes orders from the clients' sessions and events from the trunk, in turn; what it knows of a channel is
//! its name, its number and who is in it. Voice doesn't pass here: datagrams find their channel by the [`Routes`].

mod answers;
mod calls;
mod emergency;
mod inquiries;
mod pending;
mod state;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use suara_proto::message::{Broadcast, ChannelMode, Location, MemberScope, Rights};
use suara_proto::report::KIND_REPORT;
use suara_proto::voice::VoiceFrame;
use suara_proto::{ChannelNumber, LeaveReason, MemberRef};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::channel::{Channel, Input, Listener, Outlet};
use crate::metrics::{DropReason, Metrics};
use crate::trunk::{Bearer, TrunkEvent, Who};

/// A user's own token, or a guest's. It can't be logged by accident.
#[derive(Clone)]
pub(crate) struct Token {
    text: String,
    scope: MemberScope,
}

impl Token {
    pub(crate) fn new(token: impl Into<String>) -> Self {
        Self { text: token.into(), scope: MemberScope::User }
    }

    /// Of one who came without.
    fn guests(token: String) -> Self {
        Self { text: token, scope: MemberScope::Guest }
    }

    /// The token itself, for the one message that carries it.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    fn is_guests(&self) -> bool {
        self.scope == MemberScope::Guest
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why a log-in failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum AttachError {
    #[error("the token doesn't hold")]
    Refused,
    #[error("the gateway admits nobody without a token")]
    NoGuests,
    #[error("the gateway can't be asked")]
    Unavailable,
}

/// Why a join failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum JoinError {
    #[error("no right to listen to the channel")]
    Forbidden,
    #[error("the channel is full")]
    Full,
    #[error("in as many channels as a member may be")]
    TooMany,
    #[error("too many ask at once")]
    TooFast,
    #[error("the gateway takes no such name for a channel")]
    Name,
    #[error("the gateway can't be asked")]
    Unavailable,
}

/// A member is in a channel.
#[derive(Debug, Clone)]
pub(crate) struct Seated {
    pub(crate) channel: Channel,
    /// What it may do there.
    pub(crate) rights: Rights,
    pub(crate) mode: ChannelMode,
}

/// Something that a session didn't ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Out of a channel.
    Left { channel: String, reason: LeaveReason },
    /// May do something else than before in a channel that it is in still: its token was looked at anew.
    Rights { channel: String, rights: Rights },
    /// In a call, by somebody's doing.
    Called { channel: String, by: Who, users: Vec<String> },
    /// The user's token has ended, or holds no more.
    Expired,
    /// Thrown out.
    Kicked,
    /// A back end wants this told, and did while nobody was here.
    Told { event: String, payload: Value },
}

/// What an emergency is about, as far as that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Emergency {
    pub(crate) location: Option<Location>,
    /// One line.
    pub(crate) text: Option<String>,
}

/// An emergency is raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Raised {
    /// The name of its channel.
    pub(crate) channel: String,
    /// How long the microphone is to be open.
    pub(crate) microphone: Duration,
}

/// A client who has logged in, until this is dropped.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) member: MemberRef,
    pub(crate) who: Who,
    desk: Desk,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.desk.ask(Request::Detach { member: self.member });
    }
}

#[derive(Debug)]
enum Request {
    Attach {
        token: Token,
        notices: mpsc::UnboundedSender<Notice>,
        reply: oneshot::Sender<Result<(MemberRef, Who), AttachError>>,
    },
    Detach {
        member: MemberRef,
    },
    Join {
        member: MemberRef,
        channel: String,
        listener: Listener,
        reply: oneshot::Sender<Result<Seated, JoinError>>,
    },
    Leave {
        member: MemberRef,
        channel: String,
    },
    Emergency {
        member: MemberRef,
        what: Box<Emergency>,
        reply: oneshot::Sender<Result<Raised, JoinError>>,
    },
    EndEmergency {
        member: MemberRef,
        channel: String,
        user: Option<String>,
    },
    Guest {
        reply: oneshot::Sender<Result<Token, AttachError>>,
    },
    Verify {
        token: Token,
        reply: oneshot::Sender<Result<Bearer, AttachError>>,
    },
    Notify {
        broadcast: Box<Broadcast<'static>>,
        reply: oneshot::Sender<Result<bool, AttachError>>,
    },
    May {
        member: MemberRef,
        channel: String,
        reply: oneshot::Sender<Result<Rights, JoinError>>,
    },
}

/// The way to the desk.
#[derive(Debug, Clone)]
pub(crate) struct Desk(mpsc::UnboundedSender<Request>);

impl Desk {
    /// Starts the desk; the receiver says why clients can't be served, or `None` when they can.
    pub(crate) fn start(
        events: mpsc::UnboundedReceiver<TrunkEvent>,
        routes: Routes,
        outlet: Arc<dyn Outlet>,
        metrics: Metrics,
    ) -> (Self, watch::Receiver<Option<String>>) {
        let (requests, taken) = mpsc::unbounded_channel();
        let (trouble, watched) = watch::channel(Some("no trunk to the gateway yet".to_owned()));
        let state = state::State::new(routes, outlet, metrics, trouble);
        tokio::spawn(state::run(state, taken, events));
        (Self(requests), watched)
    }

    /// Has the gateway verify a user's token.
    pub(crate) async fn attach(
        &self,
        token: Token,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> Result<Attached, AttachError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Attach { token, notices, reply });
        let (member, who) = answer.await.unwrap_or(Err(AttachError::Unavailable))?;
        Ok(Attached { member, who, desk: self.clone() })
    }

    /// Has the gateway give a token to one who came without.
    pub(crate) async fn guest(&self) -> Result<Token, AttachError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Guest { reply });
        answer.await.unwrap_or(Err(AttachError::Unavailable))
    }

    /// Brings a member into a channel.
    pub(crate) async fn join(
        &self,
        member: MemberRef,
        channel: String,
        listener: Listener,
    ) -> Result<Seated, JoinError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Join { member, channel, listener, reply });
        answer.await.unwrap_or(Err(JoinError::Unavailable))
    }

    /// Takes a member out of a channel.
    pub(crate) fn leave(&self, member: MemberRef, channel: String) {
        self.ask(Request::Leave { member, channel });
    }

    /// Raises an emergency. The member is in its channel then, which is to be joined if it wasn't.
    pub(crate) async fn emergency(&self, member: MemberRef, what: Emergency) -> Result<Raised, JoinError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Emergency { member, what: Box::new(what), reply });
        answer.await.unwrap_or(Err(JoinError::Unavailable))
    }

    /// Ends the member's own emergency, or as a dispatcher another user's.
    pub(crate) fn end_emergency(&self, member: MemberRef, channel: String, user: Option<String>) {
        self.ask(Request::EndEmergency { member, channel, user });
    }

    /// What a member may do in the channel of that name, in which it need not be.
    pub(crate) async fn may(&self, member: MemberRef, channel: String) -> Result<Rights, JoinError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::May { member, channel, reply });
        answer.await.unwrap_or(Err(JoinError::Unavailable))
    }

    /// Has the gateway say whose a token is that is no member's.
    pub(crate) async fn verify(&self, token: Token) -> Result<Bearer, AttachError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Verify { token, reply });
        answer.await.unwrap_or(Err(AttachError::Unavailable))
    }

    /// Has the gateway tell its own sessions, in the order of the calls; the answer says whether it keeps it for a user who
    /// is away.
    pub(crate) fn notify(
        &self,
        broadcast: Broadcast<'static>,
    ) -> oneshot::Receiver<Result<bool, AttachError>> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Notify { broadcast: Box::new(broadcast), reply });
        answer
    }

    fn ask(&self, request: Request) {
        if self.0.send(request).is_err() {
            tracing::debug!("the bridge stops");
        }
    }
}

/// Which actor a channel's voice goes to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes(Arc<RwLock<HashMap<ChannelNumber, Channel>>>);

impl Routes {
    /// Hands a datagram of the gateway's on to its channel.
    pub(crate) fn deliver(&self, datagram: Bytes, metrics: &Metrics) {
        // What the gateway says of the trunk's path is no voice.
        if datagram.first() == Some(&KIND_REPORT) {
            return;
        }
        let Ok(frame) = VoiceFrame::decode(&datagram) else {
            return metrics.dropped(DropReason::Malformed, 1);
        };
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(channel) = routes.get(&frame.header.channel) else {
            return metrics.dropped(DropReason::NotJoined, 1);
        };
        if !channel.voice(Input::Datagram(datagram)) {
            metrics.dropped(DropReason::Backlog, 1);
        }
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<ChannelNumber, Channel>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod scenes;
