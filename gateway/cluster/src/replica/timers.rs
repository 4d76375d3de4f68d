//! When something is due without anybody asking.

use suara_channel::Time;

use super::{Replica, Role};
use crate::packet::Packet;

impl Replica {
    /// When [`handle_timeout`](Self::handle_timeout) is due, in local time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let channel = || self.state.channel.poll_timeout().map(|due| self.to_local(due));
        let take = self.takes();
        let role = match &self.role {
            Role::Lone => return channel(),
            Role::Out => return None,
            Role::Seeking => [take, self.gives_up()],
            Role::Recovering { lease, ends, again, .. } => [Some(*lease), Some(*ends.min(again))],
            Role::Owner { lease, renew, beat, .. } => {
                let own = *lease.min(renew).min(beat);
                [Some(self.abdicates().map_or(own, |at| at.min(own))), channel()]
            }
            Role::Follower { heard, hello, .. } => {
                let silence = *heard + self.rules.lease;
                let silent = take.map(|at| at.max(silence));
                let lost = self.gives_up().map(|at| at.max(silence));
                [[silent, *hello].into_iter().flatten().min(), lost]
            }
            Role::Split { host, .. } => {
                [host.map(|(_, hello)| hello).into_iter().chain(take).min(), channel()]
            }
        };
        role.into_iter().chain([self.resends()]).flatten().min()
    }

    /// Lets take effect what is due. To be called before what came in after it.
    pub fn handle_timeout(&mut self, now: Time) {
        self.enter(now);
        self.on_time();
        self.tell();
    }

    /// Only a follower sends what waits, and only to an owner whom it understands. While Redis is away nobody would hear it.
    pub(super) fn resends(&self) -> Option<Time> {
        self.own.again().filter(|_| self.cut_off().is_none() && self.is_of_one_mind())
    }

    /// Out of the others' reach for so long, a node goes its own way.
    fn gives_up(&self) -> Option<Time> {
        self.cut_off().map(|since| since + self.rules.lease)
    }

    /// An owner that hears nobody decides on nothing that others ask for: so long, and it is one no longer.
    fn abdicates(&self) -> Option<Time> {
        self.deaf.map(|since| since + self.rules.lease)
    }

    /// When to ask for the lease; who hears nobody doesn't.
    fn takes(&self) -> Option<Time> {
        self.deaf.is_none().then_some(self.asks.take)
    }

    /// What every call begins with: an owner whose lease is over owns nothing, however late it notices.
    pub(super) fn enter(&mut self, now: Time) {
        self.now = self.now.max(now);
        if let Role::Owner { lease, .. } | Role::Recovering { lease, .. } = self.role
            && lease <= self.now
        {
            self.role = Role::Seeking;
            match self.cut_off() {
                Some(_) => self.split(),
                None => self.take(),
            }
        }
    }

    /// Goes its own way; says so, where that can be heard.
    fn part(&mut self) {
        if self.deaf.is_some() {
            self.outputs.send(None, Packet::Bye { heir: None });
        }
        self.split();
    }

    fn on_time(&mut self) {
        let now = self.now;
        let may_split = self.gives_up().is_some_and(|at| at <= now);
        let may_take = self.takes().is_some_and(|at| at <= now);
        match &self.role {
            Role::Lone => self.tick(),
            Role::Out => {}
            Role::Seeking if may_split => self.part(),
            Role::Recovering { .. } => self.recover(),
            Role::Owner { .. } if self.abdicates().is_some_and(|at| at <= now) => self.abdicate(),
            Role::Owner { .. } => {
                self.tick();
                self.reign_on();
            }
            Role::Follower { heard, .. } if *heard + self.rules.lease <= now => {
                if may_split {
                    self.part();
                } else if may_take {
                    self.take();
                }
            }
            Role::Split { .. } => {
                self.tick();
                if may_take {
                    self.take();
                }
            }
            Role::Seeking if may_take => self.take(),
            Role::Seeking | Role::Follower { .. } => {}
        }
        self.say_hello();
        self.send_own();
    }
}
