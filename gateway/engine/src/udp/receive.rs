//! Packets in, a batch at a time.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use bytes::BytesMut;
use quinn_proto::EcnCodepoint;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};

use super::raw::disable_gro;

/// The largest packet that is taken: more than any path of the Internet carries, and quinn's own limit.
const PACKET: usize = 2048;
/// A socket that packets are received from.
pub(crate) struct Source {
    pub(crate) socket: UdpSocket,
    state: UdpSocketState,
}

impl Source {
    /// Takes a bound socket.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        disable_gro(&socket)?;
        Ok(Self { socket, state })
    }

    /// Whether packets that are too large for the path are refused rather than cut in pieces.
    pub(crate) fn never_fragments(&self) -> bool {
        !self.state.may_fragment()
    }
}

/// One packet as it came.
pub(crate) struct Received {
    pub(crate) from: SocketAddr,
    pub(crate) to: Option<IpAddr>,
    pub(crate) ecn: Option<EcnCodepoint>,
    pub(crate) bytes: BytesMut,
}

/// Room for one batch, used again and again.
pub(crate) struct ReceiveBatch {
    buffers: Vec<[u8; PACKET]>,
    meta: [RecvMeta; BATCH_SIZE],
}

impl ReceiveBatch {
    /// How many packets are taken at once.
    pub(crate) const SIZE: usize = BATCH_SIZE;

    pub(crate) fn new() -> Self {
        let buffers = vec![[0; PACKET]; BATCH_SIZE];
        Self { buffers, meta: [RecvMeta::default(); BATCH_SIZE] }
    }

    /// Takes what waits at a socket, without waiting; says how many packets.
    pub(crate) fn receive(&mut self, source: &Source) -> io::Result<usize> {
        let mut buffers = self.buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer));
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| buffers.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
        match source.state.recv((&source.socket).into(), &mut slices, &mut self.meta) {
            Ok(count) => Ok(count),
            // Nothing there; or an earlier packet's ICMP error, which QUIC has its own ways to learn.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::Interrupted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// The packet at `index` of the batch that was received last.
    pub(crate) fn take(&self, index: usize) -> Received {
        let RecvMeta { addr, len, ecn, dst_ip, .. } = self.meta[index];
        // Of its own: what a stream keeps of a packet keeps no others.
        let bytes = BytesMut::from(&self.buffers[index][..len.min(PACKET)]);
        let ecn = ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn as u8));
        Received { from: addr, to: dst_ip, ecn, bytes }
    }
}
