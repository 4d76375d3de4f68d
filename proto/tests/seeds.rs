//! The fuzz targets' checks on their committed seeds, on stable Rust and in every run of the tests.

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "public towards the fuzz targets, whose library this file is")]
mod checks;

use std::fs;
use std::path::Path;

#[test]
fn voice_seeds_hold() {
    run("voice", checks::voice);
}

#[test]
fn floor_seeds_hold() {
    run("floor", checks::floor);
}

#[test]
fn clock_seeds_hold() {
    run("clock", checks::clock);
}

#[test]
fn report_seeds_hold() {
    run("report", checks::report);
}

#[test]
fn entry_seeds_hold() {
    run("entry", checks::entry);
}

#[test]
fn frames_seeds_hold() {
    run("frames", checks::frames);
}

#[test]
fn client_message_seeds_hold() {
    run("client_message", checks::client_message);
}

#[test]
fn server_message_seeds_hold() {
    run("server_message", checks::server_message);
}

#[test]
fn chat_client_seeds_hold() {
    run("chat_client", checks::chat_client);
}

#[test]
fn chat_server_seeds_hold() {
    run("chat_server", checks::chat_server);
}

#[test]
fn opus_ticks_seeds_hold() {
    run("opus_ticks", checks::opus_ticks);
}

fn run(target: &str, check: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut count = 0;
    for seed in fs::read_dir(&seeds).expect("the seeds are committed") {
        let path = seed.expect("a readable folder").path();
        check(&fs::read(&path).expect("a readable seed"));
        count += 1;
    }
    assert!(count > 0, "no seeds in {}", seeds.display());
}
