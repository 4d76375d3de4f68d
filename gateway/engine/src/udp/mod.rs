//! UDP sockets in batches: `recvmmsg` by `quinn-udp`, `sendmmsg` by the one room of this workspace that needs `unsafe`.
//!
//! Knows packets and addresses, and no connection.

mod bind;
mod control;
mod raw;
mod receive;
mod send;

pub(crate) use bind::{Bound, bind};
pub(crate) use receive::{ReceiveBatch, Received, Source};
pub(crate) use send::SendBatch;
