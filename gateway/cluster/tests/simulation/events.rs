//! What comes to a process: answered, passed on to its room, or lost where it isn't reached.

use suara_channel::Time;
use suara_cluster::{LeaseAnswer, Membership, Packet};

use crate::world::{Event, Outcome, World};

impl World<'_> {
    pub(crate) fn event(&mut self, slot: usize, event: Event) -> Outcome {
        let clock = self.processes[slot].clock(self.now);
        let reached = self.processes[slot].linked && !self.redis.down;
        let hears = self.processes[slot].hears() && !self.redis.down;
        match event {
            Event::Packet(from, packet) if hears => {
                if matches!(*packet, Packet::Submit { .. }) {
                    self.note("operation of another node");
                }
                let packet = self.carried(&packet)?;
                self.with(slot, |room, _| room.replica.receive(clock, from, packet))?;
            }
            Event::Voice { talker, grant, sent } if hears => self.voice(slot, talker, grant, sent)?,
            Event::Heartbeat(from) if hears => {
                self.processes[slot].membership.heard(clock, from);
            }
            Event::Ask(number, ask) if reached => {
                let answer = self.redis.answer(self.now, self.processes[slot].node, ask);
                self.log(|| format!("{} asks {ask:?}: {answer:?}", self.processes[slot].node));
                let wait = self.network.flight(&mut self.random);
                self.later(slot, wait, Event::Answer(number, answer));
            }
            Event::Answer(number, answer) if reached || answer == LeaseAnswer::Away => {
                self.with(slot, |room, _| room.replica.leased(clock, number, answer))?;
            }
            Event::Wake => {
                if self.processes[slot].wake.is_some_and(|at| at <= self.now) {
                    self.processes[slot].wake = None;
                }
                self.with(slot, |_, _| ())?;
            }
            Event::Pulse => self.pulse(slot)?,
            Event::Link(up) => {
                if up == self.processes[slot].hears() && (!up || !self.redis.down) {
                    self.processes[slot].knows_away = !up;
                    self.processes[slot].membership.reachable(clock, up);
                    self.with(slot, |room, _| room.replica.hears(clock, up))?;
                }
            }
            Event::Speak(client) => self.speak(slot, client)?,
            event => self.chat(slot, clock, event)?,
        }
        Ok(())
    }

    fn chat(&mut self, slot: usize, clock: Time, event: Event) -> Outcome {
        let reached = self.processes[slot].linked && !self.redis.down;
        match event {
            Event::ChatStore => {
                self.stored += 1;
                let number = self.stored;
                if reached {
                    self.publish(slot, |_| Event::ChatHint(number));
                }
                self.with(slot, |room, _| room.chat.stored(clock, number, number))?;
            }
            Event::ChatHint(number) if self.processes[slot].hears() && !self.redis.down => {
                self.with(slot, |room, _| room.chat.stored(clock, number, number))?;
            }
            Event::ChatFetch(after) => {
                self.note("chat fetched");
                let fails = !self.quiet && self.random.chance(200);
                let wait = self.random.within(1, 20);
                self.later(slot, wait, Event::ChatFetched(after, !fails));
            }
            Event::ChatFetched(after, answered) => {
                let all = after + 1..=self.stored.min(after + 50);
                self.with(slot, |room, _| match answered {
                    true => room.chat.fetched(clock, all.map(|number| (number, number))),
                    false => room.chat.failed(clock),
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn pulse(&mut self, slot: usize) -> Outcome {
        self.later(slot, 1_000, Event::Pulse);
        let (node, clock) = (self.processes[slot].node, self.processes[slot].clock(self.now));
        if self.processes[slot].linked && !self.redis.down {
            self.publish(slot, |_| Event::Heartbeat(node));
        }
        let membership: &mut Membership = &mut self.processes[slot].membership;
        membership.handle_timeout(clock);
        while let Some(change) = self.processes[slot].membership.poll_change() {
            if let suara_cluster::Change::Gone(gone) = change {
                self.log(|| format!("{node} holds {gone} for dead"));
                self.with(slot, |room, _| room.replica.gone(clock, gone))?;
            }
        }
        let nodes = self.processes.iter().map(|process| process.node).chain(self.dead.iter().copied());
        let membership = &self.processes[slot].membership;
        let dead: Vec<_> = nodes.filter(|other| membership.is_dead(clock, *other)).collect();
        self.with(slot, |room, _| room.replica.attend(clock, |node| dead.contains(&node)))
    }
}
