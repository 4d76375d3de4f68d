//! The page: one file with everything in it, light or dark as its reader likes.

use std::fmt::Write;
use std::time::SystemTime;

use super::Outcome;
use super::plot::{Axis, Line, Scale, bars, plot};
use super::table::{generator, micros, percent};

/// Bars of the latency distribution to a power of ten.
const BINS: f64 = 12.0;
/// The kernel counts CPU in steps of 10 ms: a point averages over so many samples.
const SAMPLES_TO_A_POINT: usize = 4;
const STYLE: &str = include_str!("page.css");

/// The outcome as a page.
#[must_use]
pub fn html(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Suara load test: {}</title><style>{STYLE}</style>\
         </head><body><main>",
        report.scenario
    );
    page += &header(outcome);
    page += &tiles(outcome);
    page += "<section class=\"plots\">";
    page += &figure(
        "How long voice takes",
        "from a frame's due time to its arrival, all deliveries",
        &latency(outcome),
        "",
    );
    page += &figure("Age of frames on arrival", "second by second", &age(outcome), AGES);
    page += &figure(
        "Lost and late",
        "deliveries that never came, or after more than 150 ms",
        &loss(outcome),
        LOSSES,
    );
    if outcome.samples.len() > SAMPLES_TO_A_POINT {
        page += &figure("Processor", "the server's time on all cores", &cpu(outcome), "");
        page += &figure("Memory", "the server's resident memory", &memory(outcome), "");
    }
    page += "</section>";
    page += &checks(outcome);
    page += &footer(outcome);
    page += "</main></body></html>\n";
    page
}

const AGES: &str = "<span class=\"key a\">median</span><span class=\"key b\">99th percentile</span>\
                    <span class=\"key c\">oldest</span>";
const LOSSES: &str = "<span class=\"key c\">lost</span><span class=\"key b\">late</span>";

fn header(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let heard = if report.lost == 0 && report.late == 0 {
        "Every frame was heard in time.".to_owned()
    } else {
        format!(
            "{} of deliveries lost, {} late.",
            percent(report.lost, report.expected),
            percent(report.late, report.delivered)
        )
    };
    let chips: String = outcome
        .settings
        .iter()
        .map(|(name, value)| {
            let name = if value == "1" { name.trim_end_matches('s') } else { name };
            format!("<li><b>{}</b> {}</li>", escape(value), escape(name))
        })
        .collect();
    format!(
        "<header><p class=\"over\">Suara load test · {}</p><h1>{heard}</h1><ul class=\"chips\">{chips}<li><b>{}</b> \
         seconds</li></ul></header>",
        report.scenario, report.seconds
    )
}

fn tiles(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let mut tiles = vec![
        (
            "latency, 99th percentile",
            micros(report.latency_us.p99),
            format!("median {}", micros(report.latency_us.p50)),
        ),
        (
            "delivered",
            grouped(report.delivered),
            format!("of {} · {} lost", grouped(report.expected), grouped(report.lost)),
        ),
        (
            "sessions",
            grouped(report.sessions),
            format!(
                "log-in: median {} · p99 {}",
                millis(report.handshake_ms.p50),
                millis(report.handshake_ms.p99)
            ),
        ),
    ];
    if let Some(server) = &report.server {
        let kib = server.rss_bytes_idle_per_session as f64 / 1024.0;
        let cores = 1e6 / server.cpu_us_per_delivered.max(1e-6);
        tiles.push((
            "CPU a delivered frame",
            format!("{:.2} µs", server.cpu_us_per_delivered),
            format!("{} frames a second would fill a core", grouped(cores as u64)),
        ));
        tiles.push((
            "memory an idle session",
            format!("{kib:.1} KiB"),
            "growth from before the first session".to_owned(),
        ));
    }
    let tiles: String = tiles
        .into_iter()
        .map(|(name, value, more)| {
            format!(
                "<div class=\"tile\"><span>{name}</span><strong>{value}</strong><small>{more}</small></div>"
            )
        })
        .collect();
    format!("<section class=\"tiles\">{tiles}</section>")
}

