//! A piece of a client's voice, and where it stands among the others.

use bytes::Bytes;
use suara_proto::{Grant, MemberRef, TalkerNumber};

/// What a client sent at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    /// Where the client put it; missing from clients whose chunks follow one another without numbers.
    pub(crate) stamp: Option<Stamp>,
}

/// A packet's place by the header of RTP (RFC 3550, section 5.1): a gap in the numbers is loss, one in the time alone is
/// silence that wasn't sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) sequence: u16,
    /// On a clock of 48 000 Hz.
    pub(crate) timestamp: u32,
}

/// A chunk's place in the channel, for listeners whose transport numbers packets by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stand {
    /// The talkspurt.
    pub(crate) grant: Grant,
    /// The local member who said it.
    pub(crate) talker: Option<MemberRef>,
    /// Who said it, as the channel knows it.
    pub(crate) number: TalkerNumber,
    /// Of the first sample, on a clock of 48 000 Hz.
    pub(crate) ticks: u32,
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, stamp: None }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
