//! What was heard, as a table: one row for each pair of roads in each cell. And which of the project's targets it misses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::cell::Heard;
use super::depth::Depth;
use super::jitter::{Played, play};
use super::sound::{Burst, CHIRP_MS};
use super::{Leg, Road, legacy, pesq};

/// One row.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    /// Of each impaired leg.
    pub(super) rtt_ms: u32,
    /// Percent, each way of each impaired leg.
    pub(super) loss: f64,
    /// How the talker was connected.
    pub(super) talker: Road,
    /// How the listener was.
    pub(super) listener: Road,
    /// Bursts that were heard.
    pub(super) bursts: usize,
    /// Bursts of which nothing was.
    pub(super) unheard: usize,
    /// From the press to the grant; null for Socket.IO, whose talkers aren't told.
    pub kpi1_p95_ms: Option<f64>,
    /// From the press to the first sound.
    pub kpi2_p95_ms: Option<f64>,
    /// From mouth to ear, by the chirp.
    pub kpi3_p95_ms: Option<f64>,
    /// From entering late to the first sound.
    pub kpi4_p95_ms: Option<f64>,
    /// The most that was missing at a start.
    pub(super) clipped_start_ms: u32,
    /// The most that was missing at an end.
    pub(super) clipped_end_ms: u32,
    /// The share of frames that were concealed.
    pub(super) concealed: f64,
    /// ITU-T P.862.2 of one burst, where it was asked for.
    pub(super) pesq: Option<f64>,
}

#[derive(Default)]
struct Pair {
    access: Vec<f64>,
    end_to_end: Vec<f64>,
    mouth_to_ear: Vec<f64>,
    late: Vec<f64>,
    clipped: (u32, u32),
    frames: (u32, u32),
    heard: usize,
    unheard: usize,
    recorded: Option<(Vec<i16>, isize)>,
}

/// The rows of one cell.
///
/// # Errors
/// When there is no decoder, or PESQ can't be had.
pub(super) fn rows(
    cell: (u32, f64),
    heard: &[Heard],
    burst: &Burst,
    python: Option<&Path>,
) -> Result<Vec<Row>, crate::LoadError> {
    let mut pairs: BTreeMap<(Road, Road), Pair> = BTreeMap::new();
    for heard in heard {
        let pair = pairs.entry((heard.talker, heard.listener)).or_default();
        let mut depth = Depth::default();
        for take in &heard.takes {
            let played = match heard.listener {
                Road::Socketio => legacy::play(&take.arrivals),
                _ => play(&take.arrivals, &mut depth, take.entered.is_some())
                    .map_err(|error| crate::LoadError::Settings(format!("no decoder: {error}")))?,
            };
            match take.entered {
                Some(entered) => pair.late.extend(played.first_sound.map(|first| between(entered, first))),
                None => pair.whole(take.press, take.access, played, burst),
            }
        }
    }
    let (rtt_ms, loss) = cell;
    pairs
        .into_iter()
        .map(|((talker, listener), mut pair)| {
            let pesq = match (python, &pair.recorded) {
                (Some(python), Some((pcm, at))) => Some(pesq::rate(python, burst, pcm, *at)?),
                _ => None,
            };
            Ok(Row {
                rtt_ms,
                loss,
                talker,
                listener,
                bursts: pair.heard,
                unheard: pair.unheard,
                kpi1_p95_ms: p95(&mut pair.access),
                kpi2_p95_ms: p95(&mut pair.end_to_end),
                kpi3_p95_ms: p95(&mut pair.mouth_to_ear),
                kpi4_p95_ms: p95(&mut pair.late),
                clipped_start_ms: pair.clipped.0,
                clipped_end_ms: pair.clipped.1,
                concealed: f64::from(pair.frames.1) / f64::from(pair.frames.0.max(1)),
                pesq,
            })
        })
        .collect()
}

impl Pair {
    /// A burst that was heard from its start on, or should have been.
    fn whole(&mut self, press: Duration, access: Option<Duration>, played: Played, burst: &Burst) {
        self.access.extend(access.map(|access| access.as_secs_f64() * 1000.0));
        let Some(found) = burst.find(&played.pcm) else {
            self.unheard += 1;
            return;
        };
        self.heard += 1;
        self.end_to_end.extend(played.first_sound.map(|first| between(press, first)));
        self.clipped.0 = self.clipped.0.max(found.clipped_start_ms);
        self.clipped.1 = self.clipped.1.max(found.clipped_end_ms);
        self.frames = (self.frames.0 + played.frames, self.frames.1 + played.concealed);
        // Where nothing of the chirp is left, there is nothing to measure by.
        if (found.clipped_start_ms as usize) < CHIRP_MS {
            let at = found.at as f64 / super::sound::RATE as f64 * 1000.0;
            self.mouth_to_ear.push(between(press, played.began) + at);
            self.recorded.get_or_insert((played.pcm, found.at));
        }
    }
}

fn between(from: Duration, to: Duration) -> f64 {
    (to.as_secs_f64() - from.as_secs_f64()) * 1000.0
}

/// By the nearest rank, to a tenth.
fn p95(samples: &mut [f64]) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    let rank = (samples.len() * 95).div_ceil(100);
    samples.get(rank.checked_sub(1)?).map(|sample| (sample * 10.0).round() / 10.0)
}

