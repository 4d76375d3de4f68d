//! Emergency alerts of one channel: who raised one, and that everybody hears of it, those too who come later.
//!
//! They are facts that all nodes of the channel share; what is here is what this node's sessions were told.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize as _;
use suara_channel::Right;
use suara_cluster::{Op, Outcome};
use suara_proto::message::{Alert, Location, ServerMessage};
use suara_proto::{ErrorCode, TalkerNumber};
use tokio::sync::oneshot;

use super::room::Room;
use super::submit::Answer;
use super::words::{ALERT, RoomWord};
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
    in_force: BTreeMap<Arc<str>, Alert<'static>>,
}

impl Alerts {
    fn has_room_for(&self, user: &str) -> bool {
        self.in_force.len() < MAX_ALERTS || self.in_force.contains_key(user)
    }

    /// Whether it says anything new.
    fn put(&mut self, user: &str, alert: Alert<'static>) -> bool {
        let news = self.in_force.get(user) != Some(&alert);
        self.in_force.insert(user.into(), alert);
        news
    }

    fn remove(&mut self, user: &str) -> bool {
        self.in_force.remove(user).is_some()
    }

    /// The oldest first.
    fn all(&self) -> impl Iterator<Item = &Alert<'static>> {
        let mut all: Vec<_> = self.in_force.values().collect();
        all.sort_by_key(|alert| alert.at);
        all.into_iter()
    }
}

impl Room {
    /// A member raises an alert, or says something else of its own. The answer, once everybody is told, is `false` when there
    /// are too many, or it is no member any more.
    pub(super) fn raise(&mut self, talker: TalkerNumber, alarm: Alarm, reply: oneshot::Sender<bool>) {
        let here = self.seats.contains_key(&talker);
        let member =
            self.channel().member(talker).filter(|member| here && self.alerts.has_room_for(&member.who.user));
        let Some(member) = member else { return reply.send(false).unwrap_or_default() };
        let Alarm { at, location, text } = alarm;
        let user = member.who.user.clone();
        let (of, name, text) = ((&*user).into(), (&*member.who.name).into(), text.map(Into::into));
        let value = serde_json::to_vec(&Alert { talker, user: of, name, at, location, text }).ok();
        tracing::warn!(channel = %self.handle.number, %talker, "an emergency");
        self.submit(Op::Share { key: format!("{ALERT}{user}"), value }, |room, outcome| {
            let is = outcome == Outcome::Done(true);
            room.answers.push(Answer { to: reply, is, otherwise: None });
        });
    }

    /// An alert is over, by who raised it or by a dispatcher; everybody is told.
    pub(super) fn cancel_alert(&mut self, by: TalkerNumber, user: Option<&str>) -> Result<(), ErrorCode> {
        let member = self.channel().member(by).ok_or(ErrorCode::NotJoined)?;
        let (own, dispatches) = (member.who.user.clone(), member.rights.has(Right::Dispatch));
        let user: Arc<str> = user.map_or(own.clone(), Arc::from);
        if user != own && !dispatches {
            return Err(ErrorCode::Forbidden);
        }
        if !self.alerts.in_force.contains_key(&user) {
            return Err(ErrorCode::UnknownUser);
        }
        let key = format!("{ALERT}{user}");
        self.say_rooms(&RoomWord::AlertOver { user, by: own });
        self.order(Op::Share { key, value: None });
        Ok(())
    }

    /// An alert is in force, or isn't any more.
    pub(super) fn alert_shared(&mut self, user: &str, value: Option<&[u8]>) {
        let Some(value) = value else { return self.alert_over(user, user) };
        let mut json = serde_json::Deserializer::from_slice(value);
        let Ok(alert) = Alert::deserialize(&mut json).map(owned) else { return };
        if self.alerts.put(user, alert.clone()) {
            self.tell_all(&ServerMessage::EmergencyAlert { channel: self.handle.number, alert });
        }
    }

    pub(super) fn alert_over(&mut self, user: &str, by: &str) {
        if self.alerts.remove(user) {
            let channel = self.handle.number;
            self.tell_all(&ServerMessage::EmergencyOver { channel, user: user.into(), by: by.into() });
        }
    }

    /// All facts may be others by now.
    pub(super) fn alerts_adopted(&mut self) {
        let shared = self.replica.shared().filter_map(|(key, value)| Some((key.strip_prefix(ALERT)?, value)));
        let shared: BTreeMap<String, Vec<u8>> =
            shared.map(|(user, value)| (user.to_owned(), value.to_vec())).collect();
        let over: Vec<_> =
            self.alerts.in_force.keys().filter(|user| !shared.contains_key(&***user)).cloned().collect();
        over.iter().for_each(|user| self.alert_over(user, user));
        shared.iter().for_each(|(user, value)| self.alert_shared(user, Some(value)));
    }

    /// Tells one that comes, or is back, what is in force.
    pub(super) fn tell_alerts(&self, port: &Port) {
        for alert in self.alerts.all() {
            port.outbox
                .say(&ServerMessage::EmergencyAlert { channel: self.handle.number, alert: alert.clone() });
        }
    }

    pub(super) fn tell_all(&self, message: &ServerMessage<'_>) {
        let framed = suara_proto::message::encode(message);
        for present in self.present.values() {
            present.port.outbox.send(framed.clone());
        }
    }
}

fn owned(alert: Alert<'_>) -> Alert<'static> {
    let Alert { talker, user, name, at, location, text } = alert;
    let own = |text: std::borrow::Cow<'_, str>| text.into_owned().into();
    Alert { talker, user: own(user), name: own(name), at, location, text: text.map(own) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(user: &str, at: u64, talker: u16) -> Alert<'static> {
        let user = user.to_owned().into();
        Alert { talker: TalkerNumber(talker), user, name: "A".into(), at, location: None, text: None }
    }

    #[test]
    fn a_user_has_one_alert_and_there_is_a_bound() {
        let mut alerts = Alerts::default();
        for user in 0..MAX_ALERTS {
            let name = format!("user {user}");
            assert!(alerts.has_room_for(&name) && alerts.put(&name, raised(&name, 1000 - user as u64, 1)));
        }
        assert!(!alerts.has_room_for("one more"));
        assert!(alerts.put("user 3", raised("user 3", 2000, 9)), "again, from elsewhere");
        assert!(!alerts.put("user 3", raised("user 3", 2000, 9)), "nothing new");
        let last = alerts.all().last().map(|alert| (alert.user.to_string(), alert.talker.0));
        assert_eq!((alerts.all().count(), last), (MAX_ALERTS, Some(("user 3".to_owned(), 9))));
        assert!(alerts.remove("user 3") && !alerts.remove("user 3"));
        assert!(alerts.has_room_for("one more"));
    }
}
