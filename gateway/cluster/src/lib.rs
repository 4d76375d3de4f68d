//! One channel on several nodes: who decides, what was decided, and who takes over.
//!
//! The pure [`Channel`](suara_channel::Channel) is a deterministic state machine. Every node that has members in a channel
//! runs the same one on the same log of operations; one of them, the owner, puts the operations in order and gives them
//! their time. Nothing has to be recovered when the owner dies: everybody has it. Who owns is said by a lease, whose fencing
//! token, the epoch, is the high half of every grant.
//!
//! It is pure logic like the channel: it knows no clock, no Redis, no socket, no randomness. [`Replica`] is one node's part
//! in one channel, [`Membership`] says which nodes live, [`ChatOrder`] brings chat messages into their order.
//!
//! # The contract: call, then drain
//!
//! After each call take out [`Replica::poll_output`] until `None` and carry it out in that order; then ask
//! [`Replica::poll_timeout`] when to come back. Several [`Replica::submit`] in a row may be drained together, and are told
//! together then; what came from outside ([`Replica::receive`], [`Replica::leased`], [`Replica::hears`],
//! [`Replica::gone`], [`Replica::attend`]) is drained before anything is submitted, for members may have other numbers after
//! it. [`Replica::handle_timeout`] comes before what came in after it, and [`Replica::media`] before that. Times that are
//! given are local and monotonic; the channel has its own ([`Replica::time`]).
//!
//! What the caller sees to:
//!
//! - A channel with nobody of this node in it is [quit](Replica::quit) once it [is settled](Replica::is_settled), or after two
//!   lease times. Whoever joins before that goes on with the same replica.
//! - Every question to Redis has an answer, [`LeaseAnswer::Away`] at the latest after [`Rules::renew`].
//! - About once a second [`Replica::attend`] hears which nodes are dead, from [`Membership::is_dead`]; the others' deaths are
//!   told as they are known.
//! - A member whose transport is lost is submitted as [`Op::Lose`]: the replica brings members back that are here, and only
//!   those.
//! - After [`Output::Adopted`] everything may be different: roster, speakers, what is shared. The room compares. Guests that
//!   aren't in the channel any more are to be admitted again.
//!
//! # What is promised
//!
//! Two replicas of which [`Replica::head`] is the same hold the same. An operation takes effect once in the log that counts, and
//! is answered once; what took effect on a side of a split that lost is undone with it, and what never did is answered
//! [`Outcome::Lost`]. An [`Op::Say`] that was heard on such a side may be heard again. The simulation in `tests/simulation` holds
//! replicas to that.
//!
//! ```
//! use suara_channel::{Effect, Identity, Rights, Settings, Time};
//! use suara_cluster::{Op, Outcome, Output, Replica};
//!
//! let mut replica = Replica::alone(Settings::default());
//! let who = Identity::new("alice", "Alice", "guard");
//! let id = replica.submit(Time::from_millis(0), Op::Join { who, rights: Rights::all(), claim: None });
//! let Some(Output::Applied { id: applied, outcome: Outcome::Joined(Ok(_)) }) = replica.poll_output() else {
//!     panic!("the answer comes first");
//! };
//! assert_eq!(applied, id);
//! assert!(matches!(replica.poll_output(), Some(Output::Effect(Effect::Roster(_)))));
//! ```

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod chat;
mod entry;
mod grants;
mod ids;
mod log;
mod membership;
mod op;
mod output;
mod packet;
mod replica;
mod rules;
mod state;

pub use chat::{ChatOrder, ChatOutput};
pub use entry::{Entry, Step};
pub use ids::{Epoch, NodeId, OpId, Term};
pub use membership::{Change, Membership};
pub use op::{Op, Outcome, Say};
pub use output::{LeaseAnswer, LeaseAsk, Output, Standing};
pub use packet::{MAX_ENTRIES, MAX_IN_FLIGHT, MAX_PACKET, PACKET_VERSION, Packet, PacketError};
pub use replica::Replica;
pub use rules::Rules;
pub use state::{MAX_SHARED, MAX_SHARED_BYTES, State};
