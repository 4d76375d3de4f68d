//! Who is in the channel: members, the numbers they are known by, and what changed since it was last told.
//!
//! Knows nothing of the floor: a member that leaves while it talks is the channel's business.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use suara_proto::message::{Right, Rights, TalkerLeft};
use suara_proto::{LeaveReason, TalkerNumber};
use thiserror::Error;

use crate::effect::RosterDelta;
use crate::numbers::Numbers;
use crate::settings::Settings;
use crate::time::Time;

/// Who a member is, as its token says. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user's id. Several members may have the same: a member is a device.
    pub user: Arc<str>,
    /// The name to show.
    pub name: Arc<str>,
    /// The token's role.
    pub role: Arc<str>,
    /// Among requests for the floor, 0 to 255.
    pub priority: u8,
}

impl Identity {
    /// Puts an identity together, of the lowest priority.
    #[must_use]
    pub fn new(user: impl Into<Arc<str>>, name: impl Into<Arc<str>>, role: impl Into<Arc<str>>) -> Self {
        Self { user: user.into(), name: name.into(), role: role.into(), priority: 0 }
    }

    /// The same with a priority.
    #[must_use]
    pub fn with_priority(self, priority: u8) -> Self {
        Self { priority, ..self }
    }
}

/// One who is in the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its number in this channel, never 0.
    pub talker: TalkerNumber,
    /// Who it is.
    pub who: Identity,
    /// What it may do here.
    pub rights: Rights,
    /// A dispatcher doesn't let it talk.
    pub muted: bool,
    /// Its transport is lost, and its place is kept for a while.
    pub unreachable: bool,
}

impl Member {
    /// Whether it is here to hear only.
    #[must_use]
    pub const fn is_listen_only(&self) -> bool {
        !self.rights.has(Right::Talk)
    }
}

/// Why somebody may not enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum JoinError {
    /// Without [`Right::Listen`].
    #[error("no right to listen to this channel")]
    MayNotListen,
    /// [`Settings::max_members`] are here, or every talker number is in use or at rest.
    #[error("the channel is full")]
    Full,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Roster {
    members: BTreeMap<TalkerNumber, Member>,
    numbers: Numbers,
    version: u64,
    /// The version that was last told; the two lists are what happened since.
    told: u64,
    joined: Vec<Member>,
    left: Vec<TalkerLeft>,
    changed: BTreeSet<TalkerNumber>,
    /// Users, not members: to come back is no way out.
    muted: BTreeSet<Arc<str>>,
    /// Of the unreachable: until when their places are kept, by number and in the order of those times.
    kept: BTreeMap<TalkerNumber, Time>,
    ends: BTreeSet<(Time, TalkerNumber)>,
}

impl Roster {
    pub(crate) fn join(
        &mut self,
        now: Time,
        settings: &Settings,
        who: Identity,
        rights: Rights,
        claim: Option<TalkerNumber>,
    ) -> Result<TalkerNumber, JoinError> {
        if !rights.has(Right::Listen) {
            return Err(JoinError::MayNotListen);
        }
        if self.members.len() >= settings.max_members {
            return Err(JoinError::Full);
        }
        let claimed = claim.filter(|number| self.numbers.claim(*number));
        let talker = claimed.or_else(|| self.numbers.take(now)).ok_or(JoinError::Full)?;
        let muted = self.muted.contains(&who.user);
        let member = Member { talker, who, rights, muted, unreachable: false };
        self.joined.push(member.clone());
        self.members.insert(talker, member);
        self.version += 1;
        Ok(talker)
    }

    pub(crate) fn leave(&mut self, talker: TalkerNumber, reason: LeaveReason) -> bool {
        let was_here = self.members.remove(&talker).is_some();
        if was_here {
            self.keep_no_longer(talker);
            self.left.push(TalkerLeft { talker, reason });
            self.version += 1;
        }
        was_here
    }

    /// A number for one who is no member.
    pub(crate) fn number(&mut self, now: Time) -> Option<TalkerNumber> {
        self.numbers.take(now)
    }

    /// It isn't used any more.
    pub(crate) fn rest(&mut self, talker: TalkerNumber, until: Time) {
        self.numbers.rest(talker, until);
    }

    /// A member is unreachable from now on, and is kept its place until then. `false` when it was so before, or isn't here.
    pub(crate) fn lose(&mut self, talker: TalkerNumber, until: Time) -> bool {
        let news = self.set_unreachable(talker, true);
        if news {
            self.kept.insert(talker, until);
            self.ends.insert((until, talker));
        }
        news
    }

    /// A member is here again. `false` when it was all the time, or isn't.
    pub(crate) fn find(&mut self, talker: TalkerNumber) -> bool {
        self.keep_no_longer(talker);
        self.set_unreachable(talker, false)
    }

    /// When the first place isn't kept any longer.
    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// One whose place isn't kept any longer.
    pub(crate) fn expired(&self, now: Time) -> Option<TalkerNumber> {
        self.ends.first().filter(|(until, _)| *until <= now).map(|(_, talker)| *talker)
    }

    fn set_unreachable(&mut self, talker: TalkerNumber, unreachable: bool) -> bool {
        let member = self.members.get_mut(&talker).filter(|member| member.unreachable != unreachable);
        let Some(member) = member else { return false };
        member.unreachable = unreachable;
        self.changed.insert(talker);
        self.version += 1;
        true
    }

    fn keep_no_longer(&mut self, talker: TalkerNumber) {
        if let Some(until) = self.kept.remove(&talker) {
            self.ends.remove(&(until, talker));
        }
    }

    /// Says whether a member's user may talk here, by all its members, those to come too. Those for whom that is new.
    pub(crate) fn mute(&mut self, talker: TalkerNumber, muted: bool) -> Vec<TalkerNumber> {
        let Some(user) = self.members.get(&talker).map(|member| member.who.user.clone()) else {
            return vec![];
        };
        let mut changed = Vec::new();
        for member in self.members.values_mut().filter(|member| member.who.user == user) {
            if member.muted != muted {
                member.muted = muted;
                changed.push(member.talker);
            }
        }
        if muted {
            self.muted.insert(user);
        } else {
            self.muted.remove(&user);
        }
        self.changed.extend(&changed);
        self.version += changed.len() as u64;
        changed
    }

    /// What is still to be told, once. The numbers of those who left come to rest only now: were one given anew within
    /// the same delta, "put in, then remove" would remove the newcomer.
    pub(crate) fn take_delta(&mut self, now: Time, rest: Duration) -> Option<RosterDelta> {
        if self.told == self.version {
            return None;
        }
        for gone in &self.left {
            self.numbers.rest(gone.talker, now + rest);
        }
        Some(RosterDelta {
            since: mem::replace(&mut self.told, self.version),
            version: self.version,
            joined: mem::take(&mut self.joined),
            left: mem::take(&mut self.left),
            changed: mem::take(&mut self.changed)
                .iter()
                .filter_map(|talker| self.members.get(talker).cloned())
                .collect(),
        })
    }

    pub(crate) fn get(&self, talker: TalkerNumber) -> Option<&Member> {
        self.members.get(&talker)
    }

    pub(crate) fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    /// Versions of a later epoch are above those of all earlier ones, also of those that nobody remembers: who knows one of another
    /// side of a split takes the newer for newer. The first epoch's begin at nothing.
    pub(crate) fn open_epoch(&mut self, epoch: u16) {
        self.version = self.version.max(u64::from(epoch.saturating_sub(1)) << 32);
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }
}
