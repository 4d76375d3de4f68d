//! Drives a Mumble server with the same work as `suara loadtest flood` drives a gateway, and reports in the same form.

mod ocb;
mod tls;
mod user;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use suara_loadtest::args::{Load, Output};
use suara_loadtest::{LoadError, peer};

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

/// What a user needs to reach the server.
#[derive(Clone)]
struct Place {
    server: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
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
    let server = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let place = Place { server, tls: tls::config().map_err(|_| LoadError::Tls)? };
    let session = move |booth, number| user::run(booth, place.clone(), number);
    peer::drive("mumble", load, &output, &mut std::io::stdout().lock(), session)
}
