//! The reference's other half: what ends grants and waits, by a member's, a dispatcher's or the clock's doing.

use std::time::Duration;

use suara_channel::*;

use crate::line::Over;
use crate::reference::{Story, millis};

impl Story<'_> {
    pub(crate) fn cancelled(&mut self, talker: TalkerNumber, request: RequestId) {
        if !self.members.contains_key(&talker) {
            return;
        }
        let seen = self.seen.entry(talker).or_default();
        let recent = seen.len().saturating_sub(8);
        match seen[recent..].iter_mut().find(|known| known.0 == request) {
            Some(known) => known.1 = true,
            None => seen.push((request, true, None)),
        }
        let own = self.book.iter().position(|line| {
            line.who.talker == talker && line.request == request && (line.holds() || line.waits())
        });
        if let Some(own) = own {
            if self.book[own].waits() {
                self.book[own].over = Some(Over::Cancelled);
                self.tell_positions();
            } else {
                self.release(own, Road::Datagram);
            }
        }
        self.said.push(Effect::Cancelled { talker, request });
    }

    pub(crate) fn released(&mut self, by: Speaker, road: Road) {
        if !self.members.contains_key(&by.talker) {
            return;
        }
        let own = self.book.iter().position(|line| line.holds() && line.speaker() == Some(by));
        match own {
            Some(own) => self.release(own, road),
            None if road == Road::Stream && !self.lapsed(by) && !self.comes_again(by) => {
                self.said.push(Effect::Refused { talker: by.talker, code: ErrorCode::WrongGrant });
            }
            None => {}
        }
    }

    /// Whether it is one of the last eight that its member, since it came, released in a way that comes again.
    fn comes_again(&mut self, by: Speaker) -> bool {
        let own = self.book.iter_mut().filter(|line| line.said_again && line.who.talker == by.talker);
        let mut own: Vec<_> = own.collect();
        own.sort_by_key(|line| line.grant);
        let again = own.into_iter().rev().take(8).find(|line| line.grant == Some(by.grant));
        again.map(|line| line.came_again = true).is_some()
    }

    pub(crate) fn release(&mut self, own: usize, road: Road) {
        let until = self.now + millis(self.rules.release_tail);
        self.book[own].said_again = road == Road::Datagram;
        self.book[own].tail_until = Some(until);
        self.end(own, Over::Release);
        self.admit();
    }

    pub(crate) fn left(&mut self, talker: TalkerNumber) {
        self.version += 1;
        self.kept.remove(&talker);
        self.departed.push(talker);
        self.members.remove(&talker);
        self.gone_from_the_floor(talker);
    }

    /// Nothing of it is waited for or heard.
    pub(crate) fn gone_from_the_floor(&mut self, talker: TalkerNumber) {
        self.seen.remove(&talker);
        for index in 0..self.book.len() {
            if self.book[index].who.talker != talker {
                continue;
            }
            self.book[index].cut_tail(Over::Leave);
            self.book[index].said_again = false;
            if self.book[index].waits() {
                self.book[index].over = Some(Over::Leave);
            } else if self.book[index].holds() {
                self.end(index, Over::Leave);
            }
        }
        self.admit();
    }

    pub(crate) fn dispatched(&mut self, action: DispatchAction, talker: TalkerNumber) {
        let targets = match action {
            DispatchAction::Revoke => vec![talker],
            DispatchAction::Mute => self.muted(talker, true),
            DispatchAction::Unmute => {
                self.muted(talker, false);
                return;
            }
            DispatchAction::Clear => return self.cleared(),
        };
        let mute = action == DispatchAction::Mute;
        for target in &targets {
            self.unqueue(*target, if mute { DenyCause::ReceiveOnly } else { DenyCause::Other });
            let grace = if mute { 0 } else { millis(self.rules.t3) };
            for index in self.held_by(*target) {
                self.revoke(index, RevokeCause::NoPermission, grace);
            }
        }
        if mute {
            targets.iter().for_each(|target| self.silence(*target));
            self.admit();
        }
    }

    fn cleared(&mut self) {
        for index in self.waiting() {
            let (asker, request) = (self.book[index].who.talker, self.book[index].request);
            self.book[index].over = Some(Over::Dispatched);
            self.deny(asker, request, DenyCause::Other);
        }
        for index in self.holding_indices() {
            self.revoke(index, RevokeCause::NoPermission, 0);
            self.lapse(index, Over::Dispatched);
        }
        self.book.iter_mut().for_each(|line| line.cut_tail(Over::Dispatched));
    }

    /// A user may talk no more, or again; the members for whom that is new.
    fn muted(&mut self, talker: TalkerNumber, muted: bool) -> Vec<TalkerNumber> {
        let Some(user) = self.members.get(&talker).map(|member| member.who.user.clone()) else {
            return vec![];
        };
        let mut changed = Vec::new();
        for member in self.members.values_mut() {
            if member.who.user == user && member.muted != muted {
                member.muted = muted;
                changed.push(member.talker);
            }
        }
        self.muted.retain(|other| *other != user);
        if muted {
            self.muted.insert(user);
        }
        self.version += changed.len() as u64;
        changed
    }

    fn unqueue(&mut self, talker: TalkerNumber, cause: DenyCause) {
        for index in self.waiting() {
            let (asker, request) = (self.book[index].who.talker, self.book[index].request);
            if asker == talker {
                self.book[index].over = Some(Over::Dispatched);
                self.deny(asker, request, cause);
            }
        }
        self.tell_positions();
    }

    fn silence(&mut self, talker: TalkerNumber) {
        for index in self.held_by(talker) {
            self.lapse(index, Over::Dispatched);
        }
        let own = self.book.iter_mut().filter(|line| line.who.talker == talker);
        own.for_each(|line| line.cut_tail(Over::Dispatched));
    }

    pub(crate) fn held_by(&self, talker: TalkerNumber) -> Vec<usize> {
        let mut held = self.holding_indices();
        held.retain(|index| self.book[*index].who.talker == talker);
        held
    }

    pub(crate) fn fired(&mut self) {
        let now = self.now;
        for line in self.book.iter_mut().filter(|line| line.tail_until.is_some_and(|until| until <= now)) {
            line.tail_until = None;
        }
        loop {
            let due = |index: &usize| self.book[*index].ends_at(self.rules).0;
            let Some(index) = self.holding_indices().into_iter().min_by_key(due) else { break };
            match self.book[index].ends_at(self.rules) {
                (at, _) if at > now => break,
                (_, Over::Revoked) => {
                    self.revoke(index, RevokeCause::MediaBurstTooLong, millis(self.rules.t3))
                }
                (_, how) => {
                    self.lapse(index, how);
                    self.admit();
                }
            }
        }
        for index in self.holding_indices() {
            self.speak(index);
        }
    }

    /// T4 begins where a channel gets its first member, or where the last grant of any ended.
    pub(crate) fn rests(&mut self) {
        let given = self.book.iter().filter(|line| line.grant.is_some()).count();
        let holds = self.holders().next().is_some();
        let now = (self.members.is_empty(), given, holds);
        if self.idle.1 != now {
            let stands = !now.0 && !holds;
            let begins = self.idle.1.0 || self.idle.1.1 != given || self.idle.1.2;
            self.idle =
                (if begins { stands.then_some(self.now) } else { self.idle.0.filter(|_| stands) }, now);
        }
    }

    pub(crate) fn inactive(&mut self) {
        let (Some(since), Some(t4)) = (self.idle.0, self.rules.t4) else { return };
        if since + millis(t4) <= self.now {
            self.idle.0 = None;
            self.said.push(Effect::Inactive);
        }
    }

    fn speak(&mut self, index: usize) {
        let (now, rules) = (self.now, self.rules);
        let line = &mut self.book[index];
        let Some(Speaker { talker, grant }) = line.speaker() else { return };
        let limit = line.limit;
        let warning = millis(rules.warning);
        let unlimited = line.level == Level::Emergency;
        if !line.warned
            && !unlimited
            && line.grace.is_none()
            && 0 < warning
            && rules.warning < rules.t2
            && limit.saturating_sub(warning) <= now
        {
            line.warned = true;
            let remaining = Duration::from_millis(limit.saturating_sub(now));
            self.said.push(Effect::Warning { talker, grant, remaining });
        }
        if !rules.renewal.is_zero() && line.told_taken + millis(rules.renewal) <= now {
            self.taken(index);
        }
        let line = &mut self.book[index];
        if line.repeats > 0 && line.told_granted + millis(rules.repeat) <= now {
            line.repeats -= 1;
            line.told_granted = now;
            let Effect::Granted { request, duration, .. } = line.granted(now) else { return };
            self.said.push(Effect::Repeat { talker, request, grant, duration });
        }
    }

    fn lapse(&mut self, index: usize, how: Over) {
        self.lapsed.extend(self.book[index].speaker());
        self.end(index, how);
    }

    fn end(&mut self, index: usize, how: Over) {
        let line = &mut self.book[index];
        line.over = Some(how);
        self.said.extend(line.grant.map(|grant| Effect::Idle { grant }));
    }
}
