//! OCB2 with AES-128, as Mumble seals its voice: 3 bytes of tag, 1 byte of the nonce on the wire.

use aes::Aes128;
use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

const BLOCK: usize = 16;
/// A byte of the nonce and three of the tag go in front of each packet.
pub(crate) const OVERHEAD: usize = 4;

type Bytes = [u8; BLOCK];

/// One direction of a session.
pub(crate) struct Ocb {
    cipher: Aes128,
    nonce: Bytes,
}

impl Ocb {
    pub(crate) fn new(key: Bytes, nonce: Bytes) -> Self {
        Self { cipher: Aes128::new(&key.into()), nonce }
    }

    /// Seals a packet.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        raise(&mut self.nonce);
        let mut sealed = vec![0; OVERHEAD];
        sealed.extend_from_slice(plain);
        let tag = self.encrypt(plain, OVERHEAD, &mut sealed);
        sealed[0] = self.nonce[0];
        sealed[1..OVERHEAD].copy_from_slice(&tag[..3]);
        sealed
    }

    /// Opens a packet in place; `None` when its tag is wrong. One that comes out of order is given up.
    pub(crate) fn open<'a>(&mut self, sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        let (head, body) = sealed.split_first_chunk_mut::<OVERHEAD>()?;
        let mut nonce = self.nonce;
        if head[0] < nonce[0] {
            nonce[1..].iter_mut().any(|byte| {
                *byte = byte.wrapping_add(1);
                *byte != 0
            });
        }
        nonce[0] = head[0];
        let before = std::mem::replace(&mut self.nonce, nonce);
        let tag = self.decrypt(body);
        if tag[..3] != head[1..] {
            self.nonce = before;
            return None;
        }
        Some(body)
    }

    fn encrypt(&self, plain: &[u8], at: usize, out: &mut [u8]) -> Bytes {
        let mut delta = self.block(self.nonce);
        let mut checksum = [0; BLOCK];
        let (whole, rest) = split(plain);
        for (index, chunk) in whole.chunks_exact(BLOCK).enumerate() {
            double(&mut delta);
            let block = xor(delta, chunk);
            let sealed = xor(delta, &self.block(block));
            out[at + index * BLOCK..][..BLOCK].copy_from_slice(&sealed);
            checksum = xor(checksum, chunk);
        }
        let pad = self.pad(&mut delta, rest.len());
        let mut last = pad;
        last[..rest.len()].copy_from_slice(rest);
        checksum = xor(checksum, &last);
        out[at + whole.len()..].copy_from_slice(&xor(last, &pad)[..rest.len()]);
        self.tag(delta, checksum)
    }

    fn decrypt(&self, body: &mut [u8]) -> Bytes {
        let mut delta = self.block(self.nonce);
        let mut checksum = [0; BLOCK];
        let whole = split(body).0.len();
        let (blocks, rest) = body.split_at_mut(whole);
        for chunk in blocks.chunks_exact_mut(BLOCK) {
            double(&mut delta);
            let mut block = Block::<Aes128>::from(xor(delta, chunk));
            self.cipher.decrypt_block(&mut block);
            let plain = xor(delta, &block);
            checksum = xor(checksum, &plain);
            chunk.copy_from_slice(&plain);
        }
        let pad = self.pad(&mut delta, rest.len());
        let mut last = pad;
        last[..rest.len()].copy_from_slice(&xor_short(rest, &pad)[..rest.len()]);
        checksum = xor(checksum, &last);
        rest.copy_from_slice(&last[..rest.len()]);
        self.tag(delta, checksum)
    }

    /// What the last block, of this length, is sealed with.
    fn pad(&self, delta: &mut Bytes, length: usize) -> Bytes {
        double(delta);
        let mut block = [0; BLOCK];
        block[BLOCK - 1] = (length * 8) as u8;
        self.block(xor(block, delta))
    }

    fn tag(&self, delta: Bytes, checksum: Bytes) -> Bytes {
        let mut thrice = delta;
        double(&mut thrice);
        self.block(xor(xor(thrice, &delta), &checksum))
    }

    fn block(&self, bytes: Bytes) -> Bytes {
        let mut block = Block::<Aes128>::from(bytes);
        self.cipher.encrypt_block(&mut block);
        block.into()
    }
}

/// The blocks before the last; the last has 1 to 16 bytes (none only of nothing).
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.len().saturating_sub(1) / BLOCK * BLOCK)
}

fn xor(mut one: Bytes, other: &[u8]) -> Bytes {
    one.iter_mut().zip(other).for_each(|(a, b)| *a ^= b);
    one
}

fn xor_short(short: &[u8], pad: &Bytes) -> Bytes {
    let mut block = *pad;
    block.iter_mut().zip(short).for_each(|(a, b)| *a ^= b);
    block
}

/// Times two in the field of 2^128.
fn double(block: &mut Bytes) {
    let value = u128::from_be_bytes(*block);
    *block = (value << 1 ^ if value >> 127 == 1 { 0x87 } else { 0 }).to_be_bytes();
}

/// A nonce counts from its first byte on.
fn raise(nonce: &mut Bytes) {
    for byte in nonce {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_and_what_is_changed_does_not() {
        let key: Bytes = std::array::from_fn(|index| index as u8);
        let (mut ours, mut theirs) = (Ocb::new(key, key), Ocb::new(key, key));
        for length in (1..80).chain(std::iter::repeat_n(100, 300)) {
            let plain: Vec<u8> = (0..length).map(|byte| byte as u8 ^ 0x5a).collect();
            let mut sealed = ours.seal(&plain);
            assert_eq!(theirs.open(&mut sealed), Some(&plain[..]), "{length} bytes");
            let mut bad = ours.seal(&plain);
            bad[OVERHEAD] ^= 1;
            assert_eq!(theirs.open(&mut bad), None);
        }
    }

    /// From the paper: the tag of nothing under key and nonce 00 01 … 0f.
    #[test]
    fn the_tag_is_that_of_the_published_vector() {
        let key: Bytes = std::array::from_fn(|index| index as u8);
        let ocb = Ocb::new(key, key);
        let tag = ocb.encrypt(&[], 0, &mut []);
        assert_eq!(
            tag,
            [0xbf, 0x31, 0x08, 0x13, 0x07, 0x73, 0xad, 0x5e, 0xc7, 0x0e, 0xc6, 0x9e, 0x78, 0x75, 0xa7, 0xb0]
        );
    }
}