fn figure(title: &str, caption: &str, drawing: &str, legend: &str) -> String {
    format!(
        "<figure><figcaption><b>{title}</b><small>{caption}</small></figcaption>{drawing}<div \
         class=\"legend\">{legend}</div></figure>"
    )
}

fn latency(outcome: &Outcome) -> String {
    let histogram = &outcome.tally.latency;
    let (least, most) = (histogram.min().max(1) as f64, histogram.max().max(10) as f64);
    let across = Axis {
        from: 10_f64.powf(least.log10().floor()),
        to: 10_f64.powf((most * 1.01).log10().ceil()),
        scale: Scale::Log,
        label: |value| micros(value.round() as u64).replace(".0 ", " ").replace(".00 ", " "),
        name: "",
    };
    let bin = |index: f64| across.from * 10_f64.powf(index / BINS);
    let mut counts = vec![0; ((across.to / across.from).log10() * BINS).round() as usize];
    for value in histogram.iter_recorded() {
        let place = (value.value_iterated_to().max(1) as f64 / across.from).log10() * BINS;
        let index = (place.max(0.0) as usize).min(counts.len() - 1);
        counts[index] += value.count_since_last_iteration();
    }
    let share = |count: u64| count as f64 * 100.0 / histogram.len().max(1) as f64;
    let columns: Vec<(f64, f64, f64)> = counts
        .iter()
        .enumerate()
        .map(|(index, count)| (bin(index as f64), bin(index as f64 + 1.0), share(*count)))
        .collect();
    let up = Axis::above(columns.iter().map(|column| column.2), 1.0, |value| format!("{value:.0} %"));
    let quantiles = &outcome.report.latency_us;
    let marks = [("p50", quantiles.p50), ("p99", quantiles.p99), ("p99.9", quantiles.p999)]
        .map(|(name, value)| (value.max(1) as f64, format!("{name} {}", micros(value))));
    bars("distribution of latency", &across, &up, &columns, &marks)
}

fn age(outcome: &Outcome) -> String {
    let line = |class, of: &dyn Fn(&hdrhistogram::Histogram<u64>) -> u64| Line {
        class,
        points: seconds(outcome, |second| of(&second.age) as f64 / 1000.0),
    };
    let lines = [
        line("c", &|age| age.max()),
        line("b", &|age| age.value_at_quantile(0.99)),
        line("a", &|age| age.value_at_quantile(0.5)),
    ];
    let values = lines[0].points.iter().map(|point| point.1);
    let up = Axis::above(values, 1.0, |value| format!("{value} ms"));
    plot("age of frames over time", &time(outcome), &up, &lines, false)
}

fn loss(outcome: &Outcome) -> String {
    let share = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
    let lost =
        seconds(outcome, |second| share(second.expected.saturating_sub(second.delivered), second.expected));
    let late = seconds(outcome, |second| share(second.late, second.expected));
    let values = lost.iter().chain(&late).map(|point| point.1);
    let up = Axis::above(values, 1.0, |value| format!("{value:.1} %"));
    let lines = [Line { class: "c", points: lost }, Line { class: "b", points: late }];
    plot("losses over time", &time(outcome), &up, &lines, true)
}

fn cpu(outcome: &Outcome) -> String {
    let points: Vec<(f64, f64)> = outcome
        .samples
        .windows(SAMPLES_TO_A_POINT + 1)
        .map(|some| (some[0], some[SAMPLES_TO_A_POINT]))
        .filter(|(first, last)| last.at > first.at)
        .map(|(first, last)| {
            let spent = last.cpu.saturating_sub(first.cpu).as_nanos() as f64;
            (since(outcome, last.at), spent * 100.0 / (last.at - first.at) as f64)
        })
        .collect();
    let up = Axis::above(points.iter().map(|point| point.1), 10.0, |value| format!("{value:.0} %"));
    let line = Line { class: "a", points };
    plot("the server's CPU over time", &time(outcome), &up, &[line], true)
}

