//! The reference's view of who is unreachable, and what one who comes back is told.

use std::time::Duration;

use suara_channel::*;

use crate::reference::{Story, millis};

impl Story<'_> {
    pub(crate) fn lost(&mut self, talker: TalkerNumber) {
        let until = self.now + millis(self.rules.presence_grace);
        self.kept.insert(talker, until);
        self.is_unreachable(talker, true);
    }

    pub(crate) fn resumed(&mut self, talker: TalkerNumber) {
        if self.kept.remove(&talker).is_some() {
            self.is_unreachable(talker, false);
        }
        let own = |holds: bool| {
            let of = move |line: &&crate::line::Line| {
                line.who.talker == talker && if holds { line.holds() } else { line.waits() }
            };
            self.book.iter().find(of)
        };
        if let Some(line) = own(true) {
            let said = line.granted(self.now);
            let revoke = line.grace.zip(line.speaker()).map(|(until, Speaker { talker, grant })| {
                let grace = Duration::from_millis(until.saturating_sub(self.now));
                Effect::Revoke { talker, grant, cause: line.cause, grace }
            });
            self.said.push(said);
            self.said.extend(revoke);
        } else if let Some(line) = own(false) {
            let (request, level, priority, queue, road) =
                (line.request, line.level, line.priority, line.queue, line.road);
            let who = line.who.clone();
            self.asked_by_other(who, Asking { request, level, priority, queue, road });
        }
    }

    /// Those whose time is over, in the order in which it was.
    pub(crate) fn gone(&mut self) {
        let mut over: Vec<_> = self.kept.iter().map(|(talker, until)| (*until, *talker)).collect();
        over.retain(|(until, _)| *until <= self.now);
        over.sort_unstable();
        for (_, talker) in over {
            self.left(talker);
            self.said.push(Effect::Gone { talker });
        }
    }

    fn is_unreachable(&mut self, talker: TalkerNumber, unreachable: bool) {
        self.version += 1;
        if let Some(member) = self.members.get_mut(&talker) {
            member.unreachable = unreachable;
        }
    }
}
