//! How loud a packet is, where its sender doesn't say so.

use crate::audio::{Decoder, Rate};

/// A packet so short has no sound in it: Opus' own way to say that nothing is to be heard (RFC 6716, section 3.1).
const SILENT_PACKET: usize = 2;

/// As quiet as RFC 6464 can say.
pub(super) const SILENCE: i8 = -127;

/// One producer's ear. The decoder is made when it is needed: browsers say the level by themselves.
#[derive(Debug, Default)]
pub(super) struct Meter(Option<Decoder>);

impl Meter {
    /// The level of a packet in dBov.
    pub(super) fn measure(&mut self, packet: &[u8]) -> i8 {
        if packet.len() <= SILENT_PACKET {
            return SILENCE;
        }
        let decoder = match &mut self.0 {
            Some(decoder) => decoder,
            // Its coarsest rate is enough to hear whether somebody speaks.
            none => match Rate::new(8_000).and_then(|rate| Decoder::new(rate).ok()) {
                Some(decoder) => none.insert(decoder),
                None => return SILENCE,
            },
        };
        decoder.decode(packet).map_or(SILENCE, |samples| level(&samples))
    }
}

/// Root mean square of 16-bit samples against the loudest that there can be.
fn level(bytes: &[u8]) -> i8 {
    let samples = bytes.as_chunks::<2>().0;
    let power: f64 = samples.iter().map(|pair| f64::from(i16::from_le_bytes(*pair)).powi(2)).sum();
    let power = power / samples.len().max(1) as f64 / f64::from(i16::MAX).powi(2);
    (10.0 * power.log10()).clamp(SILENCE.into(), 0.0) as i8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Encoder;

    #[test]
    fn a_tone_is_as_loud_as_it_is_and_silence_is_silent() {
        let rate = Rate::new(48_000).unwrap();
        let mut encoder = Encoder::new(rate).unwrap();
        let mut meter = Meter::default();
        for (amplitude, expected) in [(20_000.0, -7..=-5), (630.0, -40..=-34), (0.0, -127..=-70)] {
            let mut last = 0;
            for frame in 0..30_u32 {
                let sample = |n: u32| {
                    let t = f64::from(frame * 960 + n) / 48_000.0;
                    (amplitude * (t * 400.0 * std::f64::consts::TAU).sin()) as i16
                };
                let samples: Vec<i16> = (0..960).map(sample).collect();
                last = meter.measure(&encoder.encode(&samples).unwrap());
            }
            assert!(expected.contains(&last), "{amplitude}: {last}");
        }
    }

    #[test]
    fn a_packet_without_sound_needs_no_decoder() {
        let mut meter = Meter::default();
        assert_eq!(meter.measure(&[0x78]), SILENCE);
        assert!(meter.0.is_none());
    }
}
