//! Whose a data directory is: what the real binary says where it is another's, or nobody's.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

fn suara(args: &[&str], data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suara"));
    command.args(args).arg("--data").arg(data).env_remove("SUARA_JWT_SECRET_FILE");
    command.output().unwrap()
}

#[test]
fn a_token_is_signed_with_a_gateways_secret_or_not_at_all() {
    let data = tempfile::tempdir().unwrap();
    let nowhere = data.path().join("nowhere");
    let run = suara(&["token", "--user", "budi"], &nowhere);
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(!run.status.success() && run.stdout.is_empty());
    assert!(said.contains("is --data the gateway's own?"), "{said}");
    assert!(!nowhere.exists(), "nothing is made");
    fs::write(data.path().join("jwt.secret"), [b'x'; 32]).unwrap();
    let run = suara(&["token", "--user", "budi"], data.path());
    assert!(run.status.success());
    assert_eq!(String::from_utf8(run.stdout).unwrap().trim().split('.').count(), 3);
}

#[test]
fn a_second_gateway_leaves_the_firsts_directory_as_it_is() {
    let data = tempfile::tempdir().unwrap();
    let addresses = data.path().join("addresses.json");
    fs::write(&addresses, "the first one's").unwrap();
    let first = File::create(data.path().join("lock")).unwrap();
    first.try_lock().unwrap();
    let any = "127.0.0.1:0";
    let run = suara(&["gateway", "--http", any, "--webtransport", any, "--metrics", any], data.path());
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(!run.status.success());
    assert!(said.contains("another gateway runs on the data directory"), "{said}");
    assert_eq!(fs::read_to_string(&addresses).unwrap(), "the first one's");
}
