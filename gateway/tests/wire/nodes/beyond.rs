//! Calls, emergencies and patches with members at different nodes.

use serde_json::{Value, json};
use suara_gateway::auth::Claims;

use super::at;
use crate::kit::{Client, Redis, Seat, TestGateway, claims, frame, number};

async fn chief(gateway: &TestGateway) -> Client {
    let channels = Some(vec!["*:listen,talk,dispatch,emergency".to_owned()]);
    gateway.welcome(&Claims { channels, ..claims("chief") }).await
}

#[tokio::test]
async fn an_emergency_is_told_at_all_nodes_and_taken_back_at_another() {
    let redis = Redis::start();
    let (one, other) = (redis.node().await, redis.node().await);
    let mut alice = chief(&one).await;
    let mut bob = chief(&other).await;
    let there = bob.join("emergency").await;

    let raised = alice.ask(json!({"type": "emergency", "text": "Man down"})).await;
    assert_eq!(raised["type"], "emergency_raised", "{raised}");

    let alert = bob.hear("emergency_alert").await;
    assert_eq!((&alert["text"], &alert["user"]), (&json!("Man down"), &json!("chief")));
    assert_eq!(number(&alert["channel"]), there.channel);
    let mut late = other.user("late").await;
    late.join("emergency").await;
    assert_eq!(late.hear("emergency_alert").await["text"], "Man down");

    bob.say(json!({"type": "emergency_cancel", "channel": there.channel, "user": "chief"})).await;
    for client in [&mut alice, &mut bob, &mut late] {
        assert_eq!(client.hear("emergency_over").await["by"], "chief");
    }
}

#[tokio::test]
async fn a_patch_is_heard_by_members_of_other_nodes() {
    let redis = Redis::start();
    let (one, other) = (redis.node().await, redis.node().await);
    let mut chief = chief(&one).await;
    let (ops, fire) = (chief.join("ops").await, chief.join("fire").await);
    let (mut alice, own) = at(&other, "alice", 1).await;
    let mut bob = other.user("bob").await;
    let at_fire = bob.join("fire").await;

    let patched = chief.ask(json!({"type": "patch", "channel": ops.channel, "with": fire.channel})).await;
    assert_eq!(patched["type"], "patched", "{patched}");
    // The other room has answered, too.
    chief.hear_that("both", |said| said["type"] == "patched" && said["channel"] == fire.channel).await;

    let grant = alice.floor(own.channel).await;
    let taken = bob.hear("floor_taken").await;
    assert_eq!((&taken["user"], number(&taken["channel"])), (&json!("alice"), at_fire.channel));
    let guest = u16::try_from(number(&taken["talker"])).expect("16 bits");
    // The relay is there once the other channel's decision is known where the patch is.
    chief
        .hear_that("the guest", |said| said["type"] == "floor_taken" && said["channel"] == fire.channel)
        .await;
    alice.send_voice(&frame(own, grant, 1));
    let heard = frame(Seat { channel: at_fire.channel, talker: guest }, number(&taken["grant"]), 1);
    assert_eq!(bob.voice().await, heard);
    alice.release(own.channel, grant).await;
    bob.hear("floor_idle").await;

    chief.leave(fire.channel).await;
    let over = |said: &Value| said["type"] == "patched" && said["with"] == json!([]);
    chief.hear_that("the end", over).await;
    alice.floor(own.channel).await;
    let said = bob.so_far().await;
    assert!(said.iter().all(|said| said["type"] != "floor_taken"), "{said:?}");
}

#[tokio::test]
async fn a_trunks_member_hears_another_node_and_is_heard_there() {
    let redis = Redis::start();
    let (one, other) = (redis.node().await, redis.node().await);
    let (mut alice, own) = at(&one, "alice", 0).await;
    let mut trunk = other.trunk().await;
    let token = crate::kit::mint(&claims("carol"));
    assert_eq!(trunk.ask(json!({"type": "attach", "member": 1, "token": token})).await["type"], "attached");
    let carol = crate::kit::seat(&trunk.ask(json!({"type": "join", "member": 1, "channel": "ops"})).await);
    alice.sees_join("carol").await;

    let grant = alice.floor(own.channel).await;
    trunk.hear("floor_taken").await;
    alice.send_voice(&frame(own, grant, 3));
    assert_eq!(trunk.voice().await, frame(Seat { channel: carol.channel, ..own }, grant, 3));
    alice.release(own.channel, grant).await;
    trunk.hear("floor_idle").await;

    let granted = trunk.ask(json!({"type": "floor_request", "member": 1, "channel": carol.channel})).await;
    let grant = number(&granted["grant"]);
    alice.hear_that("carol", |said| said["type"] == "floor_taken" && said["user"] == "carol").await;
    trunk.send_voice(&frame(carol, grant, 4));
    assert_eq!(alice.voice().await, frame(Seat { channel: own.channel, ..carol }, grant, 4));
}
