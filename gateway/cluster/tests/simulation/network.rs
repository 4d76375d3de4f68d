//! How messages fare between a node and Redis.

use crate::random::Random;

/// So late a packet may be: two leases.
const LATEST: u64 = 6_000;

/// One schedule's network. Times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    base: u64,
    jitter: u64,
    /// Thousandths.
    loss: u64,
    doubling: u64,
    /// Thousandths that come seconds late: they waited where a machine stalled between its decision and its socket, or in a
    /// connection's buffer. Who sent them may be no owner any more when they come.
    late: u64,
    /// It lost some, or was late with them, be it calm by now: what is missed is asked for later.
    was_lossy: bool,
}

impl Network {
    pub(crate) fn any(random: &mut Random) -> Self {
        let lossy = random.chance(350);
        Self {
            base: random.within(1, 15),
            jitter: if random.chance(600) { random.within(1, 45) } else { 0 },
            loss: if lossy { random.within(5, 100) } else { 0 },
            doubling: if random.chance(300) { random.within(5, 100) } else { 0 },
            late: if random.chance(250) { random.within(5, 100) } else { 0 },
            was_lossy: false,
        }
    }

    pub(crate) fn calm(self) -> Self {
        Self { loss: 0, doubling: 0, late: 0, was_lossy: self.is_lossy(), ..self }
    }

    /// When a message comes, none to two times.
    pub(crate) fn flights(&self, random: &mut Random) -> Vec<u64> {
        if random.chance(self.loss) {
            return vec![];
        }
        let copies = if random.chance(self.doubling) { 2 } else { 1 };
        let late = if random.chance(self.late) { random.within(100, LATEST) } else { 0 };
        (0..copies).map(|_| late + self.flight(random)).collect()
    }

    pub(crate) fn flight(&self, random: &mut Random) -> u64 {
        self.base + random.below(self.jitter + 1)
    }

    /// No message takes longer.
    pub(crate) fn longest(&self) -> u64 {
        self.base + self.jitter
    }

    /// Whether packets don't come when they should.
    pub(crate) fn is_lossy(&self) -> bool {
        self.was_lossy || self.loss > 0 || self.late > 0
    }
}
