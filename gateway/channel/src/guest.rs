//! Guests: those who talk in a channel without being in it, because it is patched to another.
//!
//! A guest stands for whoever talks over there at a time. It has a talker number of its own and claims the floor like a member,
//! with the rank of the one whom it stands for; it isn't in the roster.

use suara_proto::TalkerNumber;

use crate::asking::{Asking, Rank};
use crate::channel::Channel;
use crate::floor::Claim;
use crate::roster::Identity;
use crate::time::Time;

impl Channel {
    /// Gives a guest its number; none, when all are in use.
    pub fn admit(&mut self, now: Time) -> Option<TalkerNumber> {
        self.advance(now);
        let guest = self.roster.number(self.now)?;
        self.guests.insert(guest);
        Some(guest)
    }

    /// Whether that is a guest's number.
    #[must_use]
    pub fn is_guest(&self, talker: TalkerNumber) -> bool {
        self.guests.contains(&talker)
    }

    /// The guests' numbers.
    pub fn guests(&self) -> impl Iterator<Item = TalkerNumber> {
        self.guests.iter().copied()
    }

    /// Floor Request of a guest on behalf of `who`, answered as a member's is.
    pub fn guest_request(&mut self, now: Time, guest: TalkerNumber, who: Identity, asking: Asking) {
        self.advance(now);
        if !self.is_guest(guest) {
            return;
        }
        let Asking { request, level, priority, queue, road } = asking;
        let rank = Rank { level, priority: priority.min(who.priority) };
        let (mut step, floor) = self.step();
        floor.request(&mut step, Claim { talker: guest, who, request, rank, queue, road });
    }

    /// Whatever a guest has of the floor it gives back; its late frames are forwarded as a member's are.
    pub fn guest_release(&mut self, now: Time, guest: TalkerNumber) {
        self.advance(now);
        if self.is_guest(guest) {
            let (mut step, floor) = self.step();
            floor.release_all(&mut step, guest);
        }
    }

    /// A guest is gone, and its number comes to rest.
    pub fn dismiss(&mut self, now: Time, guest: TalkerNumber) {
        self.advance(now);
        if self.guests.remove(&guest) {
            let (mut step, floor) = self.step();
            floor.leave(&mut step, guest);
            self.roster.rest(guest, self.now + self.settings.talker_reuse);
        }
    }
}
