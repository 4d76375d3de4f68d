//! Patches: two channels hear each other.
//!
//! Each of the two keeps a guest for the other: a talker of its own that claims the floor for whoever talks over there, with
//! the same rank and name. When it has the floor, the other channel's frames are stamped anew once and go to this one's
//! listeners (see [`Relay`]). What the two rooms tell each other never waits; what a guest says goes no further, so that a
//! chain of patches carries nothing on, and a ring carries nothing round.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use suara_channel::{Asking, Effect, Identity, Road, Talking};
use suara_cluster::{Op, Outcome};
use suara_proto::message::{Level, Patched, ServerMessage};
use suara_proto::{ChannelNumber, ErrorCode, Grant, RequestId, TalkerNumber};

use super::RoomHandle;
use super::room::Room;
use super::seats::Seat;
use crate::session::SessionId;
use crate::voice::{Ear, Relay};

/// Patches of one channel. Each costs a frame's way once more; more would be a channel of its own.
const MAX_PATCHES: usize = 4;

/// The sessions of a channel and where they hear.
type Ears = Arc<[(SessionId, Ear)]>;

/// What a room tells another that it is patched to, or is to be.
pub(super) enum PeerWord {
    /// We are patched from now on: this is your talker's number here, and these hear it. An answer is to the same, said before.
    Patched { peer: RoomHandle, guest: TalkerNumber, ears: Ears, is_answer: bool },
    /// Others hear it.
    Ears(ChannelNumber, Ears),
    /// Somebody talks here.
    Taken(ChannelNumber, Talking),
    /// No longer.
    Idle(ChannelNumber, Grant),
    /// We are not patched.
    Over(ChannelNumber),
}

/// One other channel.
pub(super) struct Patch {
    peer: RoomHandle,
    /// Theirs here, and the grant over there that it talks for.
    guest: TalkerNumber,
    origin: Option<Grant>,
    /// Ours over there, and who hears it; once they said so.
    there: Option<(TalkerNumber, Ears)>,
}

/// All of a channel's.
#[derive(Default)]
pub(super) struct Patches {
    by_peer: BTreeMap<ChannelNumber, Patch>,
    /// Grants that the others were told of.
    told: BTreeSet<Grant>,
    /// Channels whose guests are yet to get their numbers, and what these channels said meanwhile.
    coming: BTreeMap<ChannelNumber, Vec<PeerWord>>,
    requests: u32,
}

impl PeerWord {
    const fn number(&self) -> ChannelNumber {
        match self {
            Self::Patched { peer, .. } => peer.number,
            Self::Ears(number, _) | Self::Taken(number, _) | Self::Idle(number, _) | Self::Over(number) => {
                *number
            }
        }
    }
}

impl Patches {
    fn is_guest(&self, talker: TalkerNumber) -> bool {
        self.by_peer.values().any(|patch| patch.guest == talker)
    }

    pub(super) fn origin(&self, guest: TalkerNumber) -> Option<Grant> {
        self.by_peer.values().find(|patch| patch.guest == guest)?.origin
    }

    /// The other channels.
    pub(super) fn all(&self) -> impl Iterator<Item = Patched<'_>> {
        let peers = self.by_peer.values().map(|patch| &patch.peer);
        peers.map(|peer| Patched { channel: peer.number, name: (&*peer.name).into() })
    }

    pub(super) fn number_of(&self, name: &str) -> Option<ChannelNumber> {
        self.by_peer.values().find(|patch| *patch.peer.name == *name).map(|patch| patch.peer.number)
    }

    fn tell(&self, word: impl Fn() -> PeerWord) {
        for patch in self.by_peer.values() {
            patch.peer.tell(word());
        }
    }
}

impl Room {
    /// A dispatcher's wish, which its session has looked at.
    pub(super) fn patch_for(&mut self, by: TalkerNumber, request: RequestId, peer: RoomHandle, on: bool) {
        if !on {
            let done = self.unpatch(peer.number);
            if !done && self.unpatch_far(by, request, &peer.name) {
                return;
            }
            return self.answer_patch(by, request, on, done);
        }
        if self.patches.by_peer.contains_key(&peer.number) || self.far_patches.has(&peer.name) {
            return self.answer_patch(by, request, on, true);
        }
        self.welcome(peer, None, move |room, done| {
            if done {
                room.show_patches();
            }
            room.answer_patch(by, request, on, done);
        });
    }

