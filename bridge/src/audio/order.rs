//! Puts a talkspurt's datagrams in order, without waiting: the bridge's listeners are on TCP and buffer for
//! themselves, so a frame goes out when it comes, and what was lost before it is filled in first.

use suara_proto::Grant;
use suara_proto::voice::VoiceFrame;

/// Lost frames that are filled in at most. A longer hole sounds better as silence than as a drone.
const MAX_FILLED: u16 = 5;

/// One frame's worth for a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A packet, of this sequence number.
    Packet(u16, &'a [u8]),
    /// A packet that was lost; with the one right after it, if that is there.
    Lost(u16, Option<&'a [u8]>),
}

/// What was heard of a talkspurt so far.
#[derive(Debug, Default)]
pub(crate) struct Order {
    newest: Option<(Grant, u16)>,
}

impl Order {
    /// What to play now that `frame` has come: nothing for a duplicate or for one that comes after its successor.
    pub(crate) fn take<'a>(&mut self, frame: &VoiceFrame<'a>) -> Vec<Piece<'a>> {
        let sequence = frame.header.sequence;
        let lost = match self.newest {
            Some((grant, newest)) if grant == frame.header.grant => {
                let ahead = sequence.wrapping_sub(newest);
                if ahead == 0 || ahead > u16::MAX / 2 {
                    return Vec::new();
                }
                ahead - 1
            }
            Some((grant, _)) if grant > frame.header.grant => return Vec::new(),
            _ => 0,
        };
        self.newest = Some((frame.header.grant, sequence));
        let packet = (!frame.packet.is_empty()).then_some(frame.packet);
        let mut pieces = fill(sequence, lost.min(MAX_FILLED), frame.redundant.as_slice(), packet);
        pieces.extend(packet.map(|packet| Piece::Packet(sequence, packet)));
        pieces
    }
}

/// The frames right before `sequence`: from the redundant packets (oldest first) where they reach back so far.
fn fill<'a>(sequence: u16, lost: u16, earlier: &[&'a [u8]], packet: Option<&'a [u8]>) -> Vec<Piece<'a>> {
    let held = |back: u16| {
        earlier.len().checked_sub(usize::from(back)).and_then(|index| earlier.get(index)).copied()
    };
    (1..=lost)
        .rev()
        .map(|back| {
            let missing = sequence.wrapping_sub(back);
            let next = if back == 1 { packet } else { held(back - 1) };
            held(back).map_or(Piece::Lost(missing, next), |packet| Piece::Packet(missing, packet))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use suara_proto::voice::{Flags, Header, Redundant};
    use suara_proto::{ChannelNumber, TalkerNumber};

    use super::*;

    fn frame<'a>(grant: u32, sequence: u16, earlier: &[&'a [u8]], packet: &'a [u8]) -> VoiceFrame<'a> {
        VoiceFrame {
            header: Header {
                flags: Flags::default(),
                sequence,
                timestamp: 0,
                channel: ChannelNumber(1),
                talker: TalkerNumber(1),
                grant: Grant(grant),
            },
            redundant: Redundant::new(earlier).unwrap(),
            packet,
        }
    }

    #[test]
    fn frames_in_order_pass_and_repeats_go() {
        let mut order = Order::default();
        assert_eq!(order.take(&frame(1, 65_535, &[], b"a")), [Piece::Packet(65_535, b"a")]);
        assert_eq!(order.take(&frame(1, 0, &[], b"b")), [Piece::Packet(0, b"b")]);
        assert_eq!(order.take(&frame(1, 0, &[], b"b")), []);
        assert_eq!(order.take(&frame(1, 65_535, &[], b"a")), []);
    }

    #[test]
    fn a_hole_is_filled_from_redundancy_else_concealed() {
        let mut order = Order::default();
        order.take(&frame(1, 10, &[], b"a"));
        assert_eq!(
            order.take(&frame(1, 13, &[b"c"], b"d")),
            [Piece::Lost(11, Some(b"c")), Piece::Packet(12, b"c"), Piece::Packet(13, b"d")]
        );
        assert_eq!(
            order.take(&frame(1, 15, &[], b"f")),
            [Piece::Lost(14, Some(b"f")), Piece::Packet(15, b"f")]
        );
    }

    #[test]
    fn a_long_hole_is_filled_only_at_its_end() {
        let mut order = Order::default();
        order.take(&frame(1, 0, &[], b"a"));
        let pieces = order.take(&frame(1, 500, &[], b"z"));
        assert_eq!(pieces.len(), 6);
        assert_eq!(pieces[0], Piece::Lost(495, None));
    }

    #[test]
    fn a_newer_grant_starts_over_and_an_older_one_is_out_of_date() {
        let mut order = Order::default();
        order.take(&frame(1, 100, &[], b"a"));
        assert_eq!(order.take(&frame(2, 7, &[], b"b")), [Piece::Packet(7, b"b")]);
        assert_eq!(order.take(&frame(1, 101, &[], b"c")), []);
    }

    #[test]
    fn an_empty_last_frame_plays_nothing() {
        let mut order = Order::default();
        order.take(&frame(1, 0, &[], b"a"));
        assert_eq!(order.take(&frame(1, 1, &[], b"")), []);
        assert_eq!(order.take(&frame(1, 3, &[], b"")), [Piece::Lost(2, None)]);
    }
}
