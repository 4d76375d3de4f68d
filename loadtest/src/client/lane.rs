//! A UDP socket to the gateway that many connections share, read and written in batches.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt, sockopt,
};
use socket2::{Domain, Socket, Type};

use crate::LoadError;
use crate::error::Tried;
use crate::measure::{stamp_arrivals, waited};

/// Datagrams to a system call.
const BATCH: usize = 64;
/// Larger than any datagram of ours.
const DATAGRAM: usize = 1500;
/// A burst to a thousand listeners is far below this.
const KERNEL_BUFFER: usize = 8 << 20;

/// A socket, and what waits to be sent on it.
pub(crate) struct Lane {
    socket: UdpSocket,
    waiting: Vec<Vec<u8>>,
    count: usize,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Lane {
    /// A socket that talks to `remote` alone.
    pub(crate) fn open(remote: SocketAddr) -> Result<Self, LoadError> {
        let any = match remote {
            SocketAddr::V4(_) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
            SocketAddr::V6(_) => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0),
        };
        let open = || -> std::io::Result<UdpSocket> {
            let socket = Socket::new(Domain::for_address(remote), Type::DGRAM, None)?;
            // Beyond the system's limit where we may, else as much as it grants: enough for small runs.
            if setsockopt(&socket, sockopt::RcvBufForce, &KERNEL_BUFFER).is_err() {
                socket.set_recv_buffer_size(KERNEL_BUFFER)?;
            }
            socket.set_send_buffer_size(KERNEL_BUFFER)?;
            socket.set_nonblocking(true)?;
            socket.bind(&any.into())?;
            socket.connect(&remote.into())?;
            stamp_arrivals(&socket)?;
            Ok(socket.into())
        };
        let socket = open().tried(format!("can't open a UDP socket towards {remote}"))?;
        let waiting = vec![Vec::new(); BATCH];
        Ok(Self { socket, waiting, count: 0, headers: MultiHeaders::preallocate(BATCH, None) })
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    pub(crate) fn port(&self) -> Option<u16> {
        self.socket.local_addr().ok().map(|address| address.port())
    }

    /// An empty buffer, to be filled and then [`push`](Self::push)ed.
    pub(crate) fn slot(&mut self) -> &mut Vec<u8> {
        if self.count == BATCH {
            self.flush();
        }
        let slot = &mut self.waiting[self.count];
        slot.clear();
        slot
    }

    /// The slot goes out with the next batch.
    pub(crate) fn push(&mut self) {
        self.count += 1;
    }

    /// Sends what waits. What the kernel doesn't take is lost, as it would be on a network.
    pub(crate) fn flush(&mut self) {
        let mut first = 0;
        while first < self.count {
            let slices: Vec<[IoSlice<'_>; 1]> =
                self.waiting[first..self.count].iter().map(|buffer| [IoSlice::new(buffer)]).collect();
            let nowhere = vec![None; slices.len()];
            let control: [ControlMessage<'_>; 0] = [];
            let fd = self.socket.as_raw_fd();
            let sent = sendmmsg(fd, &mut self.headers, &slices, &nowhere, control, MsgFlags::MSG_DONTWAIT);
            first += sent.map_or(1, |sent| sent.count().max(1));
        }
        self.count = 0;
    }
}

/// Buffers for what comes, for all lanes of a thread.
pub(crate) struct Receiver {
    buffers: Vec<Vec<u8>>,
    headers: MultiHeaders<SockaddrStorage>,
    /// Of each datagram its length, and how long it lay at its socket.
    datagrams: Vec<(usize, Duration)>,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self {
            buffers: (0..BATCH).map(|_| vec![0; DATAGRAM]).collect(),
            headers: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(nix::sys::time::TimeSpec))),
            datagrams: Vec::with_capacity(BATCH),
        }
    }

    /// Reads a batch; returns how many datagrams it is.
    pub(crate) fn read(&mut self, lane: &Lane) -> usize {
        self.datagrams.clear();
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let fd = lane.socket.as_raw_fd();
        let batch = recvmmsg(fd, &mut self.headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None);
        for message in batch.into_iter().flatten() {
            let waited = message.cmsgs().map(waited).unwrap_or_default();
            self.datagrams.push((message.bytes, waited));
        }
        self.datagrams.len()
    }

    pub(crate) fn datagram(&self, index: usize) -> &[u8] {
        &self.buffers[index][..self.datagrams[index].0]
    }

    /// How long a datagram lay at its socket.
    pub(crate) fn waited(&self, index: usize) -> Duration {
        self.datagrams[index].1
    }

    /// Whether more may be waiting.
    pub(crate) fn full(&self) -> bool {
        self.datagrams.len() == BATCH
    }
}
