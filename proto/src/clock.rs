//! The clock datagram: a client asks what time it is at the gateway, so that what both ends of a burst saw can be told
//! apart in time (as NTP does, RFC 5905 section 8, with one stamp of the server's: the answer leaves at once).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+---------------+---------------+
//! |   kind = 4    |  version = 1  |    subtype    |     zero      |
//! +---------------+---------------+---------------+---------------+
//! |                 echo: the client's own, 64 bits               |
//! |                                                               |
//! +---------------------------------------------------------------+
//! |                  time, microseconds, 64 bits                  |
//! |                                                               |
//! +---------------------------------------------------------------+
//! ```
//! Question and answer are of one length: nobody is sent more than it sent itself.

use thiserror::Error;

use crate::voice::VERSION;

/// First byte of a datagram that carries a clock.
pub const KIND_CLOCK: u8 = 4;
/// Bytes of each.
pub const CLOCK_LEN: usize = 20;
/// Times are below this: what a client's numbers hold exactly.
pub const MAX_TIME_US: u64 = (1 << 53) - 1;

const ASK: u8 = 0;
const TELL: u8 = 1;

/// One clock datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockDatagram {
    /// From a client: what time is it?
    Ask {
        /// Comes back as it is.
        echo: u64,
    },
    /// From the gateway.
    Tell {
        /// As it was asked.
        echo: u64,
        /// When the question came, in microseconds on the gateway's clock, which began anywhere and never goes back.
        time_us: u64,
    },
}

/// Why bytes are no clock datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClockError {
    /// Not of 20 bytes.
    #[error("a clock datagram has 20 bytes, not {0}")]
    Length(usize),
    /// The first byte names another kind.
    #[error("datagram kind {0} is no clock")]
    Kind(u8),
    /// The second byte names a version that isn't ours.
    #[error("datagram version {0} is not known")]
    Version(u8),
    /// Neither question nor answer.
    #[error("clock subtype {0} is not known")]
    Subtype(u8),
    /// A question with a time, a time beyond 53 bits, or something in the spare byte.
    #[error("a field is out of bounds or set without a use")]
    Field,
}

impl ClockError {
    /// The error's stable name, as in `vectors/clock.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Length(_) => "length",
            Self::Kind(_) => "kind",
            Self::Version(_) => "version",
            Self::Subtype(_) => "subtype",
            Self::Field => "field",
        }
    }
}

impl ClockDatagram {
    /// Reads a datagram.
    ///
    /// # Errors
    /// Names the first fault found: kind and version before the length where they are there.
    pub fn decode(bytes: &[u8]) -> Result<Self, ClockError> {
        match *bytes {
            [kind, ..] if kind != KIND_CLOCK => return Err(ClockError::Kind(kind)),
            [_, version, ..] if version != VERSION => return Err(ClockError::Version(version)),
            _ => {}
        }
        let whole: &[u8; CLOCK_LEN] = bytes.try_into().map_err(|_| ClockError::Length(bytes.len()))?;
        let [_, _, subtype, zero, e0, e1, e2, e3, e4, e5, e6, e7, time @ ..] = *whole;
        let (echo, time_us) =
            (u64::from_be_bytes([e0, e1, e2, e3, e4, e5, e6, e7]), u64::from_be_bytes(time));
        let in_order = zero == 0 && time_us <= MAX_TIME_US;
        match subtype {
            ASK if in_order && time_us == 0 => Ok(Self::Ask { echo }),
            TELL if in_order => Ok(Self::Tell { echo, time_us }),
            ASK | TELL => Err(ClockError::Field),
            other => Err(ClockError::Subtype(other)),
        }
    }

    /// Writes the datagram.
    #[must_use]
    pub fn encode(&self) -> [u8; CLOCK_LEN] {
        let (subtype, echo, time_us) = match *self {
            Self::Ask { echo } => (ASK, echo, 0),
            Self::Tell { echo, time_us } => (TELL, echo, time_us),
        };
        let mut bytes = [0; CLOCK_LEN];
        bytes[..4].copy_from_slice(&[KIND_CLOCK, VERSION, subtype, 0]);
        bytes[4..12].copy_from_slice(&echo.to_be_bytes());
        bytes[12..].copy_from_slice(&time_us.to_be_bytes());
        bytes
    }
}
