//! What both ends of a burst saw, put together. Pure: time is an argument. Bounded in bursts, in listeners of each and in
//! age; what can't be true is refused by name, for whoever forges reports should at least not break the scale.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use suara_proto::message::{Heard, Said};
use suara_proto::{ChannelNumber, Grant, TalkerNumber};

use super::{Kpi, Transport};

/// Bursts that wait for reports.
const MAX_BURSTS: usize = 1024;
/// Reports of one burst.
const MAX_REPORTS: usize = 128;
/// The other side's report comes within this after a burst's first, or never.
const MAX_AGE_US: u64 = 30_000_000;
/// A burst lasts no longer than this, an emergency's apart, whose reports are not worth more.
const OLDEST_US: u64 = 600_000_000;
/// What two clocks that were set by datagrams may differ by.
const CLOCK_ERROR_US: u64 = 250_000;
/// So early a sound may seem to be heard before it was made: it counts as at once.
const TOO_EARLY_US: i64 = 20_000;
/// Longer is no latency, but somebody's clock that was off or a device that slept.
const LONGEST_US: i64 = 10_000_000;

/// One burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Burst {
    /// Where.
    pub channel: ChannelNumber,
    /// By which grant.
    pub grant: Grant,
}

/// What somebody says of a burst.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Who.
    pub by: TalkerNumber,
    /// How it is connected.
    pub transport: Transport,
    /// What.
    pub seen: Seen,
}

/// Which side of a burst.
#[derive(Debug, Clone, Copy)]
pub enum Seen {
    /// Its talker's.
    Said(Said),
    /// A listener's.
    Heard(Heard),
}

/// Why a report is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// None of the channel's two newest bursts.
    UnknownBurst,
    /// Who talked says that it heard, or the other way round; or neither is said, or both.
    WrongSide,
    /// This side has reported this burst.
    Twice,
    /// Times that don't fit each other, or the present.
    Absurd,
    /// More reports than are looked at.
    Crowded,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::UnknownBurst, Self::WrongSide, Self::Twice, Self::Absurd, Self::Crowded];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownBurst => "unknown_burst",
            Self::WrongSide => "wrong_side",
            Self::Twice => "twice",
            Self::Absurd => "absurd",
            Self::Crowded => "crowded",
        }
    }
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Of what.
    pub kpi: Kpi,
    /// The talker's transport, where it matters.
    pub talker: Option<Transport>,
    /// The listener's, where it matters.
    pub listener: Option<Transport>,
    /// How long.
    pub value: Duration,
}

/// Reports of listeners by what became of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pairs {
    /// The talker's went with them.
    pub joined: u64,
    /// The talker's never came: it talks at another node, or in a channel that this one is patched to, or its client says nothing.
    pub alone: u64,
}

/// The bursts that were reported of late.
#[derive(Debug, Default)]
pub struct Table {
    pairs: Pairs,
    bursts: BTreeMap<Burst, Entry>,
    /// In the order in which they came, with when.
    order: VecDeque<(u64, Burst)>,
}

#[derive(Debug, Default)]
struct Entry {
    said: Option<(Transport, Said)>,
    waiting: Vec<(Transport, Heard)>,
    by: Vec<TalkerNumber>,
}

impl Table {
    /// Takes a report that came at `now_us`; what can be told by it now.
    ///
    /// # Errors
    /// When it can't be true, or was made before.
    pub fn report(&mut self, now_us: u64, burst: Burst, report: Report) -> Result<Vec<Sample>, Fault> {
        self.expire(now_us);
        let alone = plausible(now_us, &report)?;
        let entry = self.entry(now_us, burst);
        if entry.by.contains(&report.by) {
            return Err(Fault::Twice);
        }
        if entry.by.len() >= MAX_REPORTS {
            return Err(Fault::Crowded);
        }
        let mut samples: Vec<Sample> = alone.into_iter().collect();
        let mut joined = 0;
        match report.seen {
            Seen::Said(_) if entry.said.is_some() => return Err(Fault::Twice),
            Seen::Said(said) => {
                let talker = (report.transport, said);
                entry.said = Some(talker);
                let waiting = std::mem::take(&mut entry.waiting);
                for of_both in waiting.iter().filter_map(|listener| both(talker, *listener)) {
                    samples.extend(of_both);
                    joined += 1;
                }
            }
            Seen::Heard(heard) => match entry.said {
                Some(talker) => {
                    let of_both = both(talker, (report.transport, heard)).ok_or(Fault::Absurd)?;
                    samples.extend(of_both);
                    joined += 1;
                }
                None => entry.waiting.push((report.transport, heard)),
            },
        }
        entry.by.push(report.by);
        self.pairs.joined += joined;
        Ok(samples)
    }

