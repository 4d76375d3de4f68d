//! The yardstick: what it would cost to do nothing but seal each packet and hand it to the kernel.

use std::io::{IoSlice, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use nix::time::{ClockId, clock_gettime};
use rustls::Side;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{DirectionalKeys, Keys, Version};

use crate::LoadError;
use crate::args::LimitArgs;
use crate::error::Tried;

/// A short header with a connection id of 8 bytes and a packet number of 2.
const HEADER: usize = 11;
/// Where the packet number begins in it.
const NUMBER: usize = 9;
/// Packets to a system call.
const BATCH: usize = 64;

/// Measures and prints one line: microseconds of CPU a packet.
pub(crate) fn limit(args: &LimitArgs, out: &mut dyn Write) -> Result<(), LoadError> {
    let cost = measure(args)?;
    writeln!(out, "limit  {cost:.3} µs of CPU to seal and send a packet of {} bytes", args.size)
        .tried("standard output is closed")
}

/// Microseconds of CPU a packet.
pub(crate) fn measure(args: &LimitArgs) -> Result<f64, LoadError> {
    let stop = Arc::new(AtomicBool::new(false));
    let bind = || UdpSocket::bind("127.0.0.1:0").tried("no socket for the yardstick");
    let drains = (0..args.sockets).map(|_| bind()).collect::<Result<Vec<_>, _>>()?;
    let addresses = drains.iter().map(UdpSocket::local_addr).collect::<Result<Vec<_>, _>>();
    let addresses = addresses.tried("no socket for the yardstick")?;
    let drain = std::thread::spawn({
        let stop = stop.clone();
        move || swallow(&drains, &stop)
    });
    let cost = send(args, &bind()?, &addresses);
    stop.store(true, Ordering::Release);
    drain.join().map_err(|_| LoadError::Thread)?;
    cost
}

/// Reads what comes and forgets it, on a thread whose time isn't counted.
fn swallow(sockets: &[UdpSocket], stop: &AtomicBool) {
    let mut buffer = [0; 2048];
    for socket in sockets {
        // A socket that blocks only slows the drain down, and loses packets that nobody counts.
        socket.set_nonblocking(true).unwrap_or_default();
    }
    while !stop.load(Ordering::Acquire) {
        for socket in sockets {
            while socket.recv(&mut buffer).is_ok() {}
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn send(args: &LimitArgs, socket: &UdpSocket, addresses: &[SocketAddr]) -> Result<f64, LoadError> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().ok_or(LoadError::Tls)?;
    let algorithm = suite.quic.ok_or(LoadError::Tls)?;
    let keys = Keys::initial(Version::V1, suite, algorithm, &[7; 8], Side::Server).local;
    let mut batch = Batch::new(addresses);
    let period = Duration::from_secs(1) / args.rate;
    let began = Instant::now();
    let before = thread_time();
    let mut sent = 0;
    for round in 1..=args.rate * args.seconds {
        for _ in 0..args.listeners {
            sent += 1;
            if batch.count == BATCH {
                batch.flush(socket);
            }
            seal(&keys, sent, args.size as usize, &mut batch.packets[batch.count])?;
            batch.count += 1;
        }
        batch.flush(socket);
        std::thread::sleep((period * round).saturating_sub(began.elapsed()));
    }
    Ok((thread_time() - before).as_secs_f64() * 1e6 / sent as f64)
}

/// Makes a packet as QUIC sends it: sealed, its number hidden.
fn seal(keys: &DirectionalKeys, number: u64, size: usize, packet: &mut Vec<u8>) -> Result<(), LoadError> {
    packet.clear();
    packet.resize(HEADER + size, 0x40);
    packet[NUMBER..HEADER].copy_from_slice(&(number as u16).to_be_bytes());
    let (header, payload) = packet.split_at_mut(HEADER);
    let tag = keys.packet.encrypt_in_place(number, header, payload).map_err(|_| LoadError::Tls)?;
    packet.extend_from_slice(tag.as_ref());
    let (header, body) = packet.split_at_mut(HEADER);
    let (first, number) = header.split_at_mut(NUMBER);
    // The sample begins 4 bytes behind the packet number's start, as if that had 4.
    let sample = &body[2..2 + keys.header.sample_len()];
    keys.header.encrypt_in_place(sample, &mut first[0], number).map_err(|_| LoadError::Tls)
}

/// Packets to one system call, from one socket to many addresses: as a server sends.
struct Batch {
    packets: Vec<Vec<u8>>,
    count: usize,
    headers: MultiHeaders<SockaddrStorage>,
    /// All destinations, the first of them once more behind the last.
    addresses: Vec<Option<SockaddrStorage>>,
    /// Where the next packet's destination is.
    next: usize,
}

impl Batch {
    fn new(addresses: &[SocketAddr]) -> Self {
        let turns = addresses.iter().cycle().take(addresses.len() + BATCH);
        Self {
            packets: vec![Vec::new(); BATCH],
            count: 0,
            headers: MultiHeaders::preallocate(BATCH, None),
            addresses: turns.map(|address| Some((*address).into())).collect(),
            next: 0,
        }
    }

    fn flush(&mut self, socket: &UdpSocket) {
        let slices: Vec<[IoSlice<'_>; 1]> =
            self.packets[..self.count].iter().map(|packet| [IoSlice::new(packet)]).collect();
        let none: [ControlMessage<'_>; 0] = [];
        let addresses = &self.addresses[self.next..self.next + self.count];
        let fd = socket.as_raw_fd();
        // What isn't taken costs as much, and nobody misses it.
        drop(sendmmsg(fd, &mut self.headers, &slices, addresses, none, MsgFlags::MSG_DONTWAIT));
        self.next = (self.next + self.count) % (self.addresses.len() - BATCH);
        self.count = 0;
    }
}

fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_yardstick_is_microseconds() {
        let cost =
            measure(&LimitArgs { listeners: 50, rate: 50, size: 100, seconds: 1, sockets: 4 }).unwrap();
        assert!((0.1..200.0).contains(&cost), "{cost}");
    }
}
