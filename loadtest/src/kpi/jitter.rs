//! A listener's play-out, by the rule of the JavaScript client (`gateway/web/lib/jitter.js`, `delay.js`): what came when is
//! played again after the run, so that decoding holds up no measurement. Pure but for the decoder.

use std::collections::BTreeMap;
use std::time::Duration;

use suara_proto::opus as packets;
use suara_proto::voice::VoiceFrame;

use super::sound::{FRAME, RATE};

/// Before anything is known of the path.
const START_MS: f64 = 60.0;
const SHALLOWEST_MS: f64 = 40.0;
const DEEPEST_MS: f64 = 240.0;
/// With each earlier packet in a frame a lost one comes 20 ms later.
const REPAIR_MS: f64 = 20.0;
/// Both legs' repair, beyond the 95th percentile.
const REPAIRED_MS: f64 = 40.0;
/// Who enters in the middle waits for so long only.
const ENTRY_MS: f64 = 10.0;
const MARGIN_MS: f64 = 30.0;
const HYSTERESIS_MS: f64 = 15.0;
const STEP_DOWN_MS: f64 = 20.0;
const WINDOW: usize = 500;
const ENOUGH: usize = 25;
/// Decoded ahead of the loudspeaker, in samples.
const AHEAD: usize = 6 * FRAME;
/// Below that a missing frame is concealed rather than waited for.
const CRITICAL: usize = FRAME;
/// So many concealed frames in a row end a burst.
const STARVED: u32 = 15;
/// How often the play-out asks: a browser's block of audio.
const TICK_MS: f64 = 10.0;
const TICK: usize = RATE / 100;

/// How deep a listener's buffer is; it lasts over bursts, as a client's does.
#[derive(Debug, Clone)]
pub(super) struct Depth {
    target_ms: f64,
    late: Vec<f64>,
    at: usize,
}

impl Default for Depth {
    fn default() -> Self {
        Self { target_ms: START_MS, late: Vec::new(), at: 0 }
    }
}

impl Depth {
    /// Between two bursts.
    fn new_burst(&mut self) {
        if self.late.len() < ENOUGH {
            return;
        }
        let mut sorted = self.late.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| sorted[sorted.len() * percent / 100];
        let change = at(99).min(at(95) + REPAIRED_MS) + MARGIN_MS - self.target_ms;
        if change.abs() >= HYSTERESIS_MS {
            self.target_ms = (self.target_ms + change.max(-STEP_DOWN_MS)).clamp(SHALLOWEST_MS, DEEPEST_MS);
        }
    }

