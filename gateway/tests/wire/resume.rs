//! A session that is lost and resumed, or replaced while it lives (PROTOCOL.md, section 3.6).

use std::time::Duration;

use serde_json::{Value, json};
use suara_channel::Settings;
use suara_gateway::auth::{Claims, Scope};
use wildmatch::WildMatch;

use crate::kit::{
    Client, Seat, TestGateway, claims, first_piece, frame, hello, kinds, mint, number, open_socket, opening,
};

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// A client of that user's by WebTransport, with a resume token of its own or of nobody's; and its welcome.
async fn arrive(gateway: &TestGateway, who: &Claims, resume: &str) -> (Client, Value) {
    let mut client = Client::open(gateway.connect().await).await;
    let token = mint(who);
    client.say(json!({"type": "hello", "version": 1, "token": token, "resume": resume})).await;
    let welcome = client.hear("welcome").await;
    (client, welcome)
}

async fn first(gateway: &TestGateway, name: &str) -> (Client, String) {
    let (client, welcome) = arrive(gateway, &claims(name), "").await;
    assert!(welcome["resumed"].is_null(), "{welcome}");
    (client, text(&welcome["resume"]))
}

async fn resumed(gateway: &TestGateway, name: &str, resume: &str) -> (Client, String) {
    let (client, welcome) = arrive(gateway, &claims(name), resume).await;
    assert_eq!(welcome["resumed"], true, "{welcome}");
    (client, text(&welcome["resume"]))
}

/// A channel's truth, as one who resumes is told it.
async fn told(client: &mut Client) -> Value {
    let joined = client.hear("joined").await;
    assert!(joined["request"].is_null(), "{joined}");
    joined
}

/// Waits until the others are told that a talker is, or isn't, unreachable.
async fn sees_presence(client: &mut Client, seat: Seat, unreachable: bool) {
    let news = |said: &Value| {
        let changed = said["changed"].as_array().into_iter().flatten();
        let mut own = changed.filter(|member| member["talker"] == seat.talker);
        own.any(|member| member["unreachable"].as_bool().unwrap_or(false) == unreachable)
    };
    client.hear_that("a presence", |said| said["type"] == "roster" && news(said)).await;
}

/// Whether a message says of anybody that it is unreachable, or has left.
fn tells_of_a_loss(said: &Value) -> bool {
    said["changed"].is_array() || said["left"].is_array()
}

fn keeping(millis: u64) -> TestGateway {
    let settings = Settings { presence_grace: Duration::from_millis(millis), ..Settings::default() };
    TestGateway::with(|all| all.channels = vec![(WildMatch::new("*"), settings)])
}

#[tokio::test]
async fn a_lost_session_is_unreachable_and_resumed_by_the_next_with_all_that_it_had() {
    let gateway = TestGateway::start();
    let (mut bob, _) = first(&gateway, "bob").await;
    let (mut alice, token) = first(&gateway, "alice").await;
    bob.join("ops").await;
    let seat = alice.join("ops").await;
    alice.join("lobby").await;
    let grant = alice.floor(seat.channel).await;

    alice.vanish();
    sees_presence(&mut bob, seat, true).await;
    let (mut alice, _) = resumed(&gateway, "alice", &token).await;

    let (one, two) = (told(&mut alice).await, told(&mut alice).await);
    let ops = if one["name"] == "ops" { one } else { two };
    assert_eq!((number(&ops["channel"]), number(&ops["talker"])), (seat.channel, seat.talker.into()));
    assert_eq!((number(&ops["talking"]["grant"]), ops["members"].as_array().map(Vec::len)), (grant, Some(2)));
    let again = alice.hear("floor_granted").await;
    assert_eq!((number(&again["grant"]), number(&again["channel"])), (grant, seat.channel));
    sees_presence(&mut bob, seat, false).await;
    assert_eq!(bob.roster(seat.channel).await.len(), 2, "it is one member all the time");

    let voice = frame(seat, grant, 1);
    alice.send_voice(&voice);
    assert_eq!(bob.voice().await, voice, "the floor is its own still");
    bob.vanish();
    gateway.finish().await;
}

