//! WebRTC listeners beside WebTransport listeners in the same channels, who hear the same talkers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::LoadError;
use crate::args::RtcArgs;
use crate::client::{Role, Shared};
use crate::measure::Process;
use crate::report::Outcome;
use crate::rtc::{self, Crowd};
use crate::target::loopback;

use super::flood::{Site, launch, on, plan, talkers};
use super::run::{Run, look};

/// The server's thread that all WebRTC goes by.
const RTC_THREAD: &str = "voice-rtc";

/// From one look at who has come to the next.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) fn rtc(args: &RtcArgs) -> Result<Outcome, LoadError> {
    let load = &args.flood.load;
    let site = Site::find(&args.flood)?;
    let bridge = args.bridge.clone().unwrap_or_else(|| args.flood.url.clone());
    let address = loopback(&bridge)?;
    let before = look(&args.flood.output)?;
    let shared = Arc::new(Shared::new(load.channels as usize, load.talkers));
    let talkers = talkers(load).into_iter().map(|(source, offset)| Role::Talker { source, offset });
    let own = (load.talkers + load.listeners) as usize;
    let total = own + args.rtc_listeners as usize;
    let roles = talkers.chain(std::iter::repeat(Role::Listener)).take(total);
    let mut plans = roles
        .enumerate()
        .map(|(number, role)| plan(load, &site, number, role))
        .collect::<Result<Vec<_>, _>>()?;
    let others = plans.split_off(own);
    let (mut threads, relay) = launch(&args.flood, &site, shared.clone(), plans)?;
    let delivered = Arc::new(AtomicU64::new(0));
    let crowd = Crowd { address, plans: others, shared: shared.clone(), delivered: delivered.clone() };
    threads.push(std::thread::spawn(|| rtc::run(crowd)));
    let path = &args.flood.path;
    let delay = Duration::from_millis((2 * path.delay + path.jitter).into());
    let memory = args.flood.output.server_pid.map(|pid| {
        let shared = shared.clone();
        std::thread::spawn(move || memory(&shared, pid, [own, total]))
    });
    let start = before.as_ref().map(|before| before.resident);
    let run = Run { scenario: "rtc", shared, threads, wanted: total, delay, before, relay };
    let mut outcome = on(&args.flood, run.conduct(load, &args.flood.output)?);
    outcome.settings.push(("WebRTC listeners", args.rtc_listeners.to_string()));
    let memory = memory.and_then(|watch| watch.join().ok()).flatten();
    let delivered = delivered.load(Ordering::Relaxed);
    let sessions = [own, args.rtc_listeners as usize];
    outcome.settings.extend(roads(&outcome, delivered, start.zip(memory), sessions));
    Ok(outcome)
}

/// The server's resident memory when all sessions by WebTransport were there, and when those by WebRTC were, too. They come in this
/// order.
fn memory(shared: &Shared, pid: u32, counts: [usize; 2]) -> Option<[u64; 2]> {
    let process = Process::watch(pid).ok()?;
    let mut seen = [0; 2];
    for (count, resident) in counts.into_iter().zip(&mut seen) {
        while (shared.up.load(Ordering::Relaxed) as usize) < count {
            if shared.stopped() {
                return None;
            }
            std::thread::sleep(LOOK);
        }
        *resident = process.look(0).ok()?.resident;
    }
    Some(seen)
}

/// What each road costs: CPU of its own threads for each packet that it delivered, memory for each session that came by it.
fn roads(
    outcome: &Outcome,
    by_rtc: u64,
    memory: Option<(u64, [u64; 2])>,
    sessions: [usize; 2],
) -> Vec<(&'static str, String)> {
    let all = outcome.report.delivered;
    let used = |rtc: bool| -> f64 {
        let own = outcome.workers.iter().filter(|(name, _)| (name == RTC_THREAD) == rtc);
        own.map(|(_, cost)| cost * all as f64).sum()
    };
    let kept = |at: usize| -> Option<f64> {
        let (start, [first, both]) = memory?;
        let grown = if at == 0 { first.saturating_sub(start) } else { both.saturating_sub(first) };
        (sessions[at] > 0).then(|| grown as f64 / sessions[at] as f64 / 1024.0)
    };
    let costs =
        [("by WebTransport", used(false), all.saturating_sub(by_rtc)), ("by WebRTC", used(true), by_rtc)];
    let mut said = Vec::new();
    for (at, (name, used, delivered)) in costs.into_iter().enumerate() {
        if delivered == 0 || outcome.workers.is_empty() {
            continue;
        }
        let mut text = format!("{:.2} µs a packet", used / delivered as f64);
        if let Some(kib) = kept(at) {
            text += &format!(", {kib:.1} KiB a session as it came");
        }
        said.push((name, text));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Tally;

    #[test]
    fn each_road_is_charged_for_its_own_packets_and_sessions() {
        let tally = Tally { delivered: 400, expected: 400, ..Tally::default() };
        let mut outcome = Outcome::new("rtc", 1.0, tally, None);
        outcome.workers = vec![("voice-0".to_owned(), 3.0), (RTC_THREAD.to_owned(), 1.0)];
        let memory = Some((1 << 20, [3 << 20, 4 << 20]));
        let said = roads(&outcome, 100, memory, [64, 16]);
        let expected = [
            ("by WebTransport", "4.00 µs a packet, 32.0 KiB a session as it came".to_owned()),
            ("by WebRTC", "4.00 µs a packet, 64.0 KiB a session as it came".to_owned()),
        ];
        assert_eq!(said, expected);
        assert!(roads(&outcome, 0, None, [64, 0]).iter().all(|(name, _)| *name != "by WebRTC"));
    }
}
