//! Private calls and dispatchers' groups (PROTOCOL.md, section 4.3).

use std::time::Duration;

use serde_json::{Value, json};
use suara_channel::Settings;
use suara_gateway::auth::{Claims, Scope};
use suara_gateway::hub::CallSettings;
use wildmatch::WildMatch;

use crate::kit::{
    Client, Seat, SocketClient, TestGateway, claims, first_piece, frame, mint, number, open_socket, opening,
    seat,
};

/// A client that knows calls.
async fn caller(gateway: &TestGateway, claims: &Claims) -> Client {
    let mut client = gateway.visitor().await;
    client.say(json!({"type": "hello", "version": 1, "token": mint(claims), "calls": true})).await;
    client.hear("welcome").await;
    client
}

async fn user(gateway: &TestGateway, name: &str) -> Client {
    caller(gateway, &claims(name)).await
}

fn dispatcher() -> Claims {
    Claims { channels: Some(vec!["*:listen,talk,dispatch".to_owned()]), ..claims("chief") }
}

/// Calls, and says where and who is reached.
async fn call(client: &mut Client, users: &[&str]) -> (Seat, Value) {
    let called = client.ask(json!({"type": "call", "users": users})).await;
    assert_eq!(called["type"], "called", "{called}");
    let (seat, _) = ringing(client).await;
    assert_eq!(called["channel"], seat.channel);
    (seat, called)
}

/// A call that one is put into.
async fn ringing(client: &mut Client) -> (Seat, Value) {
    let joined =
        client.hear_that("a call", |said| said["type"] == "joined" && said["call"].is_object()).await;
    assert!(joined["request"].is_null(), "{joined}");
    (seat(&joined), joined)
}

async fn ended(client: &mut Client, channel: u32) {
    let left = client.hear("left").await;
    assert_eq!(left, json!({"type": "left", "channel": channel, "reason": "ended"}));
}

#[tokio::test]
async fn a_private_call_is_heard_by_its_two_alone() {
    let gateway = TestGateway::start();
    let (mut alice, mut bob) = (user(&gateway, "alice").await, user(&gateway, "bob").await);
    let mut eve = user(&gateway, "eve").await;
    for client in [&mut alice, &mut bob, &mut eve] {
        client.join("lobby").await;
    }

    let (own, called) = call(&mut alice, &["bob"]).await;
    assert_eq!(called["users"], json!(["bob"]));
    let (theirs, joined) = ringing(&mut bob).await;
    let between =
        json!({"kind": "private", "by": "alice", "name": "Name of alice", "users": ["alice", "bob"]});
    assert_eq!((&joined["call"], &joined["rights"]), (&between, &json!(["listen", "talk"])));
    assert_eq!(joined["name"].as_str().map(str::len), Some("call/".len() + 32));
    let grant = alice.floor(own.channel).await;
    alice.send_voice(&frame(own, grant, 1));
    assert_eq!(bob.voice().await, frame(own, grant, 1));

    // And back; the third hears what is said to all, and nothing of the call before it.
    alice.release(own.channel, grant).await;
    bob.hear("floor_idle").await;
    let grant = bob.floor(theirs.channel).await;
    bob.send_voice(&frame(theirs, grant, 2));
    assert_eq!(alice.voice().await, frame(theirs, grant, 2));
    let said = eve.so_far().await;
    assert!(said.iter().all(|said| said["type"] == "roster"), "{said:?}");
    assert_eq!(eve.refusal(json!({"type": "join", "channel": joined["name"]})).await, "forbidden");
    assert_eq!(gateway.metric("suara_voice_frames_sent_total"), 2.0);
    gateway.finish().await;
}

