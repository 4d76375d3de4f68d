//! One channel: who is in it, and who may talk.
//!
//! Owns the roster (members, their talker numbers, who is unreachable and for how long, its version and deltas) and the floor of 3GPP TS 24.380 (grants and
//! its queue, pre-emption, and the timers T1, T2, T3, T4, T20). It is pure logic: time comes in as an argument, decisions go out as values, and the same
//! calls give the same answers on every machine. It knows no clock, no socket, no JSON, no session and no channel name;
//! it doesn't see voice either, only that there was some ([`Channel::media`]).
//!
//! # The contract: mutate, then drain
//!
//! Every method that takes `&mut self` may decide something. What was decided waits in the channel until the caller
//! takes it out, so **after each mutation, or each batch of mutations, call [`Channel::poll_effect`] until it returns
//! `None`, and carry the effects out in that order; then ask [`Channel::poll_timeout`] when to come back.**
//!
//! - Deadlines take effect in [`Channel::handle_timeout`] and nowhere else. Call it when one is due, *before* the
//!   messages that came in after it, and tell the channel of the newest voice before ([`Channel::media`]). Coming late
//!   delays what is due; it breaks nothing.
//! - No method panics, whatever it is given. Time that runs backwards is taken as standing still. A talker number that
//!   nobody has is ignored.
//! - A newcomer's snapshot ([`Channel::members`], [`Channel::version`], [`Channel::talking`]) may be taken at any point
//!   after its [`Channel::join`]; the effects drained after that lead on from it.
//!
//! ```
//! use suara_channel::{Channel, Effect, Identity, LeaveReason, RequestId, Rights, Settings, Time};
//!
//! let mut channel = Channel::new(1, Settings::default());
//! let now = Time::from_millis(0);
//! let alice = channel.join(now, Identity::new("alice", "Alice", "guard"), Rights::all())?;
//! channel.floor_request(now, alice, RequestId(7));
//! while let Some(effect) = channel.poll_effect() {
//!     match effect {
//!         Effect::Granted { talker, grant, .. } => assert_eq!((talker, grant.counter()), (alice, 1)),
//!         Effect::Roster(delta) => assert_eq!((delta.since, delta.version), (0, 1)),
//!         _ => {}
//!     }
//! }
//! assert_eq!(channel.poll_timeout(), Some(Time::from_millis(2_000)), "Taken is to be repeated");
//! assert!(channel.leave(now, alice, LeaveReason::Left));
//! # Ok::<(), suara_channel::JoinError>(())
//! ```

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod asking;
mod channel;
mod effect;
mod floor;
mod guest;
mod numbers;
mod roster;
mod settings;
mod time;

pub use asking::{Asking, Road};
pub use channel::Channel;
pub use effect::{Effect, RosterDelta, Speaker, Talking};
pub use roster::{Identity, JoinError, Member};
pub use settings::Settings;
pub use time::Time;

// What a caller needs in order to speak to this crate, so that one `use` does.
pub use suara_proto::message::{ChannelMode, DispatchAction, Level, Right, Rights, TalkerLeft};
pub use suara_proto::{DenyCause, ErrorCode, Grant, LeaveReason, RequestId, RevokeCause, TalkerNumber};
