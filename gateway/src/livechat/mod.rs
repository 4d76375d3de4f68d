//! Visitors' livechat sessions: what they are called, and the tokens by which they come.
//!
//! A visitor is a member of one channel, `livechat/` and its session's id, with the same words as its user id. It speaks
//! chat there and has no part in voice. `board` knows who is here,
//! and tells staff; `across` hears of other nodes' visitors. Knows tokens, names, outlets and words; no transport, and nothing
//! of the bridge.

mod across;
mod board;
mod elsewhere;
mod mint;
mod order;
mod visitor;

pub use board::{Livechat, LivechatSettings, Visit, Watch, line};
pub use mint::{MAX_VISITOR_NAME, Pass, VisitorPasses};
pub use visitor::{as_visitor, is_livechat, session_of};
