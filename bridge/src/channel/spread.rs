//! Turns one talkspurt's Opus packets into what each format's listeners get: once per format, however many listen.

use std::collections::HashMap;

use bytes::Bytes;

use crate::audio::{Decoder, Format, Piece};
use crate::metrics::Metrics;

/// The decoders of one talkspurt.
#[derive(Debug, Default)]
pub(super) struct Spread {
    decoders: HashMap<Format, Decoder>,
}

impl Spread {
    /// The chunk for listeners of `format`; `None` where there is nothing to send them.
    pub(super) fn chunk(&mut self, format: Format, piece: &Piece<'_>, metrics: &Metrics) -> Option<Bytes> {
        let rate = match (format, piece) {
            (Format::Opus, Piece::Packet(_, packet)) => return Some(Bytes::copy_from_slice(packet)),
            (Format::Opus, Piece::Lost(..)) => return None,
            (Format::Pcm16(rate), _) => rate,
        };
        let decoder = match self.decoders.entry(format) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(Decoder::new(rate).ok()?),
        };
        let chunk = match piece {
            Piece::Packet(_, packet) => decoder.decode(packet),
            Piece::Lost(_, next) => decoder.conceal(*next),
        };
        metrics.transcoded("decode");
        match chunk {
            Ok(chunk) => Some(chunk),
            Err(error) => {
                tracing::debug!(%error, "a packet could not be decoded");
                None
            }
        }
    }
}