#[tokio::test]
async fn the_newest_session_takes_a_living_ones_place_which_is_told_so() {
    let gateway = TestGateway::start();
    let (mut bob, _) = first(&gateway, "bob").await;
    let (mut old, token) = first(&gateway, "alice").await;
    bob.join("ops").await;
    let seat = old.join("ops").await;
    bob.sees_join("alice").await;

    let (mut new, _) = resumed(&gateway, "alice", &token).await;

    assert_eq!(told(&mut new).await["talker"], seat.talker);
    assert_eq!(old.closing().await, "replaced");
    assert_eq!(bob.roster(seat.channel).await.len(), 2);
    assert!(!bob.so_far().await.iter().any(tells_of_a_loss), "nobody noticed");
    gateway.finish().await;
}

#[tokio::test]
async fn a_request_that_waited_keeps_its_place() {
    let gateway = TestGateway::start();
    let (mut bob, _) = first(&gateway, "bob").await;
    let (mut alice, token) = first(&gateway, "alice").await;
    let held = bob.join("ops").await;
    let seat = alice.join("ops").await;
    let grant = bob.floor(held.channel).await;
    let request = json!({"type": "floor_request", "channel": seat.channel, "queue": true});
    let queued = alice.ask(request).await;
    assert_eq!(queued["type"], "floor_queued");

    alice.vanish();
    sees_presence(&mut bob, seat, true).await;
    let (mut alice, _) = resumed(&gateway, "alice", &token).await;

    let again = alice.hear("floor_queued").await;
    assert_eq!((&again["request"], &again["position"]), (&queued["request"], &queued["position"]));
    bob.release(held.channel, grant).await;
    assert_eq!(alice.hear("floor_granted").await["request"], queued["request"]);
    gateway.finish().await;
}

#[tokio::test]
async fn who_is_not_back_in_time_is_gone_and_its_token_is_worth_nothing() {
    let gateway = keeping(200);
    let (mut bob, _) = first(&gateway, "bob").await;
    let (mut alice, token) = first(&gateway, "alice").await;
    bob.join("ops").await;
    let seat = alice.join("ops").await;

    alice.vanish();
    sees_presence(&mut bob, seat, true).await;
    assert_eq!(bob.sees_leave(seat.talker).await, "disconnected");

    // Its task ends at the same time, or a moment later.
    gateway.until("only bob is there", |gateway| gateway.metric("suara_members") == 1.0).await;
    let (mut alice, welcome) = arrive(&gateway, &claims("alice"), &token).await;
    if welcome["resumed"] == true {
        assert_eq!(alice.hear("left").await["channel"], seat.channel);
    }
    assert_ne!(alice.join("ops").await.talker, seat.talker);
    gateway.finish().await;
}

#[tokio::test]
async fn a_token_serves_once_and_its_user_alone() {
    let gateway = TestGateway::start();
    let (mut alice, token) = first(&gateway, "alice").await;
    let seat = alice.join("ops").await;

    let (mut thief, welcome) = arrive(&gateway, &claims("mallory"), &token).await;
    assert!(welcome["resumed"].is_null(), "{welcome}");
    assert_eq!(kinds(&thief.so_far().await), Vec::<&str>::new());
    assert_eq!(alice.roster(seat.channel).await.len(), 1, "alice is undisturbed");

    let (mut second, next) = resumed(&gateway, "alice", &token).await;
    assert_ne!(next, token, "it is another after each welcome");
    told(&mut second).await;
    for bad in [token.as_str(), "nonsense", &next.replace('.', ":"), &format!("{next}0")] {
        let (_, welcome) = arrive(&gateway, &claims("alice"), bad).await;
        assert!(welcome["resumed"].is_null(), "{bad}: {welcome}");
    }
    let (mut third, _) = resumed(&gateway, "alice", &next).await;
    assert_eq!(told(&mut third).await["talker"], seat.talker);
    gateway.finish().await;
}

#[tokio::test]
async fn a_resume_takes_the_place_of_no_authentication() {
    let gateway = TestGateway::start();
    let (mut alice, token) = first(&gateway, "alice").await;
    let seat = alice.join("ops").await;

    let mut forger = Client::open(gateway.connect().await).await;
    forger.say(json!({"type": "hello", "version": 1, "token": "forged", "resume": token})).await;

    assert_eq!(forger.closing().await, "unauthenticated");
    assert_eq!(alice.roster(seat.channel).await.len(), 1);
    let (mut alice, _) = resumed(&gateway, "alice", &token).await;
    assert_eq!(told(&mut alice).await["talker"], seat.talker, "the token isn't used up");
    gateway.finish().await;
}

