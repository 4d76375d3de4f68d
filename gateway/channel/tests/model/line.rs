//! One line of the reference's book: a request that counted, and what became of it.

use std::time::Duration;

use suara_channel::*;

use crate::reference::millis;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Release,
    Leave,
    Silent,
    /// Not the end, but what T2 brings.
    Revoked,
    Grace,
    Dispatched,
    Denied,
    Replaced,
    Cancelled,
    /// Of a tail: by the next grant.
    Cut,
}

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) who: Member,
    pub(crate) request: RequestId,
    pub(crate) level: Level,
    pub(crate) priority: u8,
    pub(crate) queue: bool,
    pub(crate) arrival: usize,
    pub(crate) road: Road,
    pub(crate) grant: Option<Grant>,
    pub(crate) over: Option<Over>,
    /// In milliseconds, as all that follows.
    pub(crate) limit: u64,
    pub(crate) heard: u64,
    pub(crate) grace: Option<u64>,
    pub(crate) cause: RevokeCause,
    pub(crate) told_taken: u64,
    pub(crate) tellings: usize,
    pub(crate) told_granted: u64,
    pub(crate) repeats: u8,
    pub(crate) warned: bool,
    pub(crate) told_position: Option<usize>,
    pub(crate) waited: bool,
    /// Its release may be said again.
    pub(crate) said_again: bool,
    /// It was.
    pub(crate) came_again: bool,
    /// It waits, or waited, for one whom it takes the floor from.
    pub(crate) took_precedence: bool,
    pub(crate) tail_until: Option<u64>,
    /// How the tail ended, other than by running out.
    pub(crate) tail_cut: Option<Over>,
}

impl Line {
    pub(crate) fn new(who: Member, asking: Asking, arrival: usize) -> Self {
        let Asking { request, level, priority, queue, road } = asking;
        Self {
            who,
            request,
            level,
            priority,
            queue,
            arrival,
            road,
            grant: None,
            over: None,
            limit: 0,
            heard: 0,
            grace: None,
            cause: RevokeCause::Other,
            told_taken: 0,
            tellings: 0,
            told_granted: 0,
            repeats: 0,
            warned: false,
            told_position: None,
            waited: false,
            said_again: false,
            came_again: false,
            took_precedence: false,
            tail_until: None,
            tail_cut: None,
        }
    }

    pub(crate) fn given(&mut self, grant: Grant, now: u64, rules: &Settings) {
        (self.grant, self.heard, self.told_granted) = (Some(grant), now, now);
        if self.road == Road::Datagram && !rules.repeat.is_zero() {
            self.repeats = rules.repeats;
        }
        self.waited = self.told_position.take().is_some();
        self.limit = now + millis(rules.t2);
    }

    /// Whether this is a guest's: it has no rights of its own.
    pub(crate) fn is_guest(&self) -> bool {
        self.who.rights == Rights::default()
    }

    pub(crate) fn holds(&self) -> bool {
        self.grant.is_some() && self.over.is_none()
    }

    pub(crate) fn waits(&self) -> bool {
        self.grant.is_none() && self.over.is_none()
    }

    pub(crate) fn speaker(&self) -> Option<Speaker> {
        self.grant.map(|grant| Speaker { talker: self.who.talker, grant })
    }

    pub(crate) fn cut_tail(&mut self, how: Over) {
        if self.tail_until.take().is_some() {
            self.tail_cut = Some(how);
        }
    }

    /// When a grant ends by itself, and how.
    pub(crate) fn ends_at(&self, rules: &Settings) -> (u64, Over) {
        let silent = self.heard + millis(rules.t1);
        let limit = match (self.grace, self.level) {
            (Some(grace), _) => (grace, Over::Grace),
            (None, Level::Emergency) => (u64::MAX, Over::Silent),
            (None, _) => (self.limit, Over::Revoked),
        };
        if silent <= limit.0 { (silent, Over::Silent) } else { limit }
    }

    pub(crate) fn remaining(&self, now: u64) -> Duration {
        match (self.grace, self.level) {
            (None, Level::Emergency) => Duration::from_secs(3600),
            (grace, _) => Duration::from_millis(grace.unwrap_or(self.limit).saturating_sub(now)),
        }
    }

    pub(crate) fn granted(&self, now: u64) -> Effect {
        let (talker, request, duration) = (self.who.talker, self.request, self.remaining(now));
        Effect::Granted { talker, request, grant: self.grant.expect("it was given"), duration }
    }

    pub(crate) fn talking(&self, now: u64) -> Talking {
        let (talker, who, level) = (self.who.talker, self.who.who.clone(), self.level);
        let (grant, remaining) = (self.grant.expect("it was given"), self.remaining(now));
        Talking { talker, who, grant, remaining, level }
    }
}
