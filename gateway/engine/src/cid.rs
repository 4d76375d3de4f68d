//! Connection ids that name their worker.
//!
//! The kernel spreads packets over the workers' sockets by addresses and ports, which change when a NAT rebinds. The
//! connection id doesn't: a worker that gets a packet of another's connection sees whose it is and hands it over.
//!
//! ```text
//! | nonce: 6 bytes | worker XOR mask[0] | mask[1] |      mask = AES(key, nonce)
//! ```
//!
//! To those who don't have the key it is random (RFC 9000, section 5.1: ids of a connection can't be told to belong
//! together), and 255 of 256 guesses are seen to be none of ours.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::quic::{AES_128, HeaderProtectionKey};
use aws_lc_rs::hkdf;
use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};

use crate::config::KEY_LENGTH;

/// Bytes of a connection id.
pub(crate) const LENGTH: usize = 8;
const NONCE: usize = 6;
/// What the mask is made from: the nonce and zeros.
const BLOCK: usize = 16;

/// Reads which worker an id belongs to.
#[derive(Clone)]
pub(crate) struct CidKey(Arc<HeaderProtectionKey>);

impl CidKey {
    /// The key that goes with a reset key: after a restart ids still name the worker that answers for them.
    pub(crate) fn new(reset: &[u8; KEY_LENGTH]) -> Option<Self> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"suara connection ids").extract(reset);
        let key = HeaderProtectionKey::from(prk.expand(&[b"worker"], &AES_128).ok()?);
        Some(Self(Arc::new(key)))
    }

    fn mask(&self, nonce: &[u8]) -> Option<[u8; 2]> {
        let mut block = [0; BLOCK];
        block[..NONCE].copy_from_slice(nonce);
        let mask = self.0.new_mask(&block).ok()?;
        Some([mask[0], mask[1]])
    }

    /// The worker that made this id; `None` when none of ours did.
    pub(crate) fn worker(&self, cid: &[u8]) -> Option<u8> {
        let (nonce, [worker, check]) = cid.split_at_checked(NONCE)? else { return None };
        let mask = self.mask(nonce)?;
        (*check == mask[1]).then_some(worker ^ mask[0])
    }
}

/// Makes one worker's ids.
pub(crate) struct CidGenerator {
    key: CidKey,
    worker: u8,
}

impl CidGenerator {
    pub(crate) fn new(key: CidKey, worker: u8) -> Self {
        Self { key, worker }
    }
}

impl ConnectionIdGenerator for CidGenerator {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut cid = [0; LENGTH];
        // A system without randomness has no secure connections either: TLS would have failed before.
        aws_lc_rs::rand::fill(&mut cid[..NONCE]).unwrap_or_default();
        let mask = self.key.mask(&cid[..NONCE]).unwrap_or_default();
        cid[NONCE] = self.worker ^ mask[0];
        cid[NONCE + 1] = mask[1];
        ConnectionId::new(&cid)
    }

    fn validate(&self, cid: &ConnectionId) -> Result<(), InvalidCid> {
        self.key.worker(cid).map(|_| ()).ok_or(InvalidCid)
    }

    fn cid_len(&self) -> usize {
        LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The id that a packet with a short header is sent to (RFC 9000, section 17.3.1). Only such packets can come from
/// another address than the connection's handshake (section 9), and so at another worker's socket.
pub(crate) fn short_header_cid(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let long_header = first & 0x80 != 0;
    if long_header { None } else { packet.get(1..=LENGTH) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_worker_to_who_has_the_key() {
        let key = CidKey::new(&[7; KEY_LENGTH]).unwrap();
        for worker in [0, 1, 255] {
            let cid = CidGenerator::new(key.clone(), worker).generate_cid();
            assert_eq!(key.worker(&cid), Some(worker));
        }
    }

    #[test]
    fn an_id_of_another_key_is_seldom_taken_for_ours() {
        let (ours, theirs) = (CidKey::new(&[7; 32]).unwrap(), CidKey::new(&[8; 32]).unwrap());
        let mut generator = CidGenerator::new(theirs, 0);
        let taken = (0..1000).filter(|_| ours.worker(&generator.generate_cid()).is_some()).count();
        assert!(taken < 30, "{taken} of 1000; 4 are expected");
    }

    #[test]
    fn only_short_headers_name_their_connection_in_a_known_place() {
        assert_eq!(short_header_cid(&[0x40, 1, 2, 3, 4, 5, 6, 7, 8, 9]), Some(&[1, 2, 3, 4, 5, 6, 7, 8][..]));
        assert_eq!(short_header_cid(&[0xc0, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8]), None);
        assert_eq!(short_header_cid(&[0x40, 1, 2]), None);
        assert_eq!(short_header_cid(&[]), None);
    }
}
