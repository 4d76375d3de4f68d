//! As much of Opus (RFC 6716) as a forwarder needs: how long a packet sounds.

use thiserror::Error;

use crate::limits::MAX_FRAME;

/// Ticks of the voice clock in a millisecond: Opus' RTP clock is 48 kHz at any bandwidth (RFC 7587, section 4.1).
pub const TICKS_PER_MS: u32 = 48;

/// Why bytes are no Opus packet that `suara/1` carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpusError {
    /// Not even a table-of-contents byte.
    #[error("an Opus packet can't be empty")]
    Empty,
    /// The table-of-contents byte promises a frame count byte that is missing or zero.
    #[error("the Opus packet's frame count is missing or zero")]
    FrameCount,
    /// Longer than [`MAX_FRAME`].
    #[error("the Opus packet sounds longer than 60 ms")]
    TooLong,
}

/// How long `packet` sounds in ticks of 48 kHz, by its table-of-contents byte (RFC 6716, section 3.1).
///
/// # Errors
/// When the packet is empty, its frame count is bad or it is longer than [`MAX_FRAME`].
pub fn ticks(packet: &[u8]) -> Result<u32, OpusError> {
    let &toc = packet.first().ok_or(OpusError::Empty)?;
    let frame = match toc >> 3 {
        // SILK only: 10, 20, 40, 60 ms.
        config @ 0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        // Hybrid: 10, 20 ms.
        config @ 12..=15 => [480, 960][usize::from(config & 1)],
        // CELT only: 2.5, 5, 10, 20 ms.
        config => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1).ok_or(OpusError::FrameCount)? & 0x3f),
    };
    match frame * frames {
        0 => Err(OpusError::FrameCount),
        ticks if ticks > MAX_FRAME.as_millis() as u32 * TICKS_PER_MS => Err(OpusError::TooLong),
        ticks => Ok(ticks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_follows_the_table_of_contents() {
        assert_eq!(ticks(&[0x48]), Ok(960), "SILK wide band, 20 ms, one frame");
        assert_eq!(ticks(&[0x58]), Ok(2880), "SILK wide band, 60 ms");
        assert_eq!(ticks(&[0x78]), Ok(960), "hybrid full band, 20 ms");
        assert_eq!(ticks(&[0xe0]), Ok(120), "CELT full band, 2.5 ms");
        assert_eq!(ticks(&[0xe1]), Ok(240), "two frames of equal size");
        assert_eq!(ticks(&[0xfb, 3]), Ok(2880), "three frames of 20 ms by count byte");
    }

    #[test]
    fn bad_packets_are_named() {
        assert_eq!(ticks(&[]), Err(OpusError::Empty));
        assert_eq!(ticks(&[0x4b]), Err(OpusError::FrameCount));
        assert_eq!(ticks(&[0x4b, 0]), Err(OpusError::FrameCount));
        assert_eq!(ticks(&[0x59]), Err(OpusError::TooLong), "two frames of 60 ms");
    }
}
