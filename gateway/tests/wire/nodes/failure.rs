//! A node dies, and Redis.

use std::time::Duration;

use serde_json::{Value, json};
use suara_channel::Settings;
use tokio::time::sleep;
use wildmatch::WildMatch;

use super::at;
use crate::kit::{Client, Redis, Seat, TestGateway, claims, frame, kinds, mint, number};

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

/// The first frame that a listener at another node gets of one who talks. The way of voice has a connection of its own, which
/// may be back a little later than the rest.
async fn talk_until_heard(talker: &Client, seat: Seat, grant: u32, listener: &Client) -> Vec<u8> {
    let speaks = async {
        for sequence in 0.. {
            talker.send_voice(&frame(seat, grant, sequence));
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        heard = listener.voice() => heard,
        () = speaks => Vec::new(),
    }
}

#[tokio::test]
async fn a_talker_keeps_the_floor_when_the_node_that_decides_dies() {
    let redis = Redis::start();
    let one = redis.doomed().await;
    let (other, third) = (redis.node().await, redis.node().await);
    let (alice, _) = at(&one, "alice", 0).await;
    let (mut bob, own) = at(&other, "bob", 1).await;
    let (mut carol, there) = at(&third, "carol", 2).await;
    let grant = bob.floor(own.channel).await;
    carol.hear("floor_taken").await;

    one.kill();

    // Longer than the lease: without the other two's doing T1 would end it.
    for sequence in 0..60 {
        // Who says nothing for long is taken for gone, and a busy machine makes this long.
        for client in [&mut bob, &mut carol] {
            client.say(json!({"type": "ping", "nonce": 1})).await;
        }
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
async fn a_node_that_ends_hands_over_what_it_decides_and_a_burst_goes_on() {
    let redis = Redis::start();
    let (one, other, third) = (redis.node().await, redis.node().await, redis.node().await);
    let (alice, _) = at(&one, "alice", 0).await;
    let (mut bob, own) = at(&other, "bob", 1).await;
    let (mut carol, there) = at(&third, "carol", 2).await;
    let decides = |gateway: &TestGateway| gateway.metric("suara_channels_owned") == 1.0;
    assert!(decides(&one) && !decides(&other) && !decides(&third));
    let grant = bob.floor(own.channel).await;
    carol.hear("floor_taken").await;
    bob.send_voice(&frame(own, grant, 0));
    carol.voice().await;

    one.gateway.announce_drain(Duration::from_secs(30));
    one.finish().await;

    // Its last word names the heir, which asks for the lease at once: nobody waits for the old one's end.
    for sequence in 1..20 {
        bob.send_voice(&frame(own, grant, sequence));
        assert_eq!(carol.voice().await, frame(Seat { channel: there.channel, ..own }, grant, sequence));
        sleep(Duration::from_millis(20)).await;
    }
    bob.release(own.channel, grant).await;
    carol.hear("floor_idle").await;
    assert!(decides(&other) || decides(&third));
    let next = carol.floor(there.channel).await;
    assert!(next > grant, "the newer term's grants are greater");
    let users = ["bob", "carol"];
    until_there_are(&mut carol, there, &users).await;
    drop(alice);
}

#[tokio::test]
async fn an_owner_that_hears_nothing_leaves_the_channel_to_one_that_does() {
    let redis = Redis::start();
    redis.order(&["ACL", "SETUSER", "guard", "on", ">secret", "~*", "&*", "+@all"]);
    let (one, other) = (redis.node_as("guard:secret").await, redis.node().await);
    let (mut alice, at_one) = at(&one, "alice", 0).await;
    let (mut bob, at_other) = at(&other, "bob", 1).await;
    alice.sees_join("bob").await;
    assert_eq!(one.metric("suara_channels_owned"), 1.0);

    // From here on Redis answers it, and brings it nothing.
    redis.order(&["ACL", "SETUSER", "guard", "-ssubscribe"]);
    redis.order(&["CLIENT", "KILL", "USER", "guard"]);
    alice.hear_that("the split", split(true)).await;
    let grant = bob.floor(at_other.channel).await;
    assert_ne!(alice.floor(at_one.channel).await, grant, "no grant is two talkers'");
    assert_eq!(other.metric("suara_channels_owned"), 1.0);

    redis.order(&["ACL", "SETUSER", "guard", "+ssubscribe"]);
    alice.hear_that("the end of the split", split(false)).await;
    until_there_are(&mut alice, at_one, &["alice", "bob"]).await;
}

#[tokio::test]
async fn without_redis_each_node_serves_its_own_and_afterwards_they_are_one_again() {
    let mut redis = Redis::start();
    // Nobody talks all the time here, and a Redis that is back is found within seconds.
    let long = Duration::from_secs(120);
    let settings = Settings { t1: long, t2: long, ..Settings::default() };
    let with =
        |all: &mut suara_gateway::Settings| all.channels = vec![(WildMatch::new("*"), settings.clone())];
    let (one, other) = (redis.node_with(with).await, redis.node_with(with).await);
    let (mut alice, at_one) = at(&one, "alice", 0).await;
    let (mut near, _) = at(&one, "near", 1).await;
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

    // Who says nothing for long is taken for gone.
    near.so_far().await;
    redis.run();
    alice.hear_that("the end of the split", split(false)).await;
    bob.hear_that("the end of the split", split(false)).await;
    until_there_are(&mut alice, at_one, &["alice", "bob", "late", "near"]).await;
    near.so_far().await;
    until_there_are(&mut bob, at_other, &["alice", "bob", "late", "near"]).await;
    assert_eq!(one.metric("suara_channels_split"), 0.0);
    // One of the two goes on, and the other is told that it doesn't.
    let (mine, yours) = (alice.so_far().await, bob.so_far().await);
    let revoked = [&mine, &yours].map(|said| kinds(said).contains(&"floor_revoke"));
    assert_eq!(revoked.iter().filter(|is| **is).count(), 1, "{mine:?} {yours:?}");
    let (talker, seat, grant, listener, there) = if revoked[0] {
        (&bob, at_other, apart, &near, at_one)
    } else {
        (&alice, at_one, grant, &bob, at_other)
    };
    let heard = talk_until_heard(talker, seat, grant, listener).await;
    let first = frame(Seat { channel: there.channel, ..seat }, grant, 0);
    assert_eq!((&heard[6..8], &heard[12..20]), (&first[6..8], &first[12..20]), "it is heard by the others");
    let boss = json!({"type": "floor_request", "channel": at_one.channel, "queue": true});
    let answer = alice.ask(boss).await;
    assert!(
        ["floor_granted", "floor_queued"].contains(&answer["type"].as_str().expect("a type")),
        "{answer}"
    );
    assert!(number(&answer["request"]) > 0);
}

#[tokio::test]
async fn who_has_the_number_of_another_after_a_split_gets_a_new_one_and_is_told_so() {
    let mut redis = Redis::start();
    let (one, other) = (redis.node().await, redis.node().await);
    let (mut alice, at_one) = at(&one, "alice", 0).await;
    let (mut bob, _) = at(&other, "bob", 1).await;
    alice.sees_join("bob").await;
    redis.kill();
    alice.hear_that("the split", split(true)).await;
    bob.hear_that("the split", split(true)).await;
    let (mut eve, mut mallory) = (one.user("eve").await, other.user("mallory").await);
    let (at_eve, at_mallory) = (eve.join("ops").await, mallory.join("ops").await);
    assert_eq!(at_eve.talker, at_mallory.talker, "nobody knows of the other");

    redis.run();
    alice.hear_that("the end of the split", split(false)).await;
    until_there_are(&mut alice, at_one, &["alice", "bob", "eve", "mallory"]).await;
    let roster = alice.roster(at_one.channel).await;
    let number = |user: &str| roster.iter().find(|(_, who)| who == user).expect("it is there").0;
    let (client, before, user) = if number("eve") == at_eve.talker {
        (&mut mallory, at_mallory, "mallory")
    } else {
        (&mut eve, at_eve, "eve")
    };
    assert_ne!(number(user), before.talker);
    let joined = client.hear_that("its place", |said| said["type"] == "joined").await;
    assert!(joined["request"].is_null());
    let seat = crate::kit::seat(&joined);
    assert_eq!(seat, Seat { talker: number(user), ..before });
    let grant = client.floor(seat.channel).await;
    let taken = |said: &Value| said["type"] == "floor_taken" && said["user"] == user;
    let taken = alice.hear_that("the talker", taken).await;
    assert_eq!((&taken["talker"], &taken["grant"]), (&json!(seat.talker), &json!(grant)));
    client.send_voice(&frame(seat, grant, 1));
    client.leave(seat.channel).await;
    assert_eq!(alice.sees_leave(seat.talker).await, "left");
}

/// A bridge with one member, who is in the channel.
async fn by_trunk(gateway: &TestGateway, user: &str) -> (Client, Seat) {
    let mut trunk = gateway.trunk().await;
    let attach = json!({"type": "attach", "member": 1, "token": mint(&claims(user))});
    assert_eq!(trunk.ask(attach).await["type"], "attached");
    let joined = trunk.ask(json!({"type": "join", "member": 1, "channel": "ops"})).await;
    (trunk, crate::kit::seat(&joined))
}

#[tokio::test]
async fn a_trunks_member_that_gets_a_new_number_after_a_split_is_told_so_and_talks_under_it() {
    let mut redis = Redis::start();
    let (one, other) = (redis.node().await, redis.node().await);
    let (mut alice, at_one) = at(&one, "alice", 0).await;
    let (mut bob, _) = at(&other, "bob", 1).await;
    alice.sees_join("bob").await;
    redis.kill();
    alice.hear_that("the split", split(true)).await;
    bob.hear_that("the split", split(true)).await;
    let ((mut near, at_near), (mut far, at_far)) =
        (by_trunk(&one, "eve").await, by_trunk(&other, "mallory").await);
    assert_eq!(at_near.talker, at_far.talker, "nobody knows of the other");

    redis.run();
    alice.hear_that("the end of the split", split(false)).await;
    // Who says nothing for long is taken for gone.
    for trunk in [&mut near, &mut far] {
        trunk.say(json!({"type": "ping", "nonce": 1})).await;
    }
    until_there_are(&mut alice, at_one, &["alice", "bob", "eve", "mallory"]).await;
    let roster = alice.roster(at_one.channel).await;
    let talker = |user: &str| roster.iter().find(|(_, who)| who == user).expect("it is there").0;
    let (trunk, before, user) = if talker("eve") == at_near.talker {
        (&mut far, at_far, "mallory")
    } else {
        (&mut near, at_near, "eve")
    };

    let joined = trunk.hear_that("its place", |said| said["type"] == "joined").await;
    assert_eq!((&joined["request"], &joined["member"]), (&Value::Null, &json!(1)), "{joined}");
    assert!(joined["members"].is_null(), "a trunk knows the channel");
    let seat = crate::kit::seat(&joined);
    assert_eq!(seat, Seat { talker: talker(user), ..before });
    let asking = json!({"type": "floor_request", "member": 1, "channel": seat.channel});
    let grant = number(&trunk.ask(asking).await["grant"]);
    let taken = |said: &Value| said["type"] == "floor_taken" && said["user"] == user;
    assert_eq!(number(&alice.hear_that("the talker", taken).await["talker"]), u32::from(seat.talker));
    let heard = talk_until_heard(trunk, seat, grant, &alice).await;
    let first = frame(Seat { channel: at_one.channel, ..seat }, grant, 0);
    assert_eq!((&heard[6..8], &heard[12..20]), (&first[6..8], &first[12..20]), "under its new number");
}
