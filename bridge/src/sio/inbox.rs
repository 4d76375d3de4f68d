//! Takes a client's events in the order in which they came. The library's own handlers start a task for each event,
//! and tasks overtake each other: two chunks of voice would be heard in the wrong order.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::Value as Json;
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::handler::{FromMessageParts, MessageHandler, Value};
use socketioxide::socket::Socket;
use tokio::sync::mpsc;

use super::Shared;
use super::payload::Fault;
use super::session::answer;
use super::signals;
use crate::metrics::{DropReason, Metrics};
use crate::signaling::{self, Ask};

/// Events of one client that wait for its session, which waits for the gateway's answer to a join at most. A second and
/// a half of voice.
const MAX_WAITING: usize = 64;

/// Signals that wait for the session: a newcomer in a full room sends an offer and some candidates to each peer at once, and
/// one that is lost is a connection that doesn't come about. They have a line of their own, so that no voice is lost by it.
const MAX_SIGNALS: usize = 256;

/// What is asked of signaling; what joins a room and what is said in it are in order.
const ASKS: [(&str, Ask); 3] =
    [("join_room", Ask::Enter), ("leave_room", Ask::Leave), ("signal", Ask::Signal)];

/// A client's events.
pub(super) struct Inbox {
    pub(super) incoming: mpsc::Receiver<Incoming>,
    pub(super) signals: mpsc::Receiver<Signal>,
}

/// One event of signaling.
pub(super) struct Signal {
    pub(super) ask: Ask,
    pub(super) payload: Option<Json>,
    pub(super) ack: AckSender,
}

/// One event of a client's.
pub(super) enum Incoming {
    /// What can be answered.
    Request { request: Request, payload: Option<Json>, ack: AckSender },
    /// A chunk of voice.
    Voice { at: Instant, chunk: Bytes },
    /// The client has disconnected.
    Gone,
}

/// What a client can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Join,
    Leave,
    AskFloor,
    ReleaseFloor,
    Chat,
    Typing,
    History,
    LivechatReply,
    LivechatTyping,
    LivechatInbox,
    LivechatHistory,
    Emergency,
    EndEmergency,
}

impl Request {
    const ALL: [(&'static str, Self); 14] = [
        ("join_channel", Self::Join),
        ("leave_channel", Self::Leave),
        ("floor_request", Self::AskFloor),
        ("floor_release", Self::ReleaseFloor),
        // What takes back a request that waits, and ends what it became: the same, as far as the client is concerned.
        ("floor_cancel", Self::ReleaseFloor),
        ("chat_message", Self::Chat),
        ("chat_typing", Self::Typing),
        ("chat_history", Self::History),
        ("livechat:reply", Self::LivechatReply),
        ("livechat:typing", Self::LivechatTyping),
        ("livechat:inbox", Self::LivechatInbox),
        ("livechat:history", Self::LivechatHistory),
        ("emergency", Self::Emergency),
        ("emergency_cancel", Self::EndEmergency),
    ];
}

/// Registers everything that a client may send; what it sends comes out of the inbox.
pub(super) fn register(socket: &SocketRef, shared: &Shared) -> Inbox {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    for (event, request) in Request::ALL {
        socket.on(event, Requests { request, sender: sender.clone(), metrics: shared.metrics.clone() });
    }
    let (metrics, limit) = (shared.metrics.clone(), shared.max_voice_packet);
    socket.on("voice_packet", Voice { sender: sender.clone(), metrics, limit });
    socket.on_disconnect(async move || {
        // A session that has ended by itself doesn't listen.
        sender.send(Incoming::Gone).await.ok();
    });
    let (sender, signals) = mpsc::channel(MAX_SIGNALS);
    for (event, ask) in ASKS {
        socket.on(event, Signals { ask, sender: sender.clone(), metrics: shared.metrics.clone() });
    }
    Inbox { incoming: receiver, signals }
}

/// Marks handlers that take an event at once, in the order of arrival.
pub(super) struct InOrder;

struct Requests {
    request: Request,
    sender: mpsc::Sender<Incoming>,
    metrics: Metrics,
}

impl MessageHandler<LocalAdapter, InOrder> for Requests {
    fn call(&self, socket: Arc<Socket>, mut value: Value, ack_id: Option<i64>) {
        let payload =
            Data::<Json>::from_message_parts(&socket, &mut value, &ack_id).ok().map(|Data(json)| json);
        let Ok(ack) = AckSender::from_message_parts(&socket, &mut value, &ack_id);
        let incoming = Incoming::Request { request: self.request, payload, ack };
        if let Err(mpsc::error::TrySendError::Full(Incoming::Request { ack, .. })) =
            self.sender.try_send(incoming)
        {
            self.metrics.bad_input("rate");
            answer(ack, Err(Fault::TooFast));
        }
    }
}

struct Signals {
    ask: Ask,
    sender: mpsc::Sender<Signal>,
    metrics: Metrics,
}

impl MessageHandler<LocalAdapter, InOrder> for Signals {
    fn call(&self, socket: Arc<Socket>, mut value: Value, ack_id: Option<i64>) {
        let payload =
            Data::<Json>::from_message_parts(&socket, &mut value, &ack_id).ok().map(|Data(json)| json);
        let Ok(ack) = AckSender::from_message_parts(&socket, &mut value, &ack_id);
        // Before it waits: what waits is bounded in bytes too.
        if payload.as_ref().is_some_and(signaling::is_oversized) {
            return signals::refuse(&self.metrics, Some(ack), signaling::Fault::SignalSize);
        }
        let signal = Signal { ask: self.ask, payload, ack };
        if let Err(mpsc::error::TrySendError::Full(Signal { ack, .. })) = self.sender.try_send(signal) {
            signals::refuse(&self.metrics, Some(ack), signaling::Fault::TooFast);
        }
    }
}

struct Voice {
    sender: mpsc::Sender<Incoming>,
    metrics: Metrics,
    limit: usize,
}

impl MessageHandler<LocalAdapter, InOrder> for Voice {
    fn call(&self, socket: Arc<Socket>, mut value: Value, ack_id: Option<i64>) {
        let Ok(Data(chunk)) = Data::<Bytes>::from_message_parts(&socket, &mut value, &ack_id) else {
            self.metrics.bad_input("voice_packet");
            return self.metrics.dropped(DropReason::Malformed, 1);
        };
        if chunk.is_empty() {
            return;
        }
        if chunk.len() > self.limit {
            self.metrics.bad_input("voice_packet");
            return self.metrics.dropped(DropReason::Oversized, 1);
        }
        self.metrics.voice("from_client", 1, chunk.len());
        if self.sender.try_send(Incoming::Voice { at: Instant::now(), chunk }).is_err() {
            self.metrics.dropped(DropReason::Backlog, 1);
        }
    }
}
