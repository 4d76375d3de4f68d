//! One who raises an emergency: into the emergency channel, if it isn't there, and the alert to everybody in it.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::{SystemTime, UNIX_EPOCH};

use suara_proto::limits::MAX_ALERT_TEXT;
use suara_proto::message::{Location, Right, ServerMessage};
use suara_proto::text::is_plain;
use suara_proto::{ChannelNumber, ErrorCode, MemberRef, RequestId, TalkerNumber};

use super::calls::rights_in;
use super::dispatch::{UNDECIDED, identity};
use super::members::Seat;
use super::serve::Session;
use crate::hub::{Alarm, JoinRefused, Joining, RoomHandle};

/// Everybody in the channel is told: it counts as so many messages more.
const ALERT_COST: NonZeroU32 = NonZeroU32::new(4).unwrap();

impl Session<'_> {
    /// Raises an emergency.
    pub(super) async fn emergency(
        &mut self,
        request: RequestId,
        member: Option<MemberRef>,
        location: Option<Location>,
        text: Option<Cow<'_, str>>,
    ) {
        if text.as_ref().is_some_and(|text| !is_plain(text, MAX_ALERT_TEXT))
            || location.is_some_and(|location| !location.is_on_earth())
        {
            let message = "the text is one line of at most 256 bytes, and the location a place on Earth";
            return self.refuse(Some(request), member, ErrorCode::BadField, message);
        }
        let (room, talker) = match self.emergency_seat(member).await {
            Ok(seat) => seat,
            Err((code, message)) => return self.refuse(Some(request), member, code, message),
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(since.as_millis()).unwrap_or_default();
        let channel = room.number;
        if !room.raise(talker, Alarm { at, location, text: text.map(Cow::into_owned) }).await {
            let code = ErrorCode::Unavailable;
            return self.refuse_in(channel, Some(request), member, code, "too many alerts are in force");
        }
        let microphone_ms = u32::try_from(self.core.calls.microphone.as_millis()).unwrap_or(u32::MAX);
        self.port.outbox.say(&ServerMessage::EmergencyRaised { request, member, channel, microphone_ms });
    }

    /// Takes an alert back, one's own or as a dispatcher another's.
    pub(super) async fn cancel_emergency(
        &mut self,
        channel: ChannelNumber,
        member: Option<MemberRef>,
        user: Option<Cow<'_, str>>,
    ) {
        let Some((room, talker)) = self.seat(None, channel, member) else { return };
        if let Err(code) = room.cancel_alert(talker, user.map(Cow::into_owned)).await {
            let message = match code {
                ErrorCode::Forbidden => "another's alert is cancelled by a dispatcher",
                _ => "there is no such alert",
            };
            self.refuse_in(channel, None, member, code, message);
        }
    }

    /// The member's place in the emergency channel, into which it is brought.
    async fn emergency_seat(
        &mut self,
        member: Option<MemberRef>,
    ) -> Result<(RoomHandle, TalkerNumber), (ErrorCode, &'static str)> {
        let name = &*self.core.calls.emergency_channel;
        let Some(attached) = self.members.get(member) else {
            return Err((ErrorCode::UnknownMember, "no such member"));
        };
        let rights = rights_in(&attached.principal, name);
        if !rights.has(Right::Emergency) {
            return Err((ErrorCode::Forbidden, "no right to raise an emergency in the emergency channel"));
        }
        if !self.affords(ALERT_COST) {
            return Err((ErrorCode::RateLimited, "alerts are raised too often"));
        }
        if let Some(seat) = attached.seats.values().find(|seat| &*seat.room.name == name) {
            return Ok((seat.room.clone(), seat.talker));
        }
        // However many channels it is in: this one comes besides.
        let who = identity(&attached.principal);
        let joining =
            Joining { port: self.port.clone(), member, request: None, who, rights, last_message: None };
        let (room, talker) = self.core.hub.join(name, joining).await.map_err(|refused| match refused {
            JoinRefused::Full => (ErrorCode::ChannelFull, "the emergency channel is full"),
            JoinRefused::MayNotListen => {
                (ErrorCode::Forbidden, "no right to listen to the emergency channel")
            }
            JoinRefused::Closing => (ErrorCode::Unavailable, "the gateway is closing"),
            JoinRefused::Unavailable => (ErrorCode::Unavailable, UNDECIDED),
        })?;
        let session = self.port.id;
        self.members.sit(member, Seat { room: room.clone(), talker, session, member });
        self.publish();
        Ok((room, talker))
    }
}
