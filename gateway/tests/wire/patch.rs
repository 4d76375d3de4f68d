//! Two channels that a dispatcher lets hear each other (PROTOCOL.md, section 5.7).

use serde_json::{Value, json};
use suara_gateway::auth::Claims;

use crate::kit::{
    Client, Seat, TestGateway, claims, frame, kinds, mint, number, open_socket, opening, seat, text,
};

async fn chief(gateway: &TestGateway) -> Client {
    let channels = Some(vec!["*:listen,talk,dispatch,emergency".to_owned()]);
    gateway.welcome(&Claims { channels, ..claims("chief") }).await
}

fn patch(one: Seat, other: Seat) -> Value {
    json!({"type": "patch", "channel": one.channel, "with": other.channel})
}

fn unpatch(one: Seat, other: Seat) -> Value {
    json!({"type": "unpatch", "channel": one.channel, "with": other.channel})
}

/// With a number of its own.
fn numbered(mut message: Value, request: u32) -> Value {
    message["request"] = json!(request);
    message
}

/// Waits until a client's channel is patched to just these.
async fn patched(client: &mut Client, channel: u32, names: &[&str]) {
    let fits = |said: &Value| {
        let with = said["with"].as_array().into_iter().flatten().map(|with| with["name"].as_str());
        said["type"] == "patched"
            && said["channel"] == channel
            && with.eq(names.iter().map(|name| Some(*name)))
    };
    client.hear_that("a patch", fits).await;
}

/// The grant by which somebody from the other channel talks.
async fn guest(client: &mut Client, channel: u32, user: &str) -> Seat {
    let fits =
        |said: &Value| said["type"] == "floor_taken" && said["channel"] == channel && said["user"] == user;
    let taken = client.hear_that("a guest", fits).await;
    let talker = number(&taken["talker"]).try_into().expect("16 bits");
    Seat { channel: number(&taken["grant"]), talker }
}

#[tokio::test]
async fn patched_channels_hear_each_other_by_name_until_they_are_not() {
    let gateway = TestGateway::start();
    let mut chief = chief(&gateway).await;
    let (mut alice, mut bob) = (gateway.user("alice").await, gateway.user("bob").await);
    let (one, other) = (chief.join("one").await, chief.join("other").await);
    let (at_one, at_other) = (alice.join("one").await, bob.join("other").await);

    let answer = chief.ask(patch(one, other)).await;
    assert_eq!((&answer["type"], &answer["with"][0]["name"]), (&json!("patched"), &json!("other")));
    patched(&mut alice, one.channel, &["other"]).await;
    patched(&mut bob, other.channel, &["one"]).await;

    for (talker, seat, listener, channel) in [(&mut alice, at_one, &mut bob, other.channel)] {
        let grant = talker.floor(seat.channel).await;
        let Seat { channel: far, talker: number } = guest(listener, channel, "alice").await;
        talker.send_voice(&frame(seat, grant, 1));
        assert_eq!(listener.voice().await, frame(Seat { channel, talker: number }, far, 1));
        // Who is in both hears it once.
        assert_eq!(chief.voice().await, frame(seat, grant, 1));
        talker.release(seat.channel, grant).await;
        listener.hear("floor_idle").await;
    }
    let grant = bob.floor(at_other.channel).await;
    let Seat { channel: far, talker } = guest(&mut alice, one.channel, "bob").await;
    bob.send_voice(&frame(at_other, grant, 7));
    assert_eq!(alice.voice().await, frame(Seat { channel: one.channel, talker }, far, 7));
    assert_eq!(chief.voice().await, frame(at_other, grant, 7));
    bob.release(at_other.channel, grant).await;

    assert_eq!(text(&chief.ask(unpatch(other, one)).await["type"]), "patched");
    patched(&mut alice, one.channel, &[]).await;
    patched(&mut bob, other.channel, &[]).await;
    let grant = alice.floor(at_one.channel).await;
    alice.send_voice(&frame(at_one, grant, 9));
    assert_eq!(chief.voice().await, frame(at_one, grant, 9));
    // The engine says what it has sent once it has nothing else to do.
    gateway.until("all is counted", |gateway| gateway.metric("suara_voice_frames_sent_total") >= 5.0).await;
    assert_eq!(gateway.metric("suara_voice_frames_sent_total"), 5.0);
    gateway.finish().await;
}

