//! A listener's play-out, by the rule of the JavaScript client (`gateway/web/lib/jitter.js`): what came when is
//! played again after the run, so that decoding holds up no measurement. Pure but for the decoder.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use suara_proto::voice::VoiceFrame;

use super::depth::Depth;
use super::sound::{FRAME, RATE};

/// Who enters in the middle waits for so long only.
const ENTRY_MS: f64 = 10.0;
/// Decoded ahead of the loudspeaker, in samples.
const AHEAD: usize = 6 * FRAME;
/// Below that a missing frame is concealed rather than waited for.
const CRITICAL: usize = FRAME;
/// So many concealed frames in a row end a burst.
const STARVED: u32 = 15;
/// Deeper than that is skipped to live.
const FULL_MS: f64 = 480.0;
/// A jump of sequence numbers beyond this is no loss.
const FARTHEST: i64 = 100;
const FRAME_MS: f64 = 20.0;
/// How often the play-out asks: a browser's block of audio.
const TICK_MS: f64 = 10.0;
const TICK: usize = RATE / 100;

/// What a listener heard of one burst.
#[derive(Debug, Clone, Default)]
pub(super) struct Played {
    /// What left the loudspeaker, from `began` on, at 16 kHz.
    pub(super) pcm: Vec<i16>,
    /// When the first sample of `pcm` did.
    pub(super) began: Duration,
    /// When the first decoded sample did.
    pub(super) first_sound: Option<Duration>,
    /// Frames played, concealed ones included.
    pub(super) frames: u32,
    /// Those that were concealed.
    pub(super) concealed: u32,
}

/// Plays a burst: datagrams and when they came, in order; `entered` when its listener came in the middle of it.
///
/// # Errors
/// When the decoder can't be made.
pub(super) fn play(
    arrivals: &[(Duration, Vec<u8>)],
    depth: &mut Depth,
    entered: bool,
) -> Result<Played, opus::Error> {
    let mut player = Player { entered, ..Player::new(depth)? };
    let Some((begin, _)) = arrivals.first() else { return Ok(Played::default()) };
    let begin_ms = begin.as_secs_f64() * 1000.0;
    let last_ms = arrivals.last().map_or(0.0, |(at, _)| at.as_secs_f64() * 1000.0) - begin_ms;
    let mut played = Played { began: *begin, ..Played::default() };
    let mut waiting = arrivals.iter().peekable();
    let mut now = 0.0;
    // A second after the last frame nothing more is heard of it.
    while now <= last_ms + 1000.0 && (player.open || waiting.peek().is_some()) {
        while let Some((at, bytes)) = waiting.next_if(|(at, _)| at.as_secs_f64() * 1000.0 - begin_ms <= now) {
            if let Ok(frame) = VoiceFrame::decode(bytes) {
                player.push(&frame, at.as_secs_f64() * 1000.0 - begin_ms)?;
            }
        }
        player.pull(now)?;
        if played.first_sound.is_none() && !player.ring.is_empty() {
            played.first_sound = Some(*begin + Duration::from_secs_f64(now / 1000.0));
        }
        let here = player.ring.len().min(TICK);
        played.pcm.extend(player.ring.drain(..here));
        played.pcm.extend(std::iter::repeat_n(0, TICK - here));
        now += TICK_MS;
    }
    played.pcm.append(&mut player.ring);
    // What was concealed behind the last frame, until it was clear that it was the last, hides no loss.
    (played.frames, played.concealed) = (player.frames - player.starved, player.concealed - player.starved);
    Ok(played)
}

struct Player<'a> {
    depth: &'a mut Depth,
    decoder: opus::Decoder,
    packets: BTreeMap<i64, Vec<u8>>,
    /// Numbers that were passed over.
    gaps: BTreeSet<i64>,
    ring: Vec<i16>,
    /// Whether there is a burst, and whether it is played.
    open: bool,
    playing: bool,
    /// START was seen: nothing comes before it.
    anchored: bool,
    /// One came in the middle of the first burst.
    entered: bool,
    highest: Option<i64>,
    next: i64,
    end: i64,
    /// When number 0 would have come, by the fastest frame before the play-out.
    zero_at: f64,
    /// A burst that starved was given up for silent, and goes on when more of it comes.
    starved: u32,
    debt: u32,
    frames: u32,
    concealed: u32,
}

