//! The UDP socket. It may serve both families: then packets of IPv4 come from mapped addresses (RFC 4291, section 2.5.5.2),
//! which nobody else here gets to see.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Type};
use tokio::net::UdpSocket;

/// What the kernel holds in either direction: some milliseconds of a thousand listeners.
const BUFFER: usize = 2 * 1024 * 1024;

/// A socket that is bound, to be served on another thread.
pub(super) struct Bound {
    udp: std::net::UdpSocket,
    address: SocketAddr,
}

pub(super) struct Socket {
    udp: UdpSocket,
    address: SocketAddr,
}

impl Bound {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        // As much as the system allows.
        for set in [socket.set_recv_buffer_size(BUFFER), socket.set_send_buffer_size(BUFFER)] {
            if let Err(error) = set {
                tracing::debug!(%error, "a socket's buffer keeps its size");
            }
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let udp = std::net::UdpSocket::from(socket);
        let address = udp.local_addr()?;
        Ok(Self { udp, address })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Socket {
    /// Serves it by the runtime of this thread.
    pub(super) fn serve(bound: Bound) -> io::Result<Self> {
        Ok(Self { udp: UdpSocket::from_std(bound.udp)?, address: bound.address })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        self.udp.readable().await
    }

    /// A packet that is there already, and where it came from.
    pub(super) fn take(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (length, source) = self.udp.try_recv_from(buffer)?;
        Ok((length, SocketAddr::new(source.ip().to_canonical(), source.port())))
    }

    /// Sends, or says why it couldn't; voice that can't go now is not worth waiting for.
    pub(super) fn send(&self, to: SocketAddr, packet: &[u8]) -> io::Result<usize> {
        let to = match to.ip() {
            IpAddr::V4(ip) if self.address.is_ipv6() => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), to.port())
            }
            _ => to,
        };
        self.udp.try_send_to(packet, to)
    }
}
