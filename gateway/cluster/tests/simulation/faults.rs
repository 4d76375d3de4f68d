//! What breaks, and how it is mended.

use suara_cluster::Standing;

use crate::random::Random;
use crate::world::{Event, Outcome, World};

/// What may break in a schedule. One kind at a time shows other things than all together.
pub(crate) struct Faults {
    kinds: Vec<Fault>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Crash,
    Stall,
    Cut,
    /// A connection is made anew at once: what was said meanwhile is missed, and nobody splits.
    Blip,
    /// Its subscriptions are gone and can't be made again; what it says and asks gets through.
    Deaf,
    RedisDown,
}

impl Faults {
    pub(crate) fn any(random: &mut Random) -> Self {
        let all = [Fault::Crash, Fault::Stall, Fault::Cut, Fault::Blip, Fault::RedisDown, Fault::Deaf];
        Self { kinds: all.into_iter().filter(|_| random.chance(400)).collect() }
    }

    fn has(&self, kind: Fault) -> bool {
        self.kinds.contains(&kind)
    }
}

/// What becomes of subscriptions is known so soon.
pub(crate) const NOTICED: u64 = 800;

impl World<'_> {
    pub(crate) fn something_breaks(&mut self) -> Outcome {
        let Some(fault) = self.random.pick(&self.faults.kinds) else { return Ok(()) };
        let slot = self.random.below(self.processes.len() as u64) as usize;
        let is_owner = self.processes[slot]
            .room
            .as_ref()
            .is_some_and(|room| matches!(room.replica.standing(), Standing::Owner { .. }));
        self.trouble = self.trouble.max(self.now);
        match fault {
            Fault::Crash if self.processes[slot].up => {
                if is_owner {
                    self.note("owner crashed");
                }
                self.log(|| format!("{} crashes", self.processes[slot].node));
                let node = self.processes[slot].node;
                self.dead.push(node);
                self.processes[slot].up = false;
                self.processes[slot].room = None;
                let wait = self.random.within(100, 6_000);
                self.heal_later(slot, wait);
            }
            Fault::Stall if self.processes[slot].stalled.is_none_or(|until| until <= self.now) => {
                let wait = self.random.within(100, 8_000);
                if is_owner && wait > 3_000 {
                    self.note("owner stalled for longer than the lease");
                }
                self.stall(slot, wait);
            }
            Fault::Cut | Fault::Blip if self.processes[slot].linked => {
                if is_owner {
                    self.note("owner was cut off");
                }
                self.log(|| format!("{} is cut off", self.processes[slot].node));
                self.processes[slot].linked = false;
                self.processes[slot].out_of_reach();
                self.notices(slot, false);
                let longest = if matches!(fault, Fault::Cut) { 9_000 } else { 1_500 };
                let wait = self.random.within(200, longest);
                self.heal_later(slot, wait);
            }
            Fault::Deaf if self.processes[slot].hears() && !self.redis.down => {
                if is_owner {
                    self.note("owner went deaf");
                }
                self.log(|| format!("{} hears nobody", self.processes[slot].node));
                self.processes[slot].deaf = Some(self.now);
                self.processes[slot].out_of_reach();
                // Redis refuses its subscription: that is known at once.
                let wait = self.random.within(0, NOTICED);
                self.later(slot, wait, Event::Link(false));
                let wait = self.random.within(200, 9_000);
                self.trouble = self.trouble.max(self.now + wait);
                self.heal_later(slot, wait);
            }
            Fault::RedisDown if !self.redis.down => {
                self.log(|| "redis is down".into());
                self.redis.down = true;
                if self.random.chance(500) {
                    self.note("redis lost its data");
                    self.redis.lose_data();
                }
                for slot in 0..self.processes.len() {
                    self.processes[slot].out_of_reach();
                    self.notices(slot, false);
                }
                let wait = self.random.within(200, 9_000);
                self.redis_back_later(wait);
            }
            _ => {}
        }
        Ok(())
    }

    fn stall(&mut self, slot: usize, wait: u64) {
        self.log(|| format!("{} stalls for {wait}", self.processes[slot].node));
        let until = self.now + wait;
        self.processes[slot].stalled = Some(until);
        self.processes[slot].sound = until;
        self.trouble = self.trouble.max(until);
    }

    /// It asks who knows more, and sleeps through the answers.
    pub(crate) fn asks_round(&mut self, slot: usize) {
        let woke = self.processes[slot].stalled.is_none_or(|until| until + 1_000 <= self.now);
        if woke && !self.quiet && self.faults.has(Fault::Stall) && self.random.chance(100) {
            self.note("stalled while it asked round");
            let wait = self.random.within(250, 2_500);
            self.stall(slot, wait);
        }
    }

    /// Some notice at once that the connection is closed, some when nothing answers.
    fn notices(&mut self, slot: usize, up: bool) {
        if up || self.random.chance(500) {
            let wait = self.random.within(0, NOTICED);
            self.later(slot, wait, Event::Link(up));
        }
    }

    pub(crate) fn heal(&mut self, slot: usize) {
        self.trouble = self.trouble.max(self.now);
        if !self.processes[slot].up {
            self.processes[slot].restart(&mut self.random, self.now);
            if self.redis.down {
                // Each that starts now is on its own from the first.
                self.processes[slot].out_of_reach();
            }
            self.log(|| format!("{} starts", self.processes[slot].node));
            self.later(slot, 1, Event::Pulse);
        }
        let hears = self.processes[slot].hears();
        self.processes[slot].deaf = None;
        if !self.processes[slot].linked {
            self.log(|| format!("{} is linked again", self.processes[slot].node));
            self.processes[slot].linked = true;
        }
        if !hears {
            self.processes[slot].within_reach(self.now);
            self.notices(slot, true);
        }
    }

    pub(crate) fn redis_returns(&mut self) {
        if !self.redis.down {
            return;
        }
        self.log(|| "redis is back".into());
        self.redis.down = false;
        self.trouble = self.trouble.max(self.now);
        for slot in 0..self.processes.len() {
            if self.processes[slot].hears() {
                self.processes[slot].within_reach(self.now);
                self.notices(slot, true);
            }
        }
    }

    /// All is mended, and nobody wants anything any more.
    pub(crate) fn calm_down(&mut self) -> Outcome {
        self.log(|| "all is mended".into());
        self.quiet = true;
        self.network = self.network.calm();
        self.redis_returns();
        for slot in 0..self.processes.len() {
            self.heal(slot);
        }
        Ok(())
    }
}