    fn arrived(&mut self, late: f64) {
        if self.late.len() < WINDOW {
            self.late.push(late);
        } else {
            self.late[self.at % WINDOW] = late;
        }
        self.at += 1;
    }
}

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
    while now <= last_ms + 1000.0 && !player.over {
        while let Some((at, bytes)) = waiting.next_if(|(at, _)| at.as_secs_f64() * 1000.0 - begin_ms <= now) {
            if let Ok(frame) = VoiceFrame::decode(bytes) {
                player.push(&frame, at.as_secs_f64() * 1000.0 - begin_ms);
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
    ring: Vec<i16>,
    /// Sequence number and timestamp of the first frame, and when it came.
    first: Option<(u16, u32, f64)>,
    anchored: bool,
    least: f64,
    /// In the middle of a burst.
    entered: bool,
    /// Earlier packets in its frames before it was played.
    earlier: usize,
    playing: bool,
    next: i64,
    end: i64,
    starved: u32,
    debt: u32,
    frames: u32,
    concealed: u32,
    over: bool,
}

impl<'a> Player<'a> {
    fn new(depth: &'a mut Depth) -> Result<Self, opus::Error> {
        depth.new_burst();
        Ok(Self {
            depth,
            decoder: opus::Decoder::new(RATE as u32, opus::Channels::Mono)?,
            packets: BTreeMap::new(),
            ring: Vec::new(),
            first: None,
            anchored: false,
            least: f64::INFINITY,
            entered: false,
            earlier: 0,
            playing: false,
            next: 0,
            end: i64::MAX,
            starved: 0,
            debt: 0,
            frames: 0,
            concealed: 0,
            over: false,
        })
    }

    fn push(&mut self, frame: &VoiceFrame<'_>, now: f64) {
        let header = frame.header;
        let (first, timestamp, _) = *self.first.get_or_insert((header.sequence, header.timestamp, now));
        let sequence = i64::from(header.sequence.wrapping_sub(first) as i16);
        let spoken =
            f64::from(header.timestamp.wrapping_sub(timestamp) as i32) / f64::from(packets::TICKS_PER_MS);
        self.least = self.least.min(now - spoken);
        self.depth.arrived(now - spoken - self.least);
        let redundant = frame.redundant.as_slice();
        let oldest = sequence - redundant.len() as i64;
        if !self.playing {
            self.earlier = self.earlier.max(redundant.len());
        }
        if !self.playing && !self.anchored {
            self.next = self.next.min(oldest);
        }
        self.anchored |= header.flags.start;
        if header.flags.start && !self.playing {
            self.next = sequence;
        }
        for (number, packet) in (oldest..).zip(redundant.iter().copied().chain([frame.packet])) {
            if number >= self.next && !packet.is_empty() {
                self.packets.entry(number).or_insert_with(|| packet.to_vec());
            }
        }
        if header.flags.end {
            self.end = self.end.min(sequence);
        }
    }

    fn ripe(&self, now: f64) -> bool {
        let Some((_, _, since)) = self.first else { return false };
        let depth = self.packets.len() as f64 * 20.0;
        let target = match self.entered && !self.anchored {
            true => ENTRY_MS,
            false => self.depth.target_ms + REPAIR_MS * self.earlier as f64,
        };
        self.end != i64::MAX || now - since >= target || depth >= target + 20.0
    }

    /// Decodes until enough waits for the loudspeaker.
    fn pull(&mut self, now: f64) -> Result<(), opus::Error> {
        if !self.playing {
            self.playing = self.ripe(now);
        }
        while self.playing && !self.over && self.ring.len() < AHEAD {
            // Losses whose time has been played already are passed over.
            while self.debt > 0 && !self.packets.is_empty() && !self.packets.contains_key(&self.next) {
                (self.next, self.debt) = (self.next + 1, self.debt - 1);
            }
            if !self.packets.is_empty() {
                self.debt = 0;
            }
            if self.next > self.end {
                self.over = true;
            } else if let Some(packet) = self.packets.remove(&self.next) {
                (self.next, self.starved) = (self.next + 1, 0);
                self.decode(&packet)?;
            } else if self.next == self.end {
                self.over = true;
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
            self.next += 1;
        } else {
            if self.starved == STARVED {
                self.over = true;
                return Ok(());
            }
            self.starved += 1;
            self.debt += 1;
        }
        self.concealed += 1;
        // Without a packet the decoder goes on by itself.
        self.decode(&[])
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

    fn arrivals(voice: &Voice, keep: impl Fn(usize) -> bool) -> Vec<(Duration, Vec<u8>)> {
        let all = 0..voice.packets.len();
        let at = |n: usize| Duration::from_millis(1000 + 20 * n as u64);
        all.filter(|n| keep(*n)).map(|n| (at(n), frame_of(voice, n, 1, (17, 3), (false, 9)))).collect()
    }

    #[test]
    fn a_clean_burst_is_played_whole_after_the_buffers_depth() {
        let (burst, mut depth) = (Burst::synthetic(), Depth::default());
        let voice = Voice::of(&burst).unwrap();
        let played = play(&arrivals(&voice, |_| true), &mut depth, false).unwrap();
        assert_eq!((played.concealed, played.frames), (0, voice.packets.len() as u32));
        let delay = played.first_sound.unwrap() - played.began;
        // Each frame carries one earlier packet, whose repair is waited for.
        assert_eq!(delay, Duration::from_millis(60 + 20));
        let found = burst.find(&played.pcm).unwrap();
        assert_eq!((found.clipped_start_ms, found.clipped_end_ms), (0, 0));
    }

    #[test]
    fn a_frame_that_the_next_one_carries_is_not_concealed_and_two_in_a_row_are() {
        let voice = Voice::of(&Burst::synthetic()).unwrap();
        let lost = |numbers: &'static [usize]| {
            play(&arrivals(&voice, |n| !numbers.contains(&n)), &mut Depth::default(), false)
                .unwrap()
                .concealed
        };
        assert_eq!(lost(&[0, 30, 50]), 0);
        assert_eq!(lost(&[30, 31]), 1);
        assert_eq!(lost(&[30, 31, 32]), 2);
    }

    #[test]
    fn a_path_that_jitters_makes_the_next_burst_wait_longer() {
        let (voice, mut depth) = (Voice::of(&Burst::synthetic()).unwrap(), Depth::default());
        let mut late = arrivals(&voice, |_| true);
        for (n, (at, _)) in late.iter_mut().enumerate() {
            *at += Duration::from_millis(if n % 3 == 1 { 55 } else { 0 });
        }
        late.sort_by_key(|(at, _)| *at);
        play(&late, &mut depth, false).unwrap();
        let next = play(&arrivals(&voice, |_| true), &mut depth, false).unwrap();
        assert!(next.first_sound.unwrap() - next.began > Duration::from_millis(60));
    }

    #[test]
    fn who_enters_in_the_middle_hears_at_once_and_pays_with_one_frame_at_most() {
        let (voice, mut depth) = (Voice::of(&Burst::synthetic()).unwrap(), Depth::default());
        let played = play(&arrivals(&voice, |n| n >= 30), &mut depth, true).unwrap();
        assert!(played.first_sound.unwrap() - played.began <= Duration::from_millis(10));
        assert!(played.concealed <= 1, "{}", played.concealed);
        let whole = play(&arrivals(&voice, |n| n >= 30), &mut Depth::default(), false).unwrap();
        assert!(whole.first_sound.unwrap() - whole.began >= Duration::from_millis(50));
    }
}
