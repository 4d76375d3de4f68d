//! The floor datagram: Floor Request and its answers, besides the control stream, for a lost packet there costs a probe
//! timeout. The stream's message remains the truth.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+---------------+---------------+
//! |   kind = 2    |  version = 1  |    subtype    |    detail     |
//! +---------------+---------------+---------------+---------------+
//! |                            channel                            |
//! +-------------------------------+---------------+---------------+
//! |            talker             |   priority    |     zero      |
//! +-------------------------------+---------------+---------------+
//! |                            request                            |
//! +---------------------------------------------------------------+
//! |                             grant                             |
//! +---------------------------------------------------------------+
//! |                    duration, milliseconds                     |
//! +---------------------------------------------------------------+
//! ```
//! Subtypes are those of TS 24.380, table 8.2.2-1. What a subtype doesn't use is zero.

use thiserror::Error;

use crate::code::{DenyCause, RevokeCause};
use crate::ids::{ChannelNumber, Grant, RequestId, TalkerNumber};
use crate::message::Level;
use crate::voice::VERSION;

/// First byte of a datagram that carries a floor message.
pub const KIND_FLOOR: u8 = 2;
/// Bytes of each.
pub const FLOOR_LEN: usize = 24;

const REQUEST: u8 = 0;
const GRANTED: u8 = 1;
const DENY: u8 = 3;
const RELEASE: u8 = 4;
const REVOKE: u8 = 6;
const QUEUED: u8 = 9;

const LEVEL: u8 = 0x03;
const QUEUE: u8 = 0x04;

/// One floor datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloorDatagram {
    /// Where.
    pub channel: ChannelNumber,
    /// The client's talker number there, in both directions.
    pub talker: TalkerNumber,
    /// What is said.
    pub message: FloorWord,
}

/// What a floor datagram says. The fields are those of the control messages of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloorWord {
    /// `floor_request`, from a client.
    Request {
        /// Its number.
        request: RequestId,
        /// How urgent it is.
        level: Level,
        /// At most; what the token gives is the bound. 255 asks for all of it.
        priority: u8,
        /// Rather wait than be denied.
        queue: bool,
    },
    /// `floor_granted`, from the gateway.
    Granted {
        /// The request that this answers.
        request: RequestId,
        /// To be put into every frame.
        grant: Grant,
        /// How long one may talk.
        duration_ms: u32,
    },
    /// `floor_deny`, from the gateway.
    Deny {
        /// The request that this answers.
        request: RequestId,
        /// Why.
        cause: DenyCause,
    },
    /// `floor_release`, from a client.
    Release {
        /// What was granted.
        grant: Grant,
    },
    /// `floor_revoke`, from the gateway.
    Revoke {
        /// What is taken back.
        grant: Grant,
        /// Why.
        cause: RevokeCause,
        /// What is said until then is still heard.
        grace_ms: u32,
    },
    /// `floor_queued`, from the gateway.
    Queued {
        /// The request that waits.
        request: RequestId,
        /// 1 is next; 255 stands for all beyond.
        position: u8,
    },
}

/// Why bytes are no floor datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FloorError {
    /// Not of 24 bytes.
    #[error("a floor datagram has 24 bytes, not {0}")]
    Length(usize),
    /// The first byte names no floor message.
    #[error("datagram kind {0} is not floor")]
    Kind(u8),
    /// The second byte names a version that isn't ours.
    #[error("datagram version {0} is not known")]
    Version(u8),
    /// A subtype that this version doesn't define.
    #[error("floor subtype {0} is not known")]
    Subtype(u8),
    /// Something is set that its subtype doesn't use, or a level that doesn't exist.
    #[error("a field is out of bounds or set without a use")]
    Field,
}

impl FloorError {
    /// The error's stable name, as in `vectors/floor.json`.
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

/// The bytes as fields, whatever the subtype.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Raw {
    subtype: u8,
    detail: u8,
    priority: u8,
    request: u32,
    grant: u32,
    duration: u32,
}

