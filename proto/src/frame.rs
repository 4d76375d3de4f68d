//! Framing of a stream: each message is a 32-bit length in network byte order and that many bytes of JSON.
//!
//! Incomplete is not malformed: [`split`] answers `None` until a whole message is there.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::limits::MAX_DATAGRAM;

/// First byte of a client-opened bidirectional stream that carries control messages.
pub const STREAM_CONTROL: u8 = 1;
/// First byte of a stream that carries chat.
pub const STREAM_CHAT: u8 = 2;
/// First byte of a stream that replays a burst.
pub const STREAM_REPLAY: u8 = 3;

const LENGTH_LEN: usize = 4;

/// Why a stream's bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The length is above what this side accepts.
    #[error("a message of {length} bytes is longer than the limit of {limit}")]
    TooLong {
        /// As announced by the peer.
        length: u32,
        /// Of this side.
        limit: usize,
    },
    /// A length of zero: no JSON is empty.
    #[error("a message can't be empty")]
    Empty,
}

impl FrameError {
    /// The error's stable name, as in `vectors/frames.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too_long",
            Self::Empty => "empty",
        }
    }
}

/// Takes one message off the front of `buffer`; `Ok(None)` asks for more bytes.
///
/// # Errors
/// When the announced length is zero or above `limit`. The stream is then beyond repair.
pub fn split(buffer: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, FrameError> {
    let Some(length) = buffer.first_chunk::<LENGTH_LEN>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length);
    if length == 0 {
        return Err(FrameError::Empty);
    }
    if length as usize > limit {
        return Err(FrameError::TooLong { length, limit });
    }
    let whole = LENGTH_LEN + length as usize;
    if buffer.len() < whole {
        return Ok(None);
    }
    Ok(Some(buffer.split_to(whole).freeze().slice(LENGTH_LEN..)))
}

/// Appends a voice datagram as a replay stream carries it: a 16-bit length in network byte order, and the datagram.
/// `false`, with nothing appended, when it is longer than any datagram may be.
pub fn append_datagram(out: &mut BytesMut, datagram: &[u8]) -> bool {
    let Some(length) = u16::try_from(datagram.len()).ok().filter(|_| datagram.len() <= MAX_DATAGRAM) else {
        return false;
    };
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(datagram);
    true
}

/// Puts the length in front of a message.
///
/// # Panics
/// When `message` is 4 GiB or longer, which no message of this protocol is.
#[must_use]
pub fn join(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("a control message is far below 4 GiB");
    let mut framed = BytesMut::with_capacity(LENGTH_LEN + message.len());
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    framed.freeze()
}
