//! Cuts chunks of any size into frames of 20 ms.

use super::Rate;

/// Collects bytes until they make a frame; half a sample at a chunk's end waits for its other half.
#[derive(Debug)]
pub(crate) struct Reframer {
    frame: usize,
    pending: Vec<u8>,
}

impl Reframer {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { frame: rate.frame(), pending: Vec::new() }
    }

    /// Takes a chunk and hands each frame that is whole to `each`.
    pub(crate) fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&[i16])) {
        self.pending.extend_from_slice(chunk);
        let bytes = self.frame * 2;
        let whole = self.pending.len() / bytes * bytes;
        for frame in self.pending[..whole].chunks_exact(bytes) {
            each(&samples(frame));
        }
        self.pending.drain(..whole);
    }

    /// Ends the press: what is left, then `beyond` samples of silence (what an encoder holds back), padded to whole
    /// frames. A byte without its other half is no sample and goes.
    pub(crate) fn finish(&mut self, beyond: usize) -> Vec<Vec<i16>> {
        let mut rest = samples(&self.pending);
        self.pending.clear();
        let frames = (rest.len() + beyond).div_ceil(self.frame).max(1);
        rest.resize(frames * self.frame, 0);
        rest.chunks_exact(self.frame).map(<[i16]>::to_vec).collect()
    }
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(sizes: &[usize], total: usize) -> (Vec<i16>, usize) {
        let bytes: Vec<u8> = (0..total as i16).flat_map(i16::to_le_bytes).collect();
        let mut reframer = Reframer::new(Rate::new(16_000).unwrap());
        let (mut out, mut frames, mut at) = (Vec::new(), 0, 0);
        for size in sizes.iter().cycle() {
            let end = (at + size).min(bytes.len());
            reframer.push(&bytes[at..end], |frame| {
                assert_eq!(frame.len(), 320);
                out.extend_from_slice(frame);
                frames += 1;
            });
            at = end;
            if at == bytes.len() {
                break;
            }
        }
        for frame in reframer.finish(0) {
            out.extend(frame);
        }
        (out, frames)
    }

    #[test]
    fn chunks_of_any_size_make_the_same_frames() {
        for sizes in [&[640][..], &[1280], &[3584], &[1], &[7, 641, 3], &[10_000]] {
            let (out, frames) = cut(sizes, 5000);
            assert_eq!(frames, 15, "{sizes:?}");
            assert!(out[..5000].iter().copied().eq(0..5000), "{sizes:?}");
            assert_eq!(out.len(), 5120, "the tail is padded");
            assert!(out[5000..].iter().all(|sample| *sample == 0));
        }
    }

    #[test]
    fn a_byte_without_its_other_half_is_no_sample() {
        let mut reframer = Reframer::new(Rate::new(8_000).unwrap());
        reframer.push(&[1, 2, 3], |_| panic!("no frame yet"));
        let frames = reframer.finish(0);
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0][..2], [i16::from_le_bytes([1, 2]), 0]);
    }

    #[test]
    fn what_the_encoder_holds_back_is_pushed_out() {
        let mut reframer = Reframer::new(Rate::new(16_000).unwrap());
        assert_eq!(reframer.finish(104).len(), 1);
        reframer.push(&[0; 600], |_| {});
        assert_eq!(reframer.finish(104).len(), 2, "300 samples and 104 more don't fit in one frame");
    }
}
