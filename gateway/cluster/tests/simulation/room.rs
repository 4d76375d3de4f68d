//! One node's room: its members' seats, the replica behind them, and what the members are told.

use std::collections::BTreeMap;

use std::time::Duration;

use suara_channel::{Effect, Grant, LeaveReason, TalkerNumber, Time};
use suara_cluster::{ChatOrder, Epoch, NodeId, Op, OpId, Outcome, Output, Replica, Standing, Term};

/// A client, for as long as it wants to be in the channel.
pub(crate) type Client = u32;

#[derive(Debug, Default)]
pub(crate) struct Seat {
    /// None until it is in, and while it is asked for again.
    pub(crate) talker: Option<TalkerNumber>,
    pub(crate) here: bool,
    /// Since when, or since when not.
    pub(crate) since: u64,
    /// By which it sends.
    pub(crate) grant: Option<Grant>,
    /// It will send no more than so many frames.
    pub(crate) breath: u64,
}

pub(crate) struct Room {
    pub(crate) replica: Replica,
    pub(crate) seats: BTreeMap<Client, Seat>,
    /// Operations that aren't answered yet.
    pub(crate) open: BTreeMap<u64, Op>,
    pub(crate) joining: BTreeMap<u64, Client>,
    /// Seats that are asked for again, by their old numbers.
    pub(crate) lost: Vec<(TalkerNumber, Client)>,
    /// Numbers of those who left before they had them.
    left: Vec<TalkerNumber>,
    /// Clients that were granted the floor, and begin to send.
    pub(crate) begun: Vec<Client>,
    /// The number of the next operation: a room that is opened anew goes on from there.
    pub(crate) next_op: u64,
    was_split: bool,
    /// Since when nobody is in it.
    pub(crate) deserted: Option<u64>,
    /// The chat message that was told last.
    pub(crate) told: u64,
    pub(crate) chat: ChatOrder<u64>,
    /// What was said to all rooms, in order.
    pub(crate) said: Vec<u64>,
    /// Grants that were heard since the state was adopted, the newest last.
    pub(crate) heard: Vec<Grant>,
    pub(crate) newest: Option<Grant>,
    /// How far it had come when it was drained last.
    pub(crate) progress: (Epoch, u64),
    /// The term that holds here, and since when.
    pub(crate) term: (Term, u64),
    /// Since when a grant is in force here.
    pub(crate) holds: BTreeMap<Grant, u64>,
}

/// What comes of the outputs for the rest of the world.
pub(crate) enum Word {
    Out(Output),
    Note(&'static str),
    Fault(String),
    Trace(String),
    /// Others may decide now, by lower grants.
    Forked,
    /// A member isn't in the channel any more, by another's state or because it was gone for too long.
    Lost {
        talker: TalkerNumber,
        adopted: bool,
        since: u64,
    },
    /// A member's place is given up.
    Gone(TalkerNumber),
    /// It decides from now on.
    Reigns,
    /// The newest term that anybody in reach knows of is this one. What was decided in later ones is lost.
    Fell(Epoch),
    /// Something was decided within: once more.
    Turn,
}

impl Room {
    pub(crate) fn new(replica: Replica, now: Time, stored: u64) -> Self {
        let (patience, every) = (Duration::from_millis(100), Duration::from_secs(5));
        Self {
            replica,
            seats: BTreeMap::new(),
            open: BTreeMap::new(),
            joining: BTreeMap::new(),
            lost: Vec::new(),
            left: Vec::new(),
            begun: Vec::new(),
            next_op: 0,
            was_split: false,
            deserted: None,
            told: stored,
            chat: ChatOrder::new(now, stored, patience, every),
            said: Vec::new(),
            heard: Vec::new(),
            newest: None,
            progress: (Epoch::default(), 0),
            term: (Term::default(), 0),
            holds: BTreeMap::new(),
        }
    }

    pub(crate) fn submit(&mut self, now: Time, op: Op) {
        let id = self.replica.submit(now, op.clone());
        self.open.insert(id.number, op);
        self.next_op = id.number + (1 << 20);
    }