impl FloorDatagram {
    /// Reads a datagram. A cause that isn't known is `Other`.
    ///
    /// # Errors
    /// Names the first fault found, in the order of [`FloorError`]'s variants: kind and version before the length where
    /// they are there.
    pub fn decode(bytes: &[u8]) -> Result<Self, FloorError> {
        match *bytes {
            [kind, ..] if kind != KIND_FLOOR => return Err(FloorError::Kind(kind)),
            [_, version, ..] if version != VERSION => return Err(FloorError::Version(version)),
            _ => {}
        }
        let whole: &[u8; FLOOR_LEN] = bytes.try_into().map_err(|_| FloorError::Length(bytes.len()))?;
        let [_, _, subtype, detail, c0, c1, c2, c3, t0, t1, priority, zero, rest @ ..] = *whole;
        let [r0, r1, r2, r3, g0, g1, g2, g3, d0, d1, d2, d3] = rest;
        let raw = Raw {
            subtype,
            detail,
            priority,
            request: u32::from_be_bytes([r0, r1, r2, r3]),
            grant: u32::from_be_bytes([g0, g1, g2, g3]),
            duration: u32::from_be_bytes([d0, d1, d2, d3]),
        };
        let message = raw.read()?;
        if zero != 0 || !raw.uses_no_more_than(&message) {
            return Err(FloorError::Field);
        }
        let channel = ChannelNumber(u32::from_be_bytes([c0, c1, c2, c3]));
        Ok(Self { channel, talker: TalkerNumber(u16::from_be_bytes([t0, t1])), message })
    }

    /// Writes the datagram.
    #[must_use]
    pub fn encode(&self) -> [u8; FLOOR_LEN] {
        let raw = Raw::of(&self.message);
        let mut bytes = [0; FLOOR_LEN];
        bytes[..4].copy_from_slice(&[KIND_FLOOR, VERSION, raw.subtype, raw.detail]);
        bytes[4..8].copy_from_slice(&self.channel.0.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.talker.0.to_be_bytes());
        bytes[10] = raw.priority;
        bytes[12..16].copy_from_slice(&raw.request.to_be_bytes());
        bytes[16..20].copy_from_slice(&raw.grant.to_be_bytes());
        bytes[20..24].copy_from_slice(&raw.duration.to_be_bytes());
        bytes
    }
}

impl Raw {
    fn read(self) -> Result<FloorWord, FloorError> {
        let (request, grant) = (RequestId(self.request), Grant(self.grant));
        Ok(match self.subtype {
            REQUEST => {
                let level = Level::ALL.get(usize::from(self.detail & LEVEL)).ok_or(FloorError::Field)?;
                let (priority, queue) = (self.priority, self.detail & QUEUE != 0);
                FloorWord::Request { request, level: *level, priority, queue }
            }
            GRANTED => FloorWord::Granted { request, grant, duration_ms: self.duration },
            DENY => {
                FloorWord::Deny { request, cause: numbered(DenyCause::ALL, DenyCause::number, self.detail) }
            }
            RELEASE => FloorWord::Release { grant },
            REVOKE => {
                let cause = numbered(RevokeCause::ALL, RevokeCause::number, self.detail);
                FloorWord::Revoke { grant, cause, grace_ms: self.duration }
            }
            QUEUED => FloorWord::Queued { request, position: self.detail },
            other => return Err(FloorError::Subtype(other)),
        })
    }

    fn of(message: &FloorWord) -> Self {
        let raw = Self::default();
        match *message {
            FloorWord::Request { request, level, priority, queue } => {
                let detail = level as u8 | if queue { QUEUE } else { 0 };
                Self { subtype: REQUEST, detail, priority, request: request.0, ..raw }
            }
            FloorWord::Granted { request, grant, duration_ms } => {
                Self { subtype: GRANTED, request: request.0, grant: grant.0, duration: duration_ms, ..raw }
            }
            FloorWord::Deny { request, cause } => {
                Self { subtype: DENY, detail: cause.number() as u8, request: request.0, ..raw }
            }
            FloorWord::Release { grant } => Self { subtype: RELEASE, grant: grant.0, ..raw },
            FloorWord::Revoke { grant, cause, grace_ms } => Self {
                subtype: REVOKE,
                detail: cause.number() as u8,
                grant: grant.0,
                duration: grace_ms,
                ..raw
            },
            FloorWord::Queued { request, position } => {
                Self { subtype: QUEUED, detail: position, request: request.0, ..raw }
            }
        }
    }

    /// Whether nothing is set that the message has no use for; a cause may be one that is not known.
    fn uses_no_more_than(self, message: &FloorWord) -> bool {
        let detail = match message {
            FloorWord::Deny { .. } | FloorWord::Revoke { .. } => self.detail,
            _ => Self::of(message).detail,
        };
        self == Self { detail, ..Self::of(message) }
    }
}

fn numbered<T: Copy>(all: &'static [T], number: fn(T) -> u32, wanted: u8) -> T {
    // The last of each list is «other».
    let found = all.iter().find(|code| number(**code) == u32::from(wanted));
    *found.unwrap_or(&all[all.len() - 1])
}
