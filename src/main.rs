//! `suara`: the gateway, the bridge and their tools in one binary.

mod addresses;
mod cli;
mod commands;
mod descriptors;
mod file;
mod help;
mod listen;
mod lock;
mod logging;
mod origins;
mod processes;
mod secrets;
mod settings;
mod signals;

use std::process::ExitCode;

use cli::Command;
use mimalloc::MiMalloc;

/// Some tenth of the cost of a delivered frame less than with the C library's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = help::parse();
    let done = match cli.command {
        None => processes::run(processes::Role::Serve, cli.serve),
        Some(Command::Serve(args)) => processes::run(processes::Role::Serve, args),
        Some(Command::Gateway(args)) => processes::run(processes::Role::Gateway, args),
        Some(Command::Bridge(args)) => processes::run(processes::Role::Bridge, args),
        Some(Command::Token(args)) => commands::token(args),
        Some(Command::Certs(args)) => commands::certs(args),
        Some(Command::Loadtest(command)) => commands::loadtest(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::complain(&error);
            ExitCode::FAILURE
        }
    }
}
