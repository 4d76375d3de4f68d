//! Visitors who all write, and whether each message is stored, acknowledged and delivered to staff.

use std::sync::Arc;
use std::time::Duration;

use crate::LoadError;
use crate::args::{LivechatArgs, Load};
use crate::client::Shared;
use crate::livechat::{Acks, Dialect, Ledger, Scene, run_staff, run_visitors};
use crate::report::{Check, Outcome, micros};
use crate::target::loopback;
use crate::token::Minter;

use super::run::{Run, look};

/// What the contract promises of a delivery's 99th percentile.
const PROMISE: Duration = Duration::from_millis(500);

pub(crate) fn livechat(args: &LivechatArgs) -> Result<Outcome, LoadError> {
    let address = loopback(&args.url)?;
    let before = look(&args.output)?;
    let shared = Arc::new(Shared::new(1, 1));
    let (tokens, staff_token) = tokens(args)?;
    let ledger = Ledger::default();
    let scene = Scene {
        address,
        visitors: args.foreign.unwrap_or(Dialect::Websocket),
        staff: args.foreign.unwrap_or(Dialect::Socketio),
        tokens,
        staff_token,
        every: Duration::from_millis(args.every.into()),
        size: args.size as usize,
        step: Duration::from_secs(1) / args.ramp,
        shared: shared.clone(),
        ledger: ledger.clone(),
    };
    let staff = scene.clone();
    let threads = vec![std::thread::spawn(|| run_staff(staff)), std::thread::spawn(|| run_visitors(scene))];
    let (wanted, delay) = (args.visitors as usize + 1, Duration::ZERO);
    let run = Run { scenario: "livechat", shared, threads, wanted, delay, before, relay: None };
    let mut outcome = run.conduct(&load(args), &args.output)?;
    outcome.settings = vec![
        ("visitors", args.visitors.to_string()),
        ("each writes every", format!("{} ms", args.every)),
        ("bytes", args.size.to_string()),
    ];
    outcome.checks = checks(&outcome, &ledger.acks());
    Ok(outcome)
}

/// What the conductor needs to know.
fn load(args: &LivechatArgs) -> Load {
    Load {
        listeners: args.visitors,
        talkers: 1,
        channels: 1,
        rate: 1,
        size: args.size,
        seconds: args.seconds,
        ramp: args.ramp,
    }
}

/// Another server takes any token; it knows visitors by theirs.
fn tokens(args: &LivechatArgs) -> Result<(Vec<String>, String), LoadError> {
    let run: u32 = rand::random();
    let names = (0..args.visitors).map(|number| format!("load-{run:08x}-{number}"));
    if args.foreign.is_some() {
        return Ok((names.collect(), "staff".to_owned()));
    }
    let minter = Minter::new(&args.secret)?;
    let tokens = names.map(|name| minter.visitor(&name)).collect::<Result<_, _>>()?;
    Ok((tokens, minter.staff("load-staff", &args.role)?))
}

fn checks(outcome: &Outcome, acks: &Acks) -> Vec<Check> {
    let (report, tally) = (&outcome.report, &outcome.tally);
    let quantile = |at| micros(acks.latency.value_at_quantile(at));
    let check = |what: &str, result: String, good| Check { what: what.to_owned(), result, good };
    let p99 = report.latency_us.p99;
    vec![
        check(
            "stored and acknowledged",
            format!("{} of {} · p50 {} · p99 {}", acks.acked, report.sent, quantile(0.5), quantile(0.99)),
            acks.acked == report.sent && acks.refused == 0,
        ),
        check(
            "numbered in order, without gaps",
            format!("{} that didn't follow", acks.out_of_order),
            acks.out_of_order == 0,
        ),
        check(
            "delivered to staff, once",
            format!("{} of {}, {} twice", report.delivered, report.expected, tally.duplicates),
            report.delivered == report.expected && tally.duplicates == 0,
        ),
        check(
            "p99 of delivery under 500 ms",
            micros(p99),
            report.delivered > 0 && u128::from(p99) < PROMISE.as_micros(),
        ),
    ]
}
