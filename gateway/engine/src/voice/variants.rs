//! A frame as it goes to listeners whose paths lose some: with one or two earlier ones, built when the first of them asks.

use super::audience::Cast;
use super::frame::Frame;

/// Earlier frames that may ride along.
pub const MAX_EARLIER: usize = 2;

/// What may ride along with a frame.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    /// Frames right before it, the nearest first, and none behind one that is missing.
    pub frames: [Option<Frame>; MAX_EARLIER],
    /// So many of them go to every connection, whatever it wants: a talkspurt's first frames can't wait for a report.
    pub least: u8,
    /// All of them go to every connection that was sent fewer frames than this: what its path loses is not known yet.
    pub trial: u8,
}

/// One frame's variants at one worker. `None` in a place that nobody has asked for.
#[derive(Default)]
pub(crate) struct Variants([Option<Built>; MAX_EARLIER]);

/// A variant, and how many earlier frames are in it.
struct Built {
    frame: Frame,
    earlier: usize,
}

impl Variants {
    /// The frame with as many earlier ones as are wanted, or as there are; and how many these are. `build` puts them together,
    /// unless that gets too large.
    pub(crate) fn get<'a>(
        &'a mut self,
        cast: &'a Cast,
        wanted: u8,
        build: impl Fn(&Frame, &[&Frame]) -> Option<Frame>,
    ) -> (&'a Frame, usize) {
        let wanted = usize::from(wanted).min(MAX_EARLIER);
        let Some(place) = wanted.checked_sub(1) else { return (&cast.frame, 0) };
        let built = self.0[place].get_or_insert_with(|| Built::new(cast, wanted, build));
        (&built.frame, built.earlier)
    }
}

impl Built {
    fn new(cast: &Cast, wanted: usize, build: impl Fn(&Frame, &[&Frame]) -> Option<Frame>) -> Self {
        let nearest = cast.earlier.frames.each_ref().map(Option::as_ref);
        let found: [&Frame; MAX_EARLIER] = nearest.map(|frame| frame.unwrap_or(&cast.frame));
        let there = nearest.iter().take_while(|frame| frame.is_some()).count();
        let counts = (1..=wanted.min(there)).rev();
        let mut built = counts.filter_map(|count| {
            build(&cast.frame, &found[..count]).map(|frame| Self { frame, earlier: count })
        });
        built.next().unwrap_or_else(|| Self { frame: cast.frame.clone(), earlier: 0 })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;

    fn cast(frames: [Option<Frame>; MAX_EARLIER]) -> Cast {
        let (frame, since, earlier) =
            (Frame::new(b"c"), Instant::now(), Earlier { frames, ..Earlier::default() });
        Cast { frame, earlier, audience: Arc::default(), sender: None, since }
    }

    fn frame(payload: &[u8]) -> Option<Frame> {
        Some(Frame::new(payload))
    }

    /// All in a line, the frame last, if they are no more than `largest` bytes.
    fn line(largest: usize) -> impl Fn(&Frame, &[&Frame]) -> Option<Frame> {
        move |frame, earlier| {
            let all: Vec<u8> =
                earlier.iter().rev().chain([&frame]).flat_map(|frame| frame.payload()).copied().collect();
            (all.len() <= largest).then(|| Frame::new(&all))
        }
    }

    fn get(cast: &Cast, wanted: u8, largest: usize) -> (Vec<u8>, usize) {
        let mut variants = Variants::default();
        let (frame, earlier) = variants.get(cast, wanted, line(largest));
        (frame.payload().to_vec(), earlier)
    }

    #[test]
    fn each_gets_as_many_as_it_wants_or_there_are() {
        let both = cast([frame(b"b"), frame(b"a")]);
        assert_eq!(get(&both, 0, 9), (b"c".to_vec(), 0));
        assert_eq!(get(&both, 1, 9), (b"bc".to_vec(), 1));
        assert_eq!(get(&both, 2, 9), (b"abc".to_vec(), 2));
        assert_eq!(get(&both, 200, 9), (b"abc".to_vec(), 2));
        assert_eq!(get(&cast([frame(b"b"), None]), 2, 9), (b"bc".to_vec(), 1));
        assert_eq!(get(&cast([None, frame(b"a")]), 2, 9), (b"c".to_vec(), 0), "not behind a gap");
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let both = cast([frame(b"b"), frame(b"a")]);
        assert_eq!(get(&both, 2, 2), (b"bc".to_vec(), 1));
        assert_eq!(get(&both, 2, 1), (b"c".to_vec(), 0));
    }

    #[test]
    fn each_is_built_once() {
        let (cast, count) = (cast([frame(b"b"), frame(b"a")]), Cell::new(0));
        let build = |frame: &Frame, earlier: &[&Frame]| {
            count.set(count.get() + 1);
            line(9)(frame, earlier)
        };
        let mut variants = Variants::default();
        for wanted in [0, 1, 2, 2, 1, 0, 2] {
            variants.get(&cast, wanted, build);
        }
        assert_eq!(count.get(), 2);
    }
}