    pub(crate) fn join(&mut self, now: Time, client: Client, op: Op) {
        let id = self.replica.submit(now, op.clone());
        self.open.insert(id.number, op);
        self.next_op = id.number + (1 << 20);
        self.joining.insert(id.number, client);
        self.seats.insert(client, Seat { here: true, ..Seat::default() });
    }

    pub(crate) fn leave(&mut self, now: Time, client: Client, reason: LeaveReason) {
        let Some(seat) = self.seats.remove(&client) else { return };
        let lost = self.lost.iter().position(|(_, lost)| *lost == client);
        let was = lost.map(|index| self.lost.remove(index).0);
        if let Some(talker) = seat.talker.or(was) {
            self.submit(now, Op::Leave { talker, reason });
        }
    }

    pub(crate) fn seat_of(&mut self, talker: TalkerNumber) -> Option<(&Client, &mut Seat)> {
        self.seats.iter_mut().find(|(_, seat)| seat.talker == Some(talker))
    }

    /// Carries out what the replica wants; says what concerns others.
    pub(crate) fn drain(&mut self, node: NodeId, now: Time, words: &mut Vec<Word>) {
        let mut has_adopted = false;
        while let Some(output) = self.replica.poll_output() {
            match output {
                Output::Effect(effect) => {
                    if let Effect::Gone { talker } = effect {
                        words.push(Word::Trace(format!("{node}: {talker} is gone")));
                        words.push(Word::Gone(talker));
                        if self.seat_of(talker).is_some_and(|(_, seat)| seat.here) {
                            words.push(Word::Fault(format!("{node}: {talker} is gone, and was here")));
                        }
                    }
                    self.effect(effect);
                }
                Output::Applied { id, outcome } => {
                    if outcome.talker().is_some() {
                        words.push(Word::Trace(format!("{node}: {outcome:?}")));
                    }
                    self.applied(id, outcome, words);
                }
                Output::Said { bytes, .. } => self.said(&bytes, words),
                Output::Shared { .. } => {}
                Output::Adopted { .. } => {
                    words.push(Word::Trace(format!("{node} adopts {:?}", self.replica.head())));
                    has_adopted = true;
                    self.adopted(words);
                }
                Output::Lost { talker } => {
                    words.push(Word::Note("lost"));
                    words.push(Word::Trace(format!("{node}: {talker} is lost")));
                    let since = self
                        .seat_of(talker)
                        .map_or(0, |(_, seat)| if seat.here { seat.since } else { u64::MAX });
                    words.push(Word::Lost { talker, adopted: has_adopted, since });
                    match self.seat_of(talker).map(|(client, _)| *client) {
                        Some(client) => {
                            self.lost.push((talker, client));
                            if let Some(seat) = self.seats.get_mut(&client) {
                                (seat.talker, seat.grant) = (None, None);
                            }
                        }
                        None => words.push(Word::Fault(format!("{node}: {talker} is lost, and had no seat"))),
                    }
                }
                Output::Rejoined { was, now } => {
                    words.push(Word::Trace(format!("{node}: {was} is {now:?}")));
                    self.rejoined(was, now.ok(), words);
                }
                Output::Standing(Standing::Split { .. }) => {
                    self.was_split = true;
                    words.push(Word::Note("split"));
                }
                Output::Standing(Standing::Owner { .. }) => {
                    if std::mem::take(&mut self.was_split) {
                        words.push(Word::Forked);
                    }
                    words.push(Word::Reigns);
                }
                // What was said on its side holds for all from now on.
                Output::Standing(_) if std::mem::take(&mut self.was_split) => words.push(Word::Forked),
                Output::Standing(_) => {}
                output => words.push(Word::Out(output)),
            }
        }
        for talker in std::mem::take(&mut self.left) {
            self.submit(now, Op::Leave { talker, reason: LeaveReason::Disconnected });
            words.push(Word::Turn);
        }
        if !self.begun.is_empty() {
            words.push(Word::Turn);
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Granted { talker, grant, .. } => {
                let found = self.seat_of(talker).filter(|(_, seat)| seat.here && seat.breath > 0);
                if let Some((client, seat)) = found.filter(|(_, seat)| seat.grant != Some(grant)) {
                    let client = *client;
                    seat.grant = Some(grant);
                    self.begun.push(client);
                }
            }
            Effect::Revoke { talker, .. } => {
                if let Some((_, seat)) = self.seat_of(talker) {
                    seat.breath = seat.breath.min(3);
                }
            }
            Effect::Idle { grant } => {
                for seat in self.seats.values_mut().filter(|seat| seat.grant == Some(grant)) {
                    seat.grant = None;
                }
            }
            Effect::Gone { talker } => {
                if let Some(client) = self.seat_of(talker).map(|(client, _)| *client) {
                    self.seats.remove(&client);
                }
            }
            _ => {}
        }
    }