    /// What became of listeners' reports until `now_us`. Those that still wait are in neither.
    pub fn pairs(&mut self, now_us: u64) -> Pairs {
        self.expire(now_us);
        self.pairs
    }

    /// Bursts that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bursts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bursts.is_empty()
    }

    fn entry(&mut self, now_us: u64, burst: Burst) -> &mut Entry {
        if !self.bursts.contains_key(&burst) {
            self.order.push_back((now_us, burst));
            if self.order.len() > MAX_BURSTS {
                self.forget_oldest();
            }
        }
        self.bursts.entry(burst).or_default()
    }

    fn expire(&mut self, now_us: u64) {
        while self.order.front().is_some_and(|(since, _)| now_us.saturating_sub(*since) > MAX_AGE_US) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, burst)) = self.order.pop_front() {
            let alone = self.bursts.remove(&burst).map_or(0, |entry| entry.waiting.len());
            self.pairs.alone += alone as u64;
        }
    }
}

/// What one side's report tells by itself.
fn plausible(now_us: u64, report: &Report) -> Result<Option<Sample>, Fault> {
    let of_late =
        |at: u64| (now_us.saturating_sub(OLDEST_US)..=now_us.saturating_add(CLOCK_ERROR_US)).contains(&at);
    let transport = Some(report.transport);
    let span = |kpi, from: u64, to: u64| {
        let us = to.checked_sub(from).filter(|us| *us <= LONGEST_US as u64).ok_or(Fault::Absurd)?;
        let (talker, listener) = if kpi == Kpi::Access { (transport, None) } else { (None, transport) };
        Ok(Some(Sample { kpi, talker, listener, value: Duration::from_micros(us) }))
    };
    match report.seen {
        Seen::Said(said) if !of_late(said.pressed_us) || !of_late(said.at_us) => Err(Fault::Absurd),
        Seen::Said(Said { pressed_us, granted_us: Some(granted_us), .. }) => {
            span(Kpi::Access, pressed_us, granted_us)
        }
        Seen::Heard(heard) if !of_late(heard.at_us) => Err(Fault::Absurd),
        Seen::Heard(Heard { at_us, entered_us: Some(entered_us), .. }) => {
            span(Kpi::LateEntry, entered_us, at_us)
        }
        _ => Ok(None),
    }
}

