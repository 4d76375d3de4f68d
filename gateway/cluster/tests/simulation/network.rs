//! How messages fare between a node and Redis.

use crate::random::Random;

/// One schedule's network. Times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    base: u64,
    jitter: u64,
    /// Thousandths.
    loss: u64,
    doubling: u64,
}

impl Network {
    pub(crate) fn any(random: &mut Random) -> Self {
        let lossy = random.chance(350);
        Self {
            base: random.within(1, 15),
            jitter: if random.chance(600) { random.within(1, 45) } else { 0 },
            loss: if lossy { random.within(5, 100) } else { 0 },
            doubling: if random.chance(300) { random.within(5, 100) } else { 0 },
        }
    }

    pub(crate) fn calm(self) -> Self {
        Self { loss: 0, doubling: 0, ..self }
    }

    /// When a message comes, none to two times.
    pub(crate) fn flights(&self, random: &mut Random) -> Vec<u64> {
        if random.chance(self.loss) {
            return vec![];
        }
        let copies = if random.chance(self.doubling) { 2 } else { 1 };
        (0..copies).map(|_| self.flight(random)).collect()
    }

    pub(crate) fn flight(&self, random: &mut Random) -> u64 {
        self.base + random.below(self.jitter + 1)
    }

    /// No message takes longer.
    pub(crate) fn longest(&self) -> u64 {
        self.base + self.jitter
    }

    pub(crate) fn is_lossy(&self) -> bool {
        self.loss > 0
    }
}
