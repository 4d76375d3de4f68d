//! Voice frames, byte by byte as section 6 of the protocol's page has them.

use super::client::Seat;

pub(crate) const START: u8 = 1;
pub(crate) const END: u8 = 2;
pub(crate) const TALK_AHEAD: u8 = 4;

/// A frame of 20 ms in the middle of a talkspurt.
pub(crate) fn frame(seat: Seat, grant: u32, sequence: u16) -> Vec<u8> {
    marked(0, seat, grant, sequence)
}

/// The same with flags.
pub(crate) fn marked(flags: u8, seat: Seat, grant: u32, sequence: u16) -> Vec<u8> {
    carrying(0, flags, seat, grant, sequence)
}

/// The same with so many of the packets before it.
pub(crate) fn carrying(earlier: u8, flags: u8, seat: Seat, grant: u32, sequence: u16) -> Vec<u8> {
    let mut bytes = vec![1, 1, flags, earlier];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(seat.talker.to_be_bytes());
    bytes.extend((u32::from(sequence) * 960).to_be_bytes());
    bytes.extend(seat.channel.to_be_bytes());
    bytes.extend(grant.to_be_bytes());
    for back in (1..=earlier).rev() {
        bytes.extend([0, 6]);
        bytes.extend(packet(sequence.wrapping_sub(back.into())));
    }
    bytes.extend(packet(sequence));
    bytes
}

/// What is in the frame of a number: 20 ms, and six bytes.
fn packet(sequence: u16) -> [u8; 6] {
    let [high, low] = sequence.to_be_bytes();
    [0x78, 0xa1, 0xb2, 0xc3, high, low]
}
