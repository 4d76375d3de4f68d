//! A client's control stream: SETTINGS first, then hardly anything (RFC 9114, section 6.2.1).

use web_transport_proto::Frame;

use super::skip::{FrameWalk, Step};
use super::{Violation, code};

/// The largest frame of a control stream.
const MAX_FRAME: u64 = 16 * 1024;
const DATA: u64 = Frame::DATA.0.into_inner();
const HEADERS: u64 = Frame::HEADERS.0.into_inner();
const SETTINGS: u64 = Frame::SETTINGS.0.into_inner();
const PUSH_PROMISE: u64 = 0x05;

/// Reads a client's control stream. What its settings say isn't needed: a client that asks for WebTransport knows it,
/// and QUIC itself says whether it takes datagrams.
#[derive(Debug, Default)]
pub(crate) struct ControlReader {
    frames: FrameWalk,
    settings: bool,
}

impl ControlReader {
    /// Takes what came.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let settings = &mut self.settings;
        self.frames.walk(bytes, |step| {
            let Step::Begin { kind, length } = step else { return Ok(()) };
            if length > MAX_FRAME {
                return Err(Violation::new(code::EXCESSIVE_LOAD, "a large frame on the control stream"));
            }
            match (kind, std::mem::replace(settings, true)) {
                (SETTINGS, false) => Ok(()),
                (_, false) => Err(Violation::new(code::MISSING_SETTINGS, "the first frame must be SETTINGS")),
                (SETTINGS, true) => Err(Violation::new(code::FRAME_UNEXPECTED, "SETTINGS twice")),
                (DATA | HEADERS | PUSH_PROMISE, true) => {
                    Err(Violation::new(code::FRAME_UNEXPECTED, "a request's frame on the control stream"))
                }
                _ => Ok(()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(bytes: &[u8]) -> Option<u32> {
        ControlReader::default().push(bytes).err().map(|violation| violation.code)
    }

    #[test]
    fn settings_come_first_and_once() {
        assert_eq!(code(b"\x04\x00\x21\x01x\x07\x01\x00"), None);
        assert_eq!(code(b"\x21\x00"), Some(code::MISSING_SETTINGS));
        assert_eq!(code(b"\x04\x00\x04\x00"), Some(code::FRAME_UNEXPECTED));
        assert_eq!(code(b"\x04\x00\x00\x00"), Some(code::FRAME_UNEXPECTED));
        assert_eq!(code(b"\x04\x80\x01\x00\x00"), Some(code::EXCESSIVE_LOAD));
    }
}
