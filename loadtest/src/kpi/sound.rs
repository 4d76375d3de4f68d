//! What is said: a rising chirp from the press on, something like speech, a falling chirp at the end. And where it is found
//! again in what was heard. All at 16 kHz, mono; pure.

use std::f32::consts::TAU;
use std::path::Path;

use crate::LoadError;

/// Samples a second.
pub(super) const RATE: usize = 16_000;
/// Samples of 20 ms.
pub(super) const FRAME: usize = RATE / 50;
/// Of each chirp, in milliseconds.
pub(super) const CHIRP_MS: usize = 200;
const CHIRP: usize = RATE / 1000 * CHIRP_MS;
/// What an encoder holds back is said before the end: the burst ends with so much silence.
const TAIL: usize = FRAME;
/// Speech without a file, in milliseconds.
const SPEECH_MS: usize = 1600;
/// How far into what was heard a burst begins at most.
const NEAR: usize = RATE * 6 / 10;
/// The least correlation of 20 ms of a chirp with what was heard there: a codec at 24 kbit/s is above 0.8, noise and
/// concealment are below.
const FOUND: f32 = 0.4;
/// The least of one that isn't where it would be: a play-out that ran dry goes on so much later, and skips to live so much sooner.
/// What was heard then is not missing; the gap is counted as concealed.
const FOUND_ELSEWHERE: f32 = 0.6;
const ELSEWHERE: isize = (RATE / 1000 * 320) as isize;

/// One burst's sound, a whole number of frames.
#[derive(Clone)]
pub(super) struct Burst {
    /// Its samples.
    pub(super) pcm: Vec<i16>,
}

/// What of a burst was found in what was heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// Where the burst's first sample would be, in samples of what was heard; it may lie before its beginning.
    pub(super) at: isize,
    /// What is missing at its start, in steps of 20 ms.
    pub(super) clipped_start_ms: u32,
    /// What is missing at its end.
    pub(super) clipped_end_ms: u32,
}

impl Burst {
    /// With speech of our own making, the same in every run.
    #[must_use]
    pub(super) fn synthetic() -> Self {
        Self::around(&speech(RATE / 1000 * SPEECH_MS))
    }

    /// With speech from a WAV file: 16 bits, mono, 16 kHz; 3 s of it at most.
    ///
    /// # Errors
    /// When it can't be read or is of another form.
    pub(super) fn from_file(path: &Path) -> Result<Self, LoadError> {
        let wrong = || LoadError::Settings(format!("{} is no WAV of 16 bits, mono, 16 kHz", path.display()));
        let bytes = std::fs::read(path).map_err(|_| wrong())?;
        let samples = wav(&bytes).ok_or_else(wrong)?;
        Ok(Self::around(&samples[..samples.len().min(3 * RATE)]))
    }

    fn around(speech: &[f32]) -> Self {
        let mut pcm = chirp(700.0, 3000.0);
        pcm.extend_from_slice(speech);
        pcm.resize(pcm.len().next_multiple_of(FRAME), 0.0);
        pcm.extend(chirp(3000.0, 700.0));
        pcm.resize(pcm.len() + TAIL, 0.0);
        Self { pcm: pcm.into_iter().map(|sample| (sample * 20_000.0) as i16).collect() }
    }

    /// Looks for both chirps in what was heard, each where it correlates best; `None` when nothing was heard.
    #[must_use]
    pub(super) fn find(&self, heard: &[i16]) -> Option<Found> {
        let (first, last) =
            (&self.pcm[..CHIRP], &self.pcm[self.pcm.len() - TAIL - CHIRP..self.pcm.len() - TAIL]);
        // Nobody buffers longer than that, and nothing is heard long before it begins or ends.
        let start = best(first, heard, 0..heard.len().min(NEAR))?;
        let end = best(last, heard, heard.len().saturating_sub(2 * NEAR)..heard.len())?;
        let missing = |blocks: &mut dyn Iterator<Item = bool>| {
            (blocks.take_while(|found| !found).count() * FRAME * 1000 / RATE) as u32
        };
        let found = |chirp: &[i16], at: isize| -> Vec<bool> {
            let blocks = chirp.chunks(FRAME).enumerate();
            blocks.map(|(block, part)| is_heard(part, heard, at + (block * FRAME) as isize)).collect()
        };
        Some(Found {
            at: start,
            clipped_start_ms: missing(&mut found(first, start).into_iter()),
            clipped_end_ms: missing(&mut found(last, end).into_iter().rev()),
        })
    }
}

