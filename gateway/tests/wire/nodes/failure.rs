//! A node dies, and Redis.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::at;
use crate::kit::{Client, Redis, Seat, frame, kinds, number};

fn split(is_split: bool) -> impl Fn(&Value) -> bool {
    move |said| said["type"] == "channel_state" && said["split"] == is_split
}

/// Waits until the roster has these users, at whatever talker numbers.
async fn until_there_are(client: &mut Client, seat: Seat, users: &[&str]) {
    loop {
        let mut found: Vec<_> = client.roster(seat.channel).await.into_iter().map(|(_, user)| user).collect();
        found.sort_unstable();
        if found == users {
            return;
        }
        // Rosters cost as much as many messages.
        sleep(Duration::from_millis(700)).await;
    }
}

#[tokio::test]
async fn a_talker_keeps_the_floor_when_the_node_that_decides_dies() {
    let redis = Redis::start();
    let one = redis.doomed();
    let (other, third) = (redis.node(), redis.node());
    let (alice, _) = at(&one, "alice", 0).await;
    let (mut bob, own) = at(&other, "bob", 1).await;
    let (mut carol, there) = at(&third, "carol", 2).await;
    let grant = bob.floor(own.channel).await;
    carol.hear("floor_taken").await;

    one.kill();

    // Longer than the lease: without the other two's doing T1 would end it.
    for sequence in 0..60 {
        bob.send_voice(&frame(own, grant, sequence));
        assert_eq!(carol.voice().await, frame(Seat { channel: there.channel, ..own }, grant, sequence));
        sleep(Duration::from_millis(100)).await;
    }
    let said = bob.so_far().await;
    assert!(!kinds(&said).iter().any(|kind| ["floor_revoke", "floor_idle"].contains(kind)), "{said:?}");
    bob.release(own.channel, grant).await;
    carol.hear("floor_idle").await;
    let next = carol.floor(there.channel).await;
    assert!(next > grant, "the newer term's grants are greater");
    let lost = |said: &Value| {
        said["changed"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["user"] == "alice" && one["unreachable"] == true))
    };
    carol.hear_that("who was at the dead node", lost).await;
    drop(alice);
}

#[tokio::test]
async fn without_redis_each_node_serves_its_own_and_afterwards_they_are_one_again() {
    let mut redis = Redis::start();
    let (one, other) = (redis.node(), redis.node());
    let (mut alice, at_one) = at(&one, "alice", 0).await;
    let (near, _) = at(&one, "near", 1).await;
    let (mut bob, at_other) = at(&other, "bob", 2).await;
    alice.sees_join("bob").await;

    redis.kill();
    alice.hear_that("the split", split(true)).await;
    bob.hear_that("the split", split(true)).await;
    assert_eq!(one.metric("suara_channels_split"), 1.0);
    let grant = alice.floor(at_one.channel).await;
    alice.send_voice(&frame(at_one, grant, 1));
    assert_eq!(near.voice().await, frame(at_one, grant, 1));
    let apart = bob.floor(at_other.channel).await;
    let mut late = one.user("late").await;
    late.join("ops").await;
    late.hear_that("that it is split", split(true)).await;

    redis.run();
    alice.hear_that("the end of the split", split(false)).await;
    bob.hear_that("the end of the split", split(false)).await;
    until_there_are(&mut alice, at_one, &["alice", "bob", "late", "near"]).await;
    until_there_are(&mut bob, at_other, &["alice", "bob", "late", "near"]).await;
    assert_eq!(one.metric("suara_channels_split"), 0.0);
    // One of the two grants went on at most: whoever is told nothing of an end has it still.
    let over = |said: &[Value], grant: u32| {
        said.iter().any(|said| said["type"] == "floor_idle" && said["grant"] == grant)
    };
    let (mine, yours) = (alice.so_far().await, bob.so_far().await);
    assert!(over(&mine, grant) || over(&yours, apart), "{mine:?} {yours:?}");
    let boss = json!({"type": "floor_request", "channel": at_one.channel, "queue": true});
    let answer = alice.ask(boss).await;
    assert!(
        ["floor_granted", "floor_queued"].contains(&answer["type"].as_str().expect("a type")),
        "{answer}"
    );
    assert!(number(&answer["request"]) > 0);
}
