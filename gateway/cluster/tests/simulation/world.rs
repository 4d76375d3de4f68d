//! What happens, in the order of the true time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use suara_channel::{Grant, Settings, TalkerNumber, Time};
use suara_cluster::{
    ChatOutput, Epoch, LeaseAnswer, LeaseAsk, Membership, NodeId, Op, Output, Packet, Replica, Rules,
    Standing, Term,
};

use crate::faults::Faults;
use crate::network::Network;
use crate::process::Process;
use crate::random::Random;
use crate::redis::Redis;
use crate::room::{Client, Room, Word};

pub(crate) type Outcome = Result<(), String>;
pub(crate) type Tally = BTreeMap<&'static str, u64>;

/// From the end of all faults and wishes to when everything has to be in order: T1, the lease, the kept places and the
/// silence of a node that is in the channel no more come one after the other at most.
const REST: u64 = 24_000;
/// A new owner's round takes less, with all that is on its way.
const ROUND: u64 = 1_000;
/// Between two frames of a talker. Ten times as long as in truth: nothing here depends on how many there are.
const FRAME: u64 = 200;

pub(crate) enum Event {
    Packet(NodeId, Arc<Packet>),
    Voice {
        talker: TalkerNumber,
        grant: Grant,
        sent: u64,
    },
    Heartbeat(NodeId),
    Ask(u64, LeaseAsk),
    Answer(u64, LeaseAnswer),
    Wake,
    Pulse,
    /// The process learns that Redis went away, or is back.
    Link(bool),
    Speak(Client),
    ChatStore,
    ChatHint(u64),
    ChatFetch(u64),
    ChatFetched(u64, bool),
}

/// To one process, or to people, or to fate.
enum Turn {
    Of(usize, NodeId, Event),
    People,
    Fault,
    Heal(usize, NodeId),
    RedisBack,
}

pub(crate) struct World<'a> {
    pub(crate) now: u64,
    pub(crate) random: Random,
    pub(crate) network: Network,
    pub(crate) redis: Redis,
    pub(crate) processes: Vec<Process>,
    pub(crate) faults: Faults,
    /// Chat as it is stored: a message is its number.
    pub(crate) stored: u64,
    pub(crate) said: u64,
    pub(crate) clients: Client,
    /// Nodes that were, until they crashed.
    pub(crate) dead: Vec<NodeId>,
    pub(crate) first_heard: BTreeMap<Grant, u64>,
    /// When a member's place was given up, by whoever did so first.
    pub(crate) gone: BTreeMap<TalkerNumber, u64>,
    /// Terms of owners that weren't well when they asked round: who knew more may not have been heard.
    pub(crate) half_heard: BTreeSet<Term>,
    /// How far the log came.
    newest: (Epoch, u64),
    /// Until when something was broken, or is.
    pub(crate) trouble: u64,
    /// Some decided for themselves, at some time: what they decided may win, and undo what others did.
    pub(crate) has_split: bool,
    queue: BTreeMap<(u64, u64), Turn>,
    turns: u64,
    trace: bool,
    by_wire: bool,
    pub(crate) tally: &'a mut Tally,
    /// Nobody wants anything any more.
    pub(crate) quiet: bool,
}

pub(crate) fn settings() -> Settings {
    Settings {
        t1: Duration::from_millis(1_500),
        t2: Duration::from_secs(6),
        t3: Duration::from_secs(1),
        presence_grace: Duration::from_secs(2),
        ..Settings::default()
    }
}

pub(crate) fn run(seed: u64, trace: bool, tally: &mut Tally) -> Outcome {
    let mut random = Random::new(seed);
    let network = Network::any(&mut random);
    let faults = Faults::any(&mut random);
    let active = random.within(4_000, 16_000);
    let processes = (0..random.within(2, 5)).map(|_| Process::any(&mut random, 0)).collect();
    let by_wire = random.chance(100);
    let mut world = World {
        now: 0,
        random,
        network,
        redis: Redis::default(),
        processes,
        faults,
        stored: 0,
        said: 0,
        clients: 0,
        dead: Vec::new(),
        first_heard: BTreeMap::new(),
        gone: BTreeMap::new(),
        half_heard: BTreeSet::new(),
        newest: (Epoch::default(), 0),
        trouble: 0,
        has_split: false,
        queue: BTreeMap::new(),
        turns: 0,
        trace,
        by_wire,
        tally,
        quiet: false,
    };
    world.begin();
    world.go_on(active)?;
    world.calm_down()?;
    world.go_on(active + REST)?;
    world.check_rest().map_err(|fault| format!("at rest: {fault}"))
}