impl<'a> Player<'a> {
    fn new(depth: &'a mut Depth) -> Result<Self, opus::Error> {
        Ok(Self {
            depth,
            decoder: opus::Decoder::new(RATE as u32, opus::Channels::Mono)?,
            packets: BTreeMap::new(),
            gaps: BTreeSet::new(),
            ring: Vec::new(),
            open: false,
            playing: false,
            anchored: false,
            entered: false,
            highest: None,
            next: 0,
            end: i64::MAX,
            zero_at: f64::INFINITY,
            starved: 0,
            debt: 0,
            frames: 0,
            concealed: 0,
        })
    }

    fn push(&mut self, frame: &VoiceFrame<'_>, now: f64) -> Result<(), opus::Error> {
        let (header, before) = (frame.header, self.highest);
        let highest = before.unwrap_or_else(|| header.sequence.into());
        let sequence = highest + i64::from(header.sequence.wrapping_sub(highest as u16) as i16);
        if !self.open && before.is_none_or(|highest| sequence > highest) {
            self.start(sequence, frame)?;
        }
        if !self.open || (sequence - self.next).abs() > FARTHEST {
            return Ok(());
        }
        self.highest = Some(highest.max(sequence));
        if !self.playing {
            self.zero_at = self.zero_at.min(now - sequence as f64 * FRAME_MS);
        }
        let redundant = frame.redundant.as_slice();
        let oldest = sequence - redundant.len() as i64;
        if !self.playing && !self.anchored {
            self.next = self.next.min(oldest);
        }
        self.anchored |= header.flags.start;
        for (number, packet) in (oldest..).zip(redundant.iter().copied().chain([frame.packet])) {
            self.take(number, packet, now);
        }
        if header.flags.end {
            self.end = self.end.min(sequence);
        }
        self.skip_to_live();
        Ok(())
    }

    fn start(&mut self, sequence: i64, frame: &VoiceFrame<'_>) -> Result<(), opus::Error> {
        let flags = frame.header.flags;
        // An END that comes by itself, long after the rest, says that this was silence.
        if flags.end {
            self.frames -= self.starved;
            self.concealed -= self.starved;
        }
        self.decoder.reset_state()?;
        self.depth.new_burst();
        self.packets.clear();
        self.gaps.clear();
        self.entered &= self.highest.is_none() && !flags.start;
        // What was played before isn't played again.
        let missed = self.highest.map_or(0, |highest| sequence - highest - 1);
        let back = missed.min(frame.redundant.as_slice().len() as i64);
        (self.open, self.playing) = (true, false);
        self.anchored = flags.start || self.highest.is_some();
        (self.next, self.end, self.zero_at) = (sequence - back, i64::MAX, f64::INFINITY);
        (self.starved, self.debt) = (0, 0);
        Ok(())
    }

    /// A packet, by itself or with a later one. Repeats say nothing of the path.
    fn take(&mut self, number: i64, packet: &[u8], now: f64) {
        let is_missed = number < self.next;
        if packet.is_empty()
            || self.packets.contains_key(&number)
            || (is_missed && !self.gaps.remove(&number))
        {
            return;
        }
        self.depth.arrived(now - number as f64 * FRAME_MS);
        if !is_missed {
            self.packets.insert(number, packet.to_vec());
        }
    }

    fn skip_to_live(&mut self) {
        if self.packets.len() as f64 * FRAME_MS > FULL_MS {
            let keep = (self.depth.target_ms / FRAME_MS).ceil() as usize;
            while self.packets.len() > keep {
                self.packets.pop_first();
            }
            self.next = self.packets.first_key_value().map_or(self.next, |(number, _)| *number);
            self.debt = 0;
        }
    }

    fn ripe(&self, now: f64) -> bool {
        let target = if self.entered { ENTRY_MS } else { self.depth.target_ms };
        self.end != i64::MAX || now - self.zero_at - self.next as f64 * FRAME_MS >= target
    }

