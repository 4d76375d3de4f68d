//! An impaired path of TCP: a relay in this process. Bytes come late; a lost segment can't be made without privileges, so it is
//! modelled as what it costs: its retransmission after about a round trip, for which all behind it waits.

use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::LoadError;
use crate::error::Tried;
use crate::path::Leg;

/// A segment's bytes.
const SEGMENT: usize = 1400;
/// Between two segments of a voice stream, the later of which tells of the earlier one's loss.
const PERIOD: Duration = Duration::from_millis(20);
/// The least time-out (RFC 6298 as Linux has it), where no later segment tells of a loss.
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
        // Lost, and nothing has told of it yet.
        let mut missing: Option<(Instant, Vec<u8>)> = None;
        loop {
            let patience = missing.as_ref().map(|(since, _)| *since + TIMEOUT);
            let read = match patience {
                Some(patience) => timeout_at(patience, from.read(&mut buffer)).await.ok(),
                None => Some(from.read(&mut buffer).await),
            };
            let now = Instant::now();
            if let Some((since, bytes)) = missing.take() {
                last = last.max(retransmitted(leg, since, read.is_some().then_some(now)));
                if send.send((last, bytes)).await.is_err() {
                    return;
                }
            }
            let length = match read {
                None => continue,
                Some(Ok(length @ 1..)) => length,
                Some(_) => return,
            };
            let bytes = buffer[..length].to_vec();
            if is_lost(leg) {
                missing = Some((now, bytes));
                continue;
            }
            last = last.max(now + crossing(leg));
            if send.send((last, bytes)).await.is_err() {
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

/// When a segment that was lost at `since` comes out, if a later one went in at `told`: as RACK has it (RFC 8985), once that one
/// is acknowledged and a quarter of a round trip has gone by beside the one that the lost one had. Where none does, after the
/// time-out.
fn retransmitted(leg: Leg, since: Instant, told: Option<Instant>) -> Instant {
    let round_trip = leg.delay * 2;
    let (mut again, wait) = match told {
        Some(told) => ((told + round_trip).max(since + round_trip.mul_f64(1.25)), PERIOD),
        None => (since + TIMEOUT + round_trip, TIMEOUT),
    };
    while is_lost(leg) {
        again += round_trip + wait;
    }
    again + crossing(leg)
}

fn is_lost(leg: Leg) -> bool {
    rand::rng().random::<f64>() < leg.loss.min(0.9)
}

/// How long a segment takes that isn't lost.
fn crossing(leg: Leg) -> Duration {
    leg.delay + leg.jitter.mul_f64(rand::rng().random())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(loss: f64) -> Leg {
        Leg { loss, delay: Duration::from_millis(25), jitter: Duration::ZERO }
    }

    #[test]
    fn a_lost_segment_is_late_by_a_round_trip_and_what_tells_of_it() {
        let (since, at) = (Instant::now(), Duration::from_millis);
        let after = |told| retransmitted(leg(0.0), since, told) - since;
        assert_eq!(after(Some(since + at(20))), at(20 + 50 + 25));
        assert_eq!(
            after(Some(since)),
            at(62) + Duration::from_micros(500) + at(25),
            "with a little patience"
        );
        assert_eq!(after(None), at(200 + 50 + 25));
    }

    #[tokio::test]
    async fn what_is_lost_comes_all_the_same_and_in_order() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = TcpRelay::start(server.local_addr().unwrap(), Leg { delay: Duration::ZERO, ..leg(0.5) });
        let relay = relay.await.unwrap();
        let mut client = TcpStream::connect(relay.address).await.unwrap();
        let (mut accepted, _) = server.accept().await.unwrap();
        let said: Vec<u8> = (0..20).collect();
        for byte in &said {
            client.write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut heard = vec![0; said.len()];
        accepted.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, said);
    }
}
