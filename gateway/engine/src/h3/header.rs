//! How a stream begins: what it is.

use bytes::Buf;
use web_transport_proto::{Frame, StreamUni, VarInt};

/// A header, or that more bytes are needed to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header<T> {
    /// What it is, and how many bytes said so.
    Is(T, usize),
    /// Not all of it is there yet.
    Incomplete,
}

/// A client's unidirectional stream (RFC 9114, section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UniHeader {
    /// Its control stream.
    Control,
    /// QPACK's: with no dynamic table, nothing of interest comes.
    Qpack,
    /// A push stream, which only servers may open.
    Push,
    /// A stream of a session.
    Session,
    /// Something that isn't known here, and may be.
    Unknown,
}

/// A client's bidirectional stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BidiHeader {
    /// A request. Its first frame begins with the stream's first byte.
    Request,
    /// A stream of the session whose CONNECT has this stream id.
    Session(u64),
}

pub(crate) fn uni_header(mut bytes: &[u8]) -> Header<UniHeader> {
    let before = bytes.len();
    let Ok(kind) = StreamUni::decode(&mut bytes) else { return Header::Incomplete };
    let kind = match kind {
        StreamUni::CONTROL => UniHeader::Control,
        StreamUni::PUSH => UniHeader::Push,
        StreamUni::QPACK_ENCODER | StreamUni::QPACK_DECODER => UniHeader::Qpack,
        StreamUni::WEBTRANSPORT => UniHeader::Session,
        _ => UniHeader::Unknown,
    };
    Header::Is(kind, before - bytes.remaining())
}

pub(crate) fn bidi_header(mut bytes: &[u8]) -> Header<BidiHeader> {
    let before = bytes.len();
    match Frame::decode(&mut bytes) {
        Err(_) => Header::Incomplete,
        Ok(Frame::WEBTRANSPORT) => match VarInt::decode(&mut bytes) {
            Err(_) => Header::Incomplete,
            Ok(session) => Header::Is(BidiHeader::Session(session.into_inner()), before - bytes.remaining()),
        },
        Ok(_) => Header::Is(BidiHeader::Request, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_stream_names_its_session() {
        assert_eq!(bidi_header(b"\x40\x41\x00\x01rest"), Header::Is(BidiHeader::Session(0), 3));
        assert_eq!(bidi_header(b"\x40\x41\x04"), Header::Is(BidiHeader::Session(4), 3));
        for cut in 0..3 {
            assert_eq!(bidi_header(&b"\x40\x41\x00"[..cut]), Header::Incomplete);
        }
        assert_eq!(bidi_header(b"\x01\x05"), Header::Is(BidiHeader::Request, 0));
    }

    #[test]
    fn unidirectional_streams_say_their_kind() {
        assert_eq!(uni_header(b"\x00\x04"), Header::Is(UniHeader::Control, 1));
        assert_eq!(uni_header(b"\x02"), Header::Is(UniHeader::Qpack, 1));
        assert_eq!(uni_header(b"\x40\x54\x00"), Header::Is(UniHeader::Session, 2));
        assert_eq!(uni_header(b"\x21"), Header::Is(UniHeader::Unknown, 1));
        assert_eq!(uni_header(b""), Header::Incomplete);
    }
}
