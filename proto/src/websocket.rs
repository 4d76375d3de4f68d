//! How a session's streams and datagrams lie on a WebSocket: each binary message is one byte and what it says follows.

use crate::frame::FrameError;
use crate::limits::MAX_CLIENT_MESSAGE;

/// The subprotocol that both sides must agree on (RFC 6455, section 1.9).
pub const SUBPROTOCOL: &str = "suara.1";

/// First byte of a message that is one datagram.
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

/// What one binary message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A datagram.
    Datagram(&'a [u8]),
    /// The next piece of the stream of this number; an empty one ends it in its direction.
    Stream(u8, &'a [u8]),
}

impl<'a> Piece<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`FrameError::Empty`], for no message says less than what it carries.
    pub fn read(message: &'a [u8]) -> Result<Self, FrameError> {
        match message.split_first() {
            None => Err(FrameError::Empty),
            Some((&DATAGRAM, datagram)) => Ok(Self::Datagram(datagram)),
            Some((&number, piece)) => Ok(Self::Stream(number, piece)),
        }
    }
}
