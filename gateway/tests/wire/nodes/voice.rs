//! Members of different nodes are in one channel and hear each other.

use serde_json::json;

use super::at;
use crate::kit::{Redis, Seat, TALK_AHEAD, frame, marked, number};

#[tokio::test]
async fn members_of_two_nodes_have_one_roster_and_hear_each_other() {
    let redis = Redis::start();
    let (one, other) = (redis.node().await, redis.node().await);
    let (mut alice, at_one) = at(&one, "alice", 0).await;
    let (mut bob, at_other) = at(&other, "bob", 1).await;
    assert_ne!(at_one.talker, at_other.talker);
    let told = alice.sees_join("bob").await;
    assert_eq!(told["joined"][0]["talker"], at_other.talker, "by the same number everywhere");

    let grant = alice.floor(at_one.channel).await;
    let taken = bob.hear("floor_taken").await;
    assert_eq!((&taken["user"], number(&taken["grant"])), (&json!("alice"), grant));
    for sequence in 1..4 {
        alice.send_voice(&frame(at_one, grant, sequence));
        let heard = frame(Seat { channel: at_other.channel, ..at_one }, grant, sequence);
        assert_eq!(bob.voice().await, heard, "under this node's number of the channel");
    }
    alice.release(at_one.channel, grant).await;
    bob.hear("floor_idle").await;

    let grant = bob.floor(at_other.channel).await;
    alice.hear_that("bob", |said| said["type"] == "floor_taken" && said["user"] == "bob").await;
    bob.send_voice(&frame(at_other, grant, 7));
    assert_eq!(alice.voice().await, frame(Seat { channel: at_one.channel, ..at_other }, grant, 7));

    bob.leave(at_other.channel).await;
    assert_eq!(alice.sees_leave(at_other.talker).await, "left");
    drop((alice, bob));
    one.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn three_nodes_hear_a_talker_once_each_and_nobody_hears_itself() {
    let redis = Redis::start();
    let nodes = [redis.node().await, redis.node().await, redis.node().await];
    let (mut alice, own) = at(&nodes[0], "alice", 0).await;
    let (near, _) = at(&nodes[0], "near", 1).await;
    let (mut bob, at_bob) = at(&nodes[1], "bob", 2).await;
    let (mut carol, at_carol) = at(&nodes[2], "carol", 3).await;

    let grant = alice.floor(own.channel).await;
    bob.hear("floor_taken").await;
    carol.hear("floor_taken").await;
    for sequence in 1..3 {
        alice.send_voice(&frame(own, grant, sequence));
        assert_eq!(near.voice().await, frame(own, grant, sequence));
        assert_eq!(bob.voice().await, frame(Seat { channel: at_bob.channel, ..own }, grant, sequence));
        assert_eq!(carol.voice().await, frame(Seat { channel: at_carol.channel, ..own }, grant, sequence));
    }
    assert_eq!(nodes[0].metric("suara_voice_frames_sent_total"), 2.0, "to who is near, and not to herself");
}

#[tokio::test]
async fn what_is_said_ahead_of_a_grant_is_heard_at_other_nodes_too() {
    let redis = Redis::start();
    let (one, other) = (redis.node().await, redis.node().await);
    let (mut alice, own) = at(&one, "alice", 0).await;
    let (bob, there) = at(&other, "bob", 1).await;

    for sequence in 1..4 {
        alice.send_voice(&marked(TALK_AHEAD, own, 9, sequence));
    }
    alice.say(json!({"type": "floor_request", "request": 9, "channel": own.channel})).await;

    let grant = number(&alice.hear("floor_granted").await["grant"]);
    for sequence in 1..4 {
        assert_eq!(bob.voice().await, frame(Seat { channel: there.channel, ..own }, grant, sequence));
    }
}

#[tokio::test]
async fn who_comes_in_mid_burst_is_told_the_talker_and_hears_it() {
    let redis = Redis::start();
    let (one, other) = (redis.node().await, redis.node().await);
    let (mut alice, own) = at(&one, "alice", 0).await;
    let grant = alice.floor(own.channel).await;
    let mut bob = other.user("bob").await;

    let (there, joined) = bob.joined("ops").await;

    assert_eq!((&joined["talking"]["user"], number(&joined["talking"]["grant"])), (&json!("alice"), grant));
    alice.sees_join("bob").await;
    alice.send_voice(&frame(own, grant, 5));
    assert_eq!(bob.voice().await, frame(Seat { channel: there.channel, ..own }, grant, 5));
}
