//! Codes of HTTP/3 (RFC 9114, section 8.1) and WebTransport (draft-ietf-webtrans-http3, section 9.5).

pub(crate) const NO_ERROR: u32 = 0x100;
pub(crate) const STREAM_CREATION_ERROR: u32 = 0x103;
pub(crate) const CLOSED_CRITICAL_STREAM: u32 = 0x104;
pub(crate) const FRAME_UNEXPECTED: u32 = 0x105;
pub(crate) const EXCESSIVE_LOAD: u32 = 0x107;
pub(crate) const ID_ERROR: u32 = 0x108;
pub(crate) const MISSING_SETTINGS: u32 = 0x10a;
pub(crate) const REQUEST_REJECTED: u32 = 0x10b;
pub(crate) const MESSAGE_ERROR: u32 = 0x10e;
pub(crate) const DATAGRAM_ERROR: u32 = 0x33;
/// A stream that came before its session and can't be kept, or is of a kind that isn't served.
pub(crate) const BUFFERED_STREAM_REJECTED: u32 = 0x3994_bd84;
/// A stream of a session that is over, or never was.
pub(crate) const SESSION_GONE: u32 = 0x170d_7b68;
