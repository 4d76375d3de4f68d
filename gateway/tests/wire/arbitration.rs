//! Who takes precedence: the queue, pre-emption, emergencies, dispatchers, modes, and the floor by datagram.

use std::time::Duration;

use serde_json::{Value, json};
use suara_channel::{ChannelMode, Settings};
use suara_gateway::auth::Claims;
use wildmatch::WildMatch;

use crate::kit::{Client, Seat, TestGateway, claims, frame, kinds, number};

fn request(channel: u32) -> Value {
    json!({"type": "floor_request", "channel": channel})
}

fn waiting(channel: u32) -> Value {
    json!({"type": "floor_request", "channel": channel, "queue": true})
}

fn emergency(channel: u32) -> Value {
    json!({"type": "floor_request", "channel": channel, "level": "emergency"})
}

/// Somebody of that priority who may do everything.
async fn ranked(gateway: &TestGateway, name: &str, priority: u8) -> (Client, Seat) {
    let channels = Some(vec!["*:listen,talk,emergency,dispatch".to_owned()]);
    let mut client = gateway.welcome(&Claims { channels, priority, ..claims(name) }).await;
    let seat = client.join("ops").await;
    (client, seat)
}

fn with(settings: Settings) -> TestGateway {
    TestGateway::with(|all| all.channels = vec![(WildMatch::new("*"), settings)])
}

/// A floor datagram, byte by byte as section 5.6 of the page has it.
fn datagram(
    subtype: u8,
    detail: u8,
    seat: Seat,
    priority: u8,
    [request, grant, duration]: [u32; 3],
) -> Vec<u8> {
    let mut bytes = vec![2, 1, subtype, detail];
    bytes.extend(seat.channel.to_be_bytes());
    bytes.extend(seat.talker.to_be_bytes());
    bytes.extend([priority, 0]);
    [request, grant, duration].iter().for_each(|field| bytes.extend(field.to_be_bytes()));
    bytes
}

