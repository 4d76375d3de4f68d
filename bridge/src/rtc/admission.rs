//! Who is let in: a token that the gateway verifies, and a channel that it gives a right to.

use std::sync::Arc;

use serde_json::Value;
use socketioxide::socket::Sid;

use super::Rtc;
use super::fault::Fault;
use crate::audio::Format;
use crate::channel::{Listener, RTC, Seat};
use crate::desk::{JoinError, Seated};
use crate::edge::Line;
use crate::sio::{Admitted, Refusal, query, verify};

/// Has the gateway verify the token in the query. One who comes without is refused here; a deployment that admits clients
/// without a token has to give them one at this place.
pub(super) async fn let_in(rtc: &Rtc, asked: &str) -> Result<Admitted, Fault> {
    verify(&rtc.shared, query(asked, "token")).await.map_err(|refusal| match refusal {
        Refusal::Token => Fault::Unauthenticated,
        Refusal::TooMany => Fault::TooManyConnections,
        Refusal::Unavailable => Fault::Unavailable,
    })
}

/// What a client of RTC is to a channel. Its media drops by itself what gets old.
pub(super) fn listener(sid: Sid, channel: &str) -> Listener {
    let line = Arc::new(Line::by_datagram());
    let seat = Seat { space: RTC, sid };
    Listener { seat, line, format: Format::Opus, spelling: Value::from(channel) }
}

/// Brings a client into its channel.
pub(super) async fn join(
    rtc: &Rtc,
    admission: &Admitted,
    channel: &str,
    listener: Listener,
) -> Result<Seated, Fault> {
    let joined = rtc.shared.desk.join(admission.attached.member, channel.to_owned(), listener).await;
    joined.map_err(|error| match error {
        JoinError::Forbidden => Fault::Forbidden,
        JoinError::Full => Fault::ChannelFull,
        JoinError::Name | JoinError::TooMany => Fault::BadChannel,
        JoinError::TooFast => Fault::RateLimited,
        JoinError::Unavailable => Fault::Unavailable,
    })
}
