//! Logs go to standard error; standard output is for what a command was asked for.

use std::io::{IsTerminal, Write};

use anyhow::{Context, Result};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::cli::LogFormat;
use crate::settings::LogPlan;

pub(crate) fn start(plan: &LogPlan) -> Result<()> {
    let filter = EnvFilter::try_new(&plan.filter).context("--log can't be understood")?;
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match plan.format {
        LogFormat::Text => lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines).with(filter).with(filter_fn(keeps_secrets)).init();
    Ok(())
}

/// Libraries write whole packets at their finer levels, and a first packet holds a token: these levels are ours alone.
fn keeps_secrets(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("suara") || *metadata.level() <= Level::INFO
}

/// Says why the command failed, with all its causes in one line.
pub(crate) fn complain(error: &anyhow::Error) {
    // With standard error gone there is nobody to tell.
    writeln!(std::io::stderr(), "suara: {error:#}").unwrap_or_default();
}

/// Prints a line of what the command was asked for.
pub(crate) fn print(line: impl std::fmt::Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("standard output is closed")
}
