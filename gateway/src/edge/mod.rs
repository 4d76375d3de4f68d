//! Where transports meet sessions. An edge knows bytes and connections; it parses no message and knows no rule.

mod chat;
mod control;
mod messages;
mod pieces;
mod replay;
mod streams;
pub(crate) mod websocket;
pub mod webtransport;

use std::time::Duration;

/// After `closing` was written the client has this long to read it.
const LAST_WORDS: Duration = Duration::from_millis(500);
