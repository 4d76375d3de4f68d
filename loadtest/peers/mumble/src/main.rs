//! Drives a Mumble server with the same work as `suara loadtest flood` drives a gateway, and reports in the same form.

mod ocb;
mod tls;
mod user;
mod wire;

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use suara_loadtest::LoadError;
use suara_loadtest::args::{Load, Output};
use suara_loadtest::client::Shared;
use suara_loadtest::measure::Tally;
use suara_loadtest::scenario::{Run, look, write};
use tokio::task::LocalSet;

/// How often the thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);

/// Talkers and listeners in the root channel of a Mumble server on this machine.
#[derive(Parser)]
struct Args {
    /// The server's port, TCP and UDP
    #[arg(long)]
    port: u16,
    #[command(flatten)]
    load: Load,
    #[command(flatten)]
    output: Output,
}

/// What all users have in common.
struct Room {
    server: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    load: Load,
    /// From one user's connection to the next one's.
    step: Duration,
    shared: Arc<Shared>,
    tally: RefCell<Tally>,
}

fn main() -> ExitCode {
    match drive(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With standard error gone there is nobody to tell.
            std::io::Write::write_all(&mut std::io::stderr(), format!("{error}\n").as_bytes())
                .unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn drive(args: Args) -> Result<(), LoadError> {
    let Args { port, load, output } = args;
    let before = look(&output)?;
    let shared = Arc::new(Shared::new(1, load.talkers));
    let wanted = (load.talkers + load.listeners) as usize;
    let thread = {
        let (load, shared) = (load.clone(), shared.clone());
        std::thread::spawn(move || populate(port, load, shared))
    };
    let delay = Duration::ZERO;
    let run = Run { scenario: "mumble", shared, threads: vec![thread], wanted, delay, before, relay: None };
    write(&run.conduct(&load, &output)?, &output, &mut std::io::stdout().lock())
}

fn populate(port: u16, load: Load, shared: Arc<Shared>) -> Result<Tally, LoadError> {
    let failed = |error: std::io::Error| LoadError::Settings(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let room = Rc::new(Room {
        server: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port),
        tls: tls::config().map_err(|_| LoadError::Tls)?,
        step: Duration::from_secs(1) / load.ramp,
        load,
        shared,
        tally: RefCell::default(),
    });
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        for number in 0..room.load.talkers + room.load.listeners {
            tokio::task::spawn_local(user::run(room.clone(), number));
        }
        while !room.shared.stopped() {
            tokio::time::sleep(LOOK).await;
        }
    });
    drop(local);
    Ok(room.tally.take())
}
