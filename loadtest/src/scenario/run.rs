//! A run from its first session to its outcome: ramp, settle, voice, measure, stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::LoadError;
use crate::args::{Load, Output};
use crate::client::Shared;
use crate::measure::{Process, Sample, Tally};
use crate::path::Relay;
use crate::report::{Outcome, Server};

use super::progress::Progress;

/// After the last session came, memory comes to rest before it is looked at.
const SETTLE: Duration = Duration::from_secs(1);
/// Voice that flows before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// Talkers get the floor in this time.
const ASK: Duration = Duration::from_millis(300);
/// From one look at the server to the next.
const LOOK: Duration = Duration::from_millis(250);
/// All sessions are there so long after the last of them began, or the run is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is still on its way when voice ends has this long.
const LAST: Duration = Duration::from_millis(800);
/// A server that is behind is waited for, in steps, at most so many of them.
const STEP: Duration = Duration::from_millis(500);
const BEHIND: usize = 20;
/// With fewer of the sessions than this, figures would say little.
const ENOUGH: f64 = 0.95;

/// What a run's threads will have counted.
pub type Threads = Vec<JoinHandle<Result<Tally, LoadError>>>;

/// The threads of a run, and what they share.
pub struct Run {
    /// Its name in the report.
    pub scenario: &'static str,
    /// What the threads share.
    pub shared: Arc<Shared>,
    /// The threads: each counts alone, and ends when it is told to by what they share.
    pub threads: Threads,
    /// Sessions that stay.
    pub wanted: usize,
    /// The longest delay of the path.
    pub delay: Duration,
    /// A look at the server before the first session.
    pub before: Option<Sample>,
    /// The path's relay, which lives as long as the run.
    pub relay: Option<Relay>,
}

/// A look at the server before the first session.
///
/// # Errors
/// When there is no such process.
pub fn look(output: &Output) -> Result<Option<Sample>, LoadError> {
    let Some(pid) = output.server_pid else { return Ok(None) };
    let process = Process::watch(pid)?;
    process.look(0).map(Some).map_err(|source| LoadError::Process { pid, source })
}

impl Run {
    /// Conducts the threads, and says what came of it.
    ///
    /// # Errors
    /// When too few sessions come up, or a thread fails.
    pub fn conduct(self, load: &Load, output: &Output) -> Result<Outcome, LoadError> {
        let measured = self.gather(load).and_then(|()| self.measure(load, output));
        self.shared.stop.store(true, Ordering::Release);
        let mut tally = Tally::default();
        // Goodbyes need no path.
        drop(self.relay);
        for thread in self.threads {
            tally.add(thread.join().map_err(|_| LoadError::Thread)??);
        }
        let measured = match measured {
            Err(LoadError::Sessions { up, wanted, why }) => {
                let why = tally.fault.unwrap_or(why);
                return Err(LoadError::Sessions { up, wanted, why });
            }
            other => other?,
        };
        let server = measured.server(self.before, self.wanted, tally.delivered);
        let mut outcome = Outcome::new(self.scenario, f64::from(load.seconds), tally, server);
        outcome.settings = settings(load);
        outcome.own_cpu = measured.own_cpu;
        outcome.workers = measured.workers(outcome.report.delivered);
        outcome.samples = measured.samples;
        outcome.from = measured.from;
        Ok(outcome)
    }

    /// Waits until all sessions are in their channels.
    fn gather(&self, load: &Load) -> Result<(), LoadError> {
        let patience = Duration::from_secs_f64(self.wanted as f64 / f64::from(load.ramp)) + PATIENCE;
        let progress = Progress::new("joining", self.wanted as u64);
        loop {
            let up = self.shared.up.load(Ordering::Relaxed);
            let failed = self.shared.failed.load(Ordering::Relaxed);
            progress.at(up, failed);
            let up = up as usize;
            let waited = Duration::from_nanos(self.shared.clock.now());
            let broken = self.threads.iter().any(JoinHandle::is_finished);
            if up >= self.wanted {
                break;
            }
            if waited > patience || broken || up + failed as usize >= self.wanted {
                if !broken && up as f64 >= self.wanted as f64 * ENOUGH {
                    break;
                }
                let why = "they are not answered in time".to_owned();
                return Err(LoadError::Sessions { up, wanted: self.wanted, why });
            }
            std::thread::sleep(LOOK / 5);
        }
        progress.done();
        std::thread::sleep(SETTLE);
        Ok(())
    }

