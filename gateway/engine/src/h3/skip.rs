//! Frames and capsules (both: type, length, payload), read piece by piece however they were cut.

use bytes::{Buf, BytesMut};
use web_transport_proto::VarInt;

/// One step through a stream of frames.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// A frame begins.
    Begin {
        /// Its type.
        kind: u64,
        /// Its payload's bytes.
        length: u64,
    },
    /// A piece of the present frame's payload.
    Payload(&'a [u8]),
    /// The present frame is complete.
    End,
}

/// Where in a stream of frames the last bytes ended. Holds no payload.
#[derive(Debug, Default)]
pub(crate) struct FrameWalk {
    header: BytesMut,
    left: Option<u64>,
}

impl FrameWalk {
    /// Takes `bytes`, and calls `visit` for each step through them until it fails.
    pub(crate) fn walk<E>(
        &mut self,
        mut bytes: &[u8],
        mut visit: impl FnMut(Step<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            if let Some(left) = self.left {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                if take > 0 {
                    visit(Step::Payload(&bytes[..take]))?;
                }
                bytes.advance(take);
                let left = left - take as u64;
                self.left = (left > 0).then_some(left);
                if left > 0 {
                    return Ok(());
                }
                visit(Step::End)?;
            }
            let Some((kind, length)) = self.header(&mut bytes) else { return Ok(()) };
            visit(Step::Begin { kind, length })?;
            self.left = Some(length);
        }
    }

    /// Collects a header, byte by byte: it is at most 16 long.
    fn header(&mut self, bytes: &mut &[u8]) -> Option<(u64, u64)> {
        while bytes.has_remaining() {
            self.header.extend_from_slice(&[bytes.get_u8()]);
            let mut header = &self.header[..];
            if let (Ok(kind), Ok(length)) = (VarInt::decode(&mut header), VarInt::decode(&mut header)) {
                self.header.clear();
                return Some((kind.into_inner(), length.into_inner()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(pieces: &[&[u8]]) -> Vec<String> {
        let (mut walk, mut steps) = (FrameWalk::default(), Vec::new());
        for piece in pieces {
            walk.walk(piece, |step| {
                steps.push(format!("{step:?}"));
                Ok::<(), ()>(())
            })
            .unwrap();
        }
        steps
    }

    #[test]
    fn frames_are_the_same_however_they_are_cut() {
        let bytes = b"\x00\x02ab\x21\x00\x40\x41\x01c";
        let whole = walk(&[bytes]);
        assert_eq!(whole[0], "Begin { kind: 0, length: 2 }");
        assert_eq!(whole[3], "Begin { kind: 33, length: 0 }");
        assert_eq!(whole[4], "End");
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        let frames = |steps: Vec<String>| {
            steps.into_iter().filter(|step| !step.starts_with("Payload")).collect::<Vec<_>>()
        };
        assert_eq!(frames(walk(&pieces)), frames(whole));
    }
}
