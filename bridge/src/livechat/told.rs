//! What visitors' connections and the desk say to each other.

use std::sync::Arc;

use suara_proto::{ErrorCode, MemberRef};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::staff::StaffOrder;
use crate::desk::Token;

/// One stored message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its number in the conversation, from 1.
    pub(crate) number: u64,
    /// Whether staff said it, and not the visitor.
    pub(crate) staff: bool,
    pub(crate) name: Arc<str>,
    /// As it is stored: to be escaped where it leaves.
    pub(crate) text: Arc<str>,
    /// In milliseconds since 1970 (UTC).
    pub(crate) at: u64,
}

/// A visitor who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) member: MemberRef,
    /// The session's id.
    pub(crate) session: Arc<str>,
    pub(crate) name: Arc<str>,
    /// When the token ends, in seconds since 1970 (UTC).
    pub(crate) expires: u64,
    /// What was said already, in order.
    pub(crate) said: Vec<Message>,
}

/// A session for somebody without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) session: String,
    pub(crate) token: String,
    pub(crate) expires: u64,
}

/// Why somebody isn't let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("the session token is missing, wrong or has ended")]
    Token,
    #[error("this token gives no right to the livechat")]
    Forbidden,
    #[error("nobody can be called so")]
    Name,
    #[error("the livechat can't be reached at the moment")]
    Unavailable,
}

/// What a connection is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Its message is stored.
    Acked { id: String, number: u64, at: u64 },
    /// Its message was refused.
    Refused { id: String, code: ErrorCode },
    /// Somebody else said something: staff, or the same visitor on another connection.
    Said(Message),
    /// Staff writes.
    Typing { name: Arc<str> },
    /// The token has ended.
    Expired,
    /// Thrown out.
    Kicked,
}

/// What the desk is asked.
#[derive(Debug)]
pub(super) enum Order {
    Mint { name: String, reply: oneshot::Sender<Result<Pass, Refusal>> },
    Open { opening: Opening, reply: oneshot::Sender<Result<Opened, Refusal>> },
    Send { member: MemberRef, id: String, text: String },
    Typing { member: MemberRef },
    Close { member: MemberRef },
    Staff { member: MemberRef, order: StaffOrder },
}

/// How a visitor comes.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) token: Token,
    /// The last message that it knows: it is told those that came after.
    pub(super) after: Option<u64>,
    pub(super) outlet: mpsc::Sender<Told>,
}