    /// Decodes until enough waits for the loudspeaker.
    fn pull(&mut self, now: f64) -> Result<(), opus::Error> {
        if self.open && !self.playing {
            self.playing = self.ripe(now);
        }
        while self.open && self.playing && self.ring.len() < AHEAD {
            // Losses whose time has been played already are passed over.
            while self.debt > 0 && !self.packets.is_empty() && !self.packets.contains_key(&self.next) {
                self.pass_over();
                self.debt -= 1;
            }
            if !self.packets.is_empty() {
                self.debt = 0;
            }
            if self.next > self.end {
                self.open = false;
            } else if let Some(packet) = self.packets.remove(&self.next) {
                (self.next, self.starved) = (self.next + 1, 0);
                self.decode(&packet)?;
            } else if self.next == self.end {
                self.open = false;
            } else if self.ring.len() < CRITICAL {
                self.conceal()?;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn conceal(&mut self) -> Result<(), opus::Error> {
        if !self.packets.is_empty() || self.end != i64::MAX {
            self.pass_over();
        } else {
            if self.starved == STARVED {
                self.open = false;
                return Ok(());
            }
            self.starved += 1;
            self.debt += 1;
        }
        self.concealed += 1;
        // Without a packet the decoder goes on by itself.
        self.decode(&[])
    }

    fn pass_over(&mut self) {
        self.gaps.insert(self.next);
        self.next += 1;
    }

    fn decode(&mut self, packet: &[u8]) -> Result<(), opus::Error> {
        let room = if packet.is_empty() { FRAME } else { 6 * FRAME };
        let mut out = vec![0; room];
        let samples = self.decoder.decode(packet, &mut out, false)?;
        self.ring.extend_from_slice(&out[..samples]);
        self.frames += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kpi::sound::Burst;
    use crate::kpi::talk::{Voice, frame_of};

    fn arrivals(voice: &Voice, earlier: usize, keep: impl Fn(usize) -> bool) -> Vec<(Duration, Vec<u8>)> {
        let all = 0..voice.packets.len();
        let at = |n: usize| Duration::from_millis(1000 + 20 * n as u64);
        all.filter(|n| keep(*n)).map(|n| (at(n), frame_of(voice, n, earlier, (17, 3), (false, 9)))).collect()
    }

    #[test]
    fn a_clean_burst_is_played_whole_after_the_buffers_depth() {
        let (burst, mut depth) = (Burst::synthetic(), Depth::default());
        let voice = Voice::of(&burst).unwrap();
        let played = play(&arrivals(&voice, 1, |_| true), &mut depth, false).unwrap();
        assert_eq!((played.concealed, played.frames), (0, voice.packets.len() as u32));
        let delay = played.first_sound.unwrap() - played.began;
        assert_eq!(delay, Duration::from_millis(60));
        let found = burst.find(&played.pcm).unwrap();
        assert_eq!((found.clipped_start_ms, found.clipped_end_ms), (0, 0));
    }

    #[test]
    fn a_frame_that_the_next_one_carries_is_not_concealed_and_two_in_a_row_are() {
        let voice = Voice::of(&Burst::synthetic()).unwrap();
        let lost = |numbers: &'static [usize]| {
            play(&arrivals(&voice, 1, |n| !numbers.contains(&n)), &mut Depth::default(), false)
                .unwrap()
                .concealed
        };
        assert_eq!(lost(&[0, 30, 50]), 0);
        assert_eq!(lost(&[30, 31]), 1);
        assert_eq!(lost(&[30, 31, 32]), 2);
    }

    #[test]
    fn a_burst_that_stalls_goes_on_and_silence_before_a_late_end_is_no_loss() {
        let voice = Voice::of(&Burst::synthetic()).unwrap();
        let last = voice.packets.len() - 1;
        let late = |from: usize| {
            let mut all = arrivals(&voice, 1, |_| true);
            all.iter_mut().skip(from).for_each(|(at, _)| *at += Duration::from_millis(600));
            play(&all, &mut Depth::default(), false).unwrap()
        };
        let (ended, stalled) = (late(last), late(50));
        assert_eq!((ended.concealed, ended.frames), (0, last as u32 + 1));
        assert_eq!((stalled.concealed, stalled.frames), (STARVED, last as u32 + 1 + STARVED));
    }

    #[test]
    fn a_path_that_jitters_makes_the_next_burst_wait_longer() {
        let (voice, mut depth) = (Voice::of(&Burst::synthetic()).unwrap(), Depth::default());
        let mut late = arrivals(&voice, 0, |_| true);
        for (n, (at, _)) in late.iter_mut().enumerate() {
            *at += Duration::from_millis(if n % 3 == 1 { 55 } else { 0 });
        }
        late.sort_by_key(|(at, _)| *at);
        play(&late, &mut depth, false).unwrap();
        let next = play(&arrivals(&voice, 1, |_| true), &mut depth, false).unwrap();
        assert!(next.first_sound.unwrap() - next.began > Duration::from_millis(60));
    }

    #[test]
    fn who_enters_in_the_middle_hears_at_once_and_pays_with_one_frame_at_most() {
        let (voice, mut depth) = (Voice::of(&Burst::synthetic()).unwrap(), Depth::default());
        let played = play(&arrivals(&voice, 1, |n| n >= 30), &mut depth, true).unwrap();
        assert!(played.first_sound.unwrap() - played.began <= Duration::from_millis(10));
        assert!(played.concealed <= 1, "{}", played.concealed);
    }
}