#[tokio::test]
async fn who_waits_is_told_its_place_and_is_granted_next() {
    let gateway = TestGateway::start();
    let (mut alice, seat) = ranked(&gateway, "alice", 0).await;
    let ((mut bob, _), (mut eve, _)) = (ranked(&gateway, "bob", 0).await, ranked(&gateway, "eve", 0).await);
    let grant = alice.floor(seat.channel).await;

    let first = bob.ask(waiting(seat.channel)).await;
    let expected = json!({"type": "floor_queued", "channel": seat.channel, "request": first["request"],
        "position": 1, "size": 1});
    assert_eq!(first, expected);
    assert_eq!(eve.ask(waiting(seat.channel)).await["position"], 2);

    alice.release(seat.channel, grant).await;
    let granted = bob.hear("floor_granted").await;
    assert_eq!(granted["request"], first["request"]);
    assert!(number(&granted["grant"]) > grant);
    assert_eq!(eve.hear("floor_queued").await["position"], 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_request_that_is_taken_back_is_granted_no_more() {
    let gateway = TestGateway::start();
    let (mut alice, seat) = ranked(&gateway, "alice", 0).await;
    let (mut bob, _) = ranked(&gateway, "bob", 0).await;
    let grant = alice.floor(seat.channel).await;
    let place = bob.ask(waiting(seat.channel)).await;

    bob.say(json!({"type": "floor_cancel", "channel": seat.channel, "request": place["request"]})).await;

    let expected = json!({"type": "floor_cancelled", "channel": seat.channel, "request": place["request"]});
    assert_eq!(bob.hear("floor_cancelled").await, expected);
    alice.release(seat.channel, grant).await;
    bob.hear("floor_idle").await;
    assert!(!kinds(&bob.so_far().await).contains(&"floor_granted"));
}

#[tokio::test]
async fn a_higher_priority_takes_the_floor_and_the_old_grant_is_heard_by_nobody_afterwards() {
    let gateway = with(Settings { t3: Duration::from_millis(200), ..Settings::default() });
    let ((mut low, seat), (mut high, high_seat)) =
        (ranked(&gateway, "low", 1).await, ranked(&gateway, "high", 9).await);
    let (mut listener, _) = ranked(&gateway, "listener", 0).await;
    let old = low.floor(seat.channel).await;

    high.ask(request(seat.channel)).await;
    let revoke = low.hear("floor_revoke").await;
    assert_eq!((&revoke["cause"], &revoke["grace_ms"]), (&json!("pre_empted"), &json!(200)));
    let grant = number(&high.hear("floor_granted").await["grant"]);

    low.send_voice(&frame(seat, old, 1));
    gateway.until("the late frame is counted", |gateway| gateway.dropped("no_grant") == 1.0).await;
    high.send_voice(&frame(high_seat, grant, 2));
    assert_eq!(listener.voice().await, frame(high_seat, grant, 2), "and nothing before it");
    listener.so_far().await;
}

#[tokio::test]
async fn an_emergency_is_above_all_and_everybody_is_told() {
    let gateway = TestGateway::start();
    let ((mut boss, seat), (mut guard, _)) =
        (ranked(&gateway, "boss", 255).await, ranked(&gateway, "guard", 0).await);
    boss.floor(seat.channel).await;

    guard.ask(emergency(seat.channel)).await;

    assert_eq!(boss.hear("floor_revoke").await["grace_ms"], 300);
    assert_eq!(guard.hear("floor_granted").await["duration_ms"], 3_600_000);
    let is_emergency = |said: &Value| said["type"] == "floor_taken" && said["level"] == "emergency";
    boss.hear_that("the emergency", is_emergency).await;
    assert_eq!(boss.ask(request(seat.channel)).await["cause"], "another_has_permission");
    let mut late = gateway.user("late").await;
    assert_eq!(late.joined("ops").await.1["talking"]["level"], "emergency", "late entry");
}

#[tokio::test]
async fn an_emergency_takes_the_right_to_raise_one() {
    let gateway = TestGateway::start();
    let mut alice = gateway.user("alice").await;
    let seat = alice.join("ops").await;

    let denied = alice.ask(emergency(seat.channel)).await;

    assert_eq!((&denied["type"], &denied["cause"]), (&json!("floor_deny"), &json!("other")));
    let decisions = "suara_floor_decisions_total{decision=\"deny\",cause=\"other\"}";
    assert_eq!(gateway.metric(decisions), 1.0);
}

#[tokio::test]
async fn the_talker_is_warned_before_its_limit() {
    let settings = Settings {
        t2: Duration::from_millis(1_000),
        warning: Duration::from_millis(900),
        ..Settings::default()
    };
    let gateway = with(settings);
    let (mut alice, seat) = ranked(&gateway, "alice", 0).await;
    let (mut bob, _) = ranked(&gateway, "bob", 0).await;
    let grant = alice.floor(seat.channel).await;

    let warning = alice.hear("floor_warning").await;

    assert_eq!((number(&warning["grant"]), number(&warning["channel"])), (grant, seat.channel));
    assert!(number(&warning["remaining_ms"]) <= 900);
    alice.hear("floor_revoke").await;
    assert!(!kinds(&bob.so_far().await).contains(&"floor_warning"), "it is the talker's alone");
}

#[tokio::test]
async fn a_dispatcher_revokes_mutes_and_clears() {
    let gateway = TestGateway::start();
    let ((mut boss, seat), (mut alice, alice_seat)) =
        (ranked(&gateway, "boss", 0).await, ranked(&gateway, "alice", 0).await);
    let dispatch = |action: &str, talker: Option<u16>| json!({"type": "dispatch", "channel": seat.channel, "action": action, "talker": talker});
    let grant = alice.floor(seat.channel).await;

    let done = boss.ask(dispatch("mute", Some(alice_seat.talker))).await;
    let expected = json!({"type": "dispatched", "request": done["request"], "channel": seat.channel,
        "action": "mute"});
    assert_eq!(done, expected);
    assert_eq!(alice.hear("floor_revoke").await["cause"], "no_permission");
    let muted = |said: &Value| said["changed"][0]["muted"] == true;
    let told = boss.hear_that("the mute", muted).await;
    assert_eq!(told["changed"][0]["talker"], alice_seat.talker);
    alice.send_voice(&frame(alice_seat, grant, 1));
    gateway.until("the muted one's frame is dropped", |gateway| gateway.dropped("no_grant") == 1.0).await;
    assert_eq!(alice.ask(request(seat.channel)).await["cause"], "receive_only");

    boss.ask(dispatch("unmute", Some(alice_seat.talker))).await;
    let grant = alice.floor(seat.channel).await;
    boss.ask(dispatch("revoke", Some(alice_seat.talker))).await;
    assert_eq!(alice.hear("floor_revoke").await["grace_ms"], 3_000);
    boss.ask(dispatch("clear", None)).await;
    let over = |said: &Value| said["type"] == "floor_idle" && said["grant"] == grant;
    alice.hear_that("the end", over).await;

    assert_eq!(boss.refusal(dispatch("mute", Some(999))).await, "unknown_talker");
    let mut guard = gateway.user("guard").await;
    guard.join("ops").await;
    assert_eq!(guard.refusal(dispatch("clear", None)).await, "forbidden");
}

#[tokio::test]
async fn in_an_open_channel_several_are_heard_at_once() {
    let gateway = with(Settings { mode: ChannelMode::Open, max_talkers: 2, ..Settings::default() });
    let ((mut one, seat), (mut two, two_seat)) =
        (ranked(&gateway, "one", 0).await, ranked(&gateway, "two", 0).await);
    let (first, second) = (one.floor(seat.channel).await, two.floor(seat.channel).await);
    let mut listener = gateway.user("listener").await;

    let joined = listener.joined("ops").await.1;

    assert_eq!((&joined["mode"], number(&joined["talking"]["grant"])), (&json!("open"), second));
    assert_eq!(number(&joined["also_talking"][0]["grant"]), first);
    one.send_voice(&frame(seat, first, 1));
    assert_eq!(listener.voice().await, frame(seat, first, 1));
    two.send_voice(&frame(two_seat, second, 2));
    assert_eq!(listener.voice().await, frame(two_seat, second, 2));
}

#[tokio::test]
async fn in_a_dual_channel_an_override_talks_with_the_overridden() {
    let gateway = with(Settings { mode: ChannelMode::Dual, ..Settings::default() });
    let ((mut low, seat), (mut high, high_seat)) =
        (ranked(&gateway, "low", 1).await, ranked(&gateway, "high", 2).await);
    let (listener, _) = ranked(&gateway, "listener", 0).await;
    let (old, new) = (low.floor(seat.channel).await, high.floor(seat.channel).await);

    low.send_voice(&frame(seat, old, 1));
    assert_eq!(listener.voice().await, frame(seat, old, 1));
    high.send_voice(&frame(high_seat, new, 2));
    assert_eq!(listener.voice().await, frame(high_seat, new, 2));
    assert!(!kinds(&low.so_far().await).contains(&"floor_revoke"));
}

#[tokio::test]
async fn a_request_by_datagram_is_answered_by_datagram_and_on_the_stream() {
    let gateway = TestGateway::start();
    let ((mut alice, seat), (bob, bob_seat)) =
        (ranked(&gateway, "alice", 0).await, ranked(&gateway, "bob", 0).await);

    alice.send_voice(&datagram(0, 0, seat, 255, [7, 0, 0]));

    let granted = alice.hear("floor_granted").await;
    let grant = number(&granted["grant"]);
    assert_eq!(granted["request"], 7);
    let answer = alice.voice().await;
    assert_eq!(answer, datagram(1, 0, seat, 0, [7, grant, 30_000]));
    // It is said again until there is voice, with what is left of the time.
    let again = alice.voice().await;
    assert_eq!(again[..20], answer[..20]);

    bob.send_voice(&datagram(0, 0, bob_seat, 255, [8, 0, 0]));
    assert_eq!(bob.voice().await, datagram(3, 1, bob_seat, 0, [8, 0, 0]));
    bob.send_voice(&datagram(0, 4, bob_seat, 255, [9, 0, 0]));
    assert_eq!(bob.voice().await, datagram(9, 1, bob_seat, 0, [9, 0, 0]));

    alice.send_voice(&datagram(4, 0, seat, 0, [0, grant, 0]));
    assert_eq!(bob.voice().await[..16], datagram(1, 0, bob_seat, 0, [9, 0, 0])[..16]);
}

#[tokio::test]
async fn a_request_that_comes_by_both_roads_is_one() {
    let gateway = TestGateway::start();
    let (mut alice, seat) = ranked(&gateway, "alice", 0).await;
    alice.send_voice(&datagram(0, 0, seat, 255, [7, 0, 0]));
    let grant = number(&alice.hear("floor_granted").await["grant"]);
    alice.release(seat.channel, grant).await;
    alice.hear("floor_idle").await;

    // Late by either road: it was granted, and that is over.
    alice.say(json!({"type": "floor_request", "request": 7, "channel": seat.channel})).await;
    alice.send_voice(&datagram(0, 0, seat, 255, [7, 0, 0]));

    let said = alice.so_far().await;
    assert!(!kinds(&said).contains(&"floor_granted"), "{said:?}");
    assert!(alice.floor(seat.channel).await > grant);
}

#[tokio::test]
async fn a_release_that_comes_by_both_roads_is_one() {
    let gateway = TestGateway::start();
    let (mut alice, seat) = ranked(&gateway, "alice", 0).await;
    let grant = alice.floor(seat.channel).await;
    alice.send_voice(&datagram(4, 0, seat, 0, [0, grant, 0]));
    alice.hear("floor_idle").await;

    alice.release(seat.channel, grant).await;

    let said = alice.so_far().await;
    assert!(!kinds(&said).contains(&"error"), "{said:?}");
    alice.release(seat.channel, grant + 1).await;
    assert_eq!(alice.hear("error").await["code"], "wrong_grant", "another one is refused as ever");
}

#[tokio::test]
async fn forged_floor_datagrams_are_counted_and_change_nothing() {
    let gateway = TestGateway::start();
    let ((mut alice, seat), (mallory, own)) =
        (ranked(&gateway, "alice", 0).await, ranked(&gateway, "mallory", 0).await);
    let grant = alice.floor(seat.channel).await;
    let elsewhere = Seat { channel: seat.channel + 9, ..own };

    for (reason, forged) in [
        ("wrong_talker", datagram(4, 0, seat, 0, [0, grant, 0])),
        ("not_joined", datagram(0, 0, elsewhere, 255, [1, 0, 0])),
        ("malformed", datagram(1, 0, own, 0, [1, grant + 1, 30_000])),
        ("malformed", datagram(0, 3, own, 255, [1, 0, 0])),
        ("malformed", vec![2, 1, 0]),
    ] {
        let before = gateway.dropped(reason);
        mallory.send_voice(&forged);
        gateway.until(reason, |gateway| gateway.dropped(reason) == before + 1.0).await;
    }

    mallory.send_voice(&datagram(4, 0, own, 0, [0, grant, 0]));
    mallory.send_voice(&datagram(0, 0, own, 255, [2, 0, 0]));
    assert_eq!(mallory.voice().await, datagram(3, 1, own, 0, [2, 0, 0]), "alice talks still");
    let said = alice.so_far().await;
    assert!(!kinds(&said).contains(&"floor_idle"), "{said:?}");
}