    pub(super) fn answer_patch(&self, by: TalkerNumber, request: RequestId, on: bool, done: bool) {
        let Some(Seat { port: Some(port), member, .. }) = self.seats.get(&by) else { return };
        let channel = self.handle.number;
        port.outbox.say(&if done {
            ServerMessage::Patched {
                request: Some(request),
                member: *member,
                channel,
                with: self.patched_with(),
            }
        } else {
            let (request, member, channel, code) =
                (Some(request), *member, Some(channel), ErrorCode::Unavailable);
            let message = if on { "patched to too many channels" } else { "these two are not patched" };
            ServerMessage::Error { request, member, channel, code, message: message.into() }
        });
    }

    /// Two channels are no longer patched; `false` when they weren't.
    pub(super) fn unpatch(&mut self, number: ChannelNumber) -> bool {
        let Some(patch) = self.patches.by_peer.remove(&number) else { return false };
        patch.peer.tell(PeerWord::Over(self.handle.number));
        self.order(Op::Dismiss { guest: patch.guest });
        self.share_patch(patch.guest, None);
        self.route_changed = true;
        self.show_patches();
        true
    }

    /// This channel is empty.
    pub(super) fn unpatch_all(&mut self) {
        let number = self.handle.number;
        self.patches.tell(|| PeerWord::Over(number));
    }

    pub(super) fn peer_word(&mut self, word: PeerWord) {
        if let Some(early) = self.patches.coming.get_mut(&word.number()) {
            return early.push(word);
        }
        match word {
            PeerWord::Patched { peer, guest, ears, is_answer } => {
                let (number, there) = (peer.number, (guest, ears));
                if self.patches.by_peer.contains_key(&number) {
                    self.reach(number, there);
                } else if !is_answer {
                    self.welcome(peer.clone(), Some(there), move |room, done| {
                        if done {
                            room.show_patches();
                        } else {
                            peer.tell(PeerWord::Over(room.handle.number));
                        }
                    });
                }
                // Else it was undone here meanwhile, and the other will hear so.
            }
            PeerWord::Ears(number, ears) => {
                let there = self.patches.by_peer.get_mut(&number).and_then(|patch| patch.there.as_mut());
                if let Some(there) = there {
                    there.1 = ears;
                    self.route_changed = true;
                }
            }
            PeerWord::Taken(number, talking) => self.far_taken(number, talking),
            PeerWord::Idle(number, grant) => self.far_idle(number, grant),
            PeerWord::Over(number) => drop(self.unpatch(number)),
        }
    }

    /// Our guest is in over there, and these hear it.
    fn reach(&mut self, number: ChannelNumber, there: (TalkerNumber, Ears)) {
        if let Some(patch) = self.patches.by_peer.get_mut(&number) {
            patch.there = Some(there);
            self.route_changed = true;
            self.show_patches();
        }
    }

    /// What a decision here means for the others.
    pub(super) fn decide_patches(&mut self, effect: &Effect) {
        let number = self.handle.number;
        match effect {
            Effect::Taken(talking) => {
                let own = !self.channel().is_guest(talking.talker);
                // It is said again and again.
                if own && self.patches.told.insert(talking.grant) {
                    self.patches.tell(|| PeerWord::Taken(number, talking.clone()));
                }
            }
            Effect::Idle { grant } => {
                let own = self.patches.told.remove(grant);
                if own {
                    self.patches.tell(|| PeerWord::Idle(number, *grant));
                }
            }
            // Nobody can be asked to come to an end: it does so at once.
            Effect::Revoke { talker, .. } if self.patches.is_guest(*talker) => {
                self.order(Op::GuestRelease { guest: *talker });
            }
            _ => {}
        }
    }

