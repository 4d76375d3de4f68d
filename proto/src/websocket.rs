//! How a session's streams and datagrams lie on a WebSocket: each binary message is one byte and what it says follows.

use crate::limits::MAX_CLIENT_MESSAGE;

/// The subprotocol that both sides must agree on (RFC 6455, section 1.9).
pub const SUBPROTOCOL: &str = "suara.1";

/// First byte of a message that is one datagram. Any other is a stream's number, and what follows is the next piece of
/// that stream; an empty piece ends it in its direction.
pub const DATAGRAM: u8 = 0;

/// The number of the control stream.
pub const CONTROL: u8 = 1;

/// One message from a client in bytes: the largest control message fits with its length, the stream's type and its number.
/// Higher would let one client make the gateway buffer more.
pub const MAX_MESSAGE: usize = 1 + 1 + 4 + MAX_CLIENT_MESSAGE;

/// One piece of a stream from the gateway in bytes: between two of them voice goes out. Higher makes voice wait behind a
/// large roster, lower wastes bytes on headers.
pub const MAX_PIECE: usize = 8 * 1024;

/// The WebSocket's close code is this and a [`CloseCode`](crate::CloseCode)'s number: RFC 6455, section 7.4.2, leaves 4000
/// to 4999 to applications.
pub const CLOSE_BASE: u16 = 4000;
