//! Opus to PCM.

use bytes::{BufMut, Bytes, BytesMut};
use opus::Channels;
use suara_proto::limits::MAX_FRAME;
use suara_proto::opus as packet;

use super::Rate;

/// The decoder of one talkspurt for one sample rate, however many listen.
#[derive(Debug)]
pub(crate) struct Decoder {
    opus: opus::Decoder,
    rate: Rate,
    samples: Vec<i16>,
}

impl Decoder {
    pub(crate) fn new(rate: Rate) -> Result<Self, opus::Error> {
        let longest = rate.hz() as usize / 1000 * MAX_FRAME.as_millis() as usize;
        let opus = opus::Decoder::new(rate.hz(), Channels::Mono)?;
        Ok(Self { opus, rate, samples: vec![0; longest] })
    }

    /// The sound of one packet.
    pub(crate) fn decode(&mut self, packet: &[u8]) -> Result<Bytes, opus::Error> {
        let count = self.opus.decode(packet, &mut self.samples, false)?;
        Ok(bytes_of(&self.samples[..count]))
    }

    /// The sound of a packet that was lost, as far as `next`, the one right after it, tells; else concealment.
    pub(crate) fn conceal(&mut self, next: Option<&[u8]>) -> Result<Bytes, opus::Error> {
        let ticks = next.and_then(|next| packet::ticks(next).ok()).unwrap_or(20 * packet::TICKS_PER_MS);
        let count = (ticks as usize * self.rate.hz() as usize / 48_000).min(self.samples.len());
        let lost = &mut self.samples[..count];
        let count = match next {
            Some(next) => self.opus.decode(next, lost, true)?,
            None => self.opus.decode(&[], lost, false)?,
        };
        Ok(bytes_of(&self.samples[..count]))
    }
}

fn bytes_of(samples: &[i16]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(samples.len() * 2);
    for sample in samples {
        bytes.put_i16_le(*sample);
    }
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::super::{Encoder, Reframer};
    use super::*;

    /// Speech-like: a gliding tone with harmonics, swelling four times a second.
    fn voice(rate: Rate, ms: usize) -> Vec<u8> {
        let mut phase = 0.0_f64;
        (0..rate.hz() as usize * ms / 1000)
            .flat_map(|index| {
                let time = index as f64 / f64::from(rate.hz());
                phase += (140.0 + 40.0 * (time * 3.0).sin()) / f64::from(rate.hz()) * std::f64::consts::TAU;
                let tone = phase.sin() + 0.6 * (2.0 * phase).sin() + 0.4 * (5.0 * phase).sin();
                let swell = 0.55 + 0.45 * (time * 4.0 * std::f64::consts::TAU).sin();
                ((tone * swell * 6000.0) as i16).to_le_bytes()
            })
            .collect()
    }

    fn encode(rate: Rate, pcm: &[u8]) -> Vec<Bytes> {
        let (mut reframer, mut encoder) = (Reframer::new(rate), Encoder::new(rate).unwrap());
        let mut packets = Vec::new();
        reframer.push(pcm, |frame| packets.push(encoder.encode(frame).unwrap()));
        for frame in reframer.finish(encoder.lookahead()) {
            packets.push(encoder.encode(&frame).unwrap());
        }
        packets
    }

    /// Root mean square per 20 ms.
    fn envelope(rate: Rate, pcm: &[u8]) -> Vec<f64> {
        let samples: Vec<f64> =
            pcm.as_chunks::<2>().0.iter().map(|pair| f64::from(i16::from_le_bytes(*pair))).collect();
        let rms = |frame: &[f64]| (frame.iter().map(|s| s * s).sum::<f64>() / frame.len() as f64).sqrt();
        samples.chunks(rate.frame()).map(rms).collect()
    }

    fn correlation(a: &[f64], b: &[f64]) -> f64 {
        let n = a.len().min(b.len());
        let mean = |x: &[f64]| x[..n].iter().sum::<f64>() / n as f64;
        let (mean_a, mean_b) = (mean(a), mean(b));
        let dot = |x: &[f64], mx: f64, y: &[f64], my: f64| {
            x[..n].iter().zip(&y[..n]).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
        };
        dot(a, mean_a, b, mean_b) / (dot(a, mean_a, a, mean_a) * dot(b, mean_b, b, mean_b)).sqrt()
    }

    #[test]
    fn voice_survives_from_each_rate_to_each_other() {
        let rates = [8_000, 16_000, 24_000, 48_000].map(|hz| Rate::new(hz).unwrap());
        for from in rates {
            let pcm = voice(from, 2000);
            let packets = encode(from, &pcm);
            for to in rates {
                let mut decoder = Decoder::new(to).unwrap();
                let heard: Vec<u8> =
                    packets.iter().flat_map(|packet| decoder.decode(packet).unwrap()).collect();
                let match_ = correlation(&envelope(from, &pcm), &envelope(to, &heard));
                assert!(match_ > 0.9, "{from:?} to {to:?}: {match_}");
            }
        }
    }

    #[test]
    fn a_lost_packet_is_mended_from_the_next_one() {
        let rate = Rate::new(16_000).unwrap();
        let packets = encode(rate, &voice(rate, 2000));
        let mut whole = Decoder::new(rate).unwrap();
        let mut holed = Decoder::new(rate).unwrap();
        let (mut mended, mut counted) = (0, 0);
        for (index, packet) in packets.iter().enumerate() {
            let original = whole.decode(packet).unwrap();
            if index % 10 != 5 {
                holed.decode(packet).unwrap();
                continue;
            }
            let concealed = holed.conceal(packets.get(index + 1).map(|next| &next[..])).unwrap();
            assert_eq!(concealed.len(), original.len());
            counted += 1;
            let (was, is) = (envelope(rate, &original)[0], envelope(rate, &concealed)[0]);
            if (was - is).abs() < was / 3.0 {
                mended += 1;
            }
        }
        assert!(mended * 10 >= counted * 8, "{mended} of {counted}");
    }

    #[test]
    fn concealment_without_a_successor_is_a_frame_long() {
        let rate = Rate::new(48_000).unwrap();
        let mut decoder = Decoder::new(rate).unwrap();
        assert_eq!(decoder.conceal(None).unwrap().len(), 1920);
    }
}
