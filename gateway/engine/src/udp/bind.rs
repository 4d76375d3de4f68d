//! Sockets that share a port, one for each worker.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::error::StartError;

/// Bytes that the kernel may hold for a socket: a burst of ACKs from 10 000 listeners, 100 ms of a busy worker. Twice
/// as much is taken by the kernel's own bookkeeping.
const BUFFER: usize = 4 << 20;
/// ECT(0) in the octet of traffic class (RFC 3168, section 5): what nearly every packet is sent with.
const ECT0: u32 = 0b10;

/// A socket of one worker.
pub(crate) struct Bound {
    pub(crate) socket: UdpSocket,
    pub(crate) address: SocketAddr,
}

/// Binds each address once for each worker: `result[worker][address]`.
pub(crate) fn bind(addresses: &[SocketAddr], workers: usize) -> Result<Vec<Vec<Bound>>, StartError> {
    let mut rows: Vec<Vec<Bound>> = (0..workers).map(|_| Vec::with_capacity(addresses.len())).collect();
    let both_families = addresses.iter().any(SocketAddr::is_ipv4);
    for &asked in addresses {
        let failed = |source| StartError::Bind { address: asked, source };
        let mut address = asked;
        if let (0, Some(first)) = (address.port(), rows[0].first()) {
            address.set_port(first.address.port());
        }
        // Sockets that share a port share it with any process of this user: nobody may be there already.
        if address.port() != 0 {
            open(address, both_families, false).map_err(failed)?;
        }
        for row in &mut rows {
            let bound = open(address, both_families, workers > 1).map_err(failed)?;
            address = bound.address;
            row.push(bound);
        }
    }
    Ok(rows)
}

fn open(address: SocketAddr, v6_only: bool, shared: bool) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(v6_only)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    let socket: UdpSocket = socket.into();
    let address = socket.local_addr()?;
    Ok(Bound { socket, address })
}

impl Bound {
    /// Makes the buffers large and ECT(0) the rule.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        let socket = SockRef::from(&self.socket);
        socket.set_recv_buffer_size(BUFFER)?;
        socket.set_send_buffer_size(BUFFER)?;
        let granted = socket.recv_buffer_size()?;
        if granted < BUFFER {
            tracing::warn!(
                address = %self.address, granted, wanted = BUFFER,
                "the kernel gives small UDP buffers, and will drop packets under load; raise net.core.rmem_max"
            );
        }
        match self.address {
            SocketAddr::V4(_) => socket.set_tos_v4(ECT0),
            SocketAddr::V6(_) => socket.set_tclass_v6(ECT0),
        }
    }
}
