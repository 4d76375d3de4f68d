//! When a datagram came to its socket, by the kernel's stamp. A thousand clients on one core take turns: how long one's
//! datagram waits for its turn is the generator's time, and no latency of the server.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::time::{ClockId, clock_gettime};

/// Has the kernel stamp what comes to a socket.
///
/// # Errors
/// When the kernel won't.
pub fn stamp_arrivals(socket: &impl AsFd) -> io::Result<()> {
    setsockopt(socket, sockopt::ReceiveTimestampns, &true).map_err(io::Error::from)
}

/// Reads one datagram without waiting; returns its length, and how long it lay at its socket.
///
/// # Errors
/// When there is none.
pub fn receive_stamped(socket: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<(usize, Duration)> {
    let mut slices = [IoSliceMut::new(buffer)];
    let mut space = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
    Ok((message.bytes, waited(message.cmsgs()?)))
}

/// How long a datagram with these control messages lay at its socket.
pub(crate) fn waited(messages: impl Iterator<Item = ControlMessageOwned>) -> Duration {
    let stamp = |message| match message {
        ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
        _ => None,
    };
    let arrived = { messages }.find_map(stamp);
    arrived.and_then(|arrived| real_time().checked_sub(arrived)).unwrap_or_default()
}

fn real_time() -> Duration {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_datagram_knows_how_long_it_lay() {
        let (here, there) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        stamp_arrivals(&here).unwrap();
        let (nap, mut buffer) = (Duration::from_millis(5), [0; 100]);

        // The kernel takes its time to begin with stamps; what comes before counts as read at once.
        let knows = (0..200).any(|_| {
            there.send_to(b"voice", here.local_addr().unwrap()).unwrap();
            std::thread::sleep(nap);
            let (length, waited) = receive_stamped(&here, &mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"voice");
            waited >= nap
        });

        assert!(knows);
        assert!(receive_stamped(&here, &mut buffer).is_err(), "there is no other");
    }
}
