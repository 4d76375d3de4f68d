//! The table that ends a run in a terminal.

use std::fmt::Write;

use super::Outcome;

/// The outcome as lines of text.
#[must_use]
pub fn table(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let settings: Vec<String> =
        outcome.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let mut rows: Vec<(String, String)> = vec![
        (report.scenario.to_owned(), settings.join(" · ")),
        ("sessions".to_owned(), sessions(outcome)),
        ("frames".to_owned(), frames(outcome)),
        ("lost".to_owned(), format!("{} ({})", report.lost, percent(report.lost, report.expected))),
        (
            "late".to_owned(),
            format!("{} over 150 ms ({})", report.late, percent(report.late, report.delivered)),
        ),
        ("latency".to_owned(), latency(outcome)),
        (
            "log-in".to_owned(),
            format!("p50 {:.1} ms · p99 {:.1} ms", report.handshake_ms.p50, report.handshake_ms.p99),
        ),
    ];
    if let Some(server) = &report.server {
        rows.push((
            "server".to_owned(),
            format!("{:.2} µs of CPU a delivered frame", server.cpu_us_per_delivered),
        ));
        let kib = server.rss_bytes_idle_per_session as f64 / 1024.0;
        rows.push((String::new(), format!("{kib:.1} KiB resident an idle session")));
    }
    if !outcome.workers.is_empty() {
        let workers: Vec<String> =
            outcome.workers.iter().map(|(name, cost)| format!("{name} {cost:.2} µs")).collect();
        rows.push((String::new(), format!("of which {}", workers.join(" · "))));
    }
    rows.push(("generator".to_owned(), generator(outcome)));
    if let Some(fault) = &outcome.tally.fault {
        rows.push(("first fault".to_owned(), fault.clone()));
    }
    for check in &outcome.checks {
        let verdict = if check.good { "ok" } else { "BAD" };
        rows.push((verdict.to_owned(), format!("{}: {}", check.what, check.result)));
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in rows {
        // Writing to a string can't fail.
        writeln!(text, "{name:width$}  {value}").unwrap_or_default();
    }
    text
}

/// The proof that what was measured is the server: what the generator itself used and held up.
pub(crate) fn generator(outcome: &Outcome) -> String {
    let tally = &outcome.tally;
    let mut text = format!(
        "{:.0} % of a core · sent late by p99 {} · packets waited for it p99 {} · {} dropped unread",
        outcome.own_cpu * 100.0,
        micros(tally.lateness.value_at_quantile(0.99)),
        micros(tally.lag.value_at_quantile(0.99)),
        tally.dropped_packets,
    );
    if let (acks, datagrams @ 1..) = tally.acks {
        text += &format!(" · {:.2} ACKs a frame", acks as f64 / datagrams as f64);
    }
    text
}

fn sessions(outcome: &Outcome) -> String {
    let dropped = outcome.tally.dropped;
    match dropped {
        0 => format!("{}, none lost", outcome.report.sessions),
        _ => format!("{}, {dropped} of them lost on the way", outcome.report.sessions),
    }
}

fn frames(outcome: &Outcome) -> String {
    let (report, tally) = (&outcome.report, &outcome.tally);
    let mut text = format!(
        "{} sent → {} of {} deliveries in {} s",
        report.sent, report.delivered, report.expected, report.seconds
    );
    if tally.duplicates > 0 {
        text += &format!(", {} twice", tally.duplicates);
    }
    if tally.ungranted > 0 {
        text += &format!(", {} not sent for want of the floor", tally.ungranted);
    }
    text
}

fn latency(outcome: &Outcome) -> String {
    let quantiles = &outcome.report.latency_us;
    let named = [
        ("p50", quantiles.p50),
        ("p90", quantiles.p90),
        ("p99", quantiles.p99),
        ("p99.9", quantiles.p999),
        ("max", quantiles.max),
    ];
    named.map(|(name, value)| format!("{name} {}", micros(value))).join(" · ")
}

/// A length of time that a person can read.
pub(crate) fn micros(value: u64) -> String {
    match value {
        0..1000 => format!("{value} µs"),
        1000..1_000_000 => format!("{:.1} ms", value as f64 / 1e3),
        _ => format!("{:.2} s", value as f64 / 1e6),
    }
}

/// A part of a whole, with as many digits as tell it from nothing.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let share = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    if share == 0.0 || share >= 1.0 { format!("{share:.1} %") } else { format!("{share:.3} %") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Tally;

    #[test]
    fn a_table_says_what_a_person_asks() {
        let mut tally = Tally { expected: 10, delivered: 9, sent: 1, ..Tally::default() };
        tally.latency.record(1500).unwrap();
        let text = table(&Outcome::new("flood", 1.0, tally, None));
        for part in ["flood", "1 (10.0 %)", "p99 1.5 ms", "generator"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
