//! The right to talk.

use std::time::Duration;

use serde_json::{Value, json};
use suara_channel::Settings;
use suara_gateway::auth::Claims;
use tokio::time::Instant;
use wildmatch::WildMatch;

use crate::kit::{Client, Seat, TestGateway, claims, frame, kinds, number};

/// A talker and a listener in one channel, with nothing left to hear.
async fn two(gateway: &TestGateway, channel: &str) -> (Client, Seat, Client, Seat) {
    let (mut alice, mut bob) = (gateway.user("alice").await, gateway.user("bob").await);
    let alice_seat = alice.join(channel).await;
    let bob_seat = bob.join(channel).await;
    alice.sees_join("bob").await;
    bob.sees_join("bob").await;
    alice.so_far().await;
    bob.so_far().await;
    (alice, alice_seat, bob, bob_seat)
}

/// A gateway with short timers in channels whose name begins with `short`.
fn short(settings: Settings) -> TestGateway {
    TestGateway::with(|all| all.channels = vec![(WildMatch::new("short*"), settings)])
}

fn request(request: u32, channel: u32) -> Value {
    json!({"type": "floor_request", "request": request, "channel": channel})
}

#[tokio::test]
async fn granted_comes_before_taken_and_everybody_hears_taken() {
    let gateway = TestGateway::start();
    let (mut alice, seat, mut bob, _) = two(&gateway, "lobby").await;

    alice.say(request(5, seat.channel)).await;

    let granted = alice.next().await;
    let grant = number(&granted["grant"]);
    let expected = json!({"type": "floor_granted", "channel": seat.channel, "request": 5, "grant": grant,
        "duration_ms": 30_000});
    assert_eq!(granted, expected);
    let taken = json!({"type": "floor_taken", "channel": seat.channel, "talker": seat.talker, "user": "alice",
        "name": "Name of alice", "grant": grant, "remaining_ms": 30_000});
    assert_eq!(alice.next().await, taken);
    assert_eq!(bob.next().await, taken);
    gateway.finish().await;
}

#[tokio::test]
async fn a_release_makes_the_floor_idle_and_the_next_grant_is_greater() {
    let gateway = TestGateway::start();
    let (mut alice, seat, mut bob, _) = two(&gateway, "lobby").await;
    let grant = alice.floor(seat.channel).await;

    alice.release(seat.channel, grant).await;

    let idle = json!({"type": "floor_idle", "channel": seat.channel, "grant": grant});
    assert_eq!(alice.hear("floor_idle").await, idle);
    assert_eq!(bob.hear("floor_idle").await, idle);
    assert!(bob.floor(seat.channel).await > grant);
    let decisions =
        |name| gateway.metric(&format!("suara_floor_decisions_total{{decision=\"{name}\",cause=\"\"}}"));
    assert_eq!((decisions("granted"), decisions("idle")), (2.0, 1.0));
}

#[tokio::test]
async fn who_asks_while_another_talks_is_denied() {
    let gateway = TestGateway::start();
    let (mut alice, seat, mut bob, _) = two(&gateway, "lobby").await;
    alice.floor(seat.channel).await;

    let denied = bob.ask(request(0, seat.channel)).await;

    let expected = json!({"type": "floor_deny", "channel": seat.channel, "request": denied["request"],
        "cause": "another_has_permission"});
    assert_eq!(denied, expected);
    alice.so_far().await;
    let heard = alice.so_far().await;
    assert!(heard.is_empty(), "the talker isn't bothered: {heard:?}");
}

#[tokio::test]
async fn the_holder_who_asks_again_keeps_its_grant() {
    let gateway = TestGateway::start();
    let (mut alice, seat, ..) = two(&gateway, "lobby").await;
    let grant = alice.floor(seat.channel).await;

    let again = alice.ask(request(0, seat.channel)).await;

    assert_eq!((&again["type"], number(&again["grant"])), (&json!("floor_granted"), grant));
    assert!(number(&again["duration_ms"]) <= 30_000);
}

#[tokio::test]
async fn who_may_only_listen_is_denied() {
    let gateway = TestGateway::start();
    let channels = Some(vec!["*:listen".to_owned()]);
    let mut listener = gateway.welcome(&Claims { channels, ..claims("listener") }).await;
    let seat = listener.join("lobby").await;

    let denied = listener.ask(request(0, seat.channel)).await;

    assert_eq!((&denied["type"], &denied["cause"]), (&json!("floor_deny"), &json!("receive_only")));
}

#[tokio::test]
async fn a_release_with_another_grant_is_wrong() {
    let gateway = TestGateway::start();
    let (mut alice, seat, mut bob, _) = two(&gateway, "lobby").await;
    let grant = alice.floor(seat.channel).await;
    alice.so_far().await;
    bob.hear("floor_taken").await;

    bob.release(seat.channel, grant).await;
    alice.release(seat.channel, grant + 1).await;

    assert_eq!(bob.next().await["code"], "wrong_grant");
    assert_eq!(alice.next().await["code"], "wrong_grant");
    assert_eq!(kinds(&bob.so_far().await), Vec::<&str>::new(), "the floor isn't idle");
}

