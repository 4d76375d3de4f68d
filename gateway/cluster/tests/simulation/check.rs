//! What must hold.

use std::collections::{BTreeMap, BTreeSet};

use suara_channel::{Grant, TalkerNumber, Talking};
use suara_cluster::{Epoch, NodeId, Standing};

use crate::faults::NOTICED;
use crate::process::Process;
use crate::room::Room;
use crate::task::ROUND;
use crate::world::{Outcome, World};

/// So long nothing has been wrong with a node before it is held to what all others hear: the lease, a split, and the way
/// back.
const SOUND: u64 = 8_000;
/// With packets that get lost, entries come by the next beat, and the one after.
const LOSSY: u64 = 3_000;
/// So long before a place is given up (two seconds after a node was held for dead) all that was said comes through.
const PEACE: u64 = 1_500;
/// A lease by the slowest clock, and what is known of it.
const DEAF: u64 = 3_100;
/// No grant lasts longer: T2, T3, a lease, a stall, and the way back.
const LONGEST: u64 = 22_000;

impl World<'_> {
    /// Two nodes that are sound never hear two talkers at once, beyond the flight of what says so.
    pub(crate) fn check_heard(&mut self, slot: usize, grant: Grant) -> Outcome {
        let now = self.now;
        let room = self.processes[slot].room.as_mut();
        if let Some(since) = room.map(|room| *room.holds.entry(grant).or_insert(now))
            && now > since + LONGEST
        {
            return Err(format!("{grant:?} is in force since {since}"));
        }
        if self.processes[slot].sound.saturating_add(SOUND) > now {
            return Ok(());
        }
        let slack = if self.network.is_lossy() { LOSSY } else { self.network.longest() + 5 };
        self.first_heard.entry(grant).or_insert(now);
        let later = self.first_heard.range(grant..).find(|(other, at)| **other > grant && **at + slack < now);
        match later {
            Some((other, at)) => {
                Err(format!("{} hears {grant:?}, and others {other:?} since {at}", self.processes[slot].node))
            }
            None => Ok(()),
        }
    }

    /// No grant is ever given to two, on whatever side of a split. A Redis that lost its data has the leases' epochs once more.
    pub(crate) fn check_given(&mut self, slot: usize) -> Outcome {
        let Some(room) = self.processes[slot].room.as_ref().filter(|_| !self.redis.forgot) else {
            return Ok(());
        };
        let channel = room.replica.channel();
        for Talking { grant, talker, who, .. } in channel.all_talking(channel.now()) {
            let holder = (talker, who.user);
            let given = self.given.entry(grant).or_insert_with(|| holder.clone());
            if *given != holder {
                let node = self.processes[slot].node;
                return Err(format!("{node}: {grant:?} is {holder:?}'s, and was given to {given:?}"));
            }
        }
        Ok(())
    }

    /// Who begins to decide knows what anybody knows who could have said so.
    pub(crate) fn check_reign(&self, slot: usize) -> Outcome {
        let is_well = |process: &Process| {
            let awake = process.stalled.is_none_or(|until| until + ROUND <= self.now);
            process.up && awake && process.in_reach.saturating_add(ROUND) <= self.now
        };
        let own = &self.processes[slot];
        let was_in_reach = own.in_reach.saturating_add(ROUND) <= self.now;
        if !was_in_reach || self.has_split || self.redis.forgot || self.network.is_lossy() {
            return Ok(());
        }
        let others = self.processes.iter().filter(|other| other.node != own.node && is_well(other));
        let Some((term, head)) = own.room.as_ref().map(|room| room.replica.head()) else { return Ok(()) };
        let mut rooms = others.filter_map(|other| Some((other.node, other.room.as_ref()?)));
        // Its term's first entries are in its head already. Who slept through another term since has to give up what it knows.
        let knows_more = |(epoch, index): (Epoch, u64)| epoch.next() == term.epoch && index >= head;
        match rooms.find(|(_, room)| knows_more(room.progress)) {
            Some((other, room)) => Err(format!(
                "{} decides in {term:?} from {head} on, and {other} knows {:?}",
                own.node, room.progress
            )),
            None => Ok(()),
        }
    }

    /// Who hears nobody doesn't go on deciding for all.
    pub(crate) fn check_hears(&self, slot: usize) -> Outcome {
        let process = &self.processes[slot];
        let owns = |room: &Room| matches!(room.replica.standing(), Standing::Owner { .. });
        let awake = process.stalled.unwrap_or_default();
        let is_deaf = process.deaf.is_some_and(|since| since.max(awake) + NOTICED + DEAF < self.now);
        if is_deaf && process.room.as_ref().is_some_and(owns) {
            return Err(format!("{} decides, and hears nobody since {:?}", process.node, process.deaf));
        }
        Ok(())
    }

    /// Who is here is lost for a reason. What was decided outlives its owner: one who takes over asks round, and whoever is
    /// well has had an answer to give. And who was held for dead and isn't says so, long before its members' places are
    /// given up.
    pub(crate) fn check_lost(&self, slot: usize, talker: TalkerNumber, adopted: bool, here: u64) -> Outcome {
        if self.has_split || self.redis.forgot || self.network.is_lossy() {
            return Ok(());
        }
        let process = &self.processes[slot];
        // It may hear of it long after.
        let given_up = self.gone.get(&talker).map_or(self.now, |at| self.now.min(*at));
        let half_heard = |room: &Room| self.half_heard.contains(&room.replica.head().0);
        let is_well = if adopted && process.room.as_ref().is_some_and(half_heard) {
            false
        } else if adopted {
            process.sound.max(here).saturating_add(SOUND) <= self.now
        } else {
            let since = process.room.as_ref().map_or(self.now, |room| room.term.1);
            self.trouble.max(since).max(here).saturating_add(PEACE) <= given_up
        };
        if is_well {
            return Err(format!("{} loses {talker} for no reason (adopted: {adopted})", process.node));
        }
        Ok(())
    }

    pub(crate) fn check_rest(&self) -> Outcome {
        let rooms = || {
            let open = self.processes.iter().filter(|process| process.up);
            open.filter_map(|process| Some((process.node, process.room.as_ref()?)))
        };
        let mut owners = Vec::new();
        let mut members = BTreeMap::new();
        for (node, room) in rooms() {
            if let Standing::Owner { epoch } = room.replica.standing() {
                owners.push((node, epoch));
            }
            if !room.open.is_empty() || !room.lost.is_empty() || !room.joining.is_empty() {
                return Err(format!("{node} has no answer to {:?} {:?}", room.open, room.lost));
            }
            for seat in room.seats.values() {
                let Some(talker) = seat.talker else {
                    return Err(format!("{node} has a seat that is not in"));
                };
                if members.insert(talker, node).is_some() {
                    return Err(format!("{talker} is at two nodes"));
                }
            }
        }
        let Some((first, head)) = rooms().next().map(|(_, room)| (room, room.replica.head())) else {
            return Ok(());
        };
        let [(owner, epoch)] = owners[..] else { return Err(format!("owners: {owners:?}")) };
        for (node, room) in rooms() {
            let follows = Standing::Follower { owner, epoch };
            if node != owner && room.replica.standing() != follows {
                return Err(format!("{node} is {:?}, and {owner} owns {epoch}", room.replica.standing()));
            }
            if room.replica.head() != head {
                return Err(format!("{node} is at {:?}, and others at {head:?}", room.replica.head()));
            }
            Self::check_alike(node, room, first)?;
            self.check_members(node, room, &members)?;
            if room.told != self.stored {
                return Err(format!("{node} told chat up to {}, and there is {}", room.told, self.stored));
            }
        }
        self.check_said()
    }

    fn check_alike(node: NodeId, room: &Room, other: &Room) -> Outcome {
        let (own, others) = (room.replica.channel(), other.replica.channel());
        let is_alike = own.version() == others.version()
            && own.members().eq(others.members())
            && own.speakers() == others.speakers()
            && own.next_grant() == others.next_grant()
            && room.replica.shared().eq(other.replica.shared());
        if !is_alike {
            return Err(format!("{node} and others differ: {own:?} {others:?}"));
        }
        if own.all_talking(own.now()).count() > 0 {
            return Err(format!("{node}: the floor is held for ever: {:?}", own.speakers()));
        }
        Ok(())
    }

    fn check_members(&self, node: NodeId, room: &Room, seats: &BTreeMap<TalkerNumber, NodeId>) -> Outcome {
        let roster: BTreeSet<_> = room.replica.channel().members().map(|member| member.talker).collect();
        if let Some(ghost) = roster.iter().find(|talker| !seats.contains_key(talker)) {
            return Err(format!("{node}: {ghost} is a ghost"));
        }
        for (talker, home) in seats {
            if room.replica.home(*talker) != Some(*home) {
                return Err(format!("{node}: {talker} of {home} is at {:?}", room.replica.home(*talker)));
            }
        }
        let here = room.seats.values().filter(|seat| seat.here).filter_map(|seat| seat.talker);
        let mut members = here.filter_map(|talker| room.replica.channel().member(talker));
        match members.find(|member| member.unreachable) {
            Some(member) => Err(format!("{node}: {} is here, and unreachable", member.talker)),
            None => Ok(()),
        }
    }

    /// What two nodes heard both, they heard in one order.
    fn check_said(&self) -> Outcome {
        let rooms: Vec<_> = self.processes.iter().filter_map(|process| process.room.as_ref()).collect();
        for (index, room) in rooms.iter().enumerate() {
            let places: BTreeMap<_, _> =
                room.said.iter().enumerate().map(|(place, word)| (*word, place)).collect();
            for other in &rooms[..index] {
                let common: Vec<_> = other.said.iter().filter_map(|word| places.get(word)).collect();
                if !common.is_sorted() {
                    return Err(format!("out of order: {:?} and {:?}", room.said, other.said));
                }
            }
        }
        Ok(())
    }
}
