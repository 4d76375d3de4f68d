//! The voice datagram: a fixed header, up to two redundant earlier frames, one Opus packet.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+---------------+---------------+
//! |   kind = 1    |  version = 1  |     flags     |   redundant   |
//! +---------------+---------------+---------------+---------------+
//! |        sequence number        |            talker             |
//! +-------------------------------+-------------------------------+
//! |                    timestamp, 48 kHz ticks                    |
//! +---------------------------------------------------------------+
//! |                            channel                            |
//! +---------------------------------------------------------------+
//! |                             grant                             |
//! +---------------------------------------------------------------+
//! |  (length u16, Opus packet) × redundant, oldest first          |
//! |  Opus packet, to the end                                      |
//! +---------------------------------------------------------------+
//! ```
//! All numbers are in network byte order. Sequence number and timestamp mean what they mean in RTP (RFC 3550, section
//! 5.1), redundancy what it means in RFC 2198, with the sequence implied: the frame right before the primary one is
//! one earlier.

use thiserror::Error;

use crate::ids::{ChannelNumber, Grant, TalkerNumber};
use crate::limits::{MAX_DATAGRAM, MAX_REDUNDANT};
use crate::opus::{self, OpusError};

/// First byte of a datagram that carries voice.
pub const KIND_VOICE: u8 = 1;
/// Second byte of every datagram of this protocol.
pub const VERSION: u8 = 1;
/// Bytes before the first packet.
pub const HEADER_LEN: usize = 20;

/// What a voice datagram's flags say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// First frame of a talkspurt (RTP's marker): a listener resets its jitter buffer.
    pub start: bool,
    /// Last frame of a talkspurt. It may carry no packet, and may be repeated.
    pub end: bool,
    /// Sent before the grant: the grant field holds the floor request's number.
    pub talk_ahead: bool,
}

impl Flags {
    const START: u8 = 1;
    const END: u8 = 2;
    const TALK_AHEAD: u8 = 4;

    fn from_bits(bits: u8) -> Option<Self> {
        let known = Self::START | Self::END | Self::TALK_AHEAD;
        (bits & !known == 0).then_some(Self {
            start: bits & Self::START != 0,
            end: bits & Self::END != 0,
            talk_ahead: bits & Self::TALK_AHEAD != 0,
        })
    }

    const fn bits(self) -> u8 {
        self.start as u8 | (self.end as u8) << 1 | (self.talk_ahead as u8) << 2
    }
}

/// Everything before the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What kind of frame this is within its talkspurt.
    pub flags: Flags,
    /// Raised by one per frame, wraps.
    pub sequence: u16,
    /// Of the frame's first sample, in ticks of 48 kHz, wraps.
    pub timestamp: u32,
    /// Where it is said.
    pub channel: ChannelNumber,
    /// Who says it.
    pub talker: TalkerNumber,
    /// By which right; see [`Flags::talk_ahead`].
    pub grant: Grant,
}

/// A voice datagram, decoded without a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoiceFrame<'a> {
    /// The fixed part.
    pub header: Header,
    /// Earlier frames, oldest first.
    pub redundant: Redundant<'a>,
    /// The Opus packet; empty only on a frame with [`Flags::end`].
    pub packet: &'a [u8],
}

/// The earlier frames that ride along, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redundant<'a> {
    packets: [&'a [u8]; MAX_REDUNDANT],
    count: usize,
}

impl<'a> Redundant<'a> {
    /// From packets oldest first; `None` when there are too many.
    #[must_use]
    pub fn new(earlier: &[&'a [u8]]) -> Option<Self> {
        let mut packets = [&[][..]; MAX_REDUNDANT];
        packets.get_mut(..earlier.len())?.copy_from_slice(earlier);
        Some(Self { packets, count: earlier.len() })
    }

    /// The packets, oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[&'a [u8]] {
        &self.packets[..self.count]
    }
}

/// Why bytes are no voice datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VoiceError {
    /// Shorter than its header or than its lengths say.
    #[error("the datagram ends before its header or its frames do")]
    Truncated,
    /// Longer than [`MAX_DATAGRAM`].
    #[error("the datagram is longer than 1000 bytes")]
    TooLong,
    /// The first byte names no voice.
    #[error("datagram kind {0} is not voice")]
    Kind(u8),
    /// The second byte names a version that isn't ours.
    #[error("datagram version {0} is not known")]
    Version(u8),
    /// A flag bit that this version doesn't define.
    #[error("reserved flag bits are set: {0:#04x}")]
    ReservedFlags(u8),
    /// More earlier frames than [`MAX_REDUNDANT`].
    #[error("{0} redundant frames are more than 2")]
    TooManyRedundant(u8),
    /// A packet, the primary or an earlier one, that isn't Opus as carried here.
    #[error(transparent)]
    Packet(#[from] OpusError),
}