/// A chirp from one frequency to another.
fn chirp(from: f32, to: f32) -> Vec<f32> {
    let length = CHIRP as f32 / RATE as f32;
    (0..CHIRP)
        .map(|n| {
            let t = n as f32 / RATE as f32;
            0.5 * (TAU * (from * t + (to - from) * t * t / (2.0 * length))).sin()
        })
        .collect()
}

/// A voice's pitch through three resonances that change with each syllable.
fn speech(length: usize) -> Vec<f32> {
    const VOWELS: [[f32; 3]; 4] =
        [[730.0, 1090.0, 2440.0], [270.0, 2290.0, 3010.0], [570.0, 840.0, 2410.0], [530.0, 1840.0, 2480.0]];
    const SYLLABLE: usize = RATE / 5;
    let mut noise = 0x2545_f491_u32;
    let mut phase = 0.0_f32;
    let mut states = [[0.0_f32; 2]; 3];
    let mut out = Vec::with_capacity(length);
    for n in 0..length {
        let (syllable, within) = (n / SYLLABLE, (n % SYLLABLE) as f32 / SYLLABLE as f32);
        phase += (115.0 + 25.0 * (n as f32 / RATE as f32 * 2.0).sin()) / RATE as f32;
        let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
        phase = phase.fract();
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        let source = pulse + (noise as f32 / u32::MAX as f32 - 0.5) * 0.02;
        let envelope = (within * std::f32::consts::PI).sin();
        let mut sample = 0.0;
        for (state, formant) in states.iter_mut().zip(VOWELS[syllable % VOWELS.len()]) {
            let radius: f32 = 0.97;
            let value = source + 2.0 * radius * (TAU * formant / RATE as f32).cos() * state[0]
                - radius * radius * state[1];
            *state = [value, state[0]];
            sample += value;
        }
        out.push((sample * envelope * 0.12).clamp(-0.9, 0.9));
    }
    out
}

/// Where a sound correlates best: looked for at every second place by every eighth sample, and then around that by all.
fn best(sound: &[i16], heard: &[i16], range: std::ops::Range<usize>) -> Option<isize> {
    if heard.iter().all(|sample| *sample == 0) {
        return None;
    }
    let most = |all: &mut dyn Iterator<Item = isize>, step: usize| {
        all.map(|at| (correlation(sound, heard, at, step), at))
            .max_by(|one, other| one.0.total_cmp(&other.0))
            .map(|(_, at)| at)
    };
    // What is clipped begins before what was heard does.
    let from = range.start as isize - sound.len() as isize;
    let coarse = most(&mut (from..range.end as isize).step_by(2), 8)?;
    most(&mut (coarse - 2..=coarse + 2), 1)
}

/// Whether it is heard there, or else not far away.
fn is_heard(part: &[i16], heard: &[i16], at: isize) -> bool {
    near(part, heard, at) >= FOUND
        || (at - ELSEWHERE..=at + ELSEWHERE)
            .step_by(2)
            .any(|elsewhere| normalized(part, heard, elsewhere) >= FOUND_ELSEWHERE)
}

/// The best correlation within a millisecond: a codec bends phases a little.
fn near(part: &[i16], heard: &[i16], at: isize) -> f32 {
    (at - 12..=at + 12).map(|at| normalized(part, heard, at)).fold(0.0, f32::max)
}

