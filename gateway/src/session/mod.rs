//! A session: one client, or one bridge with its members, from hello to closing.
//!
//! Knows messages, rights and rooms' handles; no transport. An edge opens a session with [`open`], pumps bytes between
//! its transport and the [`EdgeEnd`] that it gets, and never looks inside.

mod burst;
mod calls;
mod channels;
mod chat;
mod chat_outlet;
mod dispatch;
mod emergency;
mod entering;
mod entry;
mod errands;
mod hello;
mod livechat;
mod members;
mod notify;
mod outbox;
mod resume;
mod serve;
mod verifying;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_channel::mpsc;
use suara_proto::CloseCode;
use suara_proto::frame::FrameError;
use tracing::Instrument;

pub use chat_outlet::ChatOutlet;
pub use outbox::{Closing, ClosingWatch, Outbox, OutboxReader, Outgoing};
pub use resume::Resumables;

use crate::core::Core;
use crate::directory::Wishes;
use crate::voice::{Ear, Ingress};

/// Messages that wait for a busy session beside one of each sender's; then its transport stops reading, and QUIC holds
/// the client back.
const INBOUND_QUEUE: usize = 4;

/// Names a session in logs and in the data plane. Gives no right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

impl SessionId {
    /// One that nobody has.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What rooms hold of a session: where its messages and its voice go.
#[derive(Clone)]
pub struct Port {
    /// Whose.
    pub id: SessionId,
    /// For control messages.
    pub outbox: Outbox,
    /// For frames.
    pub ear: Ear,
    /// For chat, where the client has opened a stream for it.
    pub chat: ChatOutlet,
    /// For what its own task is to do.
    pub wishes: Arc<Wishes>,
}

/// What an edge has read from a control stream.
#[derive(Debug)]
pub enum Inbound {
    /// One message, unframed.
    Message(Bytes),
    /// One message of the chat stream, unframed.
    Chat(Bytes),
    /// Bytes that are no message; nothing can follow.
    Fault(FrameError),
    /// The client did what the protocol doesn't allow; nothing can follow.
    Violation(&'static str),
}

/// Takes what an edge has read to its session.
pub type Inlet = mpsc::Sender<Inbound>;

/// An edge's end of a session. Dropping `inbound` tells the session that its client is gone.
pub struct EdgeEnd {
    /// What the client said.
    pub inbound: Inlet,
    /// What is to be said to it.
    pub outgoing: OutboxReader,
    /// Voice from it.
    pub ingress: Arc<Ingress>,
    /// Its chat stream, to be opened when the client does.
    pub chat: ChatOutlet,
}

/// Starts a session for a client at `remote`, whose voice goes to `ear`. With `refusal` it only says why it can't be.
pub fn open(core: &Arc<Core>, remote: SocketAddr, refusal: Option<Closing>, ear: Ear) -> EdgeEnd {
    let id = SessionId::random();
    let (inbound, receiver) = mpsc::channel(INBOUND_QUEUE);
    let (outbox, outgoing) = outbox::outbox(&core.metrics);
    let wishes = Arc::<Wishes>::default();
    let ingress =
        Arc::new(Ingress::new(id, ear.clone(), wishes.clone(), core.clock, core.metrics.voice.clone()));
    let chat = ChatOutlet::new(&outbox);
    let port = Port { id, outbox, ear, chat: chat.clone(), wishes };
    let end = EdgeEnd { inbound, outgoing, ingress: ingress.clone(), chat };
    let span = tracing::info_span!("session", %id);
    tracing::debug!(parent: &span, %remote, "opened");
    core.tasks.spawn(run(core.clone(), port, ingress, receiver, refusal).instrument(span));
    end
}

async fn run(
    core: Arc<Core>,
    port: Port,
    ingress: Arc<Ingress>,
    mut inbound: mpsc::Receiver<Inbound>,
    refusal: Option<Closing>,
) {
    let _last_resort = LastResort(port.outbox.clone());
    let greeted = match refusal {
        Some(refusal) => Err(refusal),
        None => tokio::select! {
            greeted = Box::pin(hello::greet(&core, &mut inbound)) => greeted,
            closing = core.dismissed() => Err(closing),
        },
    };
    let closing = match greeted {
        Ok(greeting) => serve::serve(&core, &port, ingress, greeting, inbound).await,
        Err(closing) => closing,
    };
    core.metrics.closed(closing.code);
    match closing.code {
        CloseCode::Internal => tracing::warn!(code = %closing.code, reason = %closing.reason, "closed"),
        _ => tracing::debug!(code = %closing.code, reason = %closing.reason, "closed"),
    }
    port.outbox.close(closing);
}

/// Ends a session whose task is gone without a word, so that its transport doesn't wait for one.
struct LastResort(Outbox);

impl Drop for LastResort {
    fn drop(&mut self) {
        self.0.close(Closing::new(CloseCode::Internal, "the session broke down"));
    }
}
