//! Talk-ahead: voice from the press on, whole at the listener, and nothing of a press that came to nothing.

use serde_json::{Value, json};

use crate::kit::{Client, END, Seat, TALK_AHEAD, TestGateway, frame, marked, number};

/// A talker, a second one and a listener in one channel.
async fn three(gateway: &TestGateway) -> [(Client, Seat); 3] {
    let mut all = Vec::new();
    for name in ["alice", "bob", "eve"] {
        let mut client = gateway.user(name).await;
        let seat = client.join("ops").await;
        all.push((client, seat));
    }
    all.try_into().unwrap_or_else(|_| unreachable!("there are three"))
}

fn request(request: u32, channel: u32) -> Value {
    json!({"type": "floor_request", "request": request, "channel": channel, "queue": true})
}

fn ahead(seat: Seat, request: u32, sequence: u16) -> Vec<u8> {
    marked(TALK_AHEAD, seat, request, sequence)
}

/// Waits until the gateway has as many datagrams as were sent.
async fn arrived(gateway: &TestGateway, frames: f64) {
    let came = |gateway: &TestGateway| gateway.metric("suara_voice_frames_received_total") == frames;
    gateway.until("the voice is there", came).await;
}

#[tokio::test]
async fn what_is_said_before_the_request_comes_is_heard_whole_and_in_order() {
    let gateway = TestGateway::start();
    let [(mut alice, seat), _, (mut eve, _)] = three(&gateway).await;

    (0..5).for_each(|sequence| alice.send_voice(&ahead(seat, 7, sequence)));
    arrived(&gateway, 5.0).await;
    alice.say(request(7, seat.channel)).await;

    let grant = number(&alice.hear("floor_granted").await["grant"]);
    // More under the request, for its talker didn't know yet; then under the grant.
    alice.send_voice(&ahead(seat, 7, 5));
    alice.send_voice(&frame(seat, grant, 6));
    let mut heard = Vec::new();
    for _ in 0..7 {
        heard.push(eve.voice().await);
    }
    heard.sort_by_key(|frame| (frame[4], frame[5]));
    let expected: Vec<_> = (0..7).map(|sequence| frame(seat, grant, sequence)).collect();
    assert_eq!(heard, expected, "stamped with the grant, and no flag left");
    assert_eq!(number(&eve.hear("floor_taken").await["grant"]), grant);
    assert_eq!(gateway.dropped("talk_ahead"), 0.0);
    gateway.finish().await;
}

#[tokio::test]
async fn nobody_hears_its_own_held_voice() {
    let gateway = TestGateway::start();
    let [(mut alice, seat), _, (eve, _)] = three(&gateway).await;
    alice.send_voice(&ahead(seat, 7, 1));
    arrived(&gateway, 1.0).await;
    alice.say(request(7, seat.channel)).await;
    let grant = number(&alice.hear("floor_granted").await["grant"]);
    assert_eq!(eve.voice().await, frame(seat, grant, 1));

    alice.release(seat.channel, grant).await;
    let mut bob = gateway.user("zoe").await;
    let bob_seat = bob.join("ops").await;
    let second = bob.floor(bob_seat.channel).await;
    bob.send_voice(&frame(bob_seat, second, 2));

    assert_eq!(alice.voice().await, frame(bob_seat, second, 2), "the first that it hears");
}

#[tokio::test]
async fn a_denied_press_leaks_nothing() {
    let gateway = TestGateway::start();
    let [(mut alice, seat), (mut bob, bob_seat), (eve, _)] = three(&gateway).await;
    let grant = alice.floor(seat.channel).await;

    (0..3).for_each(|sequence| bob.send_voice(&ahead(bob_seat, 7, sequence)));
    arrived(&gateway, 3.0).await;
    bob.say(json!({"type": "floor_request", "request": 7, "channel": seat.channel})).await;
    assert_eq!(bob.hear("floor_deny").await["request"], 7);
    bob.send_voice(&ahead(bob_seat, 7, 3));

    gateway.until("all of it is dropped", |gateway| gateway.dropped("talk_ahead") == 4.0).await;
    alice.send_voice(&frame(seat, grant, 9));
    assert_eq!(eve.voice().await, frame(seat, grant, 9));
}

#[tokio::test]
async fn who_waited_is_heard_with_what_it_said_last() {
    let gateway = TestGateway::start();
    let [(mut alice, seat), (mut bob, bob_seat), (eve, _)] = three(&gateway).await;
    let grant = alice.floor(seat.channel).await;
    bob.say(request(7, seat.channel)).await;
    bob.hear("floor_queued").await;

    // 20 frames of 20 ms: the newest 300 ms of them are kept.
    (0..20).for_each(|sequence| bob.send_voice(&ahead(bob_seat, 7, sequence)));
    gateway.until("the oldest are dropped", |gateway| gateway.dropped("talk_ahead") >= 5.0).await;
    alice.release(seat.channel, grant).await;

    let granted = number(&bob.hear("floor_granted").await["grant"]);
    bob.send_voice(&ahead(bob_seat, 7, 20));
    let first = eve.voice().await;
    let next = u16::from_be_bytes([first[4], first[5]]);
    assert!(next >= 5, "{next}");
    assert_eq!(first, frame(bob_seat, granted, next));
    for sequence in next + 1..=20 {
        assert_eq!(eve.voice().await, frame(bob_seat, granted, sequence));
    }
}

#[tokio::test]
async fn a_press_that_was_over_before_its_grant_is_heard_to_its_end() {
    let gateway = TestGateway::start();
    let [(mut alice, seat), _, (eve, _)] = three(&gateway).await;
    alice.send_voice(&ahead(seat, 7, 0));
    alice.send_voice(&marked(TALK_AHEAD | END, seat, 7, 1));
    arrived(&gateway, 2.0).await;
    alice.say(request(7, seat.channel)).await;
    let grant = number(&alice.hear("floor_granted").await["grant"]);
    alice.release(seat.channel, grant).await;

    assert_eq!(eve.voice().await, frame(seat, grant, 0));
    assert_eq!(eve.voice().await, marked(END, seat, grant, 1));
}

#[tokio::test]
async fn a_press_that_is_taken_back_leaks_nothing() {
    let gateway = TestGateway::start();
    let [(mut alice, seat), (mut bob, bob_seat), _] = three(&gateway).await;
    let grant = alice.floor(seat.channel).await;
    bob.say(request(7, seat.channel)).await;
    bob.hear("floor_queued").await;
    bob.send_voice(&ahead(bob_seat, 7, 0));
    arrived(&gateway, 1.0).await;

    bob.say(json!({"type": "floor_cancel", "channel": seat.channel, "request": 7})).await;

    gateway.until("it is dropped", |gateway| gateway.dropped("talk_ahead") == 1.0).await;
    alice.release(seat.channel, grant).await;
    bob.hear("floor_idle").await;
    assert!(bob.floor(seat.channel).await > grant);
}

#[tokio::test]
async fn a_flood_of_voice_without_a_grant_is_bounded_and_counted() {
    let gateway = TestGateway::start();
    let [(alice, seat), (bob, bob_seat), _] = three(&gateway).await;

    for sequence in 0..400 {
        alice.send_voice(&ahead(seat, 7, sequence));
        tokio::task::yield_now().await;
    }

    let much = |gateway: &TestGateway| gateway.dropped("rate") + gateway.dropped("overflow") > 100.0;
    gateway.until("most are dropped", much).await;
    bob.send_voice(&ahead(Seat { talker: seat.talker, ..bob_seat }, 7, 0));
    gateway.until("another's number is no way in", |gateway| gateway.dropped("wrong_talker") == 1.0).await;
}