#[tokio::test]
async fn a_patch_is_heard_by_a_trunks_members_and_by_websocket() {
    let gateway = TestGateway::start();
    let mut chief = chief(&gateway).await;
    let (one, other) = (chief.join("one").await, chief.join("other").await);
    let mut trunk = gateway.trunk().await;
    let token = mint(&claims("carol"));
    assert_eq!(trunk.ask(json!({"type": "attach", "member": 1, "token": token})).await["type"], "attached");
    let at_other = seat(&trunk.ask(json!({"type": "join", "member": 1, "channel": "other"})).await);
    let mut socket =
        open_socket(opening(gateway.http().await)).await.expect("the gateway accepts WebSockets");
    socket.hello(&mint(&claims("dan"))).await;
    socket.hear("welcome").await;
    socket.join("other").await;
    let mut alice = gateway.user("alice").await;
    let own = alice.join("one").await;
    chief.ask(patch(one, other)).await;
    patched(&mut trunk, other.channel, &["one"]).await;
    patched(&mut alice, one.channel, &["other"]).await;

    let grant = alice.floor(own.channel).await;
    let Seat { channel: far, talker } = guest(&mut trunk, other.channel, "alice").await;
    alice.send_voice(&frame(own, grant, 1));
    let relayed = frame(Seat { channel: other.channel, talker }, far, 1);
    assert_eq!(trunk.voice().await, relayed);
    assert_eq!(socket.voice().await, relayed);
    alice.release(own.channel, grant).await;
    trunk.hear("floor_idle").await;

    // And the other way: a trunk's member is heard over there.
    let asking = json!({"type": "floor_request", "member": 1, "channel": at_other.channel});
    let grant = number(&trunk.ask(asking).await["grant"]);
    let Seat { channel: far, talker } = guest(&mut alice, one.channel, "carol").await;
    trunk.send_voice(&frame(at_other, grant, 5));
    assert_eq!(alice.voice().await, frame(Seat { channel: one.channel, talker }, far, 5));
    assert_eq!(socket.voice().await, frame(at_other, grant, 5));
    gateway.finish().await;
}

#[tokio::test]
async fn a_ring_of_patches_carries_nothing_round_and_nothing_on() {
    let gateway = TestGateway::start();
    let mut chief = chief(&gateway).await;
    let seats = [chief.join("a").await, chief.join("b").await, chief.join("c").await];
    let [mut alice, mut bob] = [gateway.user("alice").await, gateway.user("bob").await];
    let own = alice.join("a").await;
    let at_c = bob.join("c").await;
    chief.ask(patch(seats[0], seats[1])).await;
    chief.ask(patch(seats[1], seats[2])).await;
    patched(&mut bob, at_c.channel, &["b"]).await;

    let grant = alice.floor(own.channel).await;
    alice.send_voice(&frame(own, grant, 1));
    chief.hear_that("b", |said| said["type"] == "floor_taken" && said["channel"] == seats[1].channel).await;
    let said = bob.so_far().await;
    assert!(said.iter().all(|said| said["type"] != "floor_taken"), "a chain carries nothing on: {said:?}");
    alice.release(own.channel, grant).await;

    chief.ask(patch(seats[2], seats[0])).await;
    patched(&mut alice, own.channel, &["b", "c"]).await;
    let grant = alice.floor(own.channel).await;
    let Seat { channel: far, talker } = guest(&mut bob, at_c.channel, "alice").await;
    alice.send_voice(&frame(own, grant, 2));
    assert_eq!(bob.voice().await, frame(Seat { channel: at_c.channel, talker }, far, 2));
    alice.send_voice(&frame(own, grant, 3));
    assert_eq!(bob.voice().await, frame(Seat { channel: at_c.channel, talker }, far, 3), "once each");
    gateway.finish().await;
}

#[tokio::test]
async fn a_patch_takes_the_right_in_both_and_ends_with_either() {
    let gateway = TestGateway::start();
    let channels = Some(vec!["one:listen,talk,dispatch".to_owned(), "*:listen,talk".to_owned()]);
    let mut half = gateway.welcome(&Claims { channels, ..claims("half") }).await;
    let mut chief = chief(&gateway).await;
    let mut alice = gateway.user("alice").await;
    let at_one = alice.join("one").await;
    let (one, other) = (half.join("one").await, half.join("other").await);

    assert_eq!(half.refusal(patch(one, other)).await, "forbidden");
    assert_eq!(half.refusal(patch(other, one)).await, "forbidden");
    assert_eq!(half.refusal(patch(one, one)).await, "bad_field");
    let seats = [chief.join("one").await, chief.join("third").await];
    assert_eq!(chief.refusal(patch(seats[0], other)).await, "not_joined");
    assert_eq!(chief.refusal(unpatch(seats[0], seats[1])).await, "unavailable", "they are not patched");
    chief.ask(patch(seats[0], seats[1])).await;
    patched(&mut alice, at_one.channel, &["third"]).await;
    assert_eq!(half.refusal(unpatch(one, other)).await, "forbidden");

    chief.leave(seats[1].channel).await;
    patched(&mut alice, at_one.channel, &[]).await;
    for index in 0..5 {
        let more = chief.join(&format!("more {index}")).await;
        let answer = chief.ask(patch(seats[0], more)).await;
        assert_eq!(answer["type"] == "patched", index < 4, "{answer}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_patch_that_is_undone_at_once_is_undone() {
    let gateway = TestGateway::start();
    let (mut chief, mut alice) = (chief(&gateway).await, gateway.user("alice").await);
    let (one, other) = (chief.join("one").await, chief.join("other").await);
    alice.join("one").await;

    for round in 0..10 {
        chief.say(numbered(patch(one, other), 100 + 2 * round)).await;
        chief.say(numbered(unpatch(one, other), 101 + 2 * round)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;

    let said = alice.so_far().await;
    let told = kinds(&said).into_iter().filter(|kind| *kind == "patched").count();
    assert!((1..=40).contains(&told), "told {told} times: the channels don't go on between themselves");
    assert_eq!(chief.ask(patch(one, other)).await["with"][0]["name"], "other", "as often as one likes");
}
