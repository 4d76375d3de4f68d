//! Which frames of a talker a listener has had, so that none is counted twice.

/// Frames that are remembered behind the newest one: 1.3 s at 50 frames a second.
const BEHIND: u32 = 64;

/// What one listener has had of one talker.
#[derive(Debug, Clone, Copy, Default)]
struct Track {
    source: u16,
    newest: u32,
    /// Bit n: the frame n before the newest was heard.
    heard: u64,
}

/// What one listener has had of each talker.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    tracks: Vec<Track>,
}

impl Seen {
    /// Notes a frame; says whether it is heard for the first time. One that is too far behind to tell counts as new.
    pub fn first(&mut self, source: u16, frame: u32) -> bool {
        let Some(track) = self.tracks.iter_mut().find(|track| track.source == source) else {
            self.tracks.push(Track { source, newest: frame, heard: 1 });
            return true;
        };
        if frame > track.newest {
            let ahead = frame - track.newest;
            track.heard = if ahead < BEHIND { track.heard << ahead | 1 } else { 1 };
            track.newest = frame;
            return true;
        }
        let behind = track.newest - frame;
        if behind >= BEHIND {
            return true;
        }
        let first = track.heard & (1 << behind) == 0;
        track.heard |= 1 << behind;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_counts_once_in_any_order() {
        let mut seen = Seen::default();
        for frame in [0, 1, 3, 2, 70, 69] {
            assert!(seen.first(1, frame), "{frame}");
        }
        for frame in [70, 69] {
            assert!(!seen.first(1, frame), "{frame} again");
        }
        assert!(seen.first(1, 68), "not heard before the jump");
        assert!(seen.first(2, 70), "of another talker");
    }
}