    /// Whose frames go to which other channels as well.
    pub(super) fn relays(&self) -> Vec<Relay> {
        if self.patches.by_peer.is_empty() {
            return Vec::new();
        }
        // A user's session that is in both hears it here. A trunk's members are not all in both.
        let own = self.seats.values().filter(|seat| seat.member.is_none());
        let own: BTreeSet<_> = own.filter_map(|seat| seat.port.as_ref()).map(|port| port.id).collect();
        let patches = self.patches.by_peer.values();
        let relay = |patch: &Patch| {
            let (talker, ears) = patch.there.as_ref()?;
            let others = ears.iter().filter(|(session, _)| !own.contains(session));
            Some(Relay {
                route: patch.peer.route.clone(),
                channel: patch.peer.number,
                talker: *talker,
                listeners: Arc::new(others.map(|(session, ear)| (*session, ear)).collect()),
                sender: self.hub.sender()?.clone(),
            })
        };
        patches.filter_map(relay).collect()
    }

    /// Others hear this channel from now on.
    pub(super) fn tell_ears(&self) {
        if !self.patches.by_peer.is_empty() {
            let (number, ears): (_, Ears) = (self.handle.number, self.ears().collect());
            self.patches.tell(|| PeerWord::Ears(number, ears.clone()));
        }
    }

    /// Takes the other channel in, and tells it all that it has to know; with what it has said of itself, where it asked.
    fn welcome(
        &mut self,
        peer: RoomHandle,
        there: Option<(TalkerNumber, Ears)>,
        then: impl FnOnce(&mut Self, bool) + Send + 'static,
    ) {
        let number = peer.number;
        if self.patches.by_peer.len() + self.patches.coming.len() + self.far_patches.len() >= MAX_PATCHES
            || self.patches.coming.contains_key(&number)
        {
            return then(self, false);
        }
        self.patches.coming.insert(number, Vec::new());
        self.submit(Op::Admit, move |room, outcome| {
            let early = room.patches.coming.remove(&number).unwrap_or_default();
            let done = match outcome {
                Outcome::Admitted(Some(guest)) => room.admitted(peer, guest, there),
                _ => false,
            };
            then(room, done);
            early.into_iter().for_each(|word| room.peer_word(word));
        });
    }

    /// The other channel's guest has its number; `false` when the other is gone meanwhile.
    fn admitted(
        &mut self,
        peer: RoomHandle,
        guest: TalkerNumber,
        there: Option<(TalkerNumber, Ears)>,
    ) -> bool {
        let (own, ears, is_answer) = (self.handle.clone(), self.ears().collect(), there.is_some());
        let number = own.number;
        if !peer.tell(PeerWord::Patched { peer: own, guest, ears, is_answer }) {
            self.order(Op::Dismiss { guest });
            return false;
        }
        let own = self.all_talking().filter(|talking| !self.channel().is_guest(talking.talker));
        for talking in own.collect::<Vec<_>>() {
            self.patches.told.insert(talking.grant);
            peer.tell(PeerWord::Taken(number, talking));
        }
        self.route_changed |= there.is_some();
        self.share_patch(guest, Some(&peer.name));
        self.patches.by_peer.insert(peer.number, Patch { peer, guest, origin: None, there });
        true
    }

    fn far_taken(&mut self, number: ChannelNumber, talking: Talking) {
        let Some(patch) = self.patches.by_peer.get_mut(&number) else { return };
        let Talking { who, grant, level, .. } = talking;
        patch.origin = Some(grant);
        self.patches.requests = self.patches.requests.wrapping_add(1);
        let asking = asking(self.patches.requests, &who, level);
        let guest = patch.guest;
        self.order(Op::GuestRelease { guest });
        self.order(Op::GuestRequest { guest, who, asking });
    }

    fn far_idle(&mut self, number: ChannelNumber, grant: Grant) {
        let Some(patch) = self.patches.by_peer.get(&number) else { return };
        if patch.origin == Some(grant) {
            self.order(Op::GuestRelease { guest: patch.guest });
        }
    }

    /// A guest that isn't in the state that was adopted is gone, and the patch with it.
    pub(super) fn patches_adopted(&mut self) {
        let is_in = |guest| self.channel().is_guest(guest) && self.replica.is_local(guest);
        let over = self.patches.by_peer.values().filter(|patch| !is_in(patch.guest));
        let over: Vec<_> = over.map(|patch| patch.peer.number).collect();
        for number in over {
            self.unpatch(number);
        }
    }
}

/// A guest doesn't wait: what it would say by then is over.
fn asking(number: u32, who: &Identity, level: Level) -> Asking {
    Asking { request: RequestId(number), level, priority: who.priority, queue: false, road: Road::Stream }
}
