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

/// Waits until a client's channel is patched to just these.
async fn patched(client: &mut Client, seat: Seat, names: &[&str]) -> Value {
    let fits = |said: &Value| {
        let with = said["with"].as_array().into_iter().flatten().map(|with| with["name"].as_str());
        said["type"] == "patched"
            && number(&said["channel"]) == seat.channel
            && with.eq(names.iter().map(|name| Some(*name)))
    };
    client.hear_that("a patch", fits).await
}

fn patch(kind: &str, [one, other]: [Seat; 2]) -> Value {
    json!({"type": kind, "channel": one.channel, "with": other.channel})
}

#[tokio::test]
async fn members_at_all_nodes_are_told_of_a_patch_and_a_dispatcher_of_another_node_ends_it() {
    let redis = Redis::start();
    let (one, other) = (redis.node().await, redis.node().await);
    let mut chief = chief(&one).await;
    let here = [chief.join("ops").await, chief.join("fire").await];
    let (mut alice, own) = at(&other, "alice", 1).await;

    chief.ask(patch("patch", here)).await;
    let told = patched(&mut alice, own, &["fire"]).await;
    assert_eq!(told["with"][0]["channel"], 0, "nobody at that node is in it");
    let mut late = other.user("late").await;
    let at_ops = late.join("ops").await;
    patched(&mut late, at_ops, &["fire"]).await;

    let mut boss = self::chief(&other).await;
    let there = [boss.join("ops").await, boss.join("fire").await];
    patched(&mut boss, there[0], &["fire"]).await;
    let told = patched(&mut boss, there[1], &["ops"]).await;
    assert_eq!(number(&told["with"][0]["channel"]), there[0].channel);
    assert_eq!(boss.ask(patch("patch", there)).await["type"], "patched", "it is there already");
    let over = boss.ask(patch("unpatch", there)).await;
    assert_eq!((&over["type"], &over["with"]), (&json!("patched"), &json!([])));
    for (client, seat) in [(&mut alice, own), (&mut late, at_ops), (&mut chief, here[0])] {
        patched(client, seat, &[]).await;
    }
    patched(&mut chief, here[1], &[]).await;
    assert_eq!(boss.ask(patch("unpatch", there)).await["code"], "unavailable", "there is none any more");
}

#[tokio::test]
async fn a_patch_of_a_node_that_died_is_over_and_members_elsewhere_are_told_so() {
    let redis = Redis::start();
    let one = redis.doomed().await;
    let (other, third) = (redis.node().await, redis.node().await);
    let mut chief = chief(&one).await;
    let here = [chief.join("ops").await, chief.join("fire").await];
    let (mut alice, own) = at(&other, "alice", 1).await;
    chief.ask(patch("patch", here)).await;
    patched(&mut alice, own, &["fire"]).await;

    one.kill();

    patched(&mut alice, own, &[]).await;
    let mut late = third.user("late").await;
    let (_, joined) = late.joined("ops").await;
    assert_eq!(joined["type"], "joined");
    let said = late.so_far().await;
    assert!(said.iter().all(|said| said["type"] != "patched"), "{said:?}");
    drop(chief);
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
