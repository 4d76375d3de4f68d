//! The reference's view of guests: those who talk here from other channels, and are in no roster.

use suara_channel::*;

use crate::line::Over;
use crate::reference::Story;

impl Story<'_> {
    /// As a member asks, but for the rights, which it had where it is one, and for repetitions: there is one road from a patch.
    pub(crate) fn guest_asked(&mut self, guest: TalkerNumber, who: &Identity, asking: Asking) {
        if !self.guests.contains(&guest) {
            return;
        }
        let Asking { request, level, priority, .. } = asking;
        let priority = priority.min(who.priority);
        if let Some(own) = self.book.iter().position(|line| line.holds() && line.who.talker == guest) {
            return self.asked_by_holder(own, request, level, priority);
        }
        let rights = Rights::default();
        let who = Member { talker: guest, who: who.clone(), rights, muted: false, unreachable: false };
        self.asked_by_other(who, Asking { priority, ..asking });
    }

    /// It neither waits any more nor talks; what it said last is heard.
    pub(crate) fn guest_released(&mut self, guest: TalkerNumber) {
        if self.guests.contains(&guest) {
            self.unwait(guest, Over::Cancelled);
            for index in self.held_by(guest) {
                self.release(index, Road::Stream);
            }
            self.tell_positions();
        }
    }

    pub(crate) fn dismissed(&mut self, guest: TalkerNumber) {
        if self.guests.remove(&guest) {
            self.gone_from_the_floor(guest);
        }
    }

    fn unwait(&mut self, talker: TalkerNumber, how: Over) {
        let own = self.book.iter_mut().filter(|line| line.waits() && line.who.talker == talker);
        own.for_each(|line| line.over = Some(how));
    }
}
