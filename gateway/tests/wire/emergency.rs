//! Emergency alerts (PROTOCOL.md, section 4.4).

use serde_json::{Value, json};
use suara_gateway::auth::{Claims, Scope};

use crate::kit::{Client, TestGateway, claims, frame, kinds, mint, number, seat};

fn may(user: &str, rights: &str) -> Claims {
    Claims { channels: Some(vec![format!("*:listen,talk{rights}")]), ..claims(user) }
}

/// Raises an emergency with a place and words, and says the answer.
async fn raise(client: &mut Client) -> Value {
    let location = json!({"latitude_e7": -62_088_000, "longitude_e7": 1_068_456_000, "accuracy_m": 12});
    client.ask(json!({"type": "emergency", "location": location, "text": "Man down"})).await
}

#[tokio::test]
async fn one_action_brings_one_into_the_emergency_channel_and_tells_everybody_there() {
    let gateway = TestGateway::start();
    let mut watch = gateway.welcome(&may("watch", "")).await;
    let watching = watch.join("emergency").await;
    let mut alice = gateway.welcome(&may("alice", ",emergency")).await;
    alice.join("ops").await;

    let raised = raise(&mut alice).await;
    assert_eq!((&raised["type"], &raised["microphone_ms"]), (&json!("emergency_raised"), &json!(10_000)));
    let joined = alice.hear("joined").await;
    assert!(joined["request"].is_null() && joined["call"].is_null(), "{joined}");
    let own = seat(&joined);
    assert_eq!((&joined["name"], own.channel), (&json!("emergency"), watching.channel));
    let mut alert = watch.hear("emergency_alert").await;
    assert!(alert["at"].take().as_u64().is_some_and(|at| at > 1_700_000_000_000));
    let expected = json!({"type": "emergency_alert", "channel": own.channel, "talker": own.talker, "user": "alice",
        "name": "Name of alice", "at": null, "text": "Man down",
        "location": {"latitude_e7": -62_088_000, "longitude_e7": 1_068_456_000, "accuracy_m": 12}});
    assert_eq!(alert, expected);

    // It takes the floor of whoever has it.
    let grant = watch.floor(watching.channel).await;
    alice
        .say(json!({"type": "floor_request", "request": 5, "channel": own.channel, "level": "emergency"}))
        .await;
    watch.release(watching.channel, grant).await;
    let grant = number(&alice.hear("floor_granted").await["grant"]);
    alice.send_voice(&frame(own, grant, 1));
    assert_eq!(watch.voice().await, frame(own, grant, 1));
    gateway.finish().await;
}

#[tokio::test]
async fn it_is_in_force_until_its_author_or_a_dispatcher_says_so() {
    let gateway = TestGateway::start();
    let mut alice = gateway.welcome(&may("alice", ",emergency")).await;
    let raised = raise(&mut alice).await;
    let channel = number(&raised["channel"]);
    let cancel = |user: &str| json!({"type": "emergency_cancel", "channel": channel, "user": user});

    let mut late = gateway.welcome(&may("late", "")).await;
    late.join("emergency").await;
    assert_eq!(late.hear("emergency_alert").await["user"], "alice", "who comes later is told");
    late.say(cancel("alice")).await;
    assert_eq!(late.hear("error").await["code"], "forbidden");
    late.say(json!({"type": "emergency_cancel", "channel": channel})).await;
    assert_eq!(late.hear("error").await["code"], "unknown_user");

    let mut chief = gateway.welcome(&may("chief", ",dispatch")).await;
    chief.join("emergency").await;
    chief.say(cancel("alice")).await;
    let over = json!({"type": "emergency_over", "channel": channel, "user": "alice", "by": "chief"});
    for client in [&mut alice, &mut late, &mut chief] {
        assert_eq!(client.hear("emergency_over").await, over);
    }
    raise(&mut alice).await;
    alice.say(json!({"type": "emergency_cancel", "channel": channel})).await;
    let own = json!({"type": "emergency_over", "channel": channel, "user": "alice", "by": "alice"});
    assert_eq!(late.hear("emergency_over").await, own);
    let mut last = gateway.user("last").await;
    last.join("emergency").await;
    assert!(!kinds(&last.so_far().await).contains(&"emergency_alert"));
    gateway.finish().await;
}

#[tokio::test]
async fn it_takes_the_right_and_a_place_on_earth() {
    let gateway = TestGateway::with(|all| all.calls.emergency_channel = "alarm".into());
    let mut bob = gateway.user("bob").await;
    assert_eq!(bob.refusal(json!({"type": "emergency"})).await, "forbidden");
    let mut alice = gateway.welcome(&may("alice", ",emergency")).await;
    let at = |latitude: i64| json!({"latitude_e7": latitude, "longitude_e7": 0});
    for bad in [
        json!({"type": "emergency", "location": at(900_000_001)}),
        json!({"type": "emergency", "location": at(1 << 40)}),
        json!({"type": "emergency", "location": {"latitude_e7": 0}}),
        json!({"type": "emergency", "text": ""}),
        json!({"type": "emergency", "text": "a\u{202e}b"}),
        json!({"type": "emergency", "text": "x".repeat(257)}),
    ] {
        assert_eq!(alice.refusal(bad.clone()).await, "bad_field", "{bad}");
    }
    assert_eq!(gateway.metric("suara_channels"), 0.0, "nobody was brought anywhere");
    raise(&mut alice).await;
    assert_eq!(alice.hear("joined").await["name"], "alarm");
    for request in 0..40 {
        alice.say(json!({"type": "emergency", "request": request})).await;
    }
    alice.hear_that("too many", |said| said["code"] == "rate_limited").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_trunk_hears_of_it_once_and_its_members_may_raise_one() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.welcome(&Claims { scope: Scope::Trunk, ..claims("bridge") }).await;
    for (member, claims) in [(1, may("alice", ",emergency")), (2, may("bob", ""))] {
        trunk.ask(json!({"type": "attach", "member": member, "token": mint(&claims)})).await;
    }
    trunk.ask(json!({"type": "join", "member": 2, "channel": "emergency"})).await;

    trunk.say(json!({"type": "emergency", "request": 9, "member": 1})).await;
    let raised = trunk.hear("emergency_raised").await;
    assert_eq!((&raised["member"], &raised["request"]), (&json!(1), &json!(9)));
    assert_eq!(trunk.hear("emergency_alert").await["user"], "alice");
    assert!(!kinds(&trunk.so_far().await).contains(&"emergency_alert"));
    gateway.finish().await;
}
