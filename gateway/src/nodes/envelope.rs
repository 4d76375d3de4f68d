//! What stands before each message of the control topics: what it is, who sends it, and to whom.

use super::{MAX_PACKET, NodeId};

/// Bytes of it.
pub(super) const HEAD: usize = 17;
/// Before a voice datagram: its node.
pub(super) const VOICE_HEAD: usize = 8;

/// Bytes of a word: what the largest message of the protocol needs, and some.
pub const MAX_WORD: usize = 256 * 1024;
/// Bytes of a heartbeat.
pub(super) const MAX_BEAT: usize = 1024;
/// Bytes of a voice datagram: QUIC's packets on an Ethernet, and some.
pub(super) const MAX_VOICE: usize = 2048;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Of a channel's replicas.
    Packet,
    /// A node lives.
    Beat,
    /// Between nodes, about no channel.
    Word,
    /// A node ends.
    Bye,
}

impl Sort {
    const fn most(self) -> usize {
        match self {
            Self::Packet => MAX_PACKET,
            Self::Beat => MAX_BEAT,
            Self::Word => MAX_WORD,
            Self::Bye => 0,
        }
    }
}

/// Why a message is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Malformed,
    Oversized,
}

/// The head, for `to` or for all who listen.
pub(super) fn write(sort: Sort, from: NodeId, to: Option<NodeId>) -> [u8; HEAD] {
    let mut head = [sort as u8; HEAD];
    head[1..9].copy_from_slice(&from.0.to_be_bytes());
    head[9..].copy_from_slice(&to.map_or(0, |node| node.0).to_be_bytes());
    head
}

/// What it is, from whom, and to whom if not to all.
pub(super) fn read(message: &[u8]) -> Result<(Sort, NodeId, Option<NodeId>), Fault> {
    let (head, body) = message.split_at_checked(HEAD).ok_or(Fault::Malformed)?;
    let sort = match head[0] {
        0 => Sort::Packet,
        1 => Sort::Beat,
        2 => Sort::Word,
        3 => Sort::Bye,
        _ => return Err(Fault::Malformed),
    };
    let (from, to) = (number(&head[1..9]), number(&head[9..]));
    if from == 0 {
        return Err(Fault::Malformed);
    }
    if body.len() > sort.most() {
        return Err(Fault::Oversized);
    }
    Ok((sort, NodeId(from), (to != 0).then_some(NodeId(to))))
}

/// A voice message: from whom, and the datagram.
pub(super) fn read_voice(message: &[u8]) -> Result<(NodeId, &[u8]), Fault> {
    let (head, datagram) = message.split_at_checked(VOICE_HEAD).ok_or(Fault::Malformed)?;
    match number(head) {
        0 => Err(Fault::Malformed),
        _ if datagram.len() > MAX_VOICE => Err(Fault::Oversized),
        from => Ok((NodeId(from), datagram)),
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        for sort in [Sort::Packet, Sort::Beat, Sort::Word, Sort::Bye] {
            for to in [None, Some(NodeId(u64::MAX))] {
                assert_eq!(read(&write(sort, NodeId(7), to)), Ok((sort, NodeId(7), to)));
            }
        }
    }

    #[test]
    fn what_is_no_message_has_a_name() {
        let good = write(Sort::Packet, NodeId(7), None);
        for end in 0..HEAD {
            assert_eq!(read(&good[..end]), Err(Fault::Malformed));
        }
        assert_eq!(read(&[4; HEAD]), Err(Fault::Malformed));
        assert_eq!(read(&write(Sort::Word, NodeId(0), None)), Err(Fault::Malformed));
        assert_eq!(read(&[&good[..], &vec![0; MAX_PACKET + 1]].concat()), Err(Fault::Oversized));
        assert_eq!(read(&[&write(Sort::Bye, NodeId(7), None)[..], &[0]].concat()), Err(Fault::Oversized));
    }

    #[test]
    fn voice_says_its_node_and_is_bounded() {
        assert_eq!(read_voice(&[0, 0, 0, 0, 0, 0, 1, 2, 9]), Ok((NodeId(258), &[9][..])));
        assert_eq!(read_voice(&[1; 7]), Err(Fault::Malformed));
        assert_eq!(read_voice(&[0; 9]), Err(Fault::Malformed));
        assert_eq!(read_voice(&[1; VOICE_HEAD + MAX_VOICE + 1]), Err(Fault::Oversized));
    }
}
