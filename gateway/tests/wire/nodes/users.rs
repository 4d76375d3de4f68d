//! A call between users of different nodes is one channel.

use serde_json::{Value, json};

use crate::kit::{Client, Redis, TestGateway, claims, frame, mint, seat};

async fn caller(gateway: &TestGateway, user: &str) -> Client {
    let mut client = gateway.visitor().await;
    client.say(json!({"type": "hello", "version": 1, "token": mint(&claims(user)), "calls": true})).await;
    client.hear("welcome").await;
    client
}

#[tokio::test]
async fn users_of_two_nodes_talk_in_a_call_and_it_ends_for_both() {
    let redis = Redis::start();
    let (one, other) = (redis.node().await, redis.node().await);
    for node in [&one, &other] {
        node.until("it knows the other node", |node| node.metric("suara_nodes") == 2.0).await;
    }
    let (mut alice, mut bob) = (caller(&one, "alice").await, caller(&other, "bob").await);
    let called = alice.ask(json!({"type": "call", "users": ["bob"]})).await;
    assert_eq!((&called["type"], &called["users"]), (&json!("called"), &json!(["bob"])));
    let is_call = |said: &Value| said["type"] == "joined" && said["call"].is_object();
    let own = seat(&alice.hear_that("her own call", is_call).await);
    let theirs = seat(&bob.hear_that("the call", is_call).await);
    while alice.roster(own.channel).await.len() < 2 {}
    assert_eq!(bob.roster(theirs.channel).await.len(), 2);

    let grant = alice.floor(own.channel).await;
    bob.hear("floor_taken").await;
    alice.send_voice(&frame(own, grant, 1));
    assert!(!bob.voice().await.is_empty());
    alice.release(own.channel, grant).await;
    bob.hear("floor_idle").await;

    alice.say(json!({"type": "call_end", "channel": own.channel})).await;
    assert_eq!(alice.hear("left").await["reason"], "ended");
    assert_eq!(bob.hear("left").await["reason"], "ended");
    for node in [&one, &other] {
        node.until("the call's channel is gone", |node| node.metric("suara_channels") == 0.0).await;
    }
}
