//! Voice frames, byte by byte as section 6 of the protocol's page has them.

use super::client::Seat;

pub(crate) const START: u8 = 1;
pub(crate) const END: u8 = 2;
pub(crate) const TALK_AHEAD: u8 = 4;

/// A frame of 20 ms in the middle of a talkspurt, with one earlier packet.
pub(crate) fn frame(seat: Seat, grant: u32, sequence: u16) -> Vec<u8> {
    marked(0, seat, grant, sequence)
}

/// The same with flags.
pub(crate) fn marked(flags: u8, seat: Seat, grant: u32, sequence: u16) -> Vec<u8> {
    let mut bytes = vec![1, 1, flags, 1];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(seat.talker.to_be_bytes());
    bytes.extend((u32::from(sequence) * 960).to_be_bytes());
    bytes.extend(seat.channel.to_be_bytes());
    bytes.extend(grant.to_be_bytes());
    bytes.extend([0, 6, 0x78, 1, 2, 3, 4, 5]);
    bytes.extend([0x78, 0xa1, 0xb2, 0xc3]);
    bytes.extend(sequence.to_be_bytes());
    bytes
}
