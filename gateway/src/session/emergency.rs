//! One who raises an emergency: into the emergency channel, if it isn't there, and the alert to everybody in it.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use suara_proto::limits::MAX_ALERT_TEXT;
use suara_proto::message::{Right, ServerMessage};
use suara_proto::text::is_plain;
use suara_proto::{ChannelNumber, ErrorCode, MemberRef, RequestId, TalkerNumber};

use super::calls::rights_in;
use super::entering::{Refusal, TOO_MANY};
use super::errands::{Came, Emergency, Lane, Purpose, Waiting};
use super::serve::Session;
use crate::hub::{Alarm, RoomHandle, Told};

/// Everybody in the channel is told: it counts as so many messages more.
const ALERT_COST: NonZeroU32 = NonZeroU32::new(4).unwrap();

impl Session<'_> {
    /// Raises an emergency, in the emergency channel, into which the member is brought.
    pub(super) async fn emergency(&mut self, member: Option<MemberRef>, emergency: Emergency) {
        let Emergency { request, location, text } = &emergency;
        let request = *request;
        if text.as_ref().is_some_and(|text| !is_plain(text, MAX_ALERT_TEXT))
            || location.is_some_and(|location| !location.is_on_earth())
        {
            let message = "the text is one line of at most 256 bytes, and the location a place on Earth";
            return self.refuse(Some(request), member, ErrorCode::BadField, message);
        }
        let lane = Lane { member, channel: self.core.calls.emergency_channel.clone() };
        if self.errands.is_busy(&lane) {
            return self.wait(&lane, request, Waiting::Emergency(emergency));
        }
        if let Err((code, message)) = self.begin_emergency(lane, emergency).await {
            self.refuse(Some(request), member, code, message);
        }
    }

    async fn begin_emergency(&mut self, lane: Lane, emergency: Emergency) -> Result<(), Refusal> {
        let name = &lane.channel;
        let attached = self.members.get(lane.member).ok_or((ErrorCode::UnknownMember, "no such member"))?;
        let rights = rights_in(&attached.principal, name);
        if !rights.has(Right::Emergency) {
            return Err((ErrorCode::Forbidden, "no right to raise an emergency in the emergency channel"));
        }
        if self.is_busy() {
            return Err(TOO_MANY);
        }
        if !self.affords(ALERT_COST) {
            return Err((ErrorCode::RateLimited, "alerts are raised too often"));
        }
        if let Some(seat) = attached.seats.values().find(|seat| seat.room.name == *name) {
            let (room, talker) = (seat.room.clone(), seat.talker);
            self.raise(lane, &room, talker, emergency).await;
            return Ok(());
        }
        // However many channels it is in: this one comes besides.
        let joining = self.joining(lane.member, None, rights)?;
        let (core, told) = (self.core.clone(), joining.told.clone());
        self.errands.start(lane.clone(), told, async move {
            let entered = core.hub.join(&lane.channel, joining).await;
            Came::Entered(Purpose::Emergency(emergency), entered)
        });
        Ok(())
    }

    /// The member is in the emergency channel. Whatever it says there from now on comes after its alert.
    pub(super) async fn raise(
        &mut self,
        lane: Lane,
        room: &RoomHandle,
        talker: TalkerNumber,
        Emergency { request, location, text }: Emergency,
    ) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(since.as_millis()).unwrap_or_default();
        let (channel, raised) = (room.number, room.raise(talker, Alarm { at, location, text }).await);
        self.errands.start(lane, Told::default(), raised.map(move |is| Came::Raised(request, channel, is)));
    }

    /// It is known whether an alert is raised.
    pub(super) fn raised(&self, lane: &Lane, request: RequestId, channel: ChannelNumber, is: bool) {
        let member = lane.member;
        if !is {
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
}
