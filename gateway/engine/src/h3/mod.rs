//! HTTP/3 (RFC 9114) as far as WebTransport (draft-ietf-webtrans-http3) needs it of a server, without input or output:
//! bytes of streams in, decisions out.
//!
//! Knows no connection and no application.

mod capsule;
pub(crate) mod code;
mod control;
mod header;
mod request;
mod settings;
mod skip;

pub(crate) use capsule::{CapsuleReader, Closing, close_session};
pub(crate) use control::ControlReader;
pub(crate) use header::{BidiHeader, Header, UniHeader, bidi_header, uni_header};
pub use request::Request;
pub(crate) use request::{Rejection, RequestReader, response};
pub(crate) use settings::settings;

/// What a peer did that HTTP/3 doesn't allow: the connection is closed with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: u32,
    pub(crate) reason: &'static str,
}

impl Violation {
    pub(crate) const fn new(code: u32, reason: &'static str) -> Self {
        Self { code, reason }
    }
}
