//! Those of a channel in which several may talk who are producers to clients of RTC: such a client has a consumer for each
//! talker, and has it ready before anything is said. Pure.

use suara_proto::TalkerNumber;

use crate::trunk::Who;

/// Producers that a channel's members are to RTC, besides those clients of RTC that produce by themselves. Each is a consumer
/// of every client that wants to hear all; more would be more than a browser mixes well, and fewer would close one who has
/// only paused.
pub(crate) const MAX_CAST: usize = 16;

/// The members who have a part, first comers first until there are as many as may be; after that whoever talks takes the part
/// of the one who has been silent for longest.
#[derive(Debug, Default)]
pub(super) struct Cast {
    parts: Vec<Part>,
    /// Counts talkspurts.
    clock: u64,
}

#[derive(Debug)]
struct Part {
    talker: TalkerNumber,
    who: Who,
    /// By the clock; zero for one who hasn't talked yet.
    talked: u64,
}

impl Cast {
    /// Takes in whoever there is room for, and puts out those whom `is_there` doesn't know; `true` where that changed anything.
    pub(super) fn update<'a>(
        &mut self,
        there: impl Iterator<Item = (TalkerNumber, &'a Who)>,
        is_there: impl Fn(TalkerNumber) -> bool,
    ) -> bool {
        let before = self.parts.len();
        self.parts.retain(|part| is_there(part.talker));
        let mut changed = self.parts.len() != before;
        for (talker, who) in there {
            if self.parts.len() >= MAX_CAST {
                break;
            }
            if is_there(talker) && !self.has(talker) {
                self.parts.push(Part { talker, who: who.clone(), talked: 0 });
                changed = true;
            }
        }
        changed
    }

    /// One talks; it has a part from now on, be it another's. `true` where that changed anything.
    pub(super) fn talks(&mut self, talker: TalkerNumber, who: &Who) -> bool {
        self.clock += 1;
        let talked = self.clock;
        if let Some(part) = self.parts.iter_mut().find(|part| part.talker == talker) {
            part.talked = talked;
            return false;
        }
        if self.parts.len() >= MAX_CAST
            && let Some(at) = (0..self.parts.len()).min_by_key(|at| self.parts[*at].talked)
        {
            self.parts.remove(at);
        }
        self.parts.push(Part { talker, who: who.clone(), talked });
        true
    }

    /// Everybody is gone; `true` where there was anybody.
    pub(super) fn clear(&mut self) -> bool {
        !std::mem::take(&mut self.parts).is_empty()
    }

    pub(super) fn list(&self) -> Vec<(TalkerNumber, Who)> {
        self.parts.iter().map(|part| (part.talker, part.who.clone())).collect()
    }

    fn has(&self, talker: TalkerNumber) -> bool {
        self.parts.iter().any(|part| part.talker == talker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who() -> Who {
        Who { user: "u".into(), name: "U".into(), role: "".into() }
    }

    fn numbers(cast: &Cast) -> Vec<u16> {
        cast.list().iter().map(|(talker, _)| talker.0).collect()
    }

    fn update(cast: &mut Cast, there: std::ops::Range<u16>) -> bool {
        let (who, known) = (who(), there.clone());
        cast.update(there.map(|number| (TalkerNumber(number), &who)), |talker| known.contains(&talker.0))
    }

    #[test]
    fn the_first_comers_have_parts_and_leave_them() {
        let mut cast = Cast::default();
        assert!(update(&mut cast, 1..100));
        assert_eq!(numbers(&cast), (1..=MAX_CAST as u16).collect::<Vec<_>>());
        assert!(!update(&mut cast, 1..99), "nothing new");
        assert!(update(&mut cast, 3..99));
        assert_eq!(numbers(&cast)[0], 3);
        assert_eq!(cast.list().len(), MAX_CAST, "the next come in");
        assert!(cast.clear() && !cast.clear());
    }

    #[test]
    fn whoever_talks_takes_the_part_of_the_most_silent() {
        let mut cast = Cast::default();
        update(&mut cast, 1..17);
        for number in 2..17 {
            assert!(!cast.talks(TalkerNumber(number), &who()), "it has its part");
        }
        assert!(cast.talks(TalkerNumber(50), &who()));
        assert!(!numbers(&cast).contains(&1), "who has never talked");
        assert!(cast.talks(TalkerNumber(51), &who()));
        assert!(!numbers(&cast).contains(&2), "who talked longest ago");
        assert!(numbers(&cast).contains(&50));
    }
}
