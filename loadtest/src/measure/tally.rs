//! What one thread counted. Threads count alone, and are added up at the end.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Voice that comes later than this is of no use: the gateway keeps nothing older than 120 ms.
pub const LATE: Duration = Duration::from_millis(150);
/// The longest latency that is told apart, in microseconds.
const LONGEST: u64 = 120_000_000;

/// One second of the part that counts, by when its frames were due.
#[derive(Debug, Clone)]
pub struct Second {
    /// Deliveries that should have been.
    pub expected: u64,
    /// Deliveries that were, once each.
    pub delivered: u64,
    /// Those of them that were late.
    pub late: u64,
    /// How old frames were when they came, in microseconds.
    pub age: Histogram<u64>,
}

/// Counts and histograms of a run, or of one thread's part in it.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Frames sent that count.
    pub sent: u64,
    /// Deliveries that should have been: each frame once to each other member of its channel.
    pub expected: u64,
    /// Deliveries that were, once each.
    pub delivered: u64,
    /// Those of them later than [`LATE`].
    pub late: u64,
    /// Deliveries of a frame that was there already.
    pub duplicates: u64,
    /// Frames that weren't sent, for want of the floor.
    pub ungranted: u64,
    /// Datagrams that were none of this run's voice.
    pub foreign: u64,
    /// ACK frames that were sent, and the datagrams that they were for.
    pub acks: (u64, u64),
    /// Sessions that came up.
    pub sessions: u64,
    /// Sessions that ended against their will.
    pub dropped: u64,
    /// The first fault of a session.
    pub fault: Option<String>,
    /// From a frame's intended sending to its arrival, in microseconds.
    pub latency: Histogram<u64>,
    /// From a session's first packet until it was in its channel, in microseconds.
    pub handshake: Histogram<u64>,
    /// By how much the generator itself sent late, in microseconds.
    pub lateness: Histogram<u64>,
    /// How long packets lay in the kernel before the generator read them, in microseconds.
    pub lag: Histogram<u64>,
    /// Packets that the generator's sockets dropped because it read too slowly.
    pub dropped_packets: u64,
    /// The same, second by second.
    pub seconds: Vec<Second>,
}

impl Default for Tally {
    fn default() -> Self {
        let histogram = || histogram(3);
        Self {
            sent: 0,
            expected: 0,
            delivered: 0,
            late: 0,
            duplicates: 0,
            ungranted: 0,
            foreign: 0,
            acks: (0, 0),
            sessions: 0,
            dropped: 0,
            fault: None,
            latency: histogram(),
            handshake: histogram(),
            lateness: histogram(),
            lag: histogram(),
            dropped_packets: 0,
            seconds: Vec::new(),
        }
    }
}

fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, digits).expect("the bounds are constants that fit each other")
}

impl Tally {
    /// Notes a frame that was sent `late` behind its time, `into` the part that counts, to so many others.
    pub fn sent(&mut self, into: Duration, late: Duration, others: u64) {
        self.sent += 1;
        self.expected += others;
        self.lateness.saturating_record(late.as_micros() as u64);
        self.second(into).expected += others;
    }

    /// Notes a frame that came `age` after it should have been sent. The age counts from the intended moment, so what a
    /// stalled sender holds up is late, however fast it travels afterwards.
    pub fn delivered(&mut self, into: Duration, age: Duration) {
        let micros = age.as_micros() as u64;
        self.delivered += 1;
        self.late += u64::from(age > LATE);
        self.latency.saturating_record(micros);
        let second = self.second(into);
        second.delivered += 1;
        second.late += u64::from(age > LATE);
        second.age.saturating_record(micros);
    }

    /// Notes why a session failed; the first reason is kept.
    pub fn fault(&mut self, why: impl FnOnce() -> String) {
        self.fault.get_or_insert_with(why);
    }

    /// Deliveries that never were.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.delivered)
    }

    /// Adds another thread's counts.
    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.expected += other.expected;
        self.delivered += other.delivered;
        self.late += other.late;
        self.duplicates += other.duplicates;
        self.ungranted += other.ungranted;
        self.foreign += other.foreign;
        self.acks = (self.acks.0 + other.acks.0, self.acks.1 + other.acks.1);
        self.sessions += other.sessions;
        self.dropped += other.dropped;
        self.dropped_packets += other.dropped_packets;
        self.fault = self.fault.take().or(other.fault);
        let pairs = [
            (&mut self.latency, &other.latency),
            (&mut self.handshake, &other.handshake),
            (&mut self.lateness, &other.lateness),
            (&mut self.lag, &other.lag),
        ];
        for (mine, theirs) in pairs {
            mine.add(theirs).expect("all histograms have the same bounds");
        }
        for (index, theirs) in other.seconds.into_iter().enumerate() {
            let mine = self.second(Duration::from_secs(index as u64));
            mine.expected += theirs.expected;
            mine.delivered += theirs.delivered;
            mine.late += theirs.late;
            mine.age.add(&theirs.age).expect("all histograms have the same bounds");
        }
    }

    fn second(&mut self, into: Duration) -> &mut Second {
        let index = into.as_secs() as usize;
        while self.seconds.len() <= index {
            self.seconds.push(Second { expected: 0, delivered: 0, late: 0, age: histogram(2) });
        }
        &mut self.seconds[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    /// A sender that stalls for a second sends 50 frames at once after it; each travels for 1 ms.
    #[test]
    fn a_stall_of_the_sender_is_seen_in_the_latencies_of_all_frames_that_it_held_up() {
        let mut tally = Tally::default();
        let resumed = FRAME * 100;
        for frame in 0..100 {
            let intended = FRAME * frame;
            let sent = if frame < 50 { intended } else { resumed };
            tally.sent(intended, sent - intended, 1);
            tally.delivered(intended, sent + Duration::from_millis(1) - intended);
        }
        assert_eq!((tally.delivered, tally.lost()), (100, 0));
        assert_eq!(tally.late, 43, "frames held up for more than 149 ms");
        assert!(tally.latency.value_at_quantile(0.99) > 900_000, "not the 1 ms that each of them travelled");
        assert!(tally.latency.value_at_quantile(0.5) <= 1_100);
        assert!(tally.lateness.max() >= 999_000);
    }

    #[test]
    fn threads_are_added_up_second_by_second() {
        let mut one = Tally::default();
        let mut two = Tally::default();
        one.sent(Duration::from_millis(2500), Duration::ZERO, 3);
        two.delivered(Duration::from_millis(2500), Duration::from_millis(200));
        two.fault(|| "first".to_owned());
        two.fault(|| "second".to_owned());
        one.add(two);
        assert_eq!((one.expected, one.delivered, one.lost(), one.late), (3, 1, 2, 1));
        assert_eq!(one.seconds.len(), 3);
        assert_eq!((one.seconds[2].expected, one.seconds[2].delivered, one.seconds[2].late), (3, 1, 1));
        assert_eq!(one.fault.as_deref(), Some("first"));
    }
}
