//! Control messages of outgoing packets (`cmsg(3)`), written without a pointer.

use std::net::{IpAddr, SocketAddr};

use quinn_proto::EcnCodepoint;

/// Room for a traffic class and an IPv6 source address.
const WORDS: usize = 9;
const WORD: usize = size_of::<u64>();
const HEADER: usize = size_of::<libc::cmsghdr>();
// A length, which is a word here, a level and a type.
const _: () = assert!(HEADER == 2 * WORD, "only 64-bit Linux is served");

/// What goes with one packet beside its bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Control {
    // Words: the kernel wants the header aligned.
    words: [u64; WORDS],
    length: usize,
}

impl Control {
    /// Says what differs from the socket's own: another codepoint than ECT(0), and the address to send from.
    pub(super) fn set(&mut self, destination: SocketAddr, ecn: Option<EcnCodepoint>, source: Option<IpAddr>) {
        self.length = 0;
        if ecn != Some(EcnCodepoint::Ect0) {
            let class = ecn.map_or(0, |ecn| ecn as libc::c_int);
            // A mapped IPv4 address is sent to by IPv4's rules.
            let v4 = destination.ip().to_canonical().is_ipv4();
            let (level, kind) =
                if v4 { (libc::IPPROTO_IP, libc::IP_TOS) } else { (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) };
            self.push(level, kind, 4, &[word(class.to_ne_bytes(), [0; 4])]);
        }
        match source {
            // in_pktinfo: interface, source, (ignored) destination.
            Some(IpAddr::V4(source)) => {
                let info = [word([0; 4], source.octets()), 0];
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, 12, &info);
            }
            // in6_pktinfo: source, interface.
            Some(IpAddr::V6(source)) => {
                let [high, low] =
                    [source.to_bits() >> 64, source.to_bits()].map(|half| (half as u64).to_be());
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, 20, &[high, low, 0]);
            }
            None => {}
        }
    }

    /// Puts a message in whose data are the first `length` bytes of `data`.
    fn push(&mut self, level: libc::c_int, kind: libc::c_int, length: usize, data: &[u64]) {
        let header = [(HEADER + length) as u64, word(level.to_ne_bytes(), kind.to_ne_bytes())];
        let start = self.length / WORD;
        for (word, value) in self.words[start..].iter_mut().zip(header.iter().chain(data)) {
            *word = *value;
        }
        self.length += (HEADER + length).next_multiple_of(WORD);
    }

    pub(super) fn as_words(&mut self) -> &mut [u64; WORDS] {
        &mut self.words
    }

    /// Bytes that are to be read.
    pub(super) fn len(&self) -> usize {
        self.length
    }
}

/// Two halves of a word, in memory's order.
fn word(first: [u8; 4], second: [u8; 4]) -> u64 {
    let mut bytes = [0; WORD];
    bytes[..4].copy_from_slice(&first);
    bytes[4..].copy_from_slice(&second);
    u64::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(control: &Control) -> Vec<u8> {
        control.words.iter().flat_map(|word| word.to_ne_bytes()).take(control.length).collect()
    }

    #[test]
    fn an_ordinary_packet_needs_none() {
        let mut control = Control::default();
        control.set("127.0.0.1:1".parse().unwrap(), Some(EcnCodepoint::Ect0), None);
        assert_eq!(control.len(), 0);
    }

    #[test]
    fn class_and_source_follow_each_other_aligned() {
        let mut control = Control::default();
        control.set("[::1]:1".parse().unwrap(), None, Some("::1".parse().unwrap()));
        let bytes = bytes(&control);
        assert_eq!(bytes.len(), 24 + 40, "16 + 4 and 16 + 20, each to the next word");
        assert_eq!(bytes[..8], 20_usize.to_ne_bytes());
        assert_eq!(bytes[24..32], 36_usize.to_ne_bytes());
        assert_eq!(bytes[40..56], std::net::Ipv6Addr::LOCALHOST.octets());
    }
}
