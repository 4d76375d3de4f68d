//! A burst on its way to one who asked for it: what a replay stream carries after its request.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use suara_proto::frame::append_datagram;
use suara_proto::message::{ClientMessage, ServerMessage, TalkerInfo, decode_client, encode};
use suara_proto::{ChannelNumber, ErrorCode};

use super::ingress::Ingress;
use super::tape::Tape;

/// Bytes that are put together at a time.
const CHUNK: usize = 16 * 1024;

/// One replay: its bytes, a piece at a time.
pub struct Replay {
    head: Option<Bytes>,
    tape: Option<Arc<Tape>>,
    sent: usize,
    frames: usize,
}

impl Ingress {
    /// The answer to what was asked for on a replay stream, which may be a refusal.
    #[must_use]
    pub fn replay(&self, json: &[u8]) -> Replay {
        match decode_client(json) {
            Ok(ClientMessage::Replay { channel, grant }) => match self.tape(channel, grant) {
                Ok(tape) => self.play(channel, tape),
                Err((code, message)) => Replay::refused(Some(channel), code, message),
            },
            Ok(_) => Replay::refused(None, ErrorCode::UnknownType, "a replay stream is for replays"),
            Err(fault) => Replay::refused(None, fault.code(), "not understood"),
        }
    }

    fn play(&self, channel: ChannelNumber, tape: Arc<Tape>) -> Replay {
        let now = self.now();
        let age_ms = millis(now.saturating_since(tape.began()));
        let (frames, live) = (tape.frames().count(), tape.is_live());
        let Some(talking) = tape.talking() else {
            return Replay::refused(Some(channel), ErrorCode::NoBurst, "nothing to replay");
        };
        let remaining_ms = millis(talking.remaining).saturating_sub(age_ms);
        let info = TalkerInfo {
            talker: talking.talker,
            user: (&*talking.who.user).into(),
            name: (&*talking.who.name).into(),
            grant: talking.grant,
            remaining_ms: if live { remaining_ms } else { 0 },
            level: talking.level,
        };
        let count = u32::try_from(frames).unwrap_or(u32::MAX);
        let head = encode(&ServerMessage::Replaying { channel, talking: info, live, frames: count, age_ms });
        Replay { head: Some(head), tape: Some(tape), sent: 0, frames }
    }
}

impl Replay {
    fn refused(channel: Option<ChannelNumber>, code: ErrorCode, message: &'static str) -> Self {
        let (request, member, message) = (None, None, message.into());
        let error = encode(&ServerMessage::Error { request, member, channel, code, message });
        Self { head: Some(error), tape: None, sent: 0, frames: 0 }
    }
}

impl Iterator for Replay {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if let Some(head) = self.head.take() {
            return Some(head);
        }
        let mut chunk = BytesMut::new();
        let tape = self.tape.as_ref()?;
        for frame in tape.frames().take(self.frames).skip(self.sent) {
            append_datagram(&mut chunk, frame.payload());
            self.sent += 1;
            if chunk.len() >= CHUNK {
                break;
            }
        }
        (!chunk.is_empty()).then(|| chunk.freeze())
    }
}

fn millis(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
