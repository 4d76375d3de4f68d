//! What holds for any input: no panic, and decoding and encoding undo each other.

mod frames;
mod messages;
mod strategies;
mod voice;