fn memory(outcome: &Outcome) -> String {
    let mebi = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let points: Vec<(f64, f64)> =
        outcome.samples.iter().map(|sample| (since(outcome, sample.at), mebi(sample.resident))).collect();
    let up = Axis::above(points.iter().map(|point| point.1), 10.0, |value| format!("{value:.0} MiB"));
    let line = Line { class: "d", points };
    plot("the server's memory over time", &time(outcome), &up, &[line], true)
}

/// A value of each second, drawn in its middle.
fn seconds(outcome: &Outcome, value: impl Fn(&crate::measure::Second) -> f64) -> Vec<(f64, f64)> {
    let middle = |index: usize| index as f64 + 0.5;
    outcome.tally.seconds.iter().enumerate().map(|(index, second)| (middle(index), value(second))).collect()
}

fn since(outcome: &Outcome, moment: u64) -> f64 {
    moment.saturating_sub(outcome.from) as f64 / 1e9
}

fn time(outcome: &Outcome) -> Axis {
    let seconds = outcome.report.seconds.max(1.0);
    Axis { from: 0.0, to: seconds, scale: Scale::Linear, label: |value| format!("{value}"), name: "" }
        .named("seconds")
}

fn checks(outcome: &Outcome) -> String {
    if outcome.checks.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for check in &outcome.checks {
        let (class, verdict) =
            if check.good { ("good", "✓ as it should") } else { ("bad", "✗ not as it should") };
        // Writing to a string can't fail.
        write!(
            rows,
            "<tr class=\"{class}\"><td>{}</td><td>{}</td><td>{verdict}</td></tr>",
            escape(&check.what),
            escape(&check.result)
        )
        .unwrap_or_default();
    }
    format!(
        "<section class=\"checks\"><h2>What was tried, and what came of it</h2><table>{rows}</table></section>"
    )
}

fn footer(outcome: &Outcome) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let when = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let fault = outcome.tally.fault.as_ref();
    let fault = fault.map(|fault| format!("<p>First fault seen: {}</p>", escape(fault))).unwrap_or_default();
    format!(
        "<footer><p><b>Is it the server that was measured?</b> The load generator itself used {}. Latencies count from the \
         moment at which a frame was due, so that a generator that lags can't flatter the server.</p>{fault}<p>suara {} · \
         {cores} cores shared by server and clients, loopback · {}</p></footer>",
        generator(outcome),
        env!("CARGO_PKG_VERSION"),
        date(when),
    )
}

fn millis(value: f64) -> String {
    micros((value * 1000.0) as u64)
}

/// A day and time of UTC (Howard Hinnant's `civil_from_days`).
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (of_month, month) =
        (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{of_month:02} {:02}:{:02} UTC", rest / 3600, rest / 60 % 60)
}

/// 1234567 as 1 234 567, with spaces that don't break.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Tally;
    use crate::report::Check;
    use std::time::Duration;

    #[test]
    fn a_page_stands_alone_and_shows_no_text_as_markup() {
        let mut tally = Tally::default();
        tally.sent(Duration::ZERO, Duration::ZERO, 2);
        tally.delivered(Duration::ZERO, Duration::from_micros(900));
        let mut outcome = Outcome::new("attack", 1.0, tally, None);
        outcome.checks.push(Check { what: "<script>".to_owned(), result: String::new(), good: false });
        let page = html(&outcome);
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("url("));
        assert!(!page.contains("NaN") && page.contains("50.0 % of deliveries lost"));
    }

    #[test]
    fn days_and_numbers_are_written_for_people() {
        assert_eq!(date(1_795_190_400), "2026-11-20 16:00 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(12), "12");
    }
}
