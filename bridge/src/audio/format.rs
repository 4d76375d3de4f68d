//! What a legacy client's chunks hold.

use std::fmt;

use thiserror::Error;

use super::FRAME_MS;

/// A sample rate that Opus codes as it is, so that nothing is resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Rate(u32);

impl Rate {
    const SERVED: [u32; 4] = [8_000, 16_000, 24_000, 48_000];

    pub(crate) fn new(hz: u32) -> Option<Self> {
        Self::SERVED.contains(&hz).then_some(Self(hz))
    }

    pub(crate) const fn hz(self) -> u32 {
        self.0
    }

    /// Samples of one frame.
    pub(crate) const fn frame(self) -> usize {
        (self.0 / 1000 * FRAME_MS) as usize
    }
}

/// What a client sends, and wants to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// Raw signed samples of 16 bits, little-endian, mono.
    Pcm16(Rate),
    /// One Opus packet a chunk.
    Opus,
}

/// Why a client's wish can't be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum FormatError {
    #[error("the codec isn't served")]
    Codec,
    #[error("the sample rate isn't served")]
    SampleRate,
}

impl Format {
    /// From the fields of `join_channel`.
    pub(crate) fn new(codec: Option<&str>, hz: u32) -> Result<Self, FormatError> {
        let rate = Rate::new(hz).ok_or(FormatError::SampleRate)?;
        match codec {
            None | Some("pcm16") => Ok(Self::Pcm16(rate)),
            Some("opus") => Ok(Self::Opus),
            Some(_) => Err(FormatError::Codec),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pcm16(rate) => write!(f, "pcm16-{}", rate.hz()),
            Self::Opus => f.write_str("opus"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rates_that_opus_codes_are_served() {
        for hz in [8_000, 16_000, 24_000, 48_000] {
            assert_eq!(Format::new(None, hz).unwrap().to_string(), format!("pcm16-{hz}"));
        }
        assert_eq!(Format::new(Some("pcm16"), 44_100), Err(FormatError::SampleRate));
        assert_eq!(Format::new(Some("mp3"), 16_000), Err(FormatError::Codec));
        assert_eq!(Format::new(Some("opus"), 16_000), Ok(Format::Opus));
    }
}
