//! An engine's start and end, and what other threads may send by it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::application::Application;
use crate::config::Config;
use crate::error::StartError;
use crate::transport;
use crate::udp;
use crate::voice::{Audience, Cast, Earlier, Frame};
use crate::worker::{self, Command, Inbox};

/// Connection ids have a byte for the worker.
const MAX_WORKERS: usize = 256;

/// A running engine. Dropped without [`stop`](Self::stop), it goes on.
pub struct Engine {
    addresses: Vec<SocketAddr>,
    sender: Sender,
    threads: Vec<JoinHandle<()>>,
}

/// Sends frames from any thread. A clone is another handle of the same engine.
#[derive(Clone)]
pub struct Sender {
    inboxes: Arc<[Arc<Inbox>]>,
}

impl Engine {
    /// Binds the addresses and starts the workers.
    ///
    /// # Errors
    /// When an address can't be bound or a setting doesn't suit QUIC.
    pub fn start<A: Application>(config: Config, application: Arc<A>) -> Result<Self, StartError> {
        if config.workers == 0 || config.workers > MAX_WORKERS {
            return Err(StartError::Workers(config.workers));
        }
        if config.addresses.is_empty() {
            return Err(StartError::NoAddress);
        }
        let rows = udp::bind(&config.addresses, config.workers)?;
        let addresses = rows[0].iter().map(|bound| bound.address).collect();
        let inboxes: Vec<_> =
            (0..config.workers).map(|_| Inbox::new().map(Arc::new)).collect::<Result<_, _>>()?;
        let inboxes: Arc<[Arc<Inbox>]> = inboxes.into();
        let shared = transport::Shared::new(&config)?;
        let seeds: Vec<_> = rows
            .into_iter()
            .enumerate()
            .map(|(number, sockets)| worker::Seed::new(&config, &shared, number, sockets, inboxes.clone()))
            .collect::<Result<_, _>>()?;
        let mut threads = Vec::with_capacity(seeds.len());
        for (number, seed) in seeds.into_iter().enumerate() {
            let application = application.clone();
            let thread = std::thread::Builder::new().name(format!("voice-{number}"));
            threads.push(thread.spawn(move || seed.grow(application).run())?);
        }
        Ok(Self { addresses, sender: Sender { inboxes }, threads })
    }

    /// The UDP addresses that were really bound.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// For frames that come from elsewhere than an engine's connection.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Refuses new connections from now on; sessions go on.
    pub fn drain(&self) {
        self.sender.inboxes.iter().for_each(|inbox| inbox.drain());
    }

    /// Closes all connections, and waits until the workers have ended: a second at most.
    pub fn stop(self) {
        self.sender.command_all(|| Command::Shutdown);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker ended in a panic");
            }
        }
    }
}

impl Sender {
    /// Sends a frame that came at `since` to all of an audience, by itself.
    pub fn send(&self, audience: &Arc<Audience>, frame: &Frame, since: Instant) {
        self.send_after(audience, frame, &Earlier::default(), since);
    }

    /// The same; those that want earlier frames with it get as many of `earlier` as they want.
    pub fn send_after(&self, audience: &Arc<Audience>, frame: &Frame, earlier: &Earlier, since: Instant) {
        for worker in audience.workers() {
            if let Some(inbox) = self.inboxes.get(usize::from(worker)) {
                let (frame, earlier, audience) = (frame.clone(), earlier.clone(), audience.clone());
                inbox.cast(Cast { frame, earlier, audience, sender: None, since });
            }
        }
    }

    fn command_all(&self, command: impl Fn() -> Command) {
        self.inboxes.iter().for_each(|inbox| inbox.command(command()));
    }
}
