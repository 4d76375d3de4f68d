//! A room's task at a node: what it does with its replica, and what comes of that.

use std::collections::BTreeMap;

use suara_channel::Time;
use suara_cluster::{ChatOutput, Op, Replica, Rules, Standing};

use crate::room::{Room, Word};
use crate::world::{Event, Outcome, World, settings};

/// A new owner's round takes less, with all that is on its way.
pub(crate) const ROUND: u64 = 1_000;

impl World<'_> {
    pub(crate) fn submit(&mut self, slot: usize, op: Op) -> Outcome {
        self.with(slot, |room, clock| room.submit(clock, op))
    }

    pub(crate) fn open_room(&mut self, slot: usize) {
        let process = &mut self.processes[slot];
        if process.room.is_some() {
            return;
        }
        let clock = process.clock(self.now);
        let mut replica = Replica::new(process.node, process.next_op, settings(), Rules::default(), clock);
        if process.knows_away {
            replica.hears(clock, false);
        }
        process.room = Some(Room::new(replica, clock, self.stored));
    }

    /// Does something with a room as its task does: what is due comes first, what was decided is carried out last.
    pub(crate) fn with(&mut self, slot: usize, act: impl FnOnce(&mut Room, Time)) -> Outcome {
        let process = &mut self.processes[slot];
        let clock = process.clock(self.now);
        let Some(room) = &mut process.room else { return Ok(()) };
        room.replica.handle_timeout(clock);
        act(room, clock);
        self.settle(slot, clock)
    }

    fn settle(&mut self, slot: usize, clock: Time) -> Outcome {
        let node = self.processes[slot].node;
        loop {
            let mut words = Vec::new();
            let Some(room) = &mut self.processes[slot].room else { return Ok(()) };
            room.drain(node, clock, &mut words);
            let (term, _) = room.replica.head();
            if term.epoch < room.term.0.epoch {
                return Err(format!("{node} was in {:?}, and is in {term:?}", room.term.0));
            }
            if term != room.term.0 {
                room.term = (term, self.now);
            }
            let speaks: Vec<_> = room.begun.drain(..).collect();
            if words.is_empty() {
                break;
            }
            speaks.into_iter().for_each(|client| self.later(slot, 0, Event::Speak(client)));
            for word in words {
                match word {
                    Word::Out(output) => self.out(slot, output),
                    Word::Note(what) => {
                        self.has_split |= what == "split";
                        self.note(what);
                    }
                    Word::Gone(talker) => drop(self.gone.entry(talker).or_insert(self.now)),
                    Word::Reigns => self.look_back(slot)?,
                    Word::Lost { talker, adopted, since } => self.check_lost(slot, talker, adopted, since)?,
                    Word::Trace(what) => self.log(|| what),
                    Word::Forked => self.first_heard.clear(),
                    Word::Fell(to) => self.first_heard.retain(|grant, _| grant.epoch() <= to.0),
                    Word::Fault(fault) => return Err(fault),
                    Word::Turn => {}
                }
            }
        }
        if let Some(room) = &mut self.processes[slot].room {
            let (term, index) = room.replica.head();
            room.progress = (term.epoch, index);
            if matches!(room.replica.standing(), Standing::Owner { .. }) {
                self.newest = self.newest.max(room.progress);
            }
        }
        if let Some(Standing::Owner { epoch }) =
            self.processes[slot].room.as_ref().map(|room| room.replica.standing())
            && !self.redis.allows(self.now, node, epoch)
        {
            return Err(format!("{node} decides in {epoch}, and has no lease"));
        }
        self.check_hears(slot)?;
        self.check_given(slot)?;
        self.settle_chat(slot, clock)?;
        self.close_if_empty(slot, clock);
        self.plan_wake(slot);
        Ok(())
    }

    /// A node begins to decide. When nobody in reach knows as much as was decided before, because all who do are cut off or
    /// gone, the log goes on from less: who talks by that talks beside what those heard who are gone.
    fn look_back(&mut self, slot: usize) -> Outcome {
        let Some(from) = self.processes[slot].room.as_ref().map(|room| room.progress) else { return Ok(()) };
        let now = self.now;
        self.check_reign(slot)?;
        if self.processes[slot].in_reach.saturating_add(ROUND) > now {
            let term = self.processes[slot].room.as_ref().map(|room| room.replica.head().0);
            self.half_heard.extend(term);
        }
        let in_reach = self
            .processes
            .iter()
            .filter(|other| other.up && other.hears() && other.stalled.is_none_or(|until| until <= now));
        let mut rooms = in_reach.filter_map(|other| other.room.as_ref());
        if from < self.newest && !rooms.any(|room| room.progress > from) {
            self.log(|| format!("the log falls back from {:?} to {from:?}", self.newest));
            (self.newest, self.first_heard) = (from, BTreeMap::new());
        }
        Ok(())
    }

    fn settle_chat(&mut self, slot: usize, clock: Time) -> Outcome {
        let Some(room) = &mut self.processes[slot].room else { return Ok(()) };
        room.chat.handle_timeout(clock);
        let mut fetches = Vec::new();
        while let Some(output) = room.chat.poll_output() {
            match output {
                ChatOutput::Tell { number, message } => {
                    room.told += 1;
                    if (number, message) != (room.told, room.told) {
                        return Err(format!("chat {number} is told after {}", room.told - 1));
                    }
                }
                ChatOutput::Fetch { after } => fetches.push(after),
            }
        }
        for after in fetches {
            let wait = self.random.within(1, 20);
            self.later(slot, wait, Event::ChatFetch(after));
        }
        Ok(())
    }

    fn close_if_empty(&mut self, slot: usize, clock: Time) {
        let Some(room) = &mut self.processes[slot].room else { return };
        if !room.seats.is_empty() || !room.lost.is_empty() {
            room.deserted = None;
            return;
        }
        let since = *room.deserted.get_or_insert(self.now);
        if !room.replica.is_settled() && self.now < since + 6_000 {
            return;
        }
        let next = room.next_op;
        room.replica.quit(clock);
        let mut outputs = Vec::new();
        while let Some(output) = room.replica.poll_output() {
            outputs.push(output);
        }
        self.processes[slot].next_op = next;
        self.processes[slot].room = None;
        for output in outputs {
            self.out(slot, output);
        }
    }

    fn plan_wake(&mut self, slot: usize) {
        let process = &self.processes[slot];
        let Some(room) = &process.room else { return };
        let due = [room.replica.poll_timeout(), room.chat.poll_timeout()].into_iter().flatten().min();
        let Some(at) = due.map(|due| process.true_time(due).max(self.now + 1)) else { return };
        if process.wake.is_none_or(|planned| planned > at) {
            self.processes[slot].wake = Some(at);
            self.later(slot, at - self.now, Event::Wake);
        }
    }
}
