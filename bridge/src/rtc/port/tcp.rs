//! The way to transports by TCP, for browsers whose network lets no UDP through: ICE's passive candidates (RFC 6544), packets
//! with a length of 16 bits in front (RFC 4571). A task for each connection, which knows of no transport: whose it is a
//! binding request proves, as by UDP.

mod doorstep;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::{Domain, Protocol, Type};
use suara_tcp::StallAware;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout_at;

use doorstep::{Doorstep, Waiting};

use super::engine::{MAX_AGE, MAX_PACKET};
use crate::metrics::{DropReason, Metrics};

/// Connections at a time; each has a descriptor and some kilobytes. Most clients come by UDP.
const MAX_CONNECTIONS: usize = 4096;

/// One that hasn't proved by then whose it is isn't a client's.
const PROOF: Duration = Duration::from_secs(10);

/// One that nothing came by for so long is given up: a client asks for consent every few seconds (RFC 7675, section 5.1).
const IDLE: Duration = Duration::from_secs(35);

/// Connections that wait to be accepted.
const BACKLOG: i32 = 256;

/// After an error in accepting, such as that there are no descriptors left.
const BREATHER: Duration = Duration::from_millis(100);

/// Packets of all connections that wait for the port; who sends more waits.
const MAX_HEARD: usize = 1024;

/// Packets that wait for one connection. What is voice among them is dropped when it is old, whatever their number.
const MAX_WAITING: usize = 64;

/// What happened to a connection.
pub(super) enum Heard {
    Opened(SocketAddr, Connection),
    Packet(SocketAddr, Bytes),
    /// By this name, for another may have its address by now.
    Closed(SocketAddr, u64),
}

/// The way out by one connection.
pub(super) struct Connection {
    name: u64,
    queue: mpsc::Sender<(Instant, Box<[u8]>)>,
    /// Whether its client was answered, which only a proof brings about.
    answered: Arc<AtomicBool>,
}

impl Connection {
    pub(super) const fn is(&self, name: u64) -> bool {
        self.name == name
    }

    /// Hands a packet on; `false` where too much waits.
    pub(super) fn send(&self, packet: &[u8]) -> bool {
        self.answered.store(true, Ordering::Relaxed);
        self.queue.try_send((Instant::now(), packet.into())).is_ok()
    }
}

/// A socket that listens at `address`, to be served on another thread.
pub(super) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Takes connections, by the runtime of this thread, until that ends.
pub(super) fn serve(listener: std::net::TcpListener, metrics: Metrics) -> io::Result<mpsc::Receiver<Heard>> {
    let listener = TcpListener::from_std(listener)?;
    let (heard, queue) = mpsc::channel(MAX_HEARD);
    tokio::spawn(accept(listener, heard, metrics));
    Ok(queue)
}

async fn accept(listener: TcpListener, heard: mpsc::Sender<Heard>, metrics: Metrics) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let doorstep = Doorstep::default();
    let mut name = 0;
    while !heard.is_closed() {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be taken");
                tokio::time::sleep(BREATHER).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            metrics.bad_input("rtc_connections");
            continue;
        };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(waiting) = doorstep.enter(peer.ip()) else {
            metrics.bad_input("rtc_connections");
            continue;
        };
        name += 1;
        tokio::spawn(connection(stream, peer, name, heard.clone(), metrics.clone(), (place, waiting)));
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    name: u64,
    heard: mpsc::Sender<Heard>,
    metrics: Metrics,
    (_place, unproven): (OwnedSemaphorePermit, Waiting),
) {
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!(%error, "a connection was gone at once");
    }
    let stream = StallAware::new(stream);
    stream.handle().carry_voice();
    let (reader, writer) = tokio::io::split(stream);
    let (queue, waiting) = mpsc::channel(MAX_WAITING);
    let answered = Arc::new(AtomicBool::new(false));
    let own = Connection { name, queue, answered: Arc::clone(&answered) };
    if heard.send(Heard::Opened(peer, own)).await.is_err() {
        return;
    }
    tokio::select! {
        () = read(reader, peer, &heard, &metrics, (&answered, unproven)) => {}
        () = write(writer, waiting, &metrics) => {}
    }
    // The port may have ended.
    heard.send(Heard::Closed(peer, name)).await.ok();
}

/// Reads packets until the client is gone, or is none.
async fn read(
    mut reader: ReadHalf<StallAware>,
    peer: SocketAddr,
    heard: &mpsc::Sender<Heard>,
    metrics: &Metrics,
    (answered, waiting): (&AtomicBool, Waiting),
) {
    let opened = Instant::now();
    let mut waiting = Some(waiting);
    loop {
        let limit = if answered.load(Ordering::Relaxed) {
            drop(waiting.take());
            Instant::now() + IDLE
        } else {
            opened + PROOF
        };
        let Ok(Ok(packet)) = timeout_at(limit.into(), packet(&mut reader)).await else { return };
        let Some(packet) = packet else { return metrics.bad_input("rtc_packet") };
        if heard.send(Heard::Packet(peer, packet)).await.is_err() {
            return;
        }
    }
}