    fn measure(&self, load: &Load, output: &Output) -> Result<Measured, LoadError> {
        let process = output.server_pid.map(Process::watch).transpose()?;
        let own = Process::watch(std::process::id())?;
        let clock = self.shared.clock;
        let sample = |process: &Process| process.look(clock.now()).unwrap_or_default();
        let idle = process.as_ref().map(sample);
        let voice = clock.now() + ASK.as_nanos() as u64;
        let from = voice + WARM_UP.as_nanos() as u64;
        let until = from + u64::from(load.seconds) * 1_000_000_000;
        self.shared.phase.set(voice, from, until);
        self.sleep_until(from);
        let own_before = sample(&own);
        let workers_before = process.as_ref().map(Process::workers).unwrap_or_default();
        let mut samples: Vec<Sample> = process.as_ref().map(sample).into_iter().collect();
        let progress = Progress::new("talking", u64::from(load.seconds) * 4);
        while clock.now() < until {
            let next = (clock.now() + LOOK.as_nanos() as u64).min(until);
            self.sleep_until(next);
            samples.extend(process.as_ref().map(sample));
            progress.at((clock.now() - from) / LOOK.as_nanos() as u64, 0);
        }
        let own_after = sample(&own);
        progress.done();
        std::thread::sleep(LAST + self.delay);
        if self.drain() {
            // The server worked on for what it was behind with: that belongs to these frames too.
            samples.extend(process.as_ref().map(sample));
        }
        let mut workers = process.as_ref().map(Process::workers).unwrap_or_default();
        for (name, used) in &mut workers {
            *used = used.saturating_sub(workers_before.get(name).copied().unwrap_or_default());
        }
        let own_cpu =
            (own_after.cpu - own_before.cpu).as_nanos() as f64 / (own_after.at - own_before.at) as f64;
        Ok(Measured { idle, samples, from, own_cpu, workers })
    }

    /// Waits for a server that is behind, until nothing more comes; whether it was.
    fn drain(&self) -> bool {
        let heard = || self.shared.heard.load(Ordering::Relaxed);
        let (at_first, mut before) = (heard(), heard());
        for _ in 0..BEHIND {
            std::thread::sleep(STEP);
            let now = heard();
            if now == before && now > 0 {
                break;
            }
            before = now;
        }
        before > at_first
    }

    fn sleep_until(&self, moment: u64) {
        std::thread::sleep(Duration::from_nanos(moment.saturating_sub(self.shared.clock.now())));
    }
}

/// What the conductor itself saw.
struct Measured {
    idle: Option<Sample>,
    samples: Vec<Sample>,
    from: u64,
    own_cpu: f64,
    workers: BTreeMap<String, Duration>,
}

impl Measured {
    fn workers(&self, delivered: u64) -> Vec<(String, f64)> {
        let cost = |used: &Duration| used.as_secs_f64() * 1e6 / delivered.max(1) as f64;
        self.workers.iter().map(|(name, used)| (name.clone(), cost(used))).collect()
    }

    fn server(&self, before: Option<Sample>, sessions: usize, delivered: u64) -> Option<Server> {
        let (first, last) = (self.samples.first()?, self.samples.last()?);
        let cpu = last.cpu.saturating_sub(first.cpu);
        let grown = self.idle?.resident.saturating_sub(before?.resident);
        Some(Server {
            cpu_us_per_delivered: cpu.as_secs_f64() * 1e6 / delivered.max(1) as f64,
            rss_bytes_idle_per_session: grown / sessions.max(1) as u64,
        })
    }
}

fn settings(load: &Load) -> Vec<(&'static str, String)> {
    vec![
        ("listeners", load.listeners.to_string()),
        ("talkers", load.talkers.to_string()),
        ("channels", load.channels.to_string()),
        ("frames a second", load.rate.to_string()),
        ("bytes", load.size.to_string()),
    ]
}