    fn applied(&mut self, id: OpId, outcome: Outcome, words: &mut Vec<Word>) {
        if self.open.remove(&id.number).is_none() {
            words.push(Word::Fault(format!("{id:?} was answered twice, or never asked")));
        }
        let Some(client) = self.joining.remove(&id.number) else { return };
        match (outcome, self.seats.get_mut(&client)) {
            (Outcome::Joined(Ok(talker)), Some(seat)) => seat.talker = Some(talker),
            (Outcome::Joined(Ok(talker)), None) => self.left.push(talker),
            _ => drop(self.seats.remove(&client)),
        }
    }

    fn said(&mut self, bytes: &[u8], words: &mut Vec<Word>) {
        let number = bytes.try_into().map(u64::from_be_bytes).unwrap_or_default();
        if self.said.contains(&number) {
            words.push(Word::Fault(format!("{number} was said twice")));
        }
        self.said.push(number);
    }

    fn adopted(&mut self, words: &mut Vec<Word>) {
        words.push(Word::Note("adopted"));
        self.heard.clear();
        self.holds.clear();
        // Another side's log may have in it what was in this one's.
        self.said.clear();
        if self.seats.values().any(|seat| seat.talker.is_some()) {
            words.push(Word::Forked);
        }
        // A new owner asks round and takes what it gets. When all who know the last term are cut off, that is the state of
        // one who was on a side of its own until now: a burst of that side is in force then, and the last term's isn't.
        if self.replica.standing() == Standing::Seeking {
            words.push(Word::Fell(self.replica.head().0.epoch));
        }
        let held: Vec<_> = self.replica.channel().speakers();
        for seat in self.seats.values_mut() {
            let holds =
                held.iter().any(|held| Some(held.grant) == seat.grant && Some(held.talker) == seat.talker);
            seat.grant = seat.grant.filter(|_| holds);
        }
    }

    fn rejoined(&mut self, was: TalkerNumber, now: Option<TalkerNumber>, words: &mut Vec<Word>) {
        let note = if now == Some(was) { "rejoined by its number" } else { "rejoined by another number" };
        words.push(Word::Note(note));
        let lost = self.lost.iter().position(|(lost, _)| *lost == was);
        let client = lost.map(|index| self.lost.remove(index).1);
        match (client.and_then(|client| self.seats.get_mut(&client)), now) {
            (Some(seat), Some(_)) => seat.talker = now,
            (Some(_), None) => self.seats.retain(|seated, _| Some(*seated) != client),
            (None, Some(_)) => words.push(Word::Fault(format!("{was} is in again, and left before"))),
            (None, None) => {}
        }
    }

    /// A frame comes that says whose it is. Whether it is heard here.
    pub(crate) fn hears(&mut self, talker: TalkerNumber, grant: Grant) -> Result<bool, String> {
        let speakers = self.replica.channel().speakers();
        if !speakers.iter().any(|speaker| (speaker.talker, speaker.grant) == (talker, grant)) {
            return Ok(false);
        }
        if self.heard.last() != Some(&grant) {
            if self.heard.contains(&grant) {
                return Err(format!("{grant:?} is heard again after {:?}", self.heard.last()));
            }
            self.heard.push(grant);
        }
        if let Some(newest) = self.newest.filter(|newest| *newest > grant) {
            // It went on while others had the floor on another side; the term that says so is above theirs.
            let (term, _) = self.replica.head();
            if term.epoch < Epoch(newest.epoch()) {
                return Err(format!("{grant:?} is heard after {newest:?} in {term:?}"));
            }
        }
        self.newest = self.newest.max(Some(grant));
        Ok(true)
    }
}
