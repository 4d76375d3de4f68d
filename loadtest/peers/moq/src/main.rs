//! Drives moq-relay with the same work as `suara loadtest flood` drives a gateway, and reports in the same form.

mod session;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use suara_loadtest::args::{Load, Output};
use suara_loadtest::{LoadError, peer};
use url::Url;

/// A talker that publishes a track on a relay on this machine, and listeners that subscribe to it.
#[derive(Parser)]
struct Args {
    /// The relay's UDP port
    #[arg(long)]
    port: u16,
    /// How each frame travels
    #[arg(long, value_enum, default_value_t = Delivery::Datagrams)]
    delivery: Delivery,
    #[command(flatten)]
    load: Load,
    #[command(flatten)]
    output: Output,
}

/// How a frame travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Delivery {
    /// Each in a QUIC datagram
    Datagrams,
    /// Each as a group of its own, on a QUIC stream
    Groups,
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
    let Args { port, delivery, load, output } = args;
    if load.talkers != 1 {
        return Err(LoadError::Settings("one talker, no more: a listener follows one track".to_owned()));
    }
    moq_tokio::crypto::install_default().map_err(|_| LoadError::Tls)?;
    let wrong = |error: url::ParseError| LoadError::Settings(error.to_string());
    let relay: Url = format!("https://127.0.0.1:{port}/").parse().map_err(wrong)?;
    let scenario = match delivery {
        Delivery::Datagrams => "moq datagrams",
        Delivery::Groups => "moq groups",
    };
    let session = move |booth, number| session::run(booth, relay.clone(), delivery, number);
    peer::drive(scenario, load, &output, &mut std::io::stdout().lock(), session)
}
