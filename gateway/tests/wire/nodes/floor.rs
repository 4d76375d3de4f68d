//! One floor for members of different nodes.

use std::time::Duration;

use serde_json::{Value, json};
use suara_channel::Settings;
use suara_gateway::auth::Claims;
use wildmatch::WildMatch;

use super::at;
use crate::kit::{Client, Redis, Seat, TestGateway, claims, frame, kinds, number};

async fn ranked(gateway: &TestGateway, name: &str, priority: u8) -> (Client, Seat) {
    let channels = Some(vec!["*:listen,talk,emergency,dispatch".to_owned()]);
    let mut client = gateway.welcome(&Claims { channels, priority, ..claims(name) }).await;
    let seat = client.join("ops").await;
    (client, seat)
}

fn request(seat: Seat, queue: bool) -> Value {
    json!({"type": "floor_request", "channel": seat.channel, "queue": queue})
}

#[tokio::test]
async fn a_request_at_another_node_waits_is_denied_or_takes_the_floor() {
    let redis = Redis::start();
    let (one, other) = (redis.node().await, redis.node().await);
    let (mut alice, own) = at(&one, "alice", 0).await;
    let (mut bob, there) = at(&other, "bob", 1).await;
    let grant = alice.floor(own.channel).await;
    bob.hear("floor_taken").await;

    let denied = bob.ask(request(there, false)).await;
    assert_eq!((&denied["type"], &denied["cause"]), (&json!("floor_deny"), &json!("another_has_permission")));
    let queued = bob.ask(request(there, true)).await;
    assert_eq!((&queued["type"], &queued["position"]), (&json!("floor_queued"), &json!(1)));
    alice.release(own.channel, grant).await;
    let granted = bob.hear("floor_granted").await;
    assert_eq!(granted["request"], queued["request"]);
    assert!(number(&granted["grant"]) > grant);

    let (mut boss, at_boss) = ranked(&one, "boss", 9).await;
    boss.ask(request(at_boss, false)).await;
    assert_eq!(bob.hear("floor_revoke").await["cause"], "pre_empted");
    bob.release(there.channel, number(&granted["grant"])).await;
    assert!(number(&boss.hear("floor_granted").await["grant"]) > number(&granted["grant"]));
}

#[tokio::test]
async fn the_talk_limit_ends_a_burst_of_another_node_and_a_dispatcher_there_mutes() {
    let settings = Settings {
        t2: Duration::from_millis(800),
        t3: Duration::from_millis(200),
        warning: Duration::ZERO,
        ..Settings::default()
    };
    let redis = Redis::start();
    let with = || redis.node_with(|all| all.channels = vec![(WildMatch::new("*"), settings.clone())]);
    let (one, other) = (with().await, with().await);
    let (mut boss, own) = ranked(&one, "boss", 9).await;
    let (mut bob, there) = at(&other, "bob", 1).await;

    let grant = bob.floor(there.channel).await;
    assert_eq!(bob.hear("floor_revoke").await["cause"], "media_burst_too_long");
    boss.hear_that("the end", |said| said["type"] == "floor_idle" && said["grant"] == grant).await;

    let mute = json!({"type": "dispatch", "channel": own.channel, "action": "mute", "talker": there.talker});
    assert_eq!(boss.ask(mute).await["type"], "dispatched");
    bob.hear_that("the mute", |said| said["changed"][0]["muted"] == true).await;
    assert_eq!(bob.ask(request(there, false)).await["cause"], "receive_only");
}

#[tokio::test]
async fn a_talker_who_falls_silent_at_another_node_loses_the_floor_and_one_who_goes_on_keeps_it() {
    let settings = Settings { t1: Duration::from_millis(1_500), ..Settings::default() };
    let redis = Redis::start();
    let with = || redis.node_with(|all| all.channels = vec![(WildMatch::new("*"), settings.clone())]);
    let (one, other) = (with().await, with().await);
    let (mut alice, _) = at(&one, "alice", 0).await;
    let (mut bob, there) = at(&other, "bob", 1).await;
    let grant = bob.floor(there.channel).await;

    for sequence in 0..30 {
        bob.send_voice(&frame(there, grant, sequence));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let said = alice.so_far().await;
    assert!(!kinds(&said).contains(&"floor_idle"), "the node that decides hears the voice: {said:?}");

    alice.hear_that("the end", |said| said["type"] == "floor_idle" && said["grant"] == grant).await;
}