/// The next packet; `None` for one that is too long to be any.
async fn packet(reader: &mut ReadHalf<StallAware>) -> io::Result<Option<Bytes>> {
    let length = usize::from(reader.read_u16().await?);
    if length > MAX_PACKET {
        return Ok(None);
    }
    let mut packet = vec![0; length];
    reader.read_exact(&mut packet).await?;
    Ok(Some(packet.into()))
}

/// Writes what the queue holds. While the connection takes nothing voice gets old there, and is dropped.
async fn write(
    mut writer: WriteHalf<StallAware>,
    mut queue: mpsc::Receiver<(Instant, Box<[u8]>)>,
    metrics: &Metrics,
) {
    while let Some((at, packet)) = queue.recv().await {
        if is_voice(&packet) && at.elapsed() > MAX_AGE {
            metrics.dropped(DropReason::Stale, 1);
            continue;
        }
        let Ok(length) = u16::try_from(packet.len()) else { continue };
        let frame = [&length.to_be_bytes()[..], &packet].concat();
        if writer.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// Whether that is RTP, by its version and a payload type that is none of RTCP's (RFC 5761, section 4).
fn is_voice(packet: &[u8]) -> bool {
    matches!(packet, [128..=191, kind, ..] if !matches!(kind & 0x7f, 64..=95))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voice_gets_old_and_what_keeps_a_transport_up_does_not() {
        assert!(is_voice(&[0x80, 100, 0, 1]) && is_voice(&[0x90, 0x80 | 100, 0, 1]));
        for other in [&[0, 1][..], &[22, 254, 253], &[0x80, 200], &[0x80, 201], &[0x80], &[]] {
            assert!(!is_voice(other), "{other:?}");
        }
    }

    /// The server's end of a connection, as the port would have it, and the client's.
    async fn pair() -> (mpsc::Receiver<Heard>, Connection, TcpStream) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut heard = serve(listener, Metrics::default()).unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        let Some(Heard::Opened(peer, connection)) = heard.recv().await else { panic!("it is open") };
        assert_eq!(peer, client.local_addr().unwrap());
        (heard, connection, client)
    }

    #[tokio::test]
    async fn packets_have_their_length_in_front_in_both_directions() {
        let (mut heard, connection, mut client) = pair().await;
        client.write_all(&[0, 3, 1, 2, 3, 0, 0, 0, 1, 9]).await.unwrap();
        for expected in [&[1, 2, 3][..], &[], &[9]] {
            let Some(Heard::Packet(_, packet)) = heard.recv().await else { panic!("a packet") };
            assert_eq!(packet, expected);
        }
        assert!(connection.send(&[7, 7]));
        let mut frame = [0; 4];
        client.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame, [0, 2, 7, 7]);
        client.write_all(&[255, 255]).await.unwrap();
        assert!(matches!(heard.recv().await, Some(Heard::Closed(..))), "too long to be a packet");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_proves_nothing_is_closed_and_one_that_was_answered_may_be_silent_for_longer() {
        let (mut heard, _connection, _client) = pair().await;
        let started = tokio::time::Instant::now();
        assert!(matches!(heard.recv().await, Some(Heard::Closed(..))));
        let waited = started.elapsed();
        assert!((PROOF..IDLE).contains(&(waited + Duration::from_millis(100))), "{waited:?}");
    }

    #[tokio::test]
    async fn one_address_has_few_connections_that_prove_nothing_until_one_does() {
        let (mut heard, connection, mut client) = pair().await;
        let address = client.peer_addr().unwrap();
        let mut others = Vec::new();
        for _ in 1..doorstep::MAX_UNPROVEN {
            let other = TcpStream::connect(address).await.unwrap();
            let Some(Heard::Opened(_, connection)) = heard.recv().await else { panic!("it is open") };
            others.push((other, connection));
        }
        let mut refused = TcpStream::connect(address).await.unwrap();
        assert!(!matches!(refused.read(&mut [0]).await, Ok(1..)), "it is closed");

        assert!(connection.send(&[7]));
        client.write_all(&[0, 1, 1, 0, 1, 2]).await.unwrap();
        for _ in 0..2 {
            assert!(matches!(heard.recv().await, Some(Heard::Packet(..))));
        }
        // With the second it was known that the first was proof enough.
        let _another = TcpStream::connect(address).await.unwrap();
        assert!(matches!(heard.recv().await, Some(Heard::Opened(..))));
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_loses_old_voice_alone() {
        let (_heard, connection, mut client) = pair().await;
        let voice: Vec<u8> = [0x80, 100].into_iter().chain([0; 998]).collect();
        let start = Instant::now();
        let mut refused = 0;
        while refused == 0 {
            refused += usize::from(!connection.send(&voice));
            tokio::task::yield_now().await;
            assert!(start.elapsed() < Duration::from_secs(10), "the road takes it all");
        }
        tokio::time::sleep(MAX_AGE * 2).await;
        let mut taken = vec![0; 1 << 20];
        // What the kernel held, and then nothing of what waited here.
        tokio::time::timeout(MAX_AGE, async { while client.read(&mut taken).await.unwrap() > 0 {} })
            .await
            .unwrap_err();
        assert!(connection.send(&[22, 1]));
        let count = client.read(&mut taken).await.unwrap();
        assert_eq!(taken[..count], [0, 2, 22, 1], "the next is what was said next");
    }
}
