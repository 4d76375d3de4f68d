//! Random schedules against a reference that is written the other way round: the channel holds a state and forgets how
//! it came there, [`reference`] holds the whole log and works everything out from it anew.
//!
//! `PROPTEST_CASES` is the number of schedules (100 000 where it is not given); a failure prints the
//! `PROPTEST_RNG_SEED` to have it again.

mod compare;
mod ends;
mod guests;
mod line;
mod presence;
mod reference;
mod run;
mod schedule;
mod stream;
mod tally;
mod view;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::hash::{BuildHasher, Hasher, RandomState};

use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};

const CASES: u32 = 100_000;
/// From so many on, everything that is worth having has to be among them.
const ENOUGH: u32 = 5_000;

#[test]
fn every_schedule_goes_as_the_log_says_and_everybodys_view_converges() {
    let seed = match Config::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().build_hasher().finish(),
    };
    let cases = if env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { CASES };
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        // Every choice of a strategy seeds a generator of its own: with the default one that is most of the run.
        rng_algorithm: RngAlgorithm::XorShift,
        failure_persistence: None,
        ..Config::default()
    };
    let tally = RefCell::new(BTreeMap::new());

    let outcome = TestRunner::new(config).run(&schedule::any(), |schedule| {
        run::run(&schedule, &mut |what| *tally.borrow_mut().entry(what).or_insert(0_u64) += 1)
    });

    if let Err(failure) = outcome {
        panic!("{failure}\nagain: PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases}");
    }
    let tally = tally.into_inner();
    println!("{cases} schedules, seed {seed}: {tally:#?}");
    for what in tally::WORTH_HAVING {
        assert!(cases < ENOUGH || tally.contains_key(what), "no schedule had: {what} (seed {seed})");
    }
}
