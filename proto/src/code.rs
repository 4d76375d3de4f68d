//! The words in which a gateway says no: errors, denials, revocations, leaves and closes.
//!
//! Each list ends with `other`, which is also what an unknown name is read as: a newer gateway may have more of them,
//! and its message must still be understood.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($(#[$doc:meta])* $enum:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal, $name:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $enum {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant,)*
            /// None of these; and what a newer peer's code is read as.
            #[serde(rename = "other", other)]
            Other,
        }

        impl $enum {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)* Self::Other];

            /// The name on the wire and in metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* Self::Other => "other" }
            }

            /// The number, where a code travels as one (a close capsule, 3GPP's cause fields).
            #[must_use]
            pub const fn number(self) -> u32 {
                match self { $(Self::$variant => $number,)* Self::Other => 255 }
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

codes! {
    /// Why a session ends: in `closing`, and as the code of the WebTransport close capsule.
    CloseCode {
        /// The client asked for it, or the session ended without a fault.
        Normal = 0, "normal";
        /// The gateway stops or moves; come back, here or elsewhere.
        GoingAway = 1, "going_away";
        /// The token is missing, wrong or out of date, or names nobody.
        Unauthenticated = 2, "unauthenticated";
        /// The token ran out in mid-session and none came in its place.
        TokenExpired = 3, "token_expired";
        /// No `hello` in time.
        HelloTimeout = 4, "hello_timeout";
        /// A message that can't be continued after: a bad frame, or another first message than `hello`.
        ProtocolError = 5, "protocol_error";
        /// Too many messages, and more of them after `rate_limited` was said.
        RateLimited = 6, "rate_limited";
        /// The client doesn't read what it is sent.
        SlowConsumer = 7, "slow_consumer";
        /// Thrown out by somebody with the right to.
        Kicked = 8, "kicked";
        /// A page from an origin that may not open sessions.
        OriginRefused = 9, "origin_refused";
        /// Nothing was heard from the client for too long.
        IdleTimeout = 10, "idle_timeout";
        /// The gateway's own fault.
        Internal = 11, "internal";
        /// The client speaks no version that the gateway does.
        UnsupportedVersion = 12, "unsupported_version";
        /// The gateway holds as many sessions as it may.
        Overloaded = 13, "overloaded";
        /// A newer session of the same client took its place.
        Replaced = 14, "replaced";
    }
}

codes! {
    /// Why a request was refused; the session goes on.
    ErrorCode {
        /// Not JSON, or not an object with a `type`.
        Malformed = 1, "malformed";
        /// A `type` that the gateway doesn't know.
        UnknownType = 2, "unknown_type";
        /// A field is missing or of the wrong kind.
        BadField = 3, "bad_field";
        /// The token gives no right to this.
        Forbidden = 4, "forbidden";
        /// No such channel, or not a member of it.
        NotJoined = 5, "not_joined";
        /// A member of that channel already.
        AlreadyJoined = 6, "already_joined";
        /// The channel holds as many members as it may.
        ChannelFull = 7, "channel_full";
        /// In as many channels as a member may be.
        TooManyChannels = 8, "too_many_channels";
        /// Messages come too fast; this one was dropped.
        RateLimited = 9, "rate_limited";
        /// A token that doesn't hold, in `renew` or `attach`.
        Unauthenticated = 10, "unauthenticated";
        /// The fresh token is somebody else's.
        WrongUser = 11, "wrong_user";
        /// No such member of this trunk.
        UnknownMember = 12, "unknown_member";
        /// The trunk holds as many members as it may.
        TooManyMembers = 13, "too_many_members";
        /// A grant that this member doesn't hold.
        WrongGrant = 14, "wrong_grant";
        /// Something that the gateway depends on doesn't answer; try again.
        Unavailable = 15, "unavailable";
        /// No such talker in that channel.
        UnknownTalker = 16, "unknown_talker";
        /// There is no such burst to replay, or none at all.
        NoBurst = 17, "no_burst";
        /// None of those who are called is here with a client that knows calls.
        UnknownUser = 18, "unknown_user";
        /// In as many calls as a member may be.
        TooManyCalls = 19, "too_many_calls";
    }
}

codes! {
    /// Why the floor is denied: the reject causes of TS 24.380, section 8.2.6.2.
    DenyCause {
        /// Somebody talks.
        AnotherHasPermission = 1, "another_has_permission";
        /// The gateway's own fault.
        Internal = 2, "internal";
        /// Too soon after the last request.
        RetryAfter = 4, "retry_after";
        /// This member may only listen.
        ReceiveOnly = 5, "receive_only";
        /// No resources left to serve the request.
        NoResources = 6, "no_resources";
        /// The queue is full.
        QueueFull = 7, "queue_full";
    }
}

codes! {
    /// Why the floor is taken back: the reject causes of TS 24.380, section 8.2.10.2.
    RevokeCause {
        /// The talk limit (T2) is reached.
        MediaBurstTooLong = 2, "media_burst_too_long";
        /// The right to talk was taken away.
        NoPermission = 3, "no_permission";
        /// Somebody with precedence talks now.
        PreEmpted = 4, "pre_empted";
        /// No resources left to go on.
        NoResources = 6, "no_resources";
    }
}

codes! {
    /// Why a member is no longer in a channel.
    LeaveReason {
        /// It said so.
        Left = 0, "left";
        /// Its session ended, or was lost.
        Disconnected = 1, "disconnected";
        /// Its token ran out.
        Expired = 2, "expired";
        /// It was thrown out.
        Kicked = 3, "kicked";
        /// The call is over.
        Ended = 4, "ended";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_peers_code_is_read_as_other() {
        assert_eq!(serde_json::from_str::<CloseCode>("\"moon_phase\"").unwrap(), CloseCode::Other);
        assert!(serde_json::from_str::<CloseCode>("7").is_err());
    }

    #[test]
    fn a_code_is_written_as_its_name() {
        assert_eq!(serde_json::to_string(&CloseCode::GoingAway).unwrap(), "\"going_away\"");
        assert_eq!(serde_json::from_str::<DenyCause>("\"receive_only\"").unwrap(), DenyCause::ReceiveOnly);
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{}\"", code.name()));
        }
    }
}
