//! PCM to Opus.

use bytes::Bytes;
use opus::{Application, Bitrate, Channels, Signal};

use super::Rate;

/// Expected loss in percent, by which the encoder weighs its in-band redundancy. Mobile roads lose a few percent; more
/// would take bits from the frame itself.
const EXPECTED_LOSS: i32 = 10;

/// Highest of Opus' ten. On speech at 16 kHz it takes 0.6 % of a core a talker, and the lower ones sound worse.
const COMPLEXITY: i32 = 10;

/// Largest packet in bytes; far above what the bit rates here make, and below what a datagram holds.
const MAX_PACKET: usize = 640;

/// One talker's encoder, at the talker's own rate.
#[derive(Debug)]
pub(crate) struct Encoder {
    opus: opus::Encoder,
    lookahead: usize,
}

impl Encoder {
    pub(crate) fn new(rate: Rate) -> Result<Self, opus::Error> {
        let mut opus = opus::Encoder::new(rate.hz(), Channels::Mono, Application::Voip)?;
        opus.set_bitrate(Bitrate::Bits(bits_per_second(rate)))?;
        opus.set_vbr(true)?;
        opus.set_signal(Signal::Voice)?;
        opus.set_complexity(COMPLEXITY)?;
        opus.set_inband_fec(true)?;
        opus.set_packet_loss_perc(EXPECTED_LOSS)?;
        opus.set_dtx(false)?;
        let lookahead = usize::try_from(opus.get_lookahead()?).unwrap_or(0);
        Ok(Self { opus, lookahead })
    }

    /// Samples that the encoder holds back.
    pub(crate) const fn lookahead(&self) -> usize {
        self.lookahead
    }

    /// One frame of 20 ms.
    pub(crate) fn encode(&mut self, frame: &[i16]) -> Result<Bytes, opus::Error> {
        Ok(self.opus.encode_vec(frame, MAX_PACKET)?.into())
    }
}

/// Enough for PESQ above 4 with redundancy on, for each bandwidth.
const fn bits_per_second(rate: Rate) -> i32 {
    match rate.hz() {
        8_000 => 20_000,
        16_000 => 28_000,
        24_000 => 32_000,
        _ => 36_000,
    }
}
