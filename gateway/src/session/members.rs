//! Who speaks through a session: a user's session is one member, a trunk's session any number.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use suara_proto::{ChannelNumber, MemberRef, TalkerNumber};

use super::SessionId;
use super::channels::Channels;
use crate::auth::Principal;
use crate::directory::Listing;
use crate::hub::{Place, RoomHandle};
use crate::livechat::{Visit, Watch};
use crate::notices::Here;
use crate::voice::OnAir;

/// A member's place in a channel.
pub(super) struct Seat {
    pub(super) room: RoomHandle,
    pub(super) talker: TalkerNumber,
    /// By which the channel knows whose it is.
    pub(super) session: SessionId,
    pub(super) member: Option<MemberRef>,
}

impl Seat {
    pub(super) fn place(&self) -> Place {
        Place { talker: self.talker, session: self.session, member: self.member }
    }
}

/// One member and the channels that it is in.
pub(super) struct Attached {
    pub(super) principal: Principal,
    pub(super) seats: HashMap<ChannelNumber, Seat>,
    /// Where its user is found.
    _listing: Listing,
    /// Of a trunk's members: that its user is here.
    _here: Option<Here>,
    /// A visitor's presence in its channel.
    visit: Option<Visit>,
    /// Where it is one of staff who watches visitors.
    watch: Option<Watch>,
}

/// A session's members; that of a user's session has no number.
#[derive(Default)]
pub(super) struct Members {
    table: HashMap<Option<MemberRef>, Attached>,
    channels: Channels,
    expiries: BTreeSet<(u64, Option<MemberRef>)>,
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn get(&self, member: Option<MemberRef>) -> Option<&Attached> {
        self.table.get(&member)
    }

    /// Takes a new member in, or puts a fresh token in an old one's place.
    pub(super) fn put(
        &mut self,
        member: Option<MemberRef>,
        principal: Principal,
        list: impl FnOnce(Arc<str>) -> Listing,
    ) {
        let expires = principal.expires;
        match self.table.get_mut(&member) {
            Some(attached) => {
                self.expiries.remove(&(attached.principal.expires, member));
                // Who isn't of staff any more hears no more of visitors; who still is watches again.
                if attached.principal.role != principal.role {
                    attached.watch = None;
                }
                attached.principal = principal;
            }
            None => {
                let _listing = list(principal.user.clone());
                let seats = HashMap::new();
                let attached = Attached { principal, seats, _listing, _here: None, visit: None, watch: None };
                self.table.insert(member, attached);
            }
        }
        self.expiries.insert((expires, member));
    }

    /// A member's user can be notified as long as the member is there.
    pub(super) fn note(&mut self, member: Option<MemberRef>, here: Here) {
        if let Some(attached) = self.table.get_mut(&member) {
            attached._here = Some(here);
        }
    }

    pub(super) fn remove(&mut self, member: Option<MemberRef>) -> Option<Attached> {
        let attached = self.table.remove(&member)?;
        self.expiries.remove(&(attached.principal.expires, member));
        for seat in attached.seats.values() {
            self.channels.leave(seat);
        }
        Some(attached)
    }

    pub(super) fn sit(&mut self, member: Option<MemberRef>, seat: Seat) {
        if let Some(attached) = self.table.get_mut(&member) {
            self.channels.enter(&seat);
            attached.seats.insert(seat.room.number, seat);
        }
    }

    /// A visitor is in its channel.
    pub(super) fn visit(&mut self, member: Option<MemberRef>, visit: Option<Visit>) {
        if let Some(attached) = self.table.get_mut(&member) {
            attached.visit = visit;
        }
    }

    /// One of staff watches visitors, until it is gone.
    pub(super) fn watch(&mut self, member: Option<MemberRef>, watch: Watch) {
        if let Some(attached) = self.table.get_mut(&member) {
            // The new one counts before the old one goes.
            attached.watch = Some(watch);
        }
    }

    pub(super) fn rise(&mut self, member: Option<MemberRef>, channel: ChannelNumber) -> Option<Seat> {
        let attached = self.table.get_mut(&member)?;
        let seat = attached.seats.remove(&channel)?;
        // A visitor has one channel.
        attached.visit = None;
        self.channels.leave(&seat);
        Some(seat)
    }

    /// A member's place has another number.
    pub(super) fn renumber(
        &mut self,
        member: Option<MemberRef>,
        channel: ChannelNumber,
        was: TalkerNumber,
        talker: TalkerNumber,
    ) {
        let seats = self.table.get_mut(&member).map(|attached| &mut attached.seats);
        let seat = seats.and_then(|seats| seats.get_mut(&channel)).filter(|seat| seat.talker == was);
        if let Some(seat) = seat {
            self.channels.leave(seat);
            seat.talker = talker;
            self.channels.enter(seat);
        }
    }

    /// How long the channels keep places for who is lost; the longest counts.
    pub(super) fn grace(&self) -> Duration {
        self.seats().map(|seat| seat.room.grace).max().unwrap_or_default()
    }

    pub(super) fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.table.values().flat_map(|attached| attached.seats.values())
    }

    /// The earliest end of a token, in seconds since 1970.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.expiries.first().map(|(expires, _)| *expires)
    }

    /// A member whose token has ended at `now`, in seconds since 1970.
    pub(super) fn expired(&self, now: u64) -> Option<Option<MemberRef>> {
        self.expiries.first().filter(|(expires, _)| *expires <= now).map(|(_, member)| *member)
    }

    /// A channel that any member is in.
    pub(super) fn room(&self, channel: ChannelNumber) -> Option<&RoomHandle> {
        self.channels.room(channel)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Attached> + '_ {
        self.expiries.clear();
        self.channels = Channels::default();
        self.table.drain().map(|(_, attached)| attached)
    }

    /// The table that the voice path looks channels up in.
    pub(super) fn on_air(&self) -> HashMap<ChannelNumber, OnAir> {
        self.channels.on_air()
    }
}
