//! One frame's bytes, built once and shared by all who hear it.

use bytes::{BufMut, Bytes, BytesMut};

/// The quarter stream id of a connection's first stream: what HTTP/3 puts before each datagram (RFC 9297, section
/// 2.1). Kept in front of the frame, so that the common case is sent as it lies there.
const FIRST_SESSION: u8 = 0;

/// A voice datagram ready to be sent to many.
#[derive(Debug, Clone)]
pub struct SharedFrame(Bytes);

impl SharedFrame {
    /// Takes the one copy of a frame's life.
    #[must_use]
    pub fn new(datagram: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(1 + datagram.len());
        bytes.put_u8(FIRST_SESSION);
        bytes.put_slice(datagram);
        Self(bytes.freeze())
    }

    /// The frame as `suara/1` has it.
    #[must_use]
    pub fn datagram(&self) -> &[u8] {
        &self.0[1..]
    }

    /// The frame as an HTTP/3 datagram of its connection's first session.
    #[must_use]
    pub fn http3_datagram(&self) -> Bytes {
        self.0.clone()
    }
}