#[tokio::test]
async fn who_comes_back_with_other_rights_is_out_of_that_channel() {
    let gateway = TestGateway::start();
    let (mut bob, _) = first(&gateway, "bob").await;
    let (mut alice, token) = first(&gateway, "alice").await;
    bob.join("ops").await;
    let seat = alice.join("ops").await;
    bob.sees_join("alice").await;

    let less = Claims { channels: Some(vec!["*:listen".to_owned()]), ..claims("alice") };
    let (mut alice, welcome) = arrive(&gateway, &less, &token).await;

    assert_eq!(welcome["resumed"], true);
    assert_eq!(alice.hear("left").await["channel"], seat.channel);
    assert_eq!(bob.sees_leave(seat.talker).await, "expired");
    let (_, joined) = alice.joined("ops").await;
    assert_eq!(joined["rights"], json!(["listen"]));
    gateway.finish().await;
}

#[tokio::test]
async fn who_ends_its_control_stream_has_left_and_is_kept_no_place() {
    let gateway = TestGateway::start();
    let (mut bob, _) = first(&gateway, "bob").await;
    let (mut alice, token) = first(&gateway, "alice").await;
    bob.join("ops").await;
    let seat = alice.join("ops").await;

    alice.send.finish().await.unwrap();

    assert_eq!(bob.sees_leave(seat.talker).await, "disconnected");
    assert!(!bob.so_far().await.iter().any(tells_of_a_loss), "it was never unreachable");
    let (_, welcome) = arrive(&gateway, &claims("alice"), &token).await;
    assert!(welcome["resumed"].is_null());
    gateway.finish().await;
}

#[tokio::test]
async fn who_did_not_ask_for_it_is_gone_with_its_transport() {
    let gateway = TestGateway::start();
    let (mut bob, mut alice) = (gateway.user("bob").await, gateway.user("alice").await);
    bob.join("ops").await;
    let seat = alice.join("ops").await;

    alice.vanish();

    assert_eq!(bob.sees_leave(seat.talker).await, "disconnected");
    gateway.finish().await;
}

#[tokio::test]
async fn a_session_moves_from_a_websocket_to_webtransport_by_resuming() {
    let gateway = TestGateway::start();
    let (mut bob, _) = first(&gateway, "bob").await;
    let seat = bob.join("ops").await;
    let mut slow = open_socket(opening(gateway.http().await)).await.expect("a session");
    let mut greeting = hello(&mint(&claims("alice")));
    greeting["resume"] = "".into();
    slow.binary(&first_piece(&greeting)).await;
    let welcome = slow.hear_that("welcome", |said| said["type"] == "welcome").await;
    let own = slow.join("ops").await;
    let grant = bob.floor(seat.channel).await;

    let (mut fast, _) = resumed(&gateway, "alice", &text(&welcome["resume"])).await;

    let joined = told(&mut fast).await;
    assert_eq!((&joined["talker"], &joined["talking"]["grant"]), (&json!(own.talker), &json!(grant)));
    let closing = slow.hear_that("closing", |said| said["type"] == "closing").await;
    assert_eq!(closing["code"], "replaced");
    let voice = frame(seat, grant, 1);
    bob.send_voice(&voice);
    assert_eq!(fast.voice().await, voice);
    gateway.finish().await;
}

#[tokio::test]
async fn a_websocket_that_ends_without_a_close_is_lost_and_keeps_its_places() {
    let gateway = TestGateway::start();
    let (mut bob, _) = first(&gateway, "bob").await;
    bob.join("ops").await;
    let mut socket = open_socket(opening(gateway.http().await)).await.expect("a session");
    let mut greeting = hello(&mint(&claims("alice")));
    greeting["resume"] = "".into();
    socket.binary(&first_piece(&greeting)).await;
    let welcome = socket.hear_that("welcome", |said| said["type"] == "welcome").await;
    let own = socket.join("ops").await;

    socket.fall_silent().await;

    sees_presence(&mut bob, own, true).await;
    let (mut again, _) = resumed(&gateway, "alice", &text(&welcome["resume"])).await;
    assert_eq!(told(&mut again).await["talker"], json!(own.talker));
    gateway.finish().await;
}

#[tokio::test]
async fn a_trunk_is_not_resumed() {
    let gateway = TestGateway::start();
    let bridge = Claims { scope: Scope::Trunk, ..claims("bridge") };

    let (_bridge, welcome) = arrive(&gateway, &bridge, "").await;

    assert!(welcome["resume"].is_null() && welcome["resumed"].is_null(), "{welcome}");
    gateway.finish().await;
}
