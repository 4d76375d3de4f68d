//! Who is let in: a token that the gateway verifies, or an identity of its own for who has none, and a channel that it gives a
//! right to.

use std::sync::Arc;

use serde_json::Value;
use socketioxide::socket::Sid;
use tokio::sync::OwnedSemaphorePermit;

use super::Rtc;
use super::fault::Fault;
use crate::audio::Format;
use crate::channel::{Listener, RTC, Seat};
use crate::desk::{JoinError, Seated};
use crate::edge::Line;
use crate::sio::{Admitted, Refusal, admit_guest, query, verify};

/// A client who was let in, and where it came without a token, its place among those.
pub(super) struct Entrance {
    pub(super) admitted: Admitted,
    pub(super) guest: Option<OwnedSemaphorePermit>,
}

/// Has the gateway verify the token in the query. One who comes without is a guest, where the deployment admits such; one with a
/// bad token never is.
pub(super) async fn let_in(rtc: &Rtc, asked: &str) -> Result<Entrance, Fault> {
    let (admitted, guest) = match (query(asked, "token"), &rtc.guests) {
        (None, Some(guests)) => {
            let place = Arc::clone(guests).try_acquire_owned().map_err(|_| Fault::TooManyConnections)?;
            (admit_guest(&rtc.shared).await, Some(place))
        }
        (token, _) => (verify(&rtc.shared, token).await, None),
    };
    let admitted = admitted.map_err(|refusal| match refusal {
        Refusal::Token => Fault::Unauthenticated,
        Refusal::NoGuests => Fault::GuestsRefused,
        Refusal::TooMany => Fault::TooManyConnections,
        Refusal::Unavailable => Fault::Unavailable,
    })?;
    Ok(Entrance { admitted, guest })
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