#[tokio::test]
async fn a_talker_without_voice_loses_the_floor_without_a_revoke() {
    let gateway = short(Settings { t1: Duration::from_millis(300), ..Settings::default() });
    let (mut alice, seat, mut bob, _) = two(&gateway, "short").await;
    let grant = alice.floor(seat.channel).await;
    // Voice holds it, and does so as long as it comes.
    let start = Instant::now();
    for sequence in 0..25 {
        alice.send_voice(&frame(seat, grant, sequence));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let held = bob.so_far().await;
    assert!(!kinds(&held).contains(&"floor_idle"), "{held:?}");

    assert_eq!(number(&bob.hear("floor_idle").await["grant"]), grant);

    assert!(start.elapsed() >= Duration::from_millis(750), "{:?}", start.elapsed());
    let heard = alice.so_far().await;
    assert!(!kinds(&heard).contains(&"floor_revoke"), "{heard:?}");
    // The release crossed the idle on its way.
    alice.release(seat.channel, grant).await;
    assert_eq!(kinds(&alice.so_far().await), Vec::<&str>::new());
}

#[tokio::test]
async fn who_talks_too_long_is_revoked_and_after_the_grace_silenced() {
    let settings =
        Settings { t2: Duration::from_millis(400), t3: Duration::from_millis(300), ..Settings::default() };
    let gateway = short(settings);
    let (mut alice, seat, mut bob, _) = two(&gateway, "short/ops").await;

    let granted = alice.ask(request(0, seat.channel)).await;
    assert_eq!(number(&granted["duration_ms"]), 400);
    let grant = number(&granted["grant"]);
    let revoke = alice.hear("floor_revoke").await;

    let expected = json!({"type": "floor_revoke", "channel": seat.channel, "grant": grant,
        "cause": "media_burst_too_long", "grace_ms": 300});
    assert_eq!(revoke, expected);
    // What comes within the grace is still heard; the floor can't be asked for.
    alice.send_voice(&frame(seat, grant, 1));
    assert_eq!(bob.voice().await, frame(seat, grant, 1));
    assert_eq!(alice.ask(request(0, seat.channel)).await["type"], "floor_deny");
    let own = bob.ask(request(0, seat.channel)).await;
    assert_eq!(own["cause"], "another_has_permission");
    let said = bob.so_far().await;
    assert!(!kinds(&said).contains(&"floor_revoke"), "others hear of no revoke: {said:?}");

    assert_eq!(number(&bob.hear("floor_idle").await["grant"]), grant);
    bob.floor(seat.channel).await;
}

#[tokio::test]
async fn a_release_after_the_revoke_ends_the_grace() {
    let settings = Settings { t2: Duration::from_millis(100), ..Settings::default() };
    let gateway = short(settings);
    let (mut alice, seat, mut bob, _) = two(&gateway, "short").await;
    let grant = alice.floor(seat.channel).await;
    alice.hear("floor_revoke").await;

    alice.release(seat.channel, grant).await;

    bob.hear("floor_idle").await;
    assert!(bob.floor(seat.channel).await > grant);
}

#[tokio::test]
async fn taken_is_repeated_while_the_floor_is_held() {
    let gateway = short(Settings { renewal: Duration::from_millis(100), ..Settings::default() });
    let (mut alice, seat, mut bob, _) = two(&gateway, "short").await;
    alice.floor(seat.channel).await;

    let mut last = 30_001;
    for _ in 0..3 {
        let remaining = number(&bob.hear("floor_taken").await["remaining_ms"]);
        assert!(remaining < last, "{remaining} after {last}");
        last = remaining;
    }
}

#[tokio::test]
async fn a_talker_whose_session_vanishes_loses_the_floor_at_once() {
    let gateway = TestGateway::start();
    let (mut alice, seat, mut bob, _) = two(&gateway, "lobby").await;
    let grant = alice.floor(seat.channel).await;

    alice.vanish();

    assert_eq!(number(&bob.hear("floor_idle").await["grant"]), grant);
    assert_eq!(bob.sees_leave(seat.talker).await, "disconnected");
    bob.floor(seat.channel).await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_talker_who_leaves_the_channel_loses_the_floor_at_once() {
    let gateway = TestGateway::start();
    let (mut alice, seat, mut bob, _) = two(&gateway, "lobby").await;
    let grant = alice.floor(seat.channel).await;

    // A request and a leave in one go: whatever the channel makes of it, the floor is free in the end.
    alice.say(request(9, seat.channel)).await;
    alice.leave(seat.channel).await;

    assert_eq!(number(&bob.hear("floor_idle").await["grant"]), grant);
    bob.floor(seat.channel).await;
}

#[tokio::test]
async fn floors_of_two_channels_are_two() {
    let gateway = TestGateway::start();
    let (mut alice, seat, mut bob, _) = two(&gateway, "one").await;
    let (alice_two, bob_two) = (alice.join("two").await, bob.join("two").await);

    alice.floor(seat.channel).await;
    bob.floor(bob_two.channel).await;

    assert_eq!(alice.ask(request(0, alice_two.channel)).await["type"], "floor_deny");
    assert_eq!(bob.ask(request(0, seat.channel)).await["type"], "floor_deny");
}
