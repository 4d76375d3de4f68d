//! `emergency` and `emergency_cancel`: a client's voice goes to the emergency channel for a while, then to where it went before.

use std::time::Instant;

use serde_json::{Value, json};
use suara_proto::limits::MAX_ALERT_TEXT;
use suara_proto::message::{Level, Location};
use suara_proto::text;

use super::payload::{self, ChannelId, Fault, present};
use super::session::{Answer, Membership, Session};
use crate::audio::Format;
use crate::channel::{Input, Wish};
use crate::desk::Emergency;
use crate::notify;

/// What is open of an emergency's microphone.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// The channel of the newest emergency that this client raised, by name.
    channel: Option<String>,
    /// Until when voice goes there.
    until: Option<Instant>,
}

impl Alarm {
    /// When the microphone closes; never, while none is open.
    pub(super) async fn ends(&self) {
        match self.until {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Where the client's voice goes among its channels: to its emergency, or to the one joined last.
    pub(super) fn place(&self, memberships: &[Membership]) -> Option<usize> {
        let name = self.until.and(self.channel.as_deref());
        let alarmed = name.and_then(|name| memberships.iter().position(|there| there.id.name == name));
        alarmed.or(memberships.len().checked_sub(1))
    }

    /// The client is in a channel no more.
    pub(super) fn left(&mut self, name: &str) {
        self.until = self.until.filter(|_| self.channel.as_deref() != Some(name));
    }
}

impl Session {
    /// Raises it, and talks: what the client sends from the answer on goes there.
    pub(super) async fn emergency(&mut self, payload: Option<&Value>) -> Result<Value, Fault> {
        let what = emergency(payload)?;
        let member = self.attached.member;
        let raised = self.shared.desk.emergency(member, what).await?;
        self.end_alarm();
        let name = raised.channel;
        let spelling = self.enter_emergency(&name).await?;
        if let Some(Membership { id, channel, .. }) = self.memberships.last()
            && id.name != name
        {
            channel.tell(Input::Release { member });
        }
        if let Some(Membership { channel, .. }) = self.memberships.iter().find(|there| there.id.name == name)
        {
            let wish = Wish { level: Level::Emergency, priority: None, queue: true };
            channel.tell(Input::Press { member, wish });
        }
        self.alarm = Alarm { channel: Some(name), until: Some(Instant::now() + raised.microphone) };
        let microphone_ms = u64::try_from(raised.microphone.as_millis()).unwrap_or(u64::MAX);
        Ok(json!({ "status": "ok", "channel": spelling, "microphone_ms": microphone_ms }))
    }

    /// The client hears the channel from now on, as one that it joined, and goes on to talk where it talked.
    async fn enter_emergency(&mut self, name: &str) -> Result<Value, Fault> {
        if let Some(there) = self.memberships.iter().find(|there| there.id.name == name) {
            return Ok(there.id.spelling.clone());
        }
        let default = Format::new(None, self.shared.default_sample_rate)?;
        let format = self.memberships.last().map_or(default, |last| last.format);
        let id = ChannelId { spelling: json!(name), name: name.to_owned() };
        let spelling = id.spelling.clone();
        let listener = self.listener(format, &id);
        let seated = self.shared.desk.join(self.attached.member, id.name.clone(), listener).await?;
        self.socket.join(notify::channel_room(&id.name));
        self.memberships.insert(0, Membership { id, channel: seated.channel, format });
        Ok(spelling)
    }

    /// The microphone closes: what is sent from now on goes where it went before.
    pub(super) fn end_alarm(&mut self) {
        if self.alarm.until.is_some()
            && let Some(there) = self.alarm.place(&self.memberships).and_then(|at| self.memberships.get(at))
        {
            there.channel.tell(Input::Release { member: self.attached.member });
        }
        self.alarm.until = None;
    }

    /// One's own emergency is over, or as a dispatcher another user's.
    pub(super) fn end_emergency(&mut self, payload: Option<&Value>) -> Answer {
        let named = payload::floor(payload)?.map(|id| id.name).or_else(|| self.alarm.channel.clone());
        let name = named.ok_or(Fault::NotJoined)?;
        let user = user(payload)?;
        let there = self.memberships.iter().find(|there| there.id.name == name).ok_or(Fault::NotJoined)?;
        let spelling = there.id.spelling.clone();
        if user.as_deref().is_none_or(|user| user == &*self.attached.who.user) {
            self.end_alarm();
        }
        self.shared.desk.end_emergency(self.attached.member, name, user);
        Ok(Some(spelling))
    }
}

fn user(payload: Option<&Value>) -> Result<Option<String>, Fault> {
    let user = payload.and_then(Value::as_object).and_then(|fields| present(fields, "user_id"));
    user.map(|user| user.as_str().map(str::to_owned).ok_or(Fault::Emergency)).transpose()
}

fn emergency(payload: Option<&Value>) -> Result<Emergency, Fault> {
    let fields = match payload {
        None | Some(Value::Null) => return Ok(Emergency::default()),
        Some(payload) => payload.as_object().ok_or(Fault::NoObject)?,
    };
    let text = present(fields, "text").map(|text| {
        let plain = text.as_str().filter(|text| text::is_plain(text, MAX_ALERT_TEXT));
        plain.map(str::to_owned).ok_or(Fault::Emergency)
    });
    let location = present(fields, "location").map(|place| location(place).ok_or(Fault::Emergency));
    Ok(Emergency { location: location.transpose()?, text: text.transpose()? })
}

/// A place in degrees and metres, as devices tell it.
fn location(place: &Value) -> Option<Location> {
    let fields = place.as_object()?;
    let e7 = |name| {
        let degrees = fields.get(name)?.as_f64()?;
        // Out of bounds is no number of 32 bits, or not on Earth.
        let e7 = (degrees * 1e7).round();
        (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&e7).then_some(e7 as i32)
    };
    let accuracy_m = match present(fields, "accuracy") {
        None => None,
        Some(metres) => {
            let metres = metres.as_f64().filter(|metres| (0.0..=f64::from(u32::MAX)).contains(metres))?;
            Some(metres.ceil() as u32)
        }
    };
    let location = Location { latitude_e7: e7("latitude")?, longitude_e7: e7("longitude")?, accuracy_m };
    location.is_on_earth().then_some(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emergency_may_say_where_and_what() {
        assert_eq!(emergency(None), Ok(Emergency::default()));
        let said = emergency(Some(&json!({
            "text": "Man down", "location": { "latitude": -6.2088, "longitude": 106.8456, "accuracy": 11.5 },
        })));
        let location =
            Location { latitude_e7: -62_088_000, longitude_e7: 1_068_456_000, accuracy_m: Some(12) };
        assert_eq!(said, Ok(Emergency { location: Some(location), text: Some("Man down".to_owned()) }));
        let without = emergency(Some(&json!({ "location": { "latitude": 0, "longitude": 180 } })));
        assert!(without.is_ok_and(|said| said.location.is_some_and(|place| place.accuracy_m.is_none())));
    }

    #[test]
    fn what_is_nowhere_and_no_line_is_refused() {
        for bad in [
            json!({ "text": 7 }),
            json!({ "text": "" }),
            json!({ "text": "two\nlines" }),
            json!({ "text": "x".repeat(257) }),
            json!({ "location": "here" }),
            json!({ "location": { "latitude": 1 } }),
            json!({ "location": { "latitude": 90.1, "longitude": 0 } }),
            json!({ "location": { "latitude": 0, "longitude": 1e300 } }),
            json!({ "location": { "latitude": 0, "longitude": 0, "accuracy": -1 } }),
        ] {
            assert_eq!(emergency(Some(&bad)), Err(Fault::Emergency), "{bad}");
        }
        assert_eq!(emergency(Some(&json!("help"))), Err(Fault::NoObject));
        assert_eq!(user(Some(&json!({ "user_id": 7 }))), Err(Fault::Emergency));
    }
}
