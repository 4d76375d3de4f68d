//! Bursts that come from the gateway, each with its order and its decoders: one after the other in an ordinary channel, side by
//! side where several talk.

use std::collections::BTreeMap;
use std::time::Instant;

use suara_proto::Grant;
use suara_proto::voice::VoiceFrame;

use super::report::Passed;
use super::spread::Spread;
use crate::audio::{Order, Piece};

/// Bursts that are heard side by side. Each has a decoder for every PCM format that is listened in, some tens of kilobytes; a
/// gateway lets eight talk at a time, and one that has ended makes room for the next.
const MAX_BURSTS: usize = 16;

/// One burst.
#[derive(Debug)]
pub(super) struct Burst {
    order: Order,
    pub(super) spread: Spread,
    /// Its start, until that is reported.
    passed: Option<Passed>,
}

/// What is heard.
#[derive(Debug, Default)]
pub(super) struct Hearing(BTreeMap<Grant, Burst>);

impl Hearing {
    /// What to play now that `frame` has come, and by which decoders; nothing of a burst that a newer one has ended, unless
    /// there are `several` at a time.
    pub(super) fn take<'a>(
        &mut self,
        now: Instant,
        frame: &VoiceFrame<'a>,
        several: bool,
    ) -> (Vec<Piece<'a>>, Option<&mut Burst>) {
        let grant = frame.header.grant;
        let is_new = !self.0.contains_key(&grant);
        if is_new {
            let newest = self.0.last_key_value().map(|(newest, _)| *newest);
            let is_old = newest.is_some_and(|newest| newest > grant);
            if is_old && (!several || self.0.len() >= MAX_BURSTS) {
                return (Vec::new(), None);
            }
            if !several {
                self.0.clear();
            } else if self.0.len() >= MAX_BURSTS {
                self.0.pop_first();
            }
        }
        let burst = self.0.entry(grant).or_insert_with(|| Burst {
            order: Order::default(),
            spread: Spread::default(),
            passed: None,
        });
        let pieces = burst.order.take(frame);
        if is_new {
            burst.passed = Passed::first(now, &frame.header, pieces.len());
        }
        (pieces, Some(burst))
    }

    /// What was seen of the burst whose grant is over; once.
    pub(super) fn ended(&mut self, grant: Grant) -> Option<Passed> {
        self.0.get_mut(&grant)?.passed.take()
    }
}
