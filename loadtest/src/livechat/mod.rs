//! Visitors of a livechat, and one of staff who hears them all: over the contract's WebSocket or over Socket.IO.

mod line;
mod staff;
mod visitor;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::task::LocalSet;

pub use line::Dialect;

use crate::LoadError;
use crate::client::Shared;
use crate::error::Tried;
use crate::measure::Tally;

/// How often a thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);

/// What visitors were acknowledged.
#[derive(Debug, Clone)]
pub struct Acks {
    /// Messages of the time that counts, acknowledged.
    pub acked: u64,
    /// Acknowledgements whose number didn't follow the last one of that visitor's.
    pub out_of_order: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// From when a message should have been sent to its acknowledgement, in µs.
    pub latency: Histogram<u64>,
}

impl Default for Acks {
    fn default() -> Self {
        Self { acked: 0, out_of_order: 0, refused: 0, latency: Tally::default().latency }
    }
}

/// Everybody's acknowledgements.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Acks>>);

impl Ledger {
    /// What was acknowledged so far.
    #[must_use]
    pub fn acks(&self) -> Acks {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, note: impl FnOnce(&mut Acks)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Who comes where, and when it writes.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The server.
    pub address: SocketAddr,
    /// How visitors speak.
    pub visitors: Dialect,
    /// How staff speaks.
    pub staff: Dialect,
    /// Each visitor's token.
    pub tokens: Vec<String>,
    /// Staff's token.
    pub staff_token: String,
    /// From one message of a visitor's to its next.
    pub every: Duration,
    /// Bytes of a text.
    pub size: usize,
    /// From one visitor's coming to the next one's.
    pub step: Duration,
    /// What the run's threads share.
    pub shared: Arc<Shared>,
    /// Where acknowledgements are counted.
    pub ledger: Ledger,
}

/// A thread's part of a scene.
struct Room {
    scene: Scene,
    tally: RefCell<Tally>,
}

/// Runs the visitors until the run is stopped.
///
/// # Errors
/// When there is no runtime.
pub fn run_visitors(scene: Scene) -> Result<Tally, LoadError> {
    run(scene, |room| {
        for number in 0..room.scene.tokens.len() {
            tokio::task::spawn_local(visitor::run(room.clone(), number));
        }
    })
}

/// Runs the one of staff until the run is stopped.
///
/// # Errors
/// When there is no runtime.
pub fn run_staff(scene: Scene) -> Result<Tally, LoadError> {
    run(scene, |room| {
        tokio::task::spawn_local(staff::run(room.clone()));
    })
}

fn run(scene: Scene, begin: impl FnOnce(&Rc<Room>)) -> Result<Tally, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().tried("no runtime")?;
    let room = Rc::new(Room { scene, tally: RefCell::default() });
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        begin(&room);
        while !room.scene.shared.stopped() {
            tokio::time::sleep(LOOK).await;
        }
    });
    drop(local);
    drop(runtime);
    Ok(room.tally.take())
}
