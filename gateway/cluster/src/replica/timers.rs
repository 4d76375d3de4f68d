//! When something is due without anybody asking.

use suara_channel::Time;

use super::{Replica, Role};

impl Replica {
    /// When [`handle_timeout`](Self::handle_timeout) is due, in local time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let channel = || self.state.channel.poll_timeout().map(|due| self.to_local(due));
        let take = self.asks.take;
        let role = match &self.role {
            Role::Lone => return channel(),
            Role::Out => return None,
            Role::Seeking => [Some(take), self.gives_up()],
            Role::Recovering { lease, ends, again, .. } => [Some(*lease), Some(*ends.min(again))],
            Role::Owner { lease, renew, beat, .. } => [Some(*lease.min(renew).min(beat)), channel()],
            Role::Follower { heard, hello, .. } => {
                let silent = (*heard + self.rules.lease).max(take);
                let lost = self.gives_up().map(|at| at.max(*heard + self.rules.lease));
                [[Some(silent), *hello].into_iter().flatten().min(), lost]
            }
            Role::Split { host, .. } => [Some(host.map_or(take, |(_, hello)| hello.min(take))), channel()],
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
        self.own.again().filter(|_| self.away.is_none() && self.is_of_one_mind())
    }

    /// Without Redis for so long, a node goes its own way.
    fn gives_up(&self) -> Option<Time> {
        self.away.map(|since| since + self.rules.lease)
    }

    /// What every call begins with: an owner whose lease is over owns nothing, however late it notices.
    pub(super) fn enter(&mut self, now: Time) {
        self.now = self.now.max(now);
        if let Role::Owner { lease, .. } | Role::Recovering { lease, .. } = self.role
            && lease <= self.now
        {
            self.role = Role::Seeking;
            match self.away {
                Some(_) => self.split(),
                None => self.take(),
            }
        }
    }

    fn on_time(&mut self) {
        let now = self.now;
        let may_split = self.gives_up().is_some_and(|at| at <= now);
        match &self.role {
            Role::Lone => self.tick(),
            Role::Out => {}
            Role::Seeking if may_split => self.split(),
            Role::Recovering { .. } => self.recover(),
            Role::Owner { .. } => {
                self.tick();
                self.reign_on();
            }
            Role::Follower { heard, .. } if *heard + self.rules.lease <= now => {
                if may_split {
                    self.split();
                } else if self.asks.take <= now {
                    self.take();
                }
            }
            Role::Split { .. } => {
                self.tick();
                if self.asks.take <= now {
                    self.take();
                }
            }
            Role::Seeking if self.asks.take <= now => self.take(),
            Role::Seeking | Role::Follower { .. } => {}
        }
        self.say_hello();
        self.send_own();
    }
}