impl World<'_> {
    fn begin(&mut self) {
        for slot in 0..self.processes.len() {
            let wait = self.random.below(1_000);
            self.later(slot, wait, Event::Pulse);
        }
        self.put(1, Turn::People);
        let first = self.random.within(500, 4_000);
        self.put(first, Turn::Fault);
    }

    fn go_on(&mut self, until: u64) -> Outcome {
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= until
        {
            let ((at, _), turn) = entry.remove_entry();
            self.now = at;
            self.turn(turn).map_err(|fault| format!("at {at}: {fault}"))?;
        }
        self.now = until;
        Ok(())
    }

    fn put(&mut self, wait: u64, turn: Turn) {
        self.turns += 1;
        self.queue.insert((self.now + wait, self.turns), turn);
    }

    pub(crate) fn later(&mut self, slot: usize, wait: u64, event: Event) {
        let node = self.processes[slot].node;
        self.put(wait, Turn::Of(slot, node, event));
    }

    pub(crate) fn heal_later(&mut self, slot: usize, wait: u64) {
        let node = self.processes[slot].node;
        self.put(wait, Turn::Heal(slot, node));
    }

    pub(crate) fn redis_back_later(&mut self, wait: u64) {
        self.put(wait, Turn::RedisBack);
    }

    pub(crate) fn note(&mut self, what: &'static str) {
        *self.tally.entry(what).or_insert(0) += 1;
        self.log(|| what.to_string());
    }

    pub(crate) fn log(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:6} {}", self.now, what());
        }
    }

    fn turn(&mut self, turn: Turn) -> Outcome {
        match turn {
            Turn::Of(slot, node, event) => {
                let process = &self.processes[slot];
                if !process.up || process.node != node {
                    return Ok(());
                }
                if let Some(until) = process.stalled.filter(|until| *until > self.now) {
                    let is_voice = matches!(event, Event::Voice { .. });
                    if !is_voice {
                        self.put(until - self.now, Turn::Of(slot, node, event));
                    }
                    return Ok(());
                }
                self.event(slot, event)
            }
            Turn::People if self.quiet => Ok(()),
            Turn::People => {
                let wait = self.random.within(10, 400);
                self.put(wait, Turn::People);
                self.somebody_acts()
            }
            Turn::Fault if self.quiet => Ok(()),
            Turn::Fault => {
                let wait = self.random.within(500, 6_000);
                self.put(wait, Turn::Fault);
                self.something_breaks()
            }
            Turn::Heal(slot, node) => {
                if self.processes[slot].node == node {
                    self.heal(slot);
                }
                Ok(())
            }
            Turn::RedisBack => {
                self.redis_returns();
                Ok(())
            }
        }
    }

    fn event(&mut self, slot: usize, event: Event) -> Outcome {
        let clock = self.processes[slot].clock(self.now);
        let reached = self.processes[slot].linked && !self.redis.down;
        match event {
            Event::Packet(from, packet) if reached => {
                if matches!(*packet, Packet::Submit { .. }) {
                    self.note("operation of another node");
                }
                let packet = self.carried(&packet)?;
                self.with(slot, |room, _| room.replica.receive(clock, from, packet))?;
            }
            Event::Voice { talker, grant, sent } if reached => self.voice(slot, talker, grant, sent)?,
            Event::Heartbeat(from) if reached => {
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
                if up == self.processes[slot].linked && self.redis.down != up {
                    self.processes[slot].knows_away = !up;
                    self.processes[slot].membership.reachable(clock, up);
                    self.with(slot, |room, _| room.replica.reachable(clock, up))?;
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
            Event::ChatHint(number) if reached => {
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

    /// As it comes out of its bytes, in some schedules.
    fn carried(&self, packet: &Packet) -> Result<Packet, String> {
        if !self.by_wire {
            return Ok(packet.clone());
        }
        let bytes = packet.encode().map_err(|error| error.to_string())?;
        Packet::decode(&bytes).map_err(|error| format!("{error}: {packet:?}"))
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

    /// To every other process, as the network has it.
    fn publish(&mut self, from: usize, event: impl Fn(usize) -> Event) {
        for slot in (0..self.processes.len()).filter(|slot| *slot != from) {
            for wait in self.network.flights(&mut self.random) {
                self.later(slot, wait, event(slot));
            }
        }
    }

    fn speak(&mut self, slot: usize, client: Client) -> Outcome {
        let quiet = self.quiet;
        let Some(room) = &mut self.processes[slot].room else { return Ok(()) };
        let Some(seat) = room.seats.get_mut(&client).filter(|seat| seat.here && !quiet) else {
            return Ok(());
        };
        let (Some(talker), Some(grant)) = (seat.talker, seat.grant) else { return Ok(()) };
        if seat.breath == 0 {
            return Ok(());
        }
        seat.breath -= 1;
        let is_last = seat.breath == 0;
        self.later(slot, FRAME, Event::Speak(client));
        self.voice(slot, talker, grant, self.now)?;
        // Some forget their thumb on the button, or vanish: T1 and T2 are for them.
        if is_last && self.random.chance(700) {
            let road = suara_channel::Road::Stream;
            self.submit(slot, Op::FloorRelease { talker, grant, road })?;
        }
        Ok(())
    }

    /// A frame comes to a node, from its talker or from the talker's node.
    fn voice(&mut self, slot: usize, talker: TalkerNumber, grant: Grant, sent: u64) -> Outcome {
        let (node, clock) = (self.processes[slot].node, self.processes[slot].clock(self.now));
        let is_own = sent == self.now;
        let Some(room) = &mut self.processes[slot].room else { return Ok(()) };
        if !room.hears(talker, grant)? {
            return Ok(());
        }
        room.replica.media(grant, clock);
        let goes_on = room.replica.head().0.epoch.0 > grant.epoch();
        let others = room.replica.other_nodes();
        self.check_heard(slot, grant)?;
        self.log(|| format!("{node} hears {talker} by {grant:?}"));
        if goes_on {
            self.note("burst went on in a new term");
        }
        if !is_own {
            self.note("heard on another node");
        } else if others && self.processes[slot].linked && !self.redis.down {
            self.publish(slot, |_| Event::Voice { talker, grant, sent });
        }
        Ok(())
    }

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
            replica.reachable(clock, false);
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
                    Word::Reigns => self.look_back(slot),
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
        self.settle_chat(slot, clock)?;
        self.close_if_empty(slot, clock);
        self.plan_wake(slot);
        Ok(())
    }

    /// A node begins to decide. When nobody in reach knows as much as was decided before, because all who do are cut off or
    /// gone, the log goes on from less: who talks by that talks beside what those heard who are gone.
    fn look_back(&mut self, slot: usize) {
        let Some(from) = self.processes[slot].room.as_ref().map(|room| room.progress) else { return };
        let now = self.now;
        if self.processes[slot].sound.saturating_add(ROUND) > now {
            let term = self.processes[slot].room.as_ref().map(|room| room.replica.head().0);
            self.half_heard.extend(term);
        }
        let in_reach = self
            .processes
            .iter()
            .filter(|other| other.up && other.linked && other.stalled.is_none_or(|until| until <= now));
        let mut rooms = in_reach.filter_map(|other| other.room.as_ref());
        if from < self.newest && !rooms.any(|room| room.progress > from) {
            self.log(|| format!("the log falls back from {:?} to {from:?}", self.newest));
            (self.newest, self.first_heard) = (from, BTreeMap::new());
        }
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

    fn out(&mut self, slot: usize, output: Output) {
        let node = self.processes[slot].node;
        let reached = self.processes[slot].linked && !self.redis.down;
        match output {
            Output::Send { to, packet } => {
                if matches!(packet, Packet::Bye { heir: Some(_) }) {
                    self.note("handed over");
                }
                self.log(|| format!("{node} to {to:?}: {}", brief(&packet)));
                if !reached {
                    return;
                }
                let packet = Arc::new(packet);
                let others = (0..self.processes.len()).filter(|other| *other != slot);
                for other in others.collect::<Vec<_>>() {
                    if to.is_none_or(|to| self.processes[other].node == to) {
                        for wait in self.network.flights(&mut self.random) {
                            self.later(other, wait, Event::Packet(node, packet.clone()));
                        }
                    }
                }
            }
            Output::Lease { number, ask } => {
                let wait = self.network.flight(&mut self.random);
                if reached {
                    self.later(slot, wait, Event::Ask(number, ask));
                }
                self.later(slot, 1_000, Event::Answer(number, LeaseAnswer::Away));
            }
            _ => {}
        }
    }
}

fn brief(packet: &Packet) -> String {
    match packet {
        Packet::Snapshot { epoch, .. } => format!("Snapshot in {epoch}"),
        packet => format!("{packet:?}"),
    }
}
