//! The receiver report: what came of the voice that its sender was sent, RTCP's Receiver Report in spirit (RFC 3550,
//! section 6.4) with the bursts of RFC 3611 in a byte.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+---------------+---------------+
//! |   kind = 3    |  version = 1  |  longest gap  |    earlier    |
//! +---------------+---------------+---------------+---------------+
//! |           expected            |             lost              |
//! +-------------------------------+-------------------------------+
//! ```
//! A listener's is about all voice that the gateway sent it, the gateway's about all voice that came from a talker.

use thiserror::Error;

use crate::limits::MAX_REDUNDANT;
use crate::voice::VERSION;

/// First byte of a datagram that carries a receiver report.
pub const KIND_REPORT: u8 = 3;
/// Bytes of each.
pub const REPORT_LEN: usize = 8;

/// What was received since the last report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Frames that were sent, by their sequence numbers.
    pub expected: u16,
    /// Those among them that didn't come in a datagram of their own, whether an earlier packet made up for it or not.
    pub lost: u16,
    /// The longest run of lost frames; 255 stands for all beyond.
    pub gap: u8,
    /// Earlier packets that the one who gets this shall put into each frame. Zero from a client: the gateway decides.
    pub earlier: u8,
}

/// Why bytes are no receiver report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReportError {
    /// The first byte names no report.
    #[error("datagram kind {0} is not a report")]
    Kind(u8),
    /// The second byte names a version that isn't ours.
    #[error("datagram version {0} is not known")]
    Version(u8),
    /// Not of 8 bytes.
    #[error("a report has 8 bytes, not {0}")]
    Length(usize),
    /// More lost than expected, a gap longer than what was lost, none where something was, or too many earlier packets.
    #[error("a field contradicts another or is out of bounds")]
    Field,
}

impl ReportError {
    /// The error's stable name, as in `vectors/report.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kind(_) => "kind",
            Self::Version(_) => "version",
            Self::Length(_) => "length",
            Self::Field => "field",
        }
    }
}

impl Report {
    /// Reads a datagram.
    ///
    /// # Errors
    /// Names the first fault found, in the order of [`ReportError`]'s variants.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReportError> {
        match *bytes {
            [kind, ..] if kind != KIND_REPORT => return Err(ReportError::Kind(kind)),
            [_, version, ..] if version != VERSION => return Err(ReportError::Version(version)),
            _ => {}
        }
        let whole: &[u8; REPORT_LEN] = bytes.try_into().map_err(|_| ReportError::Length(bytes.len()))?;
        let [_, _, gap, earlier, e0, e1, l0, l1] = *whole;
        let report =
            Self { expected: u16::from_be_bytes([e0, e1]), lost: u16::from_be_bytes([l0, l1]), gap, earlier };
        if report.is_sound() { Ok(report) } else { Err(ReportError::Field) }
    }

    /// Writes the datagram.
    #[must_use]
    pub const fn encode(&self) -> [u8; REPORT_LEN] {
        let [e0, e1] = self.expected.to_be_bytes();
        let [l0, l1] = self.lost.to_be_bytes();
        [KIND_REPORT, VERSION, self.gap, self.earlier, e0, e1, l0, l1]
    }

    fn is_sound(&self) -> bool {
        self.lost <= self.expected
            && u16::from(self.gap) <= self.lost
            && (self.gap == 0) == (self.lost == 0)
            && usize::from(self.earlier) <= MAX_REDUNDANT
    }
}
