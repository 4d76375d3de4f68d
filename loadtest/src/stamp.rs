//! The mark inside each packet: who sent it, which one it is, and when it should have been sent.
//!
//! It stands behind a table-of-contents byte of Opus (hybrid full band, 20 ms, one frame), so that the gateway sees a
//! packet like any other. The time is the *intended* one: a sender that is late makes its own frames late, and a stall
//! can't hide the frames that it held up (coordinated omission).

/// 20 ms of mono in one frame.
const TOC: u8 = 0x78;
const MAGIC: [u8; 3] = *b"SLt";
/// Bytes of a mark with its table-of-contents byte.
pub const LEN: usize = 1 + 3 + 2 + 4 + 8;

/// Who, which and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The talker's index within the run.
    pub source: u16,
    /// Counts the talker's frames from 0.
    pub frame: u32,
    /// When it should have been sent, in nanoseconds of the run's clock.
    pub intended: u64,
}

impl Stamp {
    /// Writes the mark to the front of a packet.
    ///
    /// # Panics
    /// When the packet is shorter than [`LEN`].
    pub fn write(self, packet: &mut [u8]) {
        packet[0] = TOC;
        packet[1..4].copy_from_slice(&MAGIC);
        packet[4..6].copy_from_slice(&self.source.to_be_bytes());
        packet[6..10].copy_from_slice(&self.frame.to_be_bytes());
        packet[10..18].copy_from_slice(&self.intended.to_be_bytes());
    }

    /// The mark of a packet that one of ours sent.
    #[must_use]
    pub fn read(packet: &[u8]) -> Option<Self> {
        let (mark, _) = packet.split_first_chunk::<LEN>()?;
        let [TOC, m0, m1, m2, s0, s1, f0, f1, f2, f3, intended @ ..] = *mark else { return None };
        ([m0, m1, m2] == MAGIC).then_some(Self {
            source: u16::from_be_bytes([s0, s1]),
            frame: u32::from_be_bytes([f0, f1, f2, f3]),
            intended: u64::from_be_bytes(intended),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_from_a_packet_that_sounds_20_ms() {
        let stamp = Stamp { source: 7, frame: 70_000, intended: 1 << 40 };
        let mut packet = [0; 100];
        stamp.write(&mut packet);
        assert_eq!(Stamp::read(&packet), Some(stamp));
        assert_eq!(suara_proto::opus::ticks(&packet), Ok(960));
        assert_eq!(Stamp::read(&packet[..LEN - 1]), None);
        packet[2] ^= 1;
        assert_eq!(Stamp::read(&packet), None);
    }
}
