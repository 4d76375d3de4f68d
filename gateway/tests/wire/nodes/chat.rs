//! One order of chat for members of different nodes, in one PostgreSQL.

use serde_json::json;
use suara_store::Store;

use super::at;
use super::postgres::Server;
use crate::kit::{ChatStream, Redis, TestGateway};

async fn node(redis: &Redis, database: &str) -> TestGateway {
    redis.node_with(|settings| settings.store = Store::begin(database).expect("a URL")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_at_two_nodes_is_told_once_and_in_one_order_at_both() {
    let server = Server::new();
    let database = server.database("nodes");
    let redis = Redis::start();
    let (one, other) = (node(&redis, &database).await, node(&redis, &database).await);
    let up = |gateway: &TestGateway| (gateway.gateway.ready_check())().is_ok();
    one.until("the store is there", up).await;
    other.until("the store is there", up).await;
    let (alice, at_one) = at(&one, "alice", 0).await;
    let (bob, at_other) = at(&other, "bob", 1).await;
    let (mut here, mut there) =
        (ChatStream::open(&alice.connection).await, ChatStream::open(&bob.connection).await);
    // Both streams are known to be open once something was answered.
    here.history(json!({"channel": at_one.channel})).await;
    there.history(json!({"channel": at_other.channel})).await;

    const EACH: u64 = 8;
    for number in 0..EACH {
        let text = |user| json!({"type": "chat_send", "id": format!("{user} {number}"), "text": format!("{user} {number}")});
        let mut mine = text("alice");
        mine["channel"] = at_one.channel.into();
        here.say(mine).await;
        let mut yours = text("bob");
        yours["channel"] = at_other.channel.into();
        there.say(yours).await;
    }

    let mut told = [Vec::new(), Vec::new()];
    for number in 1..=2 * EACH {
        for ((told, stream), own) in told.iter_mut().zip([&mut here, &mut there]).zip(["alice", "bob"]) {
            let chat = stream.hear("chat").await;
            assert_eq!(chat["message"], number, "in order and once");
            let is_own = chat["user"] == own;
            assert_eq!(chat.get("id"), is_own.then_some(&chat["text"]), "its sender knows it, nobody else");
            told.push(chat["text"].clone());
        }
    }
    assert_eq!(told[0], told[1]);

    there.say(json!({"type": "chat_typing", "channel": at_other.channel})).await;
    assert_eq!(here.hear("chat_typing").await["user"], "bob");
    let late = other.user("late").await.joined("ops").await.1;
    assert_eq!(late["last_message"], 2 * EACH);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_while_redis_was_away_is_told_afterwards() {
    let server = Server::new();
    let database = server.database("nodes");
    let mut redis = Redis::start();
    let (one, other) = (node(&redis, &database).await, node(&redis, &database).await);
    let up = |gateway: &TestGateway| (gateway.gateway.ready_check())().is_ok();
    one.until("the store is there", up).await;
    other.until("the store is there", up).await;
    let (alice, at_one) = at(&one, "alice", 0).await;
    let (bob, _) = at(&other, "bob", 1).await;
    let (mut here, mut there) =
        (ChatStream::open(&alice.connection).await, ChatStream::open(&bob.connection).await);
    assert_eq!(here.send(at_one.channel, "a", "before").await, 1);
    assert_eq!(there.hear("chat").await["text"], "before");

    redis.kill();
    assert_eq!(here.send(at_one.channel, "b", "meanwhile").await, 2, "stored all the same");
    redis.run();

    let chat = there.hear("chat").await;
    assert_eq!((&chat["text"], &chat["message"]), (&json!("meanwhile"), &json!(2)));
}
