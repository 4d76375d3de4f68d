//! One machine, its clock and its line to Redis, and the process that runs on it.

use std::time::Duration;

use suara_channel::Time;
use suara_cluster::{Membership, NodeId};

use crate::random::Random;
use crate::room::Room;

pub(crate) struct Process {
    pub(crate) node: NodeId,
    pub(crate) up: bool,
    /// Its clock: so many milliseconds off, and so many millionths too fast.
    offset: u64,
    rate: i64,
    pub(crate) stalled: Option<u64>,
    pub(crate) linked: bool,
    /// Since when it is subscribed to nothing, though Redis answers and takes what it says.
    pub(crate) deaf: Option<u64>,
    /// Whether the process knows that it hears nobody.
    pub(crate) knows_away: bool,
    /// Since when nothing is wrong with it.
    pub(crate) sound: u64,
    /// Since when it hears all that is said, be it that it sleeps and reads it later.
    pub(crate) in_reach: u64,
    pub(crate) membership: Membership,
    pub(crate) room: Option<Room>,
    pub(crate) next_op: u64,
    pub(crate) wake: Option<u64>,
}

const HEARTBEAT: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_millis(3_500);

impl Process {
    pub(crate) fn any(random: &mut Random, now: u64) -> Self {
        let node = NodeId(random.next() | 1);
        let offset = random.below(100_000_000);
        let origin = Time::from_millis(now + offset);
        Self {
            node,
            up: true,
            offset,
            rate: random.within(0, 20_000) as i64 - 10_000,
            stalled: None,
            linked: true,
            deaf: None,
            knows_away: false,
            sound: now,
            in_reach: now,
            membership: Membership::new(origin, node, HEARTBEAT, SILENCE),
            room: None,
            next_op: random.below(1 << 40) + 1,
            wake: None,
        }
    }

    pub(crate) fn out_of_reach(&mut self) {
        (self.sound, self.in_reach) = (u64::MAX, u64::MAX);
    }

    pub(crate) fn within_reach(&mut self, now: u64) {
        (self.sound, self.in_reach) = (now, now);
    }

    /// Another process on the same machine.
    pub(crate) fn restart(&mut self, random: &mut Random, now: u64) {
        let (offset, rate, linked) = (self.offset, self.rate, self.linked);
        // One that is subscribed anew hears, unless nothing gets through at all.
        *self = Self { offset, rate, linked, knows_away: !linked, ..Self::any(random, now) };
    }

    /// Whether it hears what others say, when Redis is there.
    pub(crate) fn hears(&self) -> bool {
        self.linked && self.deaf.is_none()
    }

    pub(crate) fn clock(&self, now: u64) -> Time {
        let drift = i128::from(now) * i128::from(self.rate) / 1_000_000;
        Time::from_millis((i128::from(now) + drift) as u64 + self.offset)
    }

    /// When its clock will show that, at the earliest.
    pub(crate) fn true_time(&self, local: Time) -> u64 {
        let since = i128::from(local.as_millis()) - i128::from(self.offset);
        let guess = since * 1_000_000 / (1_000_000 + i128::from(self.rate));
        let mut guess = guess.max(1) as u64 - 1;
        while self.clock(guess) < local {
            guess += 1;
        }
        guess
    }
}
