//! A path that carries the codepoints of explicit congestion notification (RFC 3168), and what it does to them.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

/// What becomes of the codepoint of a packet that the server sent.
pub(crate) type Marking = fn(Option<EcnCodepoint>) -> Option<EcnCodepoint>;

pub(crate) struct MarkedPath {
    pub(crate) address: SocketAddr,
    /// The codepoints of the packets that the server sent, as it sent them.
    pub(crate) sent: Arc<Mutex<Vec<Option<EcnCodepoint>>>>,
    tasks: [AbortHandle; 2],
}

impl MarkedPath {
    pub(crate) async fn start(server: SocketAddr, marking: Marking) -> Self {
        let (outer, inner) = (Arc::new(End::bind().await), Arc::new(End::bind().await));
        let address = outer.socket.local_addr().unwrap();
        let (client, sent) = (Arc::new(Mutex::new(address)), Arc::<Mutex<Vec<_>>>::default());
        let up = tokio::spawn({
            let (outer, inner, client) = (outer.clone(), inner.clone(), client.clone());
            async move {
                loop {
                    let (packet, meta) = outer.receive().await;
                    *client.lock().unwrap() = meta.addr;
                    inner.send(&packet, server, meta.stride, meta.ecn);
                }
            }
        });
        let down = tokio::spawn({
            let sent = sent.clone();
            async move {
                loop {
                    let (packet, meta) = inner.receive().await;
                    sent.lock().unwrap().push(meta.ecn);
                    let to = *client.lock().unwrap();
                    outer.send(&packet, to, meta.stride, marking(meta.ecn));
                }
            }
        });
        Self { address, sent, tasks: [up.abort_handle(), down.abort_handle()] }
    }
}

impl Drop for MarkedPath {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

struct End {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl End {
    async fn bind() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let state = UdpSocketState::new((&socket).into()).unwrap();
        Self { socket, state }
    }

    async fn receive(&self) -> (Vec<u8>, RecvMeta) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            self.socket.readable().await.unwrap();
            let mut meta = [RecvMeta::default()];
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let receive = || self.state.recv((&self.socket).into(), &mut slices, &mut meta);
            if self.socket.try_io(Interest::READABLE, receive).is_ok() {
                let [meta] = meta;
                buffer.truncate(meta.len);
                return (buffer, meta);
            }
        }
    }

    /// Several packets that came joined leave joined: each but the last has `stride` bytes.
    fn send(&self, contents: &[u8], destination: SocketAddr, stride: usize, ecn: Option<EcnCodepoint>) {
        let segment_size = (stride < contents.len()).then_some(stride);
        let transmit = Transmit { destination, ecn, contents, segment_size, src_ip: None };
        self.state.send((&self.socket).into(), &transmit).unwrap();
    }
}