#[tokio::test]
async fn a_call_ends_when_one_is_left_and_who_left_a_group_may_come_back() {
    let gateway = TestGateway::start();
    let mut chief = caller(&gateway, &dispatcher()).await;
    chief.join("ops").await;
    let (mut alice, mut bob) = (user(&gateway, "alice").await, user(&gateway, "bob").await);

    let (own, called) = call(&mut chief, &["alice", "bob", "nobody", "alice", "chief"]).await;
    assert_eq!(called["users"], json!(["alice", "bob"]));
    let (at, joined) = ringing(&mut alice).await;
    assert_eq!(joined["call"]["kind"], "group");
    ringing(&mut bob).await;
    // They may be told as one change: what is asked for after it is the whole truth.
    while chief.roster(own.channel).await.len() < 3 {}

    alice.leave(at.channel).await;
    let (again, back) = alice.joined(joined["name"].as_str().expect("a name")).await;
    assert_eq!((again.channel, &back["call"]), (own.channel, &joined["call"]));
    alice.leave(at.channel).await;
    bob.leave(at.channel).await;
    ended(&mut chief, own.channel).await;
    gateway.until("the call's channel is gone", |gateway| gateway.metric("suara_channels") == 1.0).await;
    assert_eq!(alice.refusal(json!({"type": "join", "channel": joined["name"]})).await, "forbidden");
    let request = json!({"type": "floor_request", "channel": own.channel});
    assert_eq!(chief.refusal(request).await, "not_joined", "its session has forgotten the place");
    gateway.finish().await;
}

#[tokio::test]
async fn a_call_is_ended_by_who_made_it_or_dispatches_and_by_no_other() {
    let gateway = TestGateway::start();
    let mut chief = caller(&gateway, &dispatcher()).await;
    let (mut alice, mut bob) = (user(&gateway, "alice").await, user(&gateway, "bob").await);
    let end = |seat: Seat| json!({"type": "call_end", "channel": seat.channel});

    let (own, _) = call(&mut alice, &["bob"]).await;
    let (theirs, _) = ringing(&mut bob).await;
    bob.say(end(theirs)).await;
    assert_eq!(bob.hear("error").await["code"], "forbidden");
    alice.say(end(own)).await;
    ended(&mut alice, own.channel).await;
    ended(&mut bob, own.channel).await;

    let (own, _) = call(&mut bob, &["chief"]).await;
    let (at, _) = ringing(&mut chief).await;
    chief.say(end(at)).await;
    ended(&mut bob, own.channel).await;

    let lobby = chief.join("lobby").await;
    chief.say(end(lobby)).await;
    assert_eq!(chief.hear("error").await["code"], "forbidden", "that is no call");
    gateway.finish().await;
}

#[tokio::test]
async fn t4_ends_a_call_in_which_nobody_talks() {
    let settings = Settings { t4: Some(Duration::from_millis(300)), ..Settings::default() };
    let gateway = TestGateway::with(|all| all.channels = vec![(WildMatch::new("call/*"), settings)]);
    let (mut alice, mut bob) = (user(&gateway, "alice").await, user(&gateway, "bob").await);
    alice.join("lobby").await;

    let (own, _) = call(&mut alice, &["bob"]).await;
    let grant = alice.floor(own.channel).await;
    alice.release(own.channel, grant).await;

    ended(&mut alice, own.channel).await;
    ended(&mut bob, own.channel).await;
    gateway.until("it is gone", |gateway| gateway.metric("suara_channels") == 1.0).await;
    gateway.finish().await;
}

