//! Formats and codecs: what a legacy client's chunks are, and how they become frames of Opus and chunks again. Knows
//! no channel, no socket and no clock.

mod decode;
mod encode;
mod format;
mod order;
mod reframe;

pub(crate) use decode::Decoder;
pub(crate) use encode::Encoder;
pub(crate) use format::{Format, FormatError, Rate};
pub(crate) use order::{Order, Piece};
pub(crate) use reframe::Reframer;

/// Length of the frames that the bridge makes.
pub(crate) const FRAME_MS: u32 = 20;
