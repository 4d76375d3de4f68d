//! A gateway to talk to, and clients that talk.

mod chat;
mod client;
mod doomed;
mod ether;
mod frame;
mod gateway;
mod redis;
mod socket;
mod token;

use std::time::Duration;

use tokio::time::timeout;

pub(crate) use chat::ChatStream;
pub(crate) use client::{Client, Seat, close_code, framed, kinds, number, open_stream, seat, text};
pub(crate) use ether::Pair;
pub(crate) use frame::{END, START, TALK_AHEAD, carrying, frame, marked};
pub(crate) use gateway::TestGateway;
pub(crate) use redis::Redis;
pub(crate) use socket::{SocketClient, first_piece, hello, open_socket, opening};
pub(crate) use token::{LIVECHAT_SECRET, SECRET, TRUNK_SECRET, claims, mint, now, passes};

/// Nothing here takes so long, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that has to come.
pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}
