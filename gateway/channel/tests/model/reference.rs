//! What a channel should have said and be, worked out from the log of all that happened to it.
//!
//! There is one book of all requests that counted, and it is only ever added to: who holds the floor, who waits and
//! whose tail is heard is looked up in it each time. What a look-up needs of a request is on its own line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use suara_channel::*;

use crate::line::{Line, Over};

/// One thing that happened.
#[derive(Debug)]
pub(crate) struct Entry {
    /// In milliseconds, never less than in the entry before.
    pub(crate) now: u64,
    pub(crate) event: Event,
}

#[derive(Debug)]
pub(crate) enum Event {
    Joined(Member),
    Left(TalkerNumber),
    Lost(TalkerNumber),
    Resumed(TalkerNumber),
    Request(TalkerNumber, Asking),
    Cancel(TalkerNumber, RequestId),
    Release(Speaker, Road),
    Admitted(TalkerNumber),
    GuestRequest(TalkerNumber, Identity, Asking),
    GuestRelease(TalkerNumber),
    Dismissed(TalkerNumber),
    Dispatch(DispatchAction, TalkerNumber),
    Media(Grant, u64),
    Fire,
    Nothing,
}

/// What is true once a step is done.
#[derive(Debug, PartialEq)]
pub(crate) struct After {
    pub(crate) talking: Vec<Talking>,
    pub(crate) speakers: Vec<Speaker>,
    pub(crate) version: u64,
}

pub(crate) struct Story<'a> {
    pub(crate) rules: &'a Settings,
    pub(crate) book: Vec<Line>,
    pub(crate) members: BTreeMap<TalkerNumber, Member>,
    /// The requests of each member, the newest last: number, whether by datagram, the denial.
    pub(crate) seen: BTreeMap<TalkerNumber, Vec<(RequestId, bool, Option<DenyCause>)>>,
    /// Those who talk here from other channels.
    pub(crate) guests: BTreeSet<TalkerNumber>,
    pub(crate) lapsed: Vec<Speaker>,
    pub(crate) muted: BTreeSet<Arc<str>>,
    /// Until when the unreachable are kept their places.
    pub(crate) kept: BTreeMap<TalkerNumber, u64>,
    /// Who left, in that order.
    pub(crate) departed: Vec<TalkerNumber>,
    pub(crate) version: u64,
    epoch: u16,
    pub(crate) now: u64,
    pub(crate) said: Vec<Effect>,
    /// Since when T4 runs, and what it was told by: members, grants, and whether somebody holds one.
    pub(crate) idle: (Option<u64>, (bool, usize, bool)),
}

