//! Calls: channels that are there for a few users and for as long as they talk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use suara_proto::limits::CALL_PREFIX;
use suara_proto::message::{CallInfo, CallKind};
use suara_proto::{LeaveReason, TalkerNumber};

use super::room::Room;
use super::words::RoomWord;

/// T4 of a call whose settings say nothing (TS 24.380, table 11.1.3-1).
pub(super) const T4: Duration = Duration::from_secs(30);

/// What an operator may choose for calls.
#[derive(Debug, Clone)]
pub struct CallSettings {
    /// Whether any user may call another.
    pub private: bool,
    /// Where emergencies are raised.
    pub emergency_channel: Arc<str>,
    /// How long the microphone of one in an emergency is to be open: 10 s; a shorter time cuts off who is hurt, a longer one
    /// keeps others from answering.
    pub microphone: Duration,
}

impl Default for CallSettings {
    fn default() -> Self {
        Self { private: true, emergency_channel: "emergency".into(), microphone: Duration::from_secs(10) }
    }
}

/// Whom a call is between.
#[derive(Debug, Clone)]
pub struct Call {
    /// How many.
    pub kind: CallKind,
    /// The user who called.
    pub by: Arc<str>,
    /// The caller's name.
    pub name: Arc<str>,
    /// Everybody who may be in it, the caller first.
    pub users: Vec<Arc<str>>,
}

/// Whether a channel's name is that of a call, which is entered by invitation.
#[must_use]
pub fn is_call(name: &str) -> bool {
    name.starts_with(CALL_PREFIX)
}

/// Whether a call can have that name.
#[must_use]
pub fn names_call(name: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.strip_prefix(CALL_PREFIX).is_some_and(|digits| digits.len() == 32 && digits.bytes().all(is_digit))
}

impl Call {
    /// A name that nobody guesses.
    pub(super) fn name() -> String {
        format!("{CALL_PREFIX}{:032x}", rand::random::<u128>())
    }

    pub(super) fn admits(&self, user: &str) -> bool {
        self.users.iter().any(|invited| **invited == *user)
    }

    pub(super) fn info(&self) -> CallInfo<'_> {
        CallInfo {
            kind: self.kind,
            by: (&*self.by).into(),
            name: (&*self.name).into(),
            users: self.users.iter().map(|user| (&**user).into()).collect(),
        }
    }
}

impl Room {
    /// Whether somebody left a call, so that it has but one user.
    pub(super) fn is_deserted_call(&self) -> bool {
        if !self.somebody_left || self.handle.call.is_none() {
            return false;
        }
        let users: BTreeSet<_> = self.channel().members().map(|member| &member.who.user).collect();
        users.len() == 1
    }

    /// Ends a call, for one who may: who made it, or a dispatcher.
    pub(super) fn end_call(&mut self, by: TalkerNumber) -> bool {
        let (Some(call), Some(member)) = (&self.handle.call, self.channel().member(by)) else { return false };
        let may = *member.who.user == *call.by || member.rights.has(suara_channel::Right::Dispatch);
        if may {
            self.end(LeaveReason::Ended);
            self.say_rooms(&RoomWord::Ended);
        }
        may
    }

    /// Everybody who is here is put out.
    pub(super) fn end(&mut self, reason: LeaveReason) {
        for talker in self.seats.keys().copied().collect::<Vec<_>>() {
            self.put_out(talker, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calls_name_is_told_from_others_by_its_form() {
        let name = Call::name();
        assert!(names_call(&name) && is_call(&name));
        let upper = name.replace(CALL_PREFIX, "").to_uppercase();
        let longer = format!("{name}0");
        for other in ["ops", CALL_PREFIX, &name[1..], &longer, &format!("{CALL_PREFIX}{upper}g")] {
            assert!(!names_call(other), "{other}");
        }
    }
}
