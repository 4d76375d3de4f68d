//! The two system calls that no safe wrapper offers: the workspace's only `unsafe` code.
//!
//! `quinn-udp` sends a packet a call, which costs a fan-out half as much again, and `rustix`'s `sendmmsg` carries neither
//! ECN nor a source address. What makes each call sound is said beside it.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use socket2::SockAddr;

use super::control::Control;

/// Packets a call. Larger batches gained nothing.
pub(super) const BATCH: usize = 64;

/// One packet that is to be sent.
pub(super) struct Slot {
    pub(super) packet: Vec<u8>,
    pub(super) destination: SockAddr,
    pub(super) control: Control,
}

/// Sends the first of `slots`, at most [`BATCH`]; says how many the kernel took, at least one.
#[allow(unsafe_code)]
pub(super) fn send(socket: &UdpSocket, slots: &mut [Slot]) -> io::Result<usize> {
    let count = slots.len().min(BATCH);
    // SAFETY: both are plain C structures of numbers and pointers, for which all zeros are a value: null and empty.
    let mut vectors: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    for ((slot, vector), message) in slots.iter_mut().zip(&mut vectors).zip(&mut messages) {
        vector.iov_base = slot.packet.as_mut_ptr().cast();
        vector.iov_len = slot.packet.len();
        let header = &mut message.msg_hdr;
        header.msg_name = slot.destination.as_ptr().cast_mut().cast();
        header.msg_namelen = slot.destination.len();
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        if slot.control.len() > 0 {
            header.msg_controllen = slot.control.len() as _;
            header.msg_control = slot.control.as_words().as_mut_ptr().cast();
        }
    }
    // SAFETY: the first `count` headers are filled, and each pointer leads to memory of the length beside it, which
    // lives in `slots` and `vectors` beyond the call and is borrowed by nobody else meanwhile. The kernel only reads it
    // (`msg_len` alone is written, inside `messages`). The descriptor is open: `socket` is borrowed.
    let sent = unsafe {
        libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count as libc::c_uint, libc::MSG_DONTWAIT)
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Lets the kernel give packets as they came. Joined to large ones (which `quinn-udp` asks for), they would need buffers
/// of 64 KiB each; a gateway's packets are small and of many senders, and there is nothing to join.
#[allow(unsafe_code)]
pub(super) fn disable_gro(socket: &UdpSocket) -> io::Result<()> {
    let off: libc::c_int = 0;
    // SAFETY: the option's value is an int, which `off` is, and lives beyond the call; the descriptor is open.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_GRO,
            (&raw const off).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