impl<'a> Story<'a> {
    pub(crate) fn new(epoch: u16, rules: &'a Settings) -> Self {
        let (book, members, seen) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            rules,
            book,
            members,
            seen,
            guests: BTreeSet::new(),
            lapsed: Vec::new(),
            muted: BTreeSet::new(),
            kept: BTreeMap::new(),
            departed: Vec::new(),
            version: 0,
            epoch,
            now: 0,
            said: Vec::new(),
            idle: (None, (true, 0, false)),
        }
    }

    pub(crate) fn step(&mut self, entry: &Entry) {
        self.now = entry.now;
        match &entry.event {
            Event::Joined(member) => {
                self.version += 1;
                let muted = self.muted.contains(&member.who.user);
                self.members.insert(member.talker, Member { muted, ..member.clone() });
            }
            Event::Left(talker) => self.left(*talker),
            Event::Lost(talker) => self.lost(*talker),
            Event::Resumed(talker) => self.resumed(*talker),
            Event::Request(talker, asking) => self.asked(*talker, asking),
            Event::Cancel(talker, request) => self.cancelled(*talker, *request),
            Event::Release(by, road) => self.released(*by, *road),
            Event::Admitted(guest) => drop(self.guests.insert(*guest)),
            Event::GuestRequest(guest, who, asking) => self.guest_asked(*guest, who, *asking),
            Event::GuestRelease(guest) => self.guest_released(*guest),
            Event::Dismissed(guest) => self.dismissed(*guest),
            Event::Dispatch(action, talker) => self.dispatched(*action, *talker),
            Event::Media(grant, at) => {
                for line in self.book.iter_mut().filter(|line| line.holds() && line.grant == Some(*grant)) {
                    line.heard = line.heard.max(*at);
                    line.repeats = 0;
                }
            }
            Event::Fire => {
                self.gone();
                self.fired();
                self.rests();
                self.inactive();
            }
            Event::Nothing => {}
        }
        self.rests();
    }

    pub(crate) fn after(&self) -> After {
        let talking = self.holders().map(|line| line.talking(self.now)).collect();
        let heard = |line: &&Line| line.holds() || line.tail_until.is_some();
        let mut speakers: Vec<_> = self.book.iter().filter(heard).filter_map(Line::speaker).collect();
        speakers.sort_by_key(|speaker| speaker.grant);
        After { talking, speakers, version: self.version }
    }

    pub(crate) fn lapsed(&self, by: Speaker) -> bool {
        self.lapsed.iter().rev().take(self.talkers()).any(|lapsed| *lapsed == by)
    }

    pub(crate) fn talkers(&self) -> usize {
        match self.rules.mode {
            ChannelMode::Ptt | ChannelMode::Other => 1,
            ChannelMode::Dual => 2,
            ChannelMode::Open => self.rules.max_talkers.max(1),
        }
    }

    /// By grant, for that is the order in which they were given.
    pub(crate) fn holders(&self) -> impl Iterator<Item = &Line> {
        let mut holders: Vec<_> = self.book.iter().filter(|line| line.holds()).collect();
        holders.sort_by_key(|line| line.grant);
        holders.into_iter()
    }

    /// Those who wait, as indices of the book, the next first.
    pub(crate) fn waiting(&self) -> Vec<usize> {
        let mut waiting: Vec<_> = (0..self.book.len()).filter(|index| self.book[*index].waits()).collect();
        waiting.sort_by_key(|index| {
            let line = &self.book[*index];
            (std::cmp::Reverse(line.level), std::cmp::Reverse(line.priority), line.arrival)
        });
        waiting
    }

    /// The next of those who wait and are here.
    pub(crate) fn next(&self) -> Option<usize> {
        let is_here = |index: &usize| !self.kept.contains_key(&self.book[*index].who.talker);
        self.waiting().into_iter().find(is_here)
    }

    fn outranks(&self, one: &Line, other: &Line) -> bool {
        if one.level != other.level {
            return one.level > other.level;
        }
        self.rules.pre_emption && one.level != Level::Emergency && one.priority > other.priority
    }

    fn has_room_for(&self, line: &Line) -> bool {
        let holders: Vec<_> = self.holders().collect();
        match self.rules.mode {
            _ if holders.is_empty() => true,
            ChannelMode::Dual => holders.len() == 1 && self.outranks(line, holders[0]),
            ChannelMode::Open => holders.len() < self.talkers(),
            _ => false,
        }
    }

    fn asked(&mut self, talker: TalkerNumber, asking: &Asking) {
        let Some(member) = self.members.get(&talker).cloned() else { return };
        let Asking { request, level, priority, road, .. } = *asking;
        if self.is_repetition(talker, request, road) {
            return;
        }
        if !member.rights.has(Right::Talk) || member.muted {
            return self.deny(talker, request, DenyCause::ReceiveOnly);
        }
        if level != Level::Normal && !member.rights.has(Right::Emergency) {
            return self.deny(talker, request, DenyCause::Other);
        }
        if let Some(own) = self.book.iter().position(|line| line.holds() && line.who.talker == talker) {
            return self.asked_by_holder(own, request, level, priority.min(member.who.priority));
        }
        let asking = Asking { priority: priority.min(member.who.priority), ..*asking };
        self.asked_by_other(member, asking);
    }

    pub(crate) fn asked_by_other(&mut self, who: Member, asking: Asking) {
        let talker = who.talker;
        let before = self.book.iter_mut().find(|line| line.waits() && line.who.talker == talker);
        let arrival = before.map(|line| {
            line.over = Some(Over::Replaced);
            line.arrival
        });
        let arrival = arrival.unwrap_or(self.book.len());
        let line = Line::new(who, asking, arrival);
        let first = self.next();
        let first_of_all = first.is_none_or(|first| {
            let first = &self.book[first];
            (line.level, line.priority) > (first.level, first.priority)
        });
        let enters = first_of_all && self.has_room_for(&line);
        self.book.push(line);
        let index = self.book.len() - 1;
        if enters {
            self.grant(index);
        } else {
            self.wait(index);
        }
        self.tell_positions();
    }

    pub(crate) fn asked_by_holder(&mut self, own: usize, request: RequestId, level: Level, priority: u8) {
        let now = self.now;
        let line = &mut self.book[own];
        let (talker, raised) = (line.who.talker, level > line.level);
        if line.grace.is_some() {
            return self.deny(talker, request, DenyCause::Other);
        }
        if raised {
            (line.level, line.priority) = (level, priority);
        }
        line.request = request;
        self.said.push(line.granted(now));
        if raised {
            self.taken(own);
        }
    }

    /// Decides once about a request that may come by datagram.
    fn is_repetition(&mut self, talker: TalkerNumber, request: RequestId, road: Road) -> bool {
        let seen = self.seen.entry(talker).or_default();
        let by_datagram = road == Road::Datagram;
        let recent = seen.len().saturating_sub(8);
        let Some(known) = seen[recent..].iter_mut().find(|known| known.0 == request) else {
            seen.push((request, by_datagram, None));
            return false;
        };
        known.1 |= by_datagram;
        if !known.1 {
            known.2 = None;
            return false;
        }
        let denial = known.2;
        let mine = self.book.iter().position(|line| {
            line.who.talker == talker && line.request == request && (line.holds() || line.waits())
        });
        match mine.map(|index| (index, &self.book[index])) {
            Some((_, line)) if line.holds() && line.grace.is_none() => self.said.push(line.granted(self.now)),
            _ if denial.is_some() => {
                let cause = denial.expect("there is one");
                self.said.push(Effect::Deny { talker, request, cause });
            }
            Some((index, line)) if line.waits() => {
                self.book[index].told_position = None;
                self.tell_positions();
            }
            _ => {}
        }
        true
    }

    pub(crate) fn holding_indices(&self) -> Vec<usize> {
        let mut holding: Vec<_> = (0..self.book.len()).filter(|index| self.book[*index].holds()).collect();
        holding.sort_by_key(|index| self.book[*index].grant);
        holding
    }

    fn grant(&mut self, index: usize) {
        let given = self.book.iter().filter(|line| line.grant.is_some()).count();
        let grant = Grant(Grant::new(self.epoch, 1).0 + given as u32);
        let (now, alone, talker) = (self.now, self.talkers() == 1, self.book[index].who.talker);
        for line in &mut self.book {
            if alone || line.who.talker == talker {
                line.cut_tail(Over::Cut);
            }
        }
        self.book[index].given(grant, now, self.rules);
        self.said.push(self.book[index].granted(now));
        self.taken(index);
    }

    fn wait(&mut self, index: usize) {
        let line = &self.book[index];
        let (talker, request, level) = (line.who.talker, line.request, line.level);
        let mut beneath = self.holding_indices();
        beneath.retain(|other| self.outranks(line, &self.book[*other]));
        if beneath.is_empty() && (!line.queue || self.rules.queue_depth == 0) {
            self.book[index].over = Some(Over::Denied);
            return self.deny(talker, request, DenyCause::AnotherHasPermission);
        }
        for last in self.waiting().into_iter().skip(self.rules.queue_depth.max(1)) {
            self.book[last].over = Some(Over::Denied);
            let (talker, request) = (self.book[last].who.talker, self.book[last].request);
            self.deny(talker, request, DenyCause::QueueFull);
        }
        let Some(ahead) = self.waiting().iter().position(|waiting| *waiting == index) else { return };
        let ending = self.holders().filter(|line| line.grace.is_some()).count();
        let emergency = level == Level::Emergency;
        let lowest = |revoked: bool| {
            let fits = beneath.iter().filter(|other| self.book[**other].grace.is_some() == revoked);
            fits.min_by_key(|other| (self.book[**other].level, self.book[**other].priority)).copied()
        };
        let victim = if ahead >= ending {
            lowest(false)
        } else if emergency {
            lowest(true)
        } else {
            None
        };
        if let Some(victim) = victim {
            self.book[index].took_precedence = true;
            let t3 = millis(self.rules.t3);
            let grace = if emergency { t3.min(millis(self.rules.emergency_grace)) } else { t3 };
            self.revoke(victim, RevokeCause::PreEmpted, grace);
        }
    }

    pub(crate) fn revoke(&mut self, index: usize, cause: RevokeCause, grace: u64) {
        let until = self.now + grace;
        let line = &mut self.book[index];
        if line.grace.is_some_and(|present| present <= until) {
            return;
        }
        (line.grace, line.cause) = (Some(until), cause);
        let Some(Speaker { talker, grant }) = line.speaker() else { return };
        self.said.push(Effect::Revoke { talker, grant, cause, grace: Duration::from_millis(grace) });
        if grace > 0 {
            self.taken(index);
        }
    }

    pub(crate) fn taken(&mut self, index: usize) {
        self.book[index].told_taken = self.now;
        self.book[index].tellings += 1;
        self.said.push(Effect::Taken(self.book[index].talking(self.now)));
    }

    pub(crate) fn admit(&mut self) {
        while let Some(first) = self.next()
            && self.has_room_for(&self.book[first])
        {
            self.grant(first);
        }
        self.tell_positions();
    }

    pub(crate) fn tell_positions(&mut self) {
        let waiting = self.waiting();
        for (ahead, index) in waiting.iter().enumerate() {
            let line = &mut self.book[*index];
            if line.told_position.replace(ahead + 1) != Some(ahead + 1) {
                let (talker, request) = (line.who.talker, line.request);
                self.said.push(Effect::Queued { talker, request, position: ahead + 1, size: waiting.len() });
            }
        }
    }

    pub(crate) fn deny(&mut self, talker: TalkerNumber, request: RequestId, cause: DenyCause) {
        let seen = self.seen.entry(talker).or_default();
        let recent = seen.len().saturating_sub(8);
        for known in seen[recent..].iter_mut().filter(|known| known.0 == request) {
            known.2 = Some(cause);
        }
        self.said.push(Effect::Deny { talker, request, cause });
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
