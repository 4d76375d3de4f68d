//! What somebody with bad intentions sends, while voice flows to listeners who must not notice.
//!
//! Every attack is bounded in count and time, and goes to loopback alone. Each is a check: what the gateway says to it,
//! and that nothing of it reaches a listener. The flood beside it shows that nobody else pays.

mod control;
mod payloads;
mod probe;
mod transport;
mod voice;

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::ClientConfig;

use crate::LoadError;
use crate::args::FloodArgs;
use crate::client::{Acks, Quic, Shared};
use crate::report::{Check, Outcome};

use super::flood::{Site, on, start};
use probe::Probe;

/// The flood lasts at least as long as the slowest attack, a session that never says hello.
const AT_LEAST: u32 = 15;
/// Attackers begin when voice has flowed for this long.
const HEAD_START: Duration = Duration::from_millis(1500);

/// Where to attack, and as whom.
struct Scene {
    site: Site,
    config: ClientConfig,
    /// The channel that voice flows in.
    channel: String,
}

impl Scene {
    /// A session that is welcome.
    fn welcome(&self, user: &str) -> Result<Probe, LoadError> {
        let mut probe = Probe::connect(&self.site.target, &self.config)?;
        probe.hello(&self.site.token(user)?);
        Ok(probe)
    }

    /// A session that only has its transport.
    fn stranger(&self) -> Result<Probe, LoadError> {
        Probe::connect(&self.site.target, &self.config)
    }
}

type Attack = fn(&Scene) -> Result<Vec<Check>, LoadError>;
/// Those in a row run one after the other, the rows beside each other.
const ATTACKS: &[&[Attack]] = &[
    &[control::messages, control::frames, control::first_words, control::unauthorised, control::flood],
    &[
        voice::shapes,
        voice::forged,
        voice::replayed,
        transport::streams,
        transport::half_open,
        transport::noise,
    ],
    &[control::silence],
    &[control::slow_reader],
];

/// A flood under attack.
pub(crate) fn attack(args: &FloodArgs) -> Result<Outcome, LoadError> {
    let mut args = args.clone();
    args.load.seconds = args.load.seconds.max(AT_LEAST);
    let site = Site::find(&args)?;
    let run = start("attack", &args, &site, &[])?;
    let config = Quic::new(&site.target, Acks::default())?.config;
    let scene = Arc::new(Scene { channel: site.channel(0), site, config });
    let rows: Vec<_> = ATTACKS
        .iter()
        .map(|row| {
            let (scene, shared) = (scene.clone(), run.shared.clone());
            std::thread::spawn(move || attack_in_turn(row, &scene, &shared))
        })
        .collect();
    let outcome = run.conduct(&args.load, &args.output);
    let mut checks = Vec::new();
    for row in rows {
        checks.extend(row.join().map_err(|_| LoadError::Thread)??);
    }
    let mut outcome = on(&args, outcome?);
    outcome.checks = checks;
    outcome.checks.extend(unnoticed(&outcome));
    Ok(outcome)
}

fn attack_in_turn(row: &[Attack], scene: &Scene, shared: &Shared) -> Result<Vec<Check>, LoadError> {
    while shared.phase.voice().is_none() && !shared.stopped() {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(HEAD_START);
    let mut checks = Vec::new();
    for attack in row {
        if !shared.stopped() {
            checks.extend(attack(scene)?);
        }
    }
    Ok(checks)
}

/// What the listeners of the flood must not have noticed.
fn unnoticed(outcome: &Outcome) -> Vec<Check> {
    let (tally, report) = (&outcome.tally, &outcome.report);
    let check = |what: &str, result: String, good| Check { what: what.to_owned(), result, good };
    vec![
        check("forged or broken voice that listeners heard", tally.foreign.to_string(), tally.foreign == 0),
        check("replayed voice that listeners heard", tally.duplicates.to_string(), tally.duplicates == 0),
        check("voice lost to listeners meanwhile", report.lost.to_string(), report.lost == 0),
        check("listeners thrown out meanwhile", tally.dropped.to_string(), tally.dropped == 0),
    ]
}

/// A check that something came out as it should.
fn check(what: &str, wanted: &str, got: &str) -> Check {
    let good = wanted == got;
    let result = if good { got.to_owned() } else { format!("{got}, not {wanted}") };
    Check { what: what.to_owned(), result, good }
}
