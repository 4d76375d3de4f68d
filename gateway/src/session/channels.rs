//! The channels that a session is in, by any of its members: kept for the voice path as they change, so that one more
//! member of a large trunk costs its own channel and no other.

use std::collections::{BTreeSet, HashMap};

use suara_proto::{ChannelNumber, TalkerNumber};

use super::members::Seat;
use crate::hub::RoomHandle;
use crate::voice::OnAir;

/// One channel and the session's talker numbers in it.
struct Present {
    room: RoomHandle,
    talkers: BTreeSet<TalkerNumber>,
}

/// All channels with a member of the session in them.
#[derive(Default)]
pub(super) struct Channels {
    present: HashMap<ChannelNumber, Present>,
    on_air: HashMap<ChannelNumber, OnAir>,
}

impl Channels {
    pub(super) fn enter(&mut self, seat: &Seat) {
        let empty = || Present { room: seat.room.clone(), talkers: BTreeSet::new() };
        let present = self.present.entry(seat.room.number).or_insert_with(empty);
        present.talkers.insert(seat.talker);
        self.on_air.insert(seat.room.number, present.on_air());
    }

    pub(super) fn leave(&mut self, seat: &Seat) {
        let number = seat.room.number;
        let Some(present) = self.present.get_mut(&number) else { return };
        present.talkers.remove(&seat.talker);
        if present.talkers.is_empty() {
            self.present.remove(&number);
            self.on_air.remove(&number);
        } else {
            self.on_air.insert(number, present.on_air());
        }
    }

    pub(super) fn room(&self, channel: ChannelNumber) -> Option<&RoomHandle> {
        self.present.get(&channel).map(|present| &present.room)
    }

    /// The table that the voice path looks channels up in.
    pub(super) fn on_air(&self) -> HashMap<ChannelNumber, OnAir> {
        self.on_air.clone()
    }
}

impl Present {
    fn on_air(&self) -> OnAir {
        OnAir { room: self.room.clone(), talkers: self.talkers.iter().copied().collect() }
    }
}
