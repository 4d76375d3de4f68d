//! Emergency alerts of one channel: who raised one, and that everybody hears of it, those too who come later.

use std::collections::BTreeMap;
use std::sync::Arc;

use suara_channel::Right;
use suara_proto::message::{Alert, Location, ServerMessage};
use suara_proto::{ErrorCode, TalkerNumber};

use super::room::Room;
use crate::session::Port;

/// Alerts in force at a time: each is one user's. More would be an attack, or a catastrophe in which one more tells nothing.
const MAX_ALERTS: usize = 64;

/// What somebody in an emergency says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Where.
    pub location: Option<Location>,
    /// In words.
    pub text: Option<String>,
}

/// By user: whoever raised one may come back under another number.
#[derive(Default)]
pub(super) struct Alerts {
    in_force: BTreeMap<Arc<str>, Raised>,
}

struct Raised {
    talker: TalkerNumber,
    name: Arc<str>,
    alarm: Alarm,
}

impl Alerts {
    /// `false` when there is no room for one more.
    fn raise(&mut self, user: Arc<str>, raised: Raised) -> bool {
        let has_room = self.in_force.len() < MAX_ALERTS || self.in_force.contains_key(&user);
        if has_room {
            self.in_force.insert(user, raised);
        }
        has_room
    }

    fn cancel(&mut self, user: &str) -> bool {
        self.in_force.remove(user).is_some()
    }

    /// In the words of the protocol, the oldest first.
    fn all(&self) -> impl Iterator<Item = Alert<'_>> {
        let mut all: Vec<_> = self.in_force.iter().collect();
        all.sort_by_key(|(_, raised)| raised.alarm.at);
        all.into_iter().map(|(user, Raised { talker, name, alarm })| Alert {
            talker: *talker,
            user: (&**user).into(),
            name: (&**name).into(),
            at: alarm.at,
            location: alarm.location,
            text: alarm.text.as_deref().map(Into::into),
        })
    }
}

impl Room {
    /// A member raises an alert, or says something else of its own; everybody is told. `false` when there are too many, or it
    /// is no member any more.
    pub(super) fn raise(&mut self, talker: TalkerNumber, alarm: Alarm) -> bool {
        let Some(member) = self.channel.member(talker) else { return false };
        let (user, name) = (member.who.user.clone(), member.who.name.clone());
        let raised = self.alerts.raise(user.clone(), Raised { talker, name, alarm });
        if raised {
            tracing::warn!(channel = %self.handle.number, %talker, "an emergency");
            let alert = self.alerts.all().find(|alert| *alert.user == *user);
            alert.into_iter().for_each(|alert| {
                self.tell_all(&ServerMessage::EmergencyAlert { channel: self.handle.number, alert });
            });
        }
        raised
    }

    /// An alert is over, by who raised it or by a dispatcher; everybody is told.
    pub(super) fn cancel_alert(&mut self, by: TalkerNumber, user: Option<&str>) -> Result<(), ErrorCode> {
        let member = self.channel.member(by).ok_or(ErrorCode::NotJoined)?;
        let own = member.who.user.clone();
        let user = user.unwrap_or(&own);
        if *user != *own && !member.rights.has(Right::Dispatch) {
            return Err(ErrorCode::Forbidden);
        }
        if !self.alerts.cancel(user) {
            return Err(ErrorCode::UnknownUser);
        }
        let channel = self.handle.number;
        self.tell_all(&ServerMessage::EmergencyOver { channel, user: user.into(), by: (&*own).into() });
        Ok(())
    }

    /// Tells one that comes, or is back, what is in force.
    pub(super) fn tell_alerts(&self, port: &Port) {
        for alert in self.alerts.all() {
            port.outbox.say(&ServerMessage::EmergencyAlert { channel: self.handle.number, alert });
        }
    }

    pub(super) fn tell_all(&self, message: &ServerMessage<'_>) {
        let framed = suara_proto::message::encode(message);
        for present in self.present.values() {
            present.port.outbox.send(framed.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(at: u64, talker: u16) -> Raised {
        let alarm = Alarm { at, location: None, text: None };
        Raised { talker: TalkerNumber(talker), name: "A".into(), alarm }
    }

    #[test]
    fn a_user_has_one_alert_and_there_is_a_bound() {
        let mut alerts = Alerts::default();
        for user in 0..MAX_ALERTS {
            assert!(alerts.raise(format!("user {user}").into(), raised(1000 - user as u64, 1)));
        }
        assert!(!alerts.raise("one more".into(), raised(1, 2)));
        assert!(alerts.raise("user 3".into(), raised(2000, 9)), "again, from elsewhere");
        let last = alerts.all().last().map(|alert| (alert.user.into_owned(), alert.talker.0));
        assert_eq!((alerts.all().count(), last), (MAX_ALERTS, Some(("user 3".to_owned(), 9))));
        assert!(alerts.cancel("user 3") && !alerts.cancel("user 3"));
        assert!(alerts.raise("one more".into(), raised(1, 2)));
    }
}
