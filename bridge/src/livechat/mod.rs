//! The livechat's contract: sessions by `POST /livechat/session`, a WebSocket at `/livechat/ws`.
//!
//! A visitor is a member of one channel, in which it chats; the gateway mints and verifies its token and stores what is
//! said. Data flows one way: WebSocket → `visitor` (a task per connection) → `desk` (one task) → trunk, and back. Staff
//! on Socket.IO comes by `staff`. Knows no socket of theirs, and of the gateway what the protocol says.

mod address;
mod desk;
mod door;
mod heard;
mod numbers;
mod pace;
mod payload;
mod sort;
mod staff;
mod state;
mod told;
mod visitor;

pub(crate) use desk::{Desk, StaffDesk};
pub(crate) use door::Door;
pub(crate) use numbers::{FIRST_MEMBER, FIRST_REQUEST};
pub(crate) use sort::sort;
pub(crate) use staff::StaffRoom;

#[cfg(test)]
mod kit;
#[cfg(test)]
mod scenes;
#[cfg(test)]
mod wire;
