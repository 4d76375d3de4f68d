//! Late entry: the talker is known at once, and what was said before can be heard.

use serde_json::{Value, json};
use suara_proto::limits::HELLO_TIMEOUT;
use tokio_tungstenite::tungstenite::Message;
use wtransport::RecvStream;

use crate::kit::{
    Client, Seat, TALK_AHEAD, TestGateway, claims, frame, framed, marked, mint, number, open_socket,
    open_stream, opening, soon,
};

/// What a replay stream answers: its first message, and the frames after it.
async fn replay(client: &Client, request: Value) -> (Value, Vec<Vec<u8>>) {
    let mut bytes = vec![3];
    bytes.extend(framed(request.to_string().as_bytes()));
    let (_send, receive) = open_stream(&client.connection, &bytes).await;
    let bytes = soon("the replay's end", whole(receive)).await;
    let (length, rest) = bytes.split_first_chunk::<4>().expect("a message");
    let (json, mut rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
    let mut frames = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let (frame, tail) = tail.split_at(usize::from(u16::from_be_bytes(*length)));
        frames.push(frame.to_vec());
        rest = tail;
    }
    (serde_json::from_slice(json).expect("JSON"), frames)
}

async fn whole(mut receive: RecvStream) -> Vec<u8> {
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(Some(length)) = receive.read(&mut chunk).await {
        all.extend_from_slice(&chunk[..length]);
    }
    all
}

async fn of(gateway: &TestGateway, name: &str) -> (Client, Seat) {
    let mut client = gateway.user(name).await;
    let seat = client.join("ops").await;
    (client, seat)
}

async fn arrived(gateway: &TestGateway, frames: f64) {
    let came = |gateway: &TestGateway| gateway.metric("suara_voice_frames_received_total") == frames;
    gateway.until("the voice is there", came).await;
}

#[tokio::test]
async fn who_enters_in_mid_burst_knows_the_talker_has_its_start_and_hears_what_follows() {
    let gateway = TestGateway::start();
    let (mut alice, seat) = of(&gateway, "alice").await;
    let grant = alice.floor(seat.channel).await;
    (0..40).for_each(|sequence| alice.send_voice(&frame(seat, grant, sequence)));
    arrived(&gateway, 40.0).await;
    let mut late = gateway.user("late").await;

    let (_, joined) = late.joined("ops").await;
    assert_eq!((&joined["talking"]["user"], number(&joined["talking"]["grant"])), (&json!("alice"), grant));
    let (head, frames) = replay(&late, json!({"type": "replay", "channel": seat.channel})).await;

    let (remaining, age) = (number(&head["remaining_ms"]), number(&head["age_ms"]));
    let expected = json!({"type": "replaying", "channel": seat.channel, "talker": seat.talker, "user": "alice",
        "name": "Name of alice", "grant": grant, "remaining_ms": remaining, "live": true, "frames": 40,
        "age_ms": age});
    assert_eq!(head, expected);
    assert_eq!(remaining + age, 30_000);
    assert_eq!(frames, (0..40).map(|sequence| frame(seat, grant, sequence)).collect::<Vec<_>>());
    alice.send_voice(&frame(seat, grant, 40));
    assert_eq!(late.voice().await, frame(seat, grant, 40));
    gateway.finish().await;
}

#[tokio::test]
async fn the_last_burst_can_be_heard_again_once_it_is_over() {
    let gateway = TestGateway::start();
    let ((mut alice, seat), (mut bob, _)) = (of(&gateway, "alice").await, of(&gateway, "bob").await);
    let last = json!({"type": "replay", "channel": seat.channel});
    assert_eq!(replay(&bob, last.clone()).await.0["code"], "no_burst");
    let grant = alice.floor(seat.channel).await;
    alice.send_voice(&frame(seat, grant, 1));
    arrived(&gateway, 1.0).await;
    alice.release(seat.channel, grant).await;
    bob.hear("floor_idle").await;
    // A press without a word hides nothing.
    let silent = bob.floor(seat.channel).await;
    bob.release(seat.channel, silent).await;
    bob.hear_that("the end", |said| said["type"] == "floor_idle" && said["grant"] == silent).await;

    let (head, frames) = replay(&bob, last.clone()).await;
    assert_eq!((&head["live"], &head["remaining_ms"]), (&json!(false), &json!(0)));
    assert_eq!((number(&head["grant"]), frames), (grant, vec![frame(seat, grant, 1)]));

    let mut second = last;
    second["grant"] = silent.into();
    assert_eq!(replay(&bob, second).await.0["code"], "no_burst");
}

