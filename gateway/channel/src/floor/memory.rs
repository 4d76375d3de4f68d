//! The requests and the Releases that came last, so that what comes twice is decided once.
//!
//! A datagram is sent again until it is answered, and beside it goes the same request on the stream: the later ones may
//! come when the first was denied, or granted, used and released. So does a Release.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use suara_proto::{DenyCause, Grant, RequestId, TalkerNumber};

use crate::asking::Road;
use crate::effect::Speaker;

/// Numbers kept of each member: a hasty thumb makes four requests while one repetition is under way, not nine.
const KEPT: usize = 8;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    of: BTreeMap<TalkerNumber, VecDeque<Seen>>,
    /// Grants that were released by datagram, or taken back: their Releases may come yet on the stream.
    released: BTreeMap<TalkerNumber, VecDeque<Grant>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seen {
    request: RequestId,
    /// A datagram carried it, so that it may come again by either road.
    by_datagram: bool,
    denied: Option<DenyCause>,
}

/// What is known of a request that came again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// It was denied.
    Denied(DenyCause),
    /// It was not.
    Otherwise,
}

impl Memory {
    /// Notes a request; says what is known of it when it is a repetition.
    pub(crate) fn note(&mut self, talker: TalkerNumber, request: RequestId, road: Road) -> Option<Known> {
        let by_datagram = road == Road::Datagram;
        let seen = self.of.entry(talker).or_default();
        if let Some(known) = seen.iter_mut().find(|known| known.request == request) {
            let again = known.by_datagram || by_datagram;
            known.by_datagram = again;
            if again {
                return Some(known.denied.map_or(Known::Otherwise, Known::Denied));
            }
            known.denied = None;
            return None;
        }
        seen.truncate(KEPT - 1);
        seen.push_front(Seen { request, by_datagram, denied: None });
        None
    }

    pub(crate) fn denied(&mut self, talker: TalkerNumber, request: RequestId, cause: DenyCause) {
        let seen = self.of.get_mut(&talker).into_iter().flatten();
        for known in seen.filter(|known| known.request == request) {
            known.denied = Some(cause);
        }
    }

    /// Notes a Release that may come again.
    pub(crate) fn released(&mut self, by: Speaker) {
        let grants = self.released.entry(by.talker).or_default();
        grants.truncate(KEPT - 1);
        grants.push_front(by.grant);
    }

    /// Whether a Release was here before.
    pub(crate) fn knows_released(&self, by: Speaker) -> bool {
        self.released.get(&by.talker).is_some_and(|grants| grants.contains(&by.grant))
    }

    pub(crate) fn forget(&mut self, talker: TalkerNumber) {
        self.of.remove(&talker);
        self.released.remove(&talker);
    }
}