/// What both sides' reports tell together; `None` when they don't fit.
fn both(
    (talker, said): (Transport, Said),
    (listener, heard): (Transport, Heard),
) -> Option<impl Iterator<Item = Sample> + use<>> {
    // Ticks of 48 kHz, which wrap, from the frame that the talker named to the one that the listener did.
    let ticks = i64::from(heard.timestamp.wrapping_sub(said.timestamp) as i32);
    let spoken_us = i64::try_from(said.at_us).ok()?.checked_add(ticks * 1000 / 48)?;
    let mouth_to_ear = i64::try_from(heard.at_us).ok()?.checked_sub(spoken_us)?;
    let in_order = (-TOO_EARLY_US..=LONGEST_US).contains(&mouth_to_ear);
    let mouth_to_ear = Duration::from_micros(u64::try_from(mouth_to_ear).unwrap_or_default());
    // Who waited in the queue, or came later, has nothing to tell of access.
    let access = (said.granted_us.is_some() && heard.entered_us.is_none())
        .then(|| Duration::from_micros(heard.at_us.saturating_sub(said.pressed_us)))
        .filter(|access| access.as_micros() <= LONGEST_US as u128);
    let sample = move |kpi, value| Sample { kpi, talker: Some(talker), listener: Some(listener), value };
    in_order.then(|| {
        [(Kpi::EndToEndAccess, access), (Kpi::MouthToEar, Some(mouth_to_ear))]
            .into_iter()
            .filter_map(move |(kpi, value)| Some(sample(kpi, value?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000_000;
    const BURST: Burst = Burst { channel: ChannelNumber(17), grant: Grant(65541) };

    fn said(pressed_us: u64, granted_us: Option<u64>) -> Seen {
        // The timestamps wrap in the burst.
        Seen::Said(Said { pressed_us, granted_us, at_us: pressed_us, timestamp: u32::MAX - 479 })
    }

    fn heard(at_us: u64, timestamp: u32, entered_us: Option<u64>) -> Seen {
        Seen::Heard(Heard { at_us, timestamp, entered_us })
    }

    fn report(by: u16, transport: Transport, seen: Seen) -> Report {
        Report { by: TalkerNumber(by), transport, seen }
    }

    fn told(samples: &[Sample]) -> Vec<(u8, u128)> {
        samples.iter().map(|sample| (sample.kpi.number(), sample.value.as_millis())).collect()
    }

    #[test]
    fn both_sides_make_a_sample_of_each_kpi_in_whatever_order_they_come() {
        let talker = report(1, Transport::WebTransport, said(NOW, Some(NOW + 61_000)));
        // The frame 20 ms into the burst, played 130 ms after the press.
        let listener = report(2, Transport::SocketIo, heard(NOW + 130_000, 480, None));
        for [first, second] in [[talker, listener], [listener, talker]] {
            let mut table = Table::default();
            let mut samples = table.report(NOW + 2_000_000, BURST, first).unwrap();
            samples.extend(table.report(NOW + 2_000_000, BURST, second).unwrap());
            samples.sort_by_key(|sample| sample.kpi);
            assert_eq!(told(&samples), [(1, 61), (2, 130), (3, 110)]);
            let pair = (Some(Transport::WebTransport), Some(Transport::SocketIo));
            assert_eq!((samples[2].talker, samples[2].listener), pair);
            assert_eq!(samples[0].listener, None, "access is the talker's alone");
        }
    }

    #[test]
    fn who_enters_late_tells_of_that_and_not_of_access() {
        let mut table = Table::default();
        let talker = report(1, Transport::WebSocket, said(NOW, Some(NOW + 61_000)));
        table.report(NOW + 5_000_000, BURST, talker).unwrap();
        let entered = heard(NOW + 1_120_000, 48 * 1000 - 480, Some(NOW + 1_000_000));
        let samples =
            table.report(NOW + 5_000_000, BURST, report(2, Transport::WebTransport, entered)).unwrap();
        assert_eq!(told(&samples), [(4, 120), (3, 120)]);
    }

    #[test]
    fn who_waited_in_the_queue_tells_nothing_of_access() {
        let mut table = Table::default();
        let (talker, listener) = (said(NOW, None), heard(NOW + 130_000, u32::MAX - 479, None));
        table.report(NOW + 5_000_000, BURST, report(1, Transport::WebTransport, talker)).unwrap();
        let samples =
            table.report(NOW + 5_000_000, BURST, report(2, Transport::WebTransport, listener)).unwrap();
        assert_eq!(told(&samples), [(3, 130)]);
    }

    #[test]
    fn what_was_said_once_is_not_taken_again() {
        let mut table = Table::default();
        let talker = |by| report(by, Transport::WebTransport, said(NOW, Some(NOW)));
        assert!(table.report(NOW, BURST, talker(1)).is_ok());
        assert_eq!(table.report(NOW, BURST, talker(1)).unwrap_err(), Fault::Twice);
        assert_eq!(table.report(NOW, BURST, talker(2)).unwrap_err(), Fault::Twice);
        let listener = report(3, Transport::WebTransport, heard(NOW, u32::MAX - 479, None));
        assert!(table.report(NOW, BURST, listener).is_ok());
        assert_eq!(table.report(NOW, BURST, listener).unwrap_err(), Fault::Twice);
    }

    #[test]
    fn times_that_cannot_be_are_refused() {
        let mut table = Table::default();
        let absurd = |table: &mut Table, seen| {
            table.report(NOW, BURST, report(9, Transport::WebTransport, seen)).unwrap_err() == Fault::Absurd
        };
        assert!(absurd(&mut table, said(NOW + 1_000_000, Some(NOW + 1_000_000))), "pressed in the future");
        assert!(absurd(&mut table, said(NOW - OLDEST_US - 1, None)), "pressed long ago");
        assert!(absurd(&mut table, said(NOW - 1, Some(NOW - 2))), "granted before it was pressed");
        assert!(absurd(&mut table, said(NOW - 20_000_000, Some(NOW))), "granted much later");
        assert!(absurd(&mut table, heard(u64::MAX, 0, None)), "heard at the end of time");
        assert!(absurd(&mut table, heard(NOW, 0, Some(NOW + 1))), "heard before it came");
        assert!(table.is_empty(), "none of them is kept");
        table.report(NOW, BURST, report(1, Transport::WebTransport, said(NOW - 100_000, None))).unwrap();
        assert!(absurd(&mut table, heard(NOW - 121_000, u32::MAX - 479, None)), "heard before it was said");
        assert!(absurd(&mut table, heard(NOW, 1 << 31, None)), "a timestamp of another burst");
        let clocks_differ = heard(NOW - 119_000, u32::MAX - 479, None);
        let samples = table.report(NOW, BURST, report(9, Transport::WebTransport, clocks_differ)).unwrap();
        assert_eq!(told(&samples), [(3, 0)]);
    }

    #[test]
    fn listeners_reports_count_as_joined_or_once_too_old_as_alone() {
        let mut table = Table::default();
        let elsewhere = Burst { channel: ChannelNumber(18), ..BURST };
        for by in 2..=4 {
            let listener = report(by, Transport::WebTransport, heard(NOW + 130_000, 480, None));
            table.report(NOW + 1_000_000, BURST, listener).unwrap();
            table.report(NOW + 1_000_000, elsewhere, listener).unwrap();
        }
        assert_eq!(table.pairs(NOW + 1_000_000), Pairs { joined: 0, alone: 0 }, "they wait");
        table.report(NOW + 2_000_000, BURST, report(1, Transport::WebTransport, said(NOW, None))).unwrap();
        let late = report(5, Transport::WebTransport, heard(NOW + 130_000, 480, None));
        table.report(NOW + 2_000_000, BURST, late).unwrap();
        assert_eq!(table.pairs(NOW + 2_000_000), Pairs { joined: 4, alone: 0 });
        assert_eq!(table.pairs(NOW + 2_000_000 + MAX_AGE_US), Pairs { joined: 4, alone: 3 });
    }

    #[test]
    fn what_waits_is_bounded_in_age_and_number() {
        let mut table = Table::default();
        let listener = |by| report(by, Transport::WebTransport, heard(NOW, 0, None));
        for number in 0..2 * MAX_BURSTS as u32 {
            let burst = Burst { channel: ChannelNumber(number), ..BURST };
            table.report(NOW, burst, listener(1)).unwrap();
        }
        assert_eq!(table.len(), MAX_BURSTS);
        table.report(NOW + MAX_AGE_US + 1, BURST, listener(1)).unwrap();
        assert_eq!(table.len(), 1, "the others are too old");
        for by in 2..=MAX_REPORTS as u16 {
            table.report(NOW + MAX_AGE_US + 1, BURST, listener(by)).unwrap();
        }
        let more = table.report(NOW + MAX_AGE_US + 1, BURST, listener(u16::MAX));
        assert_eq!(more.unwrap_err(), Fault::Crowded);
    }
}
