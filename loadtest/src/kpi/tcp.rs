//! An impaired path of TCP: a relay in this process. Bytes come late; a lost segment can't be made without privileges, so it is
//! modelled as what it costs: its retransmission, for which all behind it waits.

use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::LoadError;
use crate::error::Tried;
use crate::path::Leg;

/// A segment's bytes.
const SEGMENT: usize = 1400;
/// Until three later segments of a voice stream tell of a loss.
const NOTICE: Duration = Duration::from_millis(60);
/// The least time-out, for a retransmission that is lost too.
const TIMEOUT: Duration = Duration::from_millis(200);
/// Segments under way.
const UNDER_WAY: usize = 4096;

/// A running relay; it ends when this is dropped.
pub(super) struct TcpRelay {
    /// Where clients connect to.
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl TcpRelay {
    /// Starts a relay in front of `server`, of the same leg both ways.
    ///
    /// # Errors
    /// When it gets no socket.
    pub(super) async fn start(server: SocketAddr, leg: Leg) -> Result<Self, LoadError> {
        let listener = TcpListener::bind((server.ip(), 0)).await.tried("the relay gets no socket")?;
        let address = listener.local_addr().tried("the relay has no address")?;
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(join(client, server, leg));
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for TcpRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn join(client: TcpStream, server: SocketAddr, leg: Leg) {
    // Connecting takes a round trip of its own.
    tokio::time::sleep(leg.delay * 2).await;
    let Ok(server) = TcpStream::connect(server).await else { return };
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = pass(from_client, to_server, leg);
    let down = pass(from_server, to_client, leg);
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, leg: Leg) {
    let (send, mut receive) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let read = async move {
        let (mut buffer, mut last) = (vec![0; SEGMENT], Instant::now());
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            last = last.max(Instant::now() + crossing(leg));
            if send.send((last, buffer[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((at, bytes)) = receive.recv().await {
            sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

/// How long a segment takes, its retransmissions included.
fn crossing(leg: Leg) -> Duration {
    let mut random = rand::rng();
    let mut time = leg.delay + leg.jitter.mul_f64(random.random());
    let mut again = NOTICE;
    while random.random::<f64>() < leg.loss.min(0.9) {
        time += leg.delay * 2 + again;
        again = TIMEOUT;
    }
    time
}
