//! A WebSocket's other streams than those of control and chat, by their numbers: replays are answered, the rest is turned
//! away.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use suara_proto::frame::{STREAM_CONTROL, STREAM_REPLAY, split};
use suara_proto::websocket::MAX_PIECE;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::replay::{MAX_REPLAY_REQUEST, REPLAYS};
use crate::voice::{Ingress, Replay};

/// The client's streams.
pub(super) struct Streams {
    /// Those whose request isn't whole yet, [`REPLAYS`] at most.
    asking: Vec<(u8, BytesMut)>,
    /// Those on which nothing more is read and that the client hasn't ended: one bit each.
    ignored: [u64; 4],
    replays: Arc<Semaphore>,
}

/// What goes back on a stream, behind which it ends.
pub(super) struct Answer {
    number: u8,
    rest: Bytes,
    replay: Option<(Replay, OwnedSemaphorePermit)>,
}

/// The client opened a second control stream.
pub(super) struct SecondControl;

impl Default for Streams {
    fn default() -> Self {
        let replays = Arc::new(Semaphore::new(REPLAYS));
        Self { asking: Vec::new(), ignored: [0; 4], replays }
    }
}

impl Streams {
    /// Takes the next piece of a stream. Says what is to be answered, once for each stream.
    pub(super) fn take(
        &mut self,
        number: u8,
        piece: &[u8],
        ingress: &Ingress,
    ) -> Result<Option<Answer>, SecondControl> {
        if self.is_ignored(number) {
            self.ignore(number, !piece.is_empty());
            return Ok(None);
        }
        if let Some(at) = self.asking.iter().position(|(asking, _)| *asking == number) {
            let (_, mut request) = self.asking.swap_remove(at);
            if piece.is_empty() {
                return Ok(Some(Answer::turned_away(number)));
            }
            request.extend_from_slice(piece);
            return Ok(self.ask(number, request, ingress));
        }
        match piece.split_first() {
            // The end of a stream that never was.
            None => Ok(None),
            Some((&STREAM_CONTROL, _)) => Err(SecondControl),
            Some((&STREAM_REPLAY, request)) if self.asking.len() < REPLAYS => {
                Ok(self.ask(number, request.into(), ingress))
            }
            Some(_) => Ok(Some(self.turn_away(number))),
        }
    }

    /// Answers a request that is whole; keeps one that isn't.
    fn ask(&mut self, number: u8, mut request: BytesMut, ingress: &Ingress) -> Option<Answer> {
        match split(&mut request, MAX_REPLAY_REQUEST) {
            Ok(Some(json)) => {
                let Ok(permit) = self.replays.clone().try_acquire_owned() else {
                    return Some(self.turn_away(number));
                };
                self.ignore(number, true);
                Some(Answer { number, rest: Bytes::new(), replay: Some((ingress.replay(&json), permit)) })
            }
            Ok(None) => {
                self.asking.push((number, request));
                None
            }
            Err(_) => Some(self.turn_away(number)),
        }
    }

    /// Whether a piece with this number would begin a stream.
    pub(super) fn is_free(&self, number: u8) -> bool {
        !self.is_ignored(number) && self.asking.iter().all(|(asking, _)| *asking != number)
    }

    /// Nothing more is read on a stream that the client hasn't ended.
    pub(super) fn finish(&mut self, number: u8) {
        self.ignore(number, true);
    }

    fn turn_away(&mut self, number: u8) -> Answer {
        self.ignore(number, true);
        Answer::turned_away(number)
    }

    const fn is_ignored(&self, number: u8) -> bool {
        self.ignored[(number / 64) as usize] & (1 << (number % 64)) != 0
    }

    const fn ignore(&mut self, number: u8, ignored: bool) {
        let (word, bit) = (&mut self.ignored[(number / 64) as usize], 1 << (number % 64));
        if ignored { *word |= bit } else { *word &= !bit }
    }
}

impl Answer {
    const fn turned_away(number: u8) -> Self {
        Self { number, rest: Bytes::new(), replay: None }
    }

    /// The next message of it, and whether it is the last, which ends the stream.
    pub(super) fn next(&mut self) -> (Bytes, bool) {
        if self.rest.is_empty() {
            self.rest = self.replay.as_mut().and_then(|(replay, _)| replay.next()).unwrap_or_default();
        }
        let part = self.rest.split_to(self.rest.len().min(MAX_PIECE));
        let mut message = BytesMut::with_capacity(1 + part.len());
        message.put_u8(self.number);
        message.put_slice(&part);
        (message.freeze(), part.is_empty())
    }
}
