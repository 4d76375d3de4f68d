//! Redis as the lease's scripts use it: one key with a holder and an end, one counter, one mark of a proper end.

use suara_cluster::{Epoch, LeaseAnswer, LeaseAsk, NodeId};

/// As [`suara_cluster::Rules`] have it, in milliseconds of the true time.
const LEASE: u64 = 3_000;

#[derive(Default)]
pub(crate) struct Redis {
    lease: Option<(NodeId, Epoch, u64)>,
    counter: u16,
    clean: bool,
    pub(crate) down: bool,
    /// What was promised before isn't any more.
    pub(crate) forgot: bool,
}

impl Redis {
    pub(crate) fn lose_data(&mut self) {
        *self = Self { down: self.down, forgot: true, ..Self::default() };
    }

    /// Whether a node may decide in that epoch, or will be told of a later one.
    pub(crate) fn allows(&self, now: u64, node: NodeId, epoch: Epoch) -> bool {
        let lease = self.lease.filter(|(_, _, end)| *end > now);
        self.forgot || lease.is_some_and(|(holder, of, _)| holder == node && of >= epoch)
    }

    pub(crate) fn answer(&mut self, now: u64, by: NodeId, ask: LeaseAsk) -> LeaseAnswer {
        let present = self.lease.filter(|(_, _, end)| *end > now);
        self.lease = present;
        let holds = |of: Epoch| present.is_some_and(|(holder, epoch, _)| (holder, epoch) == (by, of));
        match (ask, present) {
            (LeaseAsk::Take { .. }, Some((holder, epoch, _))) if holder != by => {
                LeaseAnswer::Held { by: holder, epoch }
            }
            (LeaseAsk::Take { wanted }, _) => self.give(now, by, wanted.0.saturating_sub(1)),
            (LeaseAsk::Bump { epoch, above }, _) if holds(epoch) => self.give(now, by, above.0),
            (LeaseAsk::Renew { epoch }, _) if holds(epoch) => {
                self.lease = Some((by, epoch, now + LEASE));
                LeaseAnswer::Mine { epoch, clean: false }
            }
            (LeaseAsk::Release { epoch }, _) if holds(epoch) => {
                (self.lease, self.clean) = (None, true);
                LeaseAnswer::Free
            }
            (LeaseAsk::HandOver { epoch, to }, _) if holds(epoch) => {
                self.lease = Some((to, epoch, now + LEASE));
                LeaseAnswer::Held { by: to, epoch }
            }
            (_, Some((holder, epoch, _))) => LeaseAnswer::Held { by: holder, epoch },
            (_, None) => LeaseAnswer::Free,
        }
    }

    fn give(&mut self, now: u64, by: NodeId, above: u16) -> LeaseAnswer {
        self.counter = self.counter.max(above) + 1;
        let (epoch, clean) = (Epoch(self.counter), self.clean);
        self.clean = false;
        self.lease = Some((by, epoch, now + LEASE));
        LeaseAnswer::Mine { epoch, clean }
    }
}