fn correlation(sound: &[i16], heard: &[i16], at: isize, step: usize) -> f32 {
    let pairs = sound.iter().enumerate().step_by(step);
    pairs.map(|(n, sample)| f32::from(*sample) * sample_at(heard, at + n as isize)).sum()
}

fn normalized(sound: &[i16], heard: &[i16], at: isize) -> f32 {
    let energy = |n: &mut dyn Iterator<Item = f32>| n.map(|sample| sample * sample).sum::<f32>();
    let own = energy(&mut sound.iter().map(|sample| f32::from(*sample)));
    let other = energy(&mut (0..sound.len()).map(|n| sample_at(heard, at + n as isize)));
    // As quiet as that is nothing that was said, however well it fits.
    if other < own / 400.0 { 0.0 } else { correlation(sound, heard, at, 1) / (own * other).sqrt() }
}

fn sample_at(heard: &[i16], at: isize) -> f32 {
    usize::try_from(at).ok().and_then(|at| heard.get(at)).map_or(0.0, |sample| f32::from(*sample))
}

/// The samples of a WAV file of the one form that is taken.
fn wav(bytes: &[u8]) -> Option<Vec<f32>> {
    let mut rest = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
    let mut in_form = false;
    loop {
        let (head, tail) = rest.split_first_chunk::<8>()?;
        let length = u32::from_le_bytes(head[4..].try_into().ok()?) as usize;
        let chunk = tail.get(..length.min(tail.len()))?;
        match &head[..4] {
            b"fmt " => {
                let number = |at: usize| Some(u16::from_le_bytes(chunk.get(at..at + 2)?.try_into().ok()?));
                let rate = u32::from_le_bytes(chunk.get(4..8)?.try_into().ok()?);
                in_form = (number(0)?, number(2)?, rate as usize, number(14)?) == (1, 1, RATE, 16);
            }
            b"data" if in_form => {
                let samples = chunk.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
                return Some(samples.map(|sample| f32::from(sample) / 32_768.0).collect());
            }
            _ => {}
        }
        rest = tail.get(length.next_multiple_of(2)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_burst_is_found_where_it_is() {
        let burst = Burst::synthetic();
        let heard: Vec<i16> = std::iter::repeat_n(0, 1234).chain(burst.pcm.iter().copied()).collect();
        let found = burst.find(&heard).unwrap();
        assert_eq!(found, Found { at: 1234, clipped_start_ms: 0, clipped_end_ms: 0 });
        assert_eq!(burst.pcm.len() % FRAME, 0);
    }

    #[test]
    fn what_is_clipped_is_told_in_steps_of_20_ms() {
        let burst = Burst::synthetic();
        let end = burst.pcm.len() - TAIL - 2 * FRAME;
        let found = burst.find(&burst.pcm[5 * FRAME..end]).unwrap();
        assert_eq!((found.at, found.clipped_start_ms, found.clipped_end_ms), (-5 * FRAME as isize, 100, 40));
    }

    #[test]
    fn an_end_behind_a_gap_is_late_and_not_missing_and_one_that_is_cut_behind_a_gap_is_missing() {
        let burst = Burst::synthetic();
        let (mut heard, gap) = (burst.pcm.clone(), burst.pcm.len() - TAIL - 3 * FRAME);
        heard.splice(gap..gap, [0; 4 * FRAME]);
        assert_eq!(burst.find(&heard).unwrap().clipped_end_ms, 0);
        heard.truncate(heard.len() - TAIL - FRAME);
        assert_eq!(burst.find(&heard).unwrap().clipped_end_ms, 20);
        heard.truncate(gap);
        assert_eq!(burst.find(&heard).unwrap().clipped_end_ms, 60);
    }

    #[test]
    fn silence_is_nothing() {
        assert_eq!(Burst::synthetic().find(&[0; 48_000]), None);
    }
}
