//! What happens, in the order of the true time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use suara_channel::{Grant, Settings, TalkerNumber};
use suara_cluster::{Epoch, LeaseAnswer, LeaseAsk, NodeId, Packet, Term};

use crate::faults::Faults;
use crate::network::Network;
use crate::process::Process;
use crate::random::Random;
use crate::redis::Redis;
use crate::room::Client;

pub(crate) type Outcome = Result<(), String>;
pub(crate) type Tally = BTreeMap<&'static str, u64>;

/// From the end of all faults and wishes to when everything has to be in order: T1, the lease, the kept places and the
/// silence of a node that is in the channel no more come one after the other at most.
const REST: u64 = 24_000;

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
    /// The process learns that its subscriptions are gone, or are there again.
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
    /// To whom a grant was given: the talker's number, and its user.
    pub(crate) given: BTreeMap<Grant, (TalkerNumber, Arc<str>)>,
    /// When a member's place was given up, by whoever did so first.
    pub(crate) gone: BTreeMap<TalkerNumber, u64>,
    /// Terms of owners that weren't well when they asked round: who knew more may not have been heard.
    pub(crate) half_heard: BTreeSet<Term>,
    /// How far the log came.
    pub(crate) newest: (Epoch, u64),
    /// Until when something was broken, or is.
    pub(crate) trouble: u64,
    /// Some decided for themselves, at some time: what they decided may win, and undo what others did.
    pub(crate) has_split: bool,
    queue: BTreeMap<(u64, u64), Turn>,
    turns: u64,
    trace: bool,
    pub(crate) by_wire: bool,
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
        given: BTreeMap::new(),
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
    // Who sleeps still has its own time to wake.
    let awake = world.processes.iter().filter_map(|process| process.stalled).max();
    world.go_on(active.max(awake.unwrap_or_default()) + REST)?;
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
}
