//! What is said on a session's CONNECT stream: capsules (RFC 9297, section 3) in DATA frames.

use bytes::BytesMut;
use web_transport_proto::{Capsule, Frame, VarInt};

use super::skip::{FrameWalk, Step};
use super::{Violation, code};

/// `CLOSE_WEBTRANSPORT_SESSION` (draft-ietf-webtrans-http3, section 6).
const CLOSE: u64 = 0x2843;
/// A code of 32 bits, and a reason of at most this many bytes.
const CODE: usize = 4;
const MAX_REASON: usize = 1024;
const DATA: u64 = Frame::DATA.0.into_inner();

/// How a session ends, as the capsule says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) code: u32,
    pub(crate) reason: String,
}

/// Reads a CONNECT stream behind its request.
#[derive(Debug, Default)]
pub(crate) struct CapsuleReader {
    frames: FrameWalk,
    capsules: FrameWalk,
    in_data: bool,
    /// The payload of a capsule that closes.
    closing: Option<BytesMut>,
}

impl CapsuleReader {
    /// Takes what came; says how the client closes the session, when it does.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Option<Closing>, Violation> {
        let Self { frames, capsules, in_data, closing } = self;
        let mut closed = None;
        frames.walk(bytes, |step| {
            match step {
                Step::Begin { kind, .. } => *in_data = kind == DATA,
                Step::Payload(payload) if *in_data => {
                    capsules.walk(payload, |step| capsule(closing, &mut closed, step))?;
                }
                Step::Payload(_) | Step::End => {}
            }
            Ok(())
        })?;
        Ok(closed)
    }
}

fn capsule(
    closing: &mut Option<BytesMut>,
    closed: &mut Option<Closing>,
    step: Step<'_>,
) -> Result<(), Violation> {
    match step {
        Step::Begin { kind: CLOSE, length } => {
            if !(CODE as u64..=(CODE + MAX_REASON) as u64).contains(&length) {
                return Err(Violation::new(code::MESSAGE_ERROR, "a close capsule of a wrong size"));
            }
            *closing = Some(BytesMut::with_capacity(length as usize));
        }
        // Others, known (such as DRAIN_WEBTRANSPORT_SESSION) or not, ask nothing of this server.
        Step::Begin { .. } => *closing = None,
        Step::Payload(payload) => {
            if let Some(closing) = closing {
                closing.extend_from_slice(payload);
            }
        }
        Step::End => {
            if let Some((code, reason)) = closing.take().as_deref().and_then(<[u8]>::split_first_chunk) {
                let reason = String::from_utf8_lossy(reason).into_owned();
                closed.get_or_insert(Closing { code: u32::from_be_bytes(*code), reason });
            }
        }
    }
    Ok(())
}

/// The DATA frame with the capsule that closes a session. A reason that is too long is cut.
pub(crate) fn close_session(code: u32, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut capsule = Vec::new();
    Capsule::CloseWebTransportSession { code, reason: reason[..end].to_owned() }.encode(&mut capsule);
    let mut bytes = Vec::new();
    Frame::DATA.encode(&mut bytes);
    VarInt::from_u32(capsule.len() as u32).encode(&mut bytes);
    bytes.extend_from_slice(&capsule);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_close_capsule_is_what_a_page_reads() {
        let expected = b"\x00\x0b\x68\x43\x08\x00\x00\x00\x07slow";
        assert_eq!(close_session(7, "slow"), expected);
        let mut reader = CapsuleReader::default();
        let mut closed = None;
        for byte in expected {
            closed = reader.push(&[*byte]).unwrap();
        }
        assert_eq!(closed, Some(Closing { code: 7, reason: "slow".into() }));
    }

    #[test]
    fn other_capsules_and_frames_are_passed_over() {
        let mut reader = CapsuleReader::default();
        // A frame of an unknown type, and DRAIN_WEBTRANSPORT_SESSION in two DATA frames.
        assert_eq!(reader.push(b"\x21\x03abc\x00\x03\x80\x00\x78\x00\x02\xae\x00").unwrap(), None);
        let close = close_session(0, "");
        assert_eq!(reader.push(&close).unwrap(), Some(Closing::default()));
    }

    #[test]
    fn a_close_capsule_of_a_wrong_size_is_an_error() {
        for capsule in [&b"\x00\x06\x68\x43\x03\0\0\0"[..], b"\x00\x44\x20\x68\x43\x44\x18"] {
            assert!(CapsuleReader::default().push(capsule).is_err());
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = "é".repeat(600);
        let bytes = close_session(1, &reason);
        assert!(bytes.len() <= 1024 + 12);
        assert!(CapsuleReader::default().push(&bytes).unwrap().unwrap().reason.ends_with('é'));
    }
}
