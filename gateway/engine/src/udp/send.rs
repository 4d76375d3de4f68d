//! Packets out, a batch at a time.

use std::io;
use std::net::UdpSocket;

use quinn_proto::Transmit;
use socket2::SockAddr;

use super::control::Control;
use super::raw::{BATCH, Slot, send};

/// Room for a packet of the largest usual path.
const PACKET: usize = 1500;
/// A full socket buffer is waited for as long as this, in ms; then the packets are lost like any others.
const WAIT_MS: libc::c_int = 2;

/// Packets of one socket that are to be sent together.
pub(crate) struct SendBatch {
    slots: Vec<Slot>,
    used: usize,
    /// Whether the address to send from must be said: the socket is bound to all of the machine's.
    any_address: bool,
    /// Packets that the kernel didn't take, since somebody last asked.
    lost: u64,
}

impl SendBatch {
    pub(crate) fn new(any_address: bool) -> Self {
        let nowhere = SockAddr::from(std::net::SocketAddr::from(([0, 0, 0, 0], 0)));
        let slot = || Slot {
            packet: Vec::with_capacity(PACKET),
            destination: nowhere.clone(),
            control: Control::default(),
        };
        Self { slots: (0..BATCH).map(|_| slot()).collect(), used: 0, any_address, lost: 0 }
    }

    /// Where the next packet is to be written; it is empty.
    pub(crate) fn packet(&mut self) -> &mut Vec<u8> {
        let packet = &mut self.slots[self.used].packet;
        packet.clear();
        packet
    }

    /// The packet is there: it goes out with the batch, at once when that is full.
    pub(crate) fn commit(&mut self, socket: &UdpSocket, transmit: &Transmit) {
        let slot = &mut self.slots[self.used];
        slot.packet.truncate(transmit.size);
        slot.destination = transmit.destination.into();
        let source = transmit.src_ip.filter(|_| self.any_address);
        slot.control.set(transmit.destination, transmit.ecn, source);
        self.used += 1;
        if self.used == BATCH {
            self.flush(socket);
        }
    }

    /// Sends what is there. Packets that can't be sent are lost: QUIC is made for that.
    pub(crate) fn flush(&mut self, socket: &UdpSocket) {
        let mut waited = false;
        let mut rest = &mut self.slots[..self.used];
        while !rest.is_empty() {
            let gone = match send(socket, rest) {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !waited => {
                    waited = true;
                    wait_writable(socket);
                    0
                }
                Err(error) => {
                    tracing::trace!(%error, "packet not sent");
                    self.lost += 1;
                    1
                }
            };
            rest = &mut rest[gone..];
        }
        self.used = 0;
    }
}

impl SendBatch {
    /// Packets that couldn't be sent since the last call.
    pub(crate) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

fn wait_writable(socket: &UdpSocket) {
    let mut fds = [rustix::event::PollFd::new(socket, rustix::event::PollFlags::OUT)];
    let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: (WAIT_MS as i64) * 1_000_000 };
    // Whatever comes of it, the next try says.
    rustix::event::poll(&mut fds, Some(&timeout)).unwrap_or_default();
}
