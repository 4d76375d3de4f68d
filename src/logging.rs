//! Logs go to standard error; standard output is for what a command was asked for.

use std::io::{IsTerminal, Write};

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;
use crate::settings::LogPlan;

pub(crate) fn start(plan: &LogPlan) -> Result<()> {
    let filter = EnvFilter::try_new(&plan.filter).context("--log can't be understood")?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match plan.format {
        LogFormat::Text => logs.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
    Ok(())
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