impl VoiceError {
    /// The error's stable name, as in `vectors/voice.json` and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::TooLong => "too_long",
            Self::Kind(_) => "kind",
            Self::Version(_) => "version",
            Self::ReservedFlags(_) => "reserved_flags",
            Self::TooManyRedundant(_) => "too_many_redundant",
            Self::Packet(_) => "packet",
        }
    }
}

impl<'a> VoiceFrame<'a> {
    /// Reads a datagram; the packets borrow from it.
    ///
    /// # Errors
    /// Names the first fault found: the whole length's upper bound, then in the order of the bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, VoiceError> {
        if bytes.len() > MAX_DATAGRAM {
            return Err(VoiceError::TooLong);
        }
        // Kind and version come before the length: other kinds and versions may be shorter.
        match *bytes {
            [kind, ..] if kind != KIND_VOICE => return Err(VoiceError::Kind(kind)),
            [_, version, ..] if version != VERSION => return Err(VoiceError::Version(version)),
            _ => {}
        }
        let (fixed, mut rest) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(VoiceError::Truncated)?;
        let [_, _, flags, count, s0, s1, t0, t1, time @ .., c0, c1, c2, c3, g0, g1, g2, g3] = *fixed;
        let header = Header {
            flags: Flags::from_bits(flags).ok_or(VoiceError::ReservedFlags(flags))?,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes(time),
            channel: ChannelNumber(u32::from_be_bytes([c0, c1, c2, c3])),
            talker: TalkerNumber(u16::from_be_bytes([t0, t1])),
            grant: Grant(u32::from_be_bytes([g0, g1, g2, g3])),
        };
        let mut redundant = Redundant { count: usize::from(count), ..Redundant::default() };
        if redundant.count > MAX_REDUNDANT {
            return Err(VoiceError::TooManyRedundant(count));
        }
        for slot in &mut redundant.packets[..redundant.count] {
            *slot = take_packet(&mut rest)?;
            opus::ticks(slot)?;
        }
        if !(rest.is_empty() && header.flags.end) {
            opus::ticks(rest)?;
        }
        Ok(Self { header, redundant, packet: rest })
    }

    /// Bytes that [`encode`](Self::encode) will write.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let earlier: usize = self.redundant.as_slice().iter().map(|packet| 2 + packet.len()).sum();
        HEADER_LEN + earlier + self.packet.len()
    }

    /// Writes the datagram to the front of `out` and returns its length, or `None`, with nothing written, when it
    /// does not fit or is longer than [`MAX_DATAGRAM`]. The packets are taken as they are.
    pub fn encode(&self, out: &mut [u8]) -> Option<usize> {
        let len = self.encoded_len();
        if len > MAX_DATAGRAM {
            return None;
        }
        let (fixed, mut rest) = out.get_mut(..len)?.split_first_chunk_mut::<HEADER_LEN>()?;
        let Header { flags, sequence, timestamp, channel, talker, grant } = self.header;
        fixed[..4].copy_from_slice(&[KIND_VOICE, VERSION, flags.bits(), self.redundant.count as u8]);
        fixed[4..6].copy_from_slice(&sequence.to_be_bytes());
        fixed[6..8].copy_from_slice(&talker.0.to_be_bytes());
        fixed[8..12].copy_from_slice(&timestamp.to_be_bytes());
        fixed[12..16].copy_from_slice(&channel.0.to_be_bytes());
        fixed[16..20].copy_from_slice(&grant.0.to_be_bytes());
        for packet in self.redundant.as_slice() {
            let (length, tail) = rest.split_at_mut(2);
            length.copy_from_slice(&(packet.len() as u16).to_be_bytes());
            let (body, tail) = tail.split_at_mut(packet.len());
            body.copy_from_slice(packet);
            rest = tail;
        }
        rest.copy_from_slice(self.packet);
        Some(len)
    }
}

fn take_packet<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], VoiceError> {
    let (length, tail) = rest.split_first_chunk::<2>().ok_or(VoiceError::Truncated)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (packet, tail) = tail.split_at_checked(length).ok_or(VoiceError::Truncated)?;
    *rest = tail;
    Ok(packet)
}
