//! What nodes say to each other about a channel: MessagePack with named fields, behind one byte of version.
//!
//! Who said it is the carrier's to know: it isn't in the packet.

use serde::{Deserialize, Serialize};
use suara_channel::Time;
use thiserror::Error;

use crate::entry::Entry;
use crate::ids::{Epoch, NodeId, Term};
use crate::op::Op;
use crate::state::State;

/// The version of the packets, their first byte. A node that gets another ignores it.
pub const PACKET_VERSION: u8 = 2;

/// No packet is longer, in bytes: a snapshot of a full channel has about 300 bytes for each of its members.
pub const MAX_PACKET: usize = 16 << 20;

/// Operations of one node that are under way at a time; more wait.
pub const MAX_IN_FLIGHT: usize = 64;

/// Entries in one packet.
pub const MAX_ENTRIES: usize = 256;

/// One word between nodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum Packet {
    /// To the owner: a node that is new here, or has lost the thread, knows the log up to and with entry `index`, which is
    /// of that term. The owner's epoch has to be `seen` at least; when it isn't, the owner gets itself a higher one.
    Hello { term: Term, index: u64, seen: Epoch },
    /// To the owner: operations by ascending numbers. All of that node's up to and with number `settled` are applied, or
    /// given up. An owner of another epoch, or of another term than the one by which
    /// the sender knows the members, ignores it; who knows none has no term.
    Submit { epoch: Epoch, term: Term, settled: u64, ops: Vec<(u64, Op)> },
    /// By the owner: entries from number `first` on. The one before is of the term `prior`.
    Log { epoch: Epoch, prior: Term, first: u64, entries: Vec<Entry> },
    /// By the owner, or to one who takes the channel over: the whole state, and what time it is.
    Snapshot { epoch: Epoch, at: Time, state: Box<State> },
    /// By the owner, from time to time: the newest entry's number and term, and what time it is.
    Beat { epoch: Epoch, term: Term, head: u64, at: Time },
    /// By one who has the lease and isn't owner yet: who knows more than this?
    Taking { epoch: Epoch, term: Term, index: u64 },
    /// To that one: not I. And to an owner that heard nothing for a while: I am here.
    Same { epoch: Epoch },
    /// Its node is no longer in the channel; who owned it hands it to another.
    Bye { heir: Option<NodeId> },
}

/// What is wrong with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacketError {
    /// Not even a version.
    #[error("the packet is empty")]
    Empty,
    /// Of a newer or an older node.
    #[error("packets of version {0} aren't understood here")]
    Version(u8),
    /// Above [`MAX_PACKET`].
    #[error("the packet is too long")]
    TooLong,
    /// No packet, or with something behind it.
    #[error("the packet is malformed")]
    Malformed,
    /// More operations or entries than there may be, or a state that breaks a bound.
    #[error("the packet breaks a bound")]
    Unbounded,
}

impl Packet {
    /// Its bytes.
    ///
    /// # Errors
    /// [`PacketError::TooLong`] when that is more than [`MAX_PACKET`].
    pub fn encode(&self) -> Result<Vec<u8>, PacketError> {
        let mut bytes = vec![PACKET_VERSION];
        rmp_serde::encode::write_named(&mut bytes, self).map_err(|_| PacketError::Malformed)?;
        if bytes.len() > MAX_PACKET { Err(PacketError::TooLong) } else { Ok(bytes) }
    }

    /// Reads one.
    ///
    /// # Errors
    /// Everything that isn't one whole packet within its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, PacketError> {
        let (version, body) = bytes.split_first().ok_or(PacketError::Empty)?;
        if *version != PACKET_VERSION {
            return Err(PacketError::Version(*version));
        }
        if bytes.len() > MAX_PACKET {
            return Err(PacketError::TooLong);
        }
        let mut rest = body;
        let packet: Self = rmp_serde::from_read(&mut rest).map_err(|_| PacketError::Malformed)?;
        if !rest.is_empty() {
            return Err(PacketError::Malformed);
        }
        if packet.is_bounded() { Ok(packet) } else { Err(PacketError::Unbounded) }
    }

    /// Its name in metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Submit { .. } => "submit",
            Self::Log { .. } => "log",
            Self::Snapshot { .. } => "snapshot",
            Self::Beat { .. } => "beat",
            Self::Taking { .. } => "taking",
            Self::Same { .. } => "same",
            Self::Bye { .. } => "bye",
        }
    }

    fn is_bounded(&self) -> bool {
        match self {
            Self::Submit { ops, .. } => ops.len() <= MAX_IN_FLIGHT,
            Self::Log { entries, .. } => entries.len() <= MAX_ENTRIES,
            Self::Snapshot { state, .. } => state.is_bounded(),
            _ => true,
        }
    }
}
