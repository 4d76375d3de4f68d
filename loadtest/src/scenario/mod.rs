//! What can be done to a gateway: each scenario plans sessions, runs them and says what came of it.

mod attack;
mod flood;
mod legacy;
mod limit;
mod livechat;
mod progress;
mod rtc;
mod run;

pub use run::{Run, Threads, look};

use std::future::Future;
use std::io::Write;

use crate::LoadError;
use crate::args::{Command, Output};
use crate::error::Tried;
use crate::report::{self, Outcome};

/// Runs a scenario, writes its table to `out` and its files where they were asked for. Says whether all is as it
/// should be.
///
/// # Errors
/// When it can't run, or its report can't be written.
pub fn run(command: &Command, out: &mut dyn Write) -> Result<bool, LoadError> {
    let (outcome, output) = match command {
        Command::Flood(args) => (flood::flood(args)?, &args.flood.output),
        Command::Churn(args) => (flood::churn(args)?, &args.flood.output),
        Command::Attack(args) => (attack::attack(args)?, &args.output),
        Command::Socketio(args) => (legacy::socketio(args)?, &args.output),
        Command::Mixed(args) => (legacy::mixed(args)?, &args.flood.output),
        Command::Kpi(args) => return crate::kpi::run(args, out),
        Command::Livechat(args) => (livechat::livechat(args)?, &args.output),
        Command::Rtc(args) => (rtc::rtc(args)?, &args.flood.output),
        Command::Limit(args) => return limit::limit(args, out).map(|()| true),
    };
    write(&outcome, output, out)?;
    Ok(outcome.good())
}

/// Writes a run's table to `out`, and its files where they were asked for.
///
/// # Errors
/// When one of them can't be written.
pub fn write(outcome: &Outcome, output: &Output, out: &mut dyn Write) -> Result<(), LoadError> {
    if let Some(path) = &output.json {
        let mut json = serde_json::to_vec_pretty(&outcome.report).unwrap_or_default();
        json.push(b'\n');
        std::fs::write(path, json).tried(format!("can't write {}", path.display()))?;
    }
    if let Some(path) = &output.html {
        std::fs::write(path, report::html(outcome)).tried(format!("can't write {}", path.display()))?;
    }
    out.write_all(report::table(outcome).as_bytes()).tried("standard output is closed")
}

/// Runs the little that is asynchronous in an otherwise synchronous scenario.
fn block_on<T>(what: impl Future<Output = Result<T, LoadError>>) -> Result<T, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().tried("no runtime")?;
    runtime.block_on(what)
}
