//! The entry datagram: `join` and its answer, besides the control stream, for a lost packet there costs a probe timeout, and who
//! enters in the middle of a burst misses so much of it. The stream's message remains the truth.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+---------------+---------------+
//! |   kind = 5    |  version = 1  |    subtype    |     zero      |
//! +---------------+---------------+---------------+---------------+
//! |                            request                            |
//! +---------------------------------------------------------------+
//! |  the channel's name, to the datagram's end     (subtype 0)    |
//! |  channel: 32 bits, talker: 16 bits, zero: 16 bits     (1)     |
//! +---------------------------------------------------------------+
//! ```

use thiserror::Error;

use crate::ids::{ChannelNumber, RequestId, TalkerNumber};
use crate::limits::MAX_CHANNEL_NAME;
use crate::text::is_plain;
use crate::voice::VERSION;

/// First byte of a datagram that carries an entry.
pub const KIND_ENTRY: u8 = 5;
/// Bytes before a name, or before the numbers.
const HEADER_LEN: usize = 8;
/// Bytes of an answer.
const JOINED_LEN: usize = 16;

const JOIN: u8 = 0;
const JOINED: u8 = 1;

/// One entry datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryDatagram<'a> {
    /// `join`, from a client.
    Join {
        /// Its number.
        request: RequestId,
        /// The channel's name.
        channel: &'a str,
    },
    /// `joined`, from the gateway: enough to hear by. All else is in the stream's message.
    Joined {
        /// The request that this answers.
        request: RequestId,
        /// The channel's number.
        channel: ChannelNumber,
        /// The client's own number there.
        talker: TalkerNumber,
    },
}

/// Why bytes are no entry datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EntryError {
    /// The first byte names another kind.
    #[error("datagram kind {0} is no entry")]
    Kind(u8),
    /// The second byte names a version that isn't ours.
    #[error("datagram version {0} is not known")]
    Version(u8),
    /// Too short for its fields, or an answer of more than 16 bytes.
    #[error("an entry datagram of {0} bytes")]
    Length(usize),
    /// Neither `join` nor `joined`.
    #[error("entry subtype {0} is not known")]
    Subtype(u8),
    /// No channel can have that name.
    #[error("a channel's name is 1 to 128 bytes without control characters")]
    Name,
    /// Something is set that has no use.
    #[error("a field is set without a use")]
    Field,
}

impl EntryError {
    /// The error's stable name, as in `vectors/entry.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kind(_) => "kind",
            Self::Version(_) => "version",
            Self::Length(_) => "length",
            Self::Subtype(_) => "subtype",
            Self::Name => "name",
            Self::Field => "field",
        }
    }
}

impl<'a> EntryDatagram<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// Names the first fault found, in the order of [`EntryError`]'s variants but for the length of an answer, which comes behind
    /// its subtype.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, EntryError> {
        match *bytes {
            [kind, ..] if kind != KIND_ENTRY => return Err(EntryError::Kind(kind)),
            [_, version, ..] if version != VERSION => return Err(EntryError::Version(version)),
            _ => {}
        }
        let length = EntryError::Length(bytes.len());
        let (header, rest) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(length)?;
        let [_, _, subtype, zero, request @ ..] = *header;
        let request = RequestId(u32::from_be_bytes(request));
        match subtype {
            JOIN => {
                let name = str::from_utf8(rest).ok().filter(|name| is_plain(name, MAX_CHANNEL_NAME));
                let channel = name.ok_or(EntryError::Name)?;
                if zero == 0 { Ok(Self::Join { request, channel }) } else { Err(EntryError::Field) }
            }
            JOINED => {
                let [c0, c1, c2, c3, t0, t1, spare @ ..]: [u8; JOINED_LEN - HEADER_LEN] =
                    rest.try_into().map_err(|_| length)?;
                if zero != 0 || spare != [0, 0] {
                    return Err(EntryError::Field);
                }
                let channel = ChannelNumber(u32::from_be_bytes([c0, c1, c2, c3]));
                Ok(Self::Joined { request, channel, talker: TalkerNumber(u16::from_be_bytes([t0, t1])) })
            }
            other => Err(EntryError::Subtype(other)),
        }
    }

    /// Writes the datagram.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (subtype, request) = match *self {
            Self::Join { request, .. } => (JOIN, request),
            Self::Joined { request, .. } => (JOINED, request),
        };
        let mut bytes = vec![KIND_ENTRY, VERSION, subtype, 0];
        bytes.extend(request.0.to_be_bytes());
        match *self {
            Self::Join { channel, .. } => bytes.extend(channel.as_bytes()),
            Self::Joined { channel, talker, .. } => {
                bytes.extend(channel.0.to_be_bytes());
                bytes.extend(talker.0.to_be_bytes());
                bytes.extend([0, 0]);
            }
        }
        bytes
    }
}
