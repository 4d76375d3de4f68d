//! Nodes, and a Redis that fails them, from a seed: messages are late, lost, doubled and out of order, clocks differ and
//! drift, nodes stall for longer than the lease, crash and start anew, are cut off from Redis, or hear nothing by it though it answers, and Redis loses what it knew.
//! Members come and go, press and release, are muted, lose their transport; chat is stored and told.
//!
//! `SUARA_SIMULATION_CASES` is the number of schedules (30 000 where it is not given), `SUARA_SIMULATION_SEED` the first
//! one's seed (1 where it is not given, so that a run of the tests says the same every time; `random` draws one); a failure prints its own, and ends the run; with `SUARA_SIMULATION_FAILURES`
//! that many do. `SUARA_SIMULATION_TRACE=1` prints all that happens in one schedule.

#![allow(clippy::too_many_lines, reason = "what may happen is best read in one list")]
#![allow(clippy::print_stdout, reason = "a trace is printed when it is asked for")]

mod check;
mod events;
mod faults;
mod network;
mod people;
mod process;
mod random;
mod redis;
mod room;
mod task;
mod voice;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::env;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const CASES: u64 = 30_000;
/// From so many on, everything that is worth having has to be among them.
const ENOUGH: u64 = 2_000;

/// What the schedules as a whole have to lead to, or they show nothing.
const WORTH_HAVING: &[&str] = &[
    "owner crashed",
    "owner stalled for longer than the lease",
    "owner was cut off",
    "owner went deaf",
    "stalled while it asked round",
    "redis lost its data",
    "split",
    "adopted",
    "lost",
    "rejoined by its number",
    "rejoined by another number",
    "handed over",
    "burst went on in a new term",
    "heard on another node",
    "chat fetched",
    "operation of another node",
];

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn every_schedule_keeps_one_floor_and_comes_together_again() {
    let is_random = env::var("SUARA_SIMULATION_SEED").is_ok_and(|seed| seed == "random");
    let first = match number("SUARA_SIMULATION_SEED") {
        None if is_random => RandomState::new().build_hasher().finish(),
        given => given.unwrap_or(1),
    };
    let cases = number("SUARA_SIMULATION_CASES").unwrap_or(CASES);
    let trace = number("SUARA_SIMULATION_TRACE").is_some();
    let stop_at = number("SUARA_SIMULATION_FAILURES").unwrap_or(1) as usize;
    let (next, tally, failures) = (AtomicU64::new(0), Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));

    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                let mut own = BTreeMap::<&'static str, u64>::new();
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= cases || failures.lock().unwrap().len() >= stop_at {
                        break;
                    }
                    let seed = first.wrapping_add(case);
                    if let Err(fault) = world::run(seed, trace, &mut own) {
                        failures.lock().unwrap().push((seed, fault));
                    }
                }
                let mut all = tally.lock().unwrap();
                own.into_iter().for_each(|(what, count)| *all.entry(what).or_insert(0) += count);
            });
        }
    });

    let failures = failures.into_inner().unwrap();
    for (seed, fault) in &failures {
        println!(
            "{fault}\nagain: SUARA_SIMULATION_SEED={seed} SUARA_SIMULATION_CASES=1 SUARA_SIMULATION_TRACE=1"
        );
    }
    assert!(failures.is_empty(), "{} schedules failed, see above", failures.len());
    let tally = tally.into_inner().unwrap();
    println!("{cases} schedules from seed {first}: {tally:#?}");
    for what in WORTH_HAVING {
        assert!(cases < ENOUGH || tally.contains_key(what), "no schedule had: {what} (seed {first})");
    }
}
