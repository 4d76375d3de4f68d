//! What a broadcaster can't say, and why something of its is refused.

use suara_proto::limits::MAX_EVENT_NAME;
use suara_proto::text::is_plain;
use thiserror::Error;

/// Names that are no back end's: Socket.IO's own, and those by which clients hear of voice, the floor, their peers and stored
/// chat. A broadcaster that could say them could be taken for a talker, a peer or the server.
const RESERVED: &[&str] = &[
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
    "voice_packet",
    "channel_left",
    "chat_message",
    "chat_typing",
    "new_peer",
    "existing_peers",
    "signal",
    "peer_disconnected",
    "call",
    "emergency_alert",
    "emergency_over",
];

/// And all that begin so.
const RESERVED_PREFIXES: [&str; 2] = ["floor_", "livechat:"];

/// Why a broadcast is refused. The texts are safe to send back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    /// Not what the way that it came has.
    #[error("not an object with event and payload, or nested too deeply")]
    Malformed,
    /// Pickle, which runs whatever it says.
    #[error("pickle is never read; let the manager write JSON")]
    Pickle,
    /// More bytes than are taken.
    #[error("larger than 256 KiB")]
    Oversized,
    /// Too long, empty, or with control characters.
    #[error("event must be text of 1 to 128 bytes without control characters")]
    EventName,
    /// One of our own.
    #[error("this event's name is the server's own")]
    Reserved,
    /// A room that can't be.
    #[error("room must be user_<id>, role_<role> or a channel's name")]
    Room,
    /// `keep_ms` without one user to keep for, or of another type.
    #[error("keep_ms must be a whole number up to 2592000000, and goes with a room user_<id> alone")]
    Keep,
    /// A namespace that isn't served.
    #[error("no such namespace")]
    Space,
    /// Join, leave, disconnect and other orders to sockets.
    #[error("sockets take no orders by Redis")]
    Order,
}

impl Fault {
    /// Its name in metrics.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Malformed => "broadcast_malformed",
            Self::Pickle => "broadcast_pickle",
            Self::Oversized => "broadcast_oversized",
            Self::EventName => "broadcast_event",
            Self::Reserved => "broadcast_reserved",
            Self::Room => "broadcast_room",
            Self::Keep => "broadcast_keep",
            Self::Space => "broadcast_namespace",
            Self::Order => "broadcast_order",
        }
    }
}

/// Whether a back end may say an event of that name.
pub(super) fn check_event(event: &str) -> Result<(), Fault> {
    if !is_plain(event, MAX_EVENT_NAME) {
        return Err(Fault::EventName);
    }
    if RESERVED.contains(&event) || RESERVED_PREFIXES.iter().any(|prefix| event.starts_with(prefix)) {
        return Err(Fault::Reserved);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_speaks_for_the_server() {
        assert_eq!(check_event("ticket_created"), Ok(()));
        assert_eq!(check_event("notification"), Ok(()));
        for event in ["disconnect", "voice_packet", "signal", "floor_granted", "chat_message"] {
            assert_eq!(check_event(event), Err(Fault::Reserved), "{event}");
        }
        assert_eq!(check_event(""), Err(Fault::EventName));
        assert_eq!(check_event(&"x".repeat(129)), Err(Fault::EventName));
    }
}
