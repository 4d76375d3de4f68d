//! Several gateways that share their channels by a real Redis (PROTOCOL.md, section 5.8).

mod beyond;
mod chat;
mod database;
mod failure;
mod floor;
#[expect(clippy::unwrap_used, reason = "the store's own tests' kit")]
#[path = "../../../store/tests/store/postgres.rs"]
mod postgres;
mod users;
mod voice;

use crate::kit::{Client, Seat, TestGateway};

/// A user at a node, in the channel, which knows by then that so many are there.
async fn at(gateway: &TestGateway, user: &str, others: usize) -> (Client, Seat) {
    let mut client = gateway.user(user).await;
    let seat = client.join("ops").await;
    assert_eq!(client.roster(seat.channel).await.len(), others + 1, "{user} sees all");
    (client, seat)
}