#[tokio::test]
async fn who_may_call_whom() {
    let gateway =
        TestGateway::with(|all| all.calls = CallSettings { private: false, ..CallSettings::default() });
    let mut alice = user(&gateway, "alice").await;
    let mut chief = caller(&gateway, &dispatcher()).await;
    let (mut old, _bob) = (gateway.user("old").await, user(&gateway, "bob").await);
    let call_of = |users: &[&str]| json!({"type": "call", "users": users});

    assert_eq!(alice.refusal(call_of(&["bob"])).await, "forbidden", "only dispatchers call here");
    assert_eq!(chief.refusal(call_of(&["bob"])).await, "forbidden", "it dispatches nowhere yet");
    chief.join("ops").await;
    assert_eq!(chief.refusal(call_of(&["old"])).await, "unknown_user", "its client knows no calls");
    assert_eq!(chief.refusal(call_of(&["nobody"])).await, "unknown_user");
    assert_eq!(old.refusal(call_of(&["bob"])).await, "forbidden");
    let many: Vec<_> = (0..65).map(|user| format!("user {user}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    for nobody in [&[][..], &["chief"], &many] {
        assert_eq!(chief.refusal(call_of(nobody)).await, "bad_field");
    }
    assert_eq!(call(&mut chief, &["bob"]).await.1["users"], json!(["bob"]));
    gateway.finish().await;
}

#[tokio::test]
async fn calls_have_bounds() {
    let gateway = TestGateway::start();
    let mut alice = user(&gateway, "alice").await;
    let mut bob = user(&gateway, "bob").await;
    let mut seats = Vec::new();
    for _ in 0..4 {
        seats.push(call(&mut alice, &["bob"]).await.0);
        ringing(&mut bob).await;
    }
    assert_eq!(alice.refusal(json!({"type": "call", "users": ["bob"]})).await, "too_many_calls");
    let mut eve = user(&gateway, "eve").await;
    // One who is in four calls isn't put into a fifth.
    call(&mut eve, &["bob"]).await;
    assert!(bob.so_far().await.iter().all(|said| said["call"].is_null()));
    for _ in 0..40 {
        eve.say(json!({"type": "call", "request": 9, "users": ["nobody"]})).await;
    }
    eve.hear_that("too many", |said| said["code"] == "rate_limited").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_trunks_member_and_a_websocket_are_called_like_any_other() {
    let gateway = TestGateway::start();
    let mut trunk = caller(&gateway, &Claims { scope: Scope::Trunk, ..claims("bridge") }).await;
    for (member, name) in [(1, "alice"), (2, "bob")] {
        trunk.ask(json!({"type": "attach", "member": member, "token": mint(&claims(name))})).await;
    }
    let mut eve: SocketClient = open_socket(opening(gateway.http().await)).await.expect("a WebSocket");
    let hello = json!({"type": "hello", "version": 1, "token": mint(&claims("eve")), "calls": true});
    eve.binary(&first_piece(&hello)).await;
    eve.hear("welcome").await;

    trunk.say(json!({"type": "call", "request": 5, "member": 2, "users": ["eve"]})).await;
    let called = trunk.hear("called").await;
    assert_eq!((&called["member"], &called["users"]), (&json!(2), &json!(["eve"])));
    let joined = trunk.hear("joined").await;
    assert_eq!((&joined["member"], &joined["call"]["by"]), (&json!(2), &json!("bob")));
    let own = seat(&joined);
    let theirs = seat(&eve.hear("joined").await);
    let ask = json!({"type": "floor_request", "request": 6, "member": 2, "channel": own.channel});
    trunk.say(ask).await;
    let grant = number(&trunk.hear("floor_granted").await["grant"]);
    trunk.send_voice(&frame(own, grant, 1));
    assert_eq!(eve.voice().await, frame(own, grant, 1));

    eve.say(json!({"type": "leave", "channel": theirs.channel})).await;
    let left = trunk.hear("left").await;
    assert_eq!((&left["member"], &left["reason"]), (&json!(2), &json!("ended")));
    eve.say(json!({"type": "call", "request": 7, "users": ["alice"]})).await;
    let joined = trunk.hear("joined").await;
    assert_eq!((&joined["member"], &joined["request"]), (&json!(1), &Value::Null));
    drop((trunk, eve));
    gateway.deserted().await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_call_outlives_a_change_of_its_members_network() {
    let gateway = TestGateway::start();
    let hello = |resume: &str| json!({"type": "hello", "version": 1, "token": mint(&claims("bob")), "calls": true, "resume": resume});
    let mut bob = gateway.visitor().await;
    bob.say(hello("")).await;
    let resume = bob.hear("welcome").await["resume"].as_str().expect("a token").to_owned();
    let mut alice = user(&gateway, "alice").await;
    let (own, _) = call(&mut alice, &["bob"]).await;
    let (theirs, first) = ringing(&mut bob).await;

    let mut again = gateway.visitor().await;
    again.say(hello(&resume)).await;
    assert_eq!(again.hear("welcome").await["resumed"], true);
    let (still, joined) = ringing(&mut again).await;
    assert_eq!((still, &joined["call"]), (theirs, &first["call"]));
    let grant = alice.floor(own.channel).await;
    alice.send_voice(&frame(own, grant, 1));
    assert_eq!(again.voice().await, frame(own, grant, 1));
    gateway.finish().await;
}
