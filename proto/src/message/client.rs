//! What a client says.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ids::{ChannelNumber, Grant, MemberRef, RequestId};

super::type_names![
    "hello",
    "renew",
    "attach",
    "detach",
    "join",
    "leave",
    "floor_request",
    "floor_release",
    "roster_request",
    "ping",
];

/// A message from a client to the gateway. `member` stands only in messages of a trunk, and always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage<'a> {
    /// The first message: who I am.
    Hello {
        /// The newest protocol version that the client speaks.
        version: u32,
        /// A JWT, or what the deployment's own check takes.
        #[serde(borrow)]
        token: Cow<'a, str>,
        /// The client's software, for the operator's eyes. Always a copy: serde borrows no `Cow` in an `Option`.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        client: Option<Cow<'a, str>>,
    },
    /// A fresh token for the running session.
    Renew {
        /// Repeated in the answer.
        request: RequestId,
        /// Of the same user as before.
        #[serde(borrow)]
        token: Cow<'a, str>,
    },
    /// A trunk brings a member, or a fresh token for one.
    Attach {
        /// Repeated in the answer.
        request: RequestId,
        /// The trunk's own number for it.
        member: MemberRef,
        /// The member's own token.
        #[serde(borrow)]
        token: Cow<'a, str>,
    },
    /// A trunk's member is gone.
    Detach {
        /// Which.
        member: MemberRef,
    },
    /// To enter a channel.
    Join {
        /// Repeated in the answer.
        request: RequestId,
        /// The channel's name.
        #[serde(borrow)]
        channel: Cow<'a, str>,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
    },
    /// To leave a channel.
    Leave {
        /// Which.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
    },
    /// Floor Request (TS 24.380, section 8.2.4).
    FloorRequest {
        /// Repeated in the answer.
        request: RequestId,
        /// Where to talk.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
    },
    /// Floor Release (TS 24.380, section 8.2.8).
    FloorRelease {
        /// Where.
        channel: ChannelNumber,
        /// What was granted.
        grant: Grant,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
    },
    /// Asks for a channel's whole roster, after a gap.
    RosterRequest {
        /// Which.
        channel: ChannelNumber,
    },
    /// A sign of life.
    Ping {
        /// Repeated in the `pong`.
        nonce: u32,
    },
}
