//! Socket.IO clients over WebSocket, as the field has them: Engine.IO 4, one binary argument a chunk.
//!
//! Only what a load test needs of both protocols, by hand: a library would cost more than the server that is measured.

mod client;
pub(crate) mod packet;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::LocalSet;
use url::Url;

use crate::LoadError;
use crate::client::{Shared, Voice};
use crate::error::Tried;
use crate::measure::Tally;
use crate::target::loopback;

/// How often the thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);

/// A Socket.IO client to be.
#[derive(Debug, Clone)]
pub struct Seat {
    /// What it logs in with.
    pub token: String,
    /// What it enters.
    pub channel: String,
    /// The same by number within the run.
    pub index: usize,
    /// Who it is in the stamps of its chunks, if it talks, and when within a period it does.
    pub talks: Option<(u16, Duration)>,
    /// When it connects, from the run's start.
    pub at: Duration,
}

/// A thread's clients, and what they need.
pub struct Crowd {
    /// The server's address.
    pub url: Url,
    /// Who connects when.
    pub seats: Vec<Seat>,
    /// What talkers send.
    pub voice: Voice,
    /// What the run's threads share.
    pub shared: Arc<Shared>,
    /// Talkers whose frames come without a stamp: by the number behind the last hyphen of their user's id.
    pub transcoded: Option<Vec<Duration>>,
}

/// What all clients of a thread have in common.
struct Room {
    address: SocketAddr,
    voice: Voice,
    shared: Arc<Shared>,
    transcoded: Option<Vec<Duration>>,
    tally: RefCell<Tally>,
}

/// Runs a thread's clients until the run is stopped, and returns what they counted.
///
/// # Errors
/// When the server isn't on loopback.
pub fn run(crowd: Crowd) -> Result<Tally, LoadError> {
    let address = loopback(&crowd.url)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().tried("no runtime")?;
    let Crowd { seats, voice, shared, transcoded, .. } = crowd;
    let room = Rc::new(Room { address, voice, shared, transcoded, tally: RefCell::default() });
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        for seat in seats {
            tokio::task::spawn_local(client::run(room.clone(), seat));
        }
        while !room.shared.stopped() {
            tokio::time::sleep(LOOK).await;
        }
    });
    // The clients hold the room too: they end with their tasks.
    drop(local);
    drop(runtime);
    Ok(room.tally.take())
}
