//! One frame's bytes, built once and shared by all who hear it.

use bytes::{BufMut, Bytes, BytesMut};
use web_transport_proto::VarInt;

/// The quarter stream id of a connection's first stream: what HTTP/3 puts before each datagram (RFC 9297, section
/// 2.1). Kept in front of the frame, so that the common case is sent as it lies there.
const FIRST_SESSION: u8 = 0;

/// A datagram ready to be sent to many. A clone shares its bytes.
#[derive(Debug, Clone)]
pub struct Frame(Bytes);

impl Frame {
    /// Takes the one copy of a frame's life.
    #[must_use]
    pub fn new(payload: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(1 + payload.len());
        bytes.put_u8(FIRST_SESSION);
        bytes.put_slice(payload);
        Self(bytes.freeze())
    }

    /// The frame as the application has it.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.0[1..]
    }

    /// The frame with a zero in front, as it lies there: for another transport that marks its datagrams so.
    #[must_use]
    pub fn behind_zero(&self) -> Bytes {
        self.0.clone()
    }

    /// The frame as an HTTP/3 datagram of the session whose quarter stream id is `quarter`.
    pub(crate) fn datagram(&self, quarter: VarInt) -> Bytes {
        if quarter.into_inner() == u64::from(FIRST_SESSION) {
            return self.0.clone();
        }
        // A client that sent another request before: rare enough to pay for a copy.
        let mut bytes = BytesMut::with_capacity(VarInt::MAX_SIZE + self.payload().len());
        quarter.encode(&mut bytes);
        bytes.put_slice(self.payload());
        bytes.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_session_gets_the_shared_bytes_and_others_their_number() {
        let frame = Frame::new(b"voice");
        let first = frame.datagram(VarInt::from_u32(0));
        assert_eq!(&first[..], b"\0voice");
        assert_eq!(first.as_ptr(), frame.0.as_ptr());
        assert_eq!(&frame.datagram(VarInt::from_u32(1))[..], b"\x01voice");
        assert_eq!(&frame.datagram(VarInt::from_u32(64))[..], b"\x40\x40voice");
    }
}