#[tokio::test]
async fn what_was_said_ahead_is_on_the_tape_as_it_was_heard() {
    let gateway = TestGateway::start();
    let ((mut alice, seat), (bob, _)) = (of(&gateway, "alice").await, of(&gateway, "bob").await);
    alice.send_voice(&marked(TALK_AHEAD, seat, 7, 1));
    arrived(&gateway, 1.0).await;
    alice.say(json!({"type": "floor_request", "request": 7, "channel": seat.channel})).await;
    let grant = number(&alice.hear("floor_granted").await["grant"]);
    assert_eq!(bob.voice().await, frame(seat, grant, 1));

    let (_, frames) = replay(&bob, json!({"type": "replay", "channel": seat.channel, "grant": grant})).await;

    assert_eq!(frames, [frame(seat, grant, 1)]);
}

#[tokio::test]
async fn a_replay_is_refused_by_name() {
    let gateway = TestGateway::start();
    let ((mut alice, seat), (stranger, _)) = (of(&gateway, "alice").await, of(&gateway, "stranger").await);
    for (request, code) in [
        (json!({"type": "replay", "channel": seat.channel + 1}), "not_joined"),
        (json!({"type": "replay"}), "bad_field"),
        (json!({"type": "encore"}), "unknown_type"),
        (json!({"type": "ping", "nonce": 1}), "unknown_type"),
        (json!([]), "malformed"),
    ] {
        let (head, frames) = replay(&alice, request.clone()).await;
        assert_eq!((&head["type"], &head["code"]), (&json!("error"), &json!(code)), "{request}");
        assert!(frames.is_empty());
    }
    alice.say(json!({"type": "replay", "channel": seat.channel})).await;
    assert_eq!(alice.hear("error").await["code"], "bad_field", "it has a stream of its own");

    for _ in 0..100 {
        let (head, _) = replay(&stranger, json!({"type": "replay", "channel": seat.channel})).await;
        if head["code"] == "rate_limited" {
            return;
        }
        assert_eq!(head["code"], "no_burst");
    }
    panic!("a hundred in a row are too many");
}

#[tokio::test]
async fn a_replay_stream_that_is_too_long_for_one_is_reset_and_the_session_goes_on() {
    let gateway = TestGateway::start();
    let (mut alice, _) = of(&gateway, "alice").await;

    let (_send, mut receive) = open_stream(&alice.connection, &[3, 0xff, 0xff, 0xff, 0xff]).await;

    let end = soon("the reset", receive.read(&mut [0])).await;
    assert!(matches!(end, Err(wtransport::error::StreamReadError::Reset(_))), "{end:?}");
    alice.join("lobby").await;
}

#[tokio::test]
async fn by_websocket_too_a_stream_that_says_nothing_is_turned_away_after_5_s_and_makes_room() {
    let gateway = TestGateway::start();
    let mut alice = open_socket(opening(gateway.http().await)).await.expect("a session");
    alice.hello(&mint(&claims("alice"))).await;
    alice.hear("welcome").await;
    let seat = alice.join("ops").await;
    let silent = std::time::Instant::now();
    for number in [6, 7] {
        alice.binary(&[number, 3]).await;
    }
    for number in [6, 7] {
        assert_eq!(alice.another().await, Message::binary(vec![number]));
    }
    assert!(silent.elapsed() >= HELLO_TIMEOUT);

    let request = framed(json!({"type": "replay", "channel": seat.channel}).to_string().as_bytes());
    alice.binary(&[&[8, 3][..], &request].concat()).await;
    let Message::Binary(refusal) = alice.another().await else { panic!("an answer") };
    assert_eq!(serde_json::from_slice::<Value>(&refusal[5..]).expect("JSON")["code"], "no_burst");
    gateway.finish().await;
}