/// The rows for people.
#[must_use]
pub(super) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "rtt ms  loss %  talker        listener      bursts  KPI1  KPI2  KPI3  KPI4  clipped ms  concealed %  PESQ\n",
    );
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0}"));
    for row in rows {
        let bursts = format!("{}/{}", row.bursts, row.bursts + row.unheard);
        let clipped = format!("{}/{}", row.clipped_start_ms, row.clipped_end_ms);
        let pesq = row.pesq.map_or("-".to_owned(), |pesq| format!("{pesq:.2}"));
        writeln!(
            text,
            "{:>6}  {:>6}  {:<12}  {:<12}  {:>6}  {:>4}  {:>4}  {:>4}  {:>4}  {:>10}  {:>11.1}  {:>4}",
            row.rtt_ms,
            row.loss,
            row.talker.name(),
            row.listener.name(),
            bursts,
            number(row.kpi1_p95_ms),
            number(row.kpi2_p95_ms),
            number(row.kpi3_p95_ms),
            number(row.kpi4_p95_ms),
            clipped,
            row.concealed * 100.0,
            pesq,
        )
        // Writing to a string can't fail.
        .unwrap_or_default();
    }
    text
}

/// The targets that a row misses, in words.
#[must_use]
pub(super) fn missed(row: &Row, leg: Leg) -> Vec<String> {
    let rtt = f64::from(row.rtt_ms);
    let (talkers, listeners) =
        (if leg == Leg::Listener { 0.0 } else { rtt }, if leg == Leg::Talker { 0.0 } else { rtt });
    let by_udp = |road| road == Road::Webtransport;
    // What TCP's retransmissions cost is TCP's.
    let fair = row.loss == 0.0 || (by_udp(row.talker) && by_udp(row.listener));
    let bridged = [row.talker, row.listener].contains(&Road::Socketio);
    let late = if row.loss == 0.0 { listeners + 40.0 } else { 2.0 * listeners + 60.0 };
    let mouth_to_ear = match (bridged, by_udp(row.talker) && by_udp(row.listener)) {
        _ if row.rtt_ms > 50 => None,
        (true, _) => Some(300.0),
        (_, true) => Some(150.0),
        _ => None,
    };
    // One gateway repairs both legs; what is lost three times on one of them is lost.
    let concealed = if row.loss <= 5.0 { 0.5 } else { 2.0 };
    let is_datagrams = by_udp(row.talker) && by_udp(row.listener) && row.loss <= 10.0;
    let limits = [
        ("KPI 1", row.kpi1_p95_ms, fair.then_some(talkers + 20.0)),
        ("KPI 3", row.kpi3_p95_ms, mouth_to_ear.filter(|_| fair)),
        ("KPI 4", row.kpi4_p95_ms, (fair && !bridged).then_some(late)),
        ("clipped start", Some(f64::from(row.clipped_start_ms)), fair.then_some(0.0)),
        ("clipped end", Some(f64::from(row.clipped_end_ms)), fair.then_some(0.0)),
        ("concealed %", Some(row.concealed * 100.0), is_datagrams.then_some(concealed)),
        ("bursts that nobody heard", Some(row.unheard as f64), fair.then_some(0.0)),
    ];
    let (from, to) = (row.talker.name(), row.listener.name());
    let at = format!("{from} to {to} at {} ms and {} % of loss", row.rtt_ms, row.loss);
    limits
        .into_iter()
        .filter_map(|(what, value, limit)| Some((what, value?, limit?)))
        .filter(|(_, value, limit)| value > limit)
        .map(|(what, value, limit)| format!("{at}: {what} is {value:.1}, not {limit:.1} at most"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rtt_ms: u32, loss: f64) -> Row {
        let (talker, listener) = (Road::Webtransport, Road::Webtransport);
        let (bursts, unheard) = (10, 0);
        let [kpi1_p95_ms, kpi2_p95_ms, kpi3_p95_ms, kpi4_p95_ms] =
            [Some(60.0), Some(140.0), Some(140.0), Some(85.0)];
        let (clipped_start_ms, clipped_end_ms, concealed, pesq) = (0, 0, 0.0, None);
        Row {
            rtt_ms,
            loss,
            talker,
            listener,
            bursts,
            unheard,
            kpi1_p95_ms,
            kpi2_p95_ms,
            kpi3_p95_ms,
            kpi4_p95_ms,
            clipped_start_ms,
            clipped_end_ms,
            concealed,
            pesq,
        }
    }

    #[test]
    fn a_row_within_all_targets_misses_none() {
        assert_eq!(missed(&row(50, 0.0), Leg::Both), Vec::<String>::new());
    }

    #[test]
    fn what_is_missed_is_told_by_name() {
        let clipped = Row { clipped_start_ms: 20, unheard: 1, ..row(50, 5.0) };
        let all = missed(&clipped, Leg::Both).join("\n");
        assert!(all.contains("clipped start is 20.0") && all.contains("nobody heard is 1.0"), "{all}");
        // Without delay on the talker's leg it has no excuse.
        assert!(missed(&row(50, 0.0), Leg::Listener).join("").contains("KPI 1 is 60.0, not 20.0"));
        let slow = Row { kpi3_p95_ms: Some(151.0), ..row(50, 0.0) };
        assert!(missed(&slow, Leg::Both).join("").contains("KPI 3"));
        let patched = Row { concealed: 0.006, ..row(50, 5.0) };
        assert!(missed(&patched, Leg::Both).join("").contains("concealed %"));
        assert_eq!(missed(&Row { loss: 10.0, ..patched }, Leg::Both), Vec::<String>::new());
        let bridged = Row { talker: Road::Socketio, ..slow };
        assert_eq!(missed(&bridged, Leg::Both), Vec::<String>::new());
    }

    #[test]
    fn the_95th_percentile_is_by_the_nearest_rank() {
        assert_eq!(p95(&mut []), None);
        assert_eq!(p95(&mut [3.0]), Some(3.0));
        let mut hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(p95(&mut hundred), Some(95.0));
    }
}
