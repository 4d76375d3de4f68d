//! Entering by datagram: section 5.8 of the protocol's page.

use serde_json::json;

use crate::kit::{Client, START, TestGateway, frame, marked, number};

/// A `join` by datagram, byte by byte.
fn join(request: u32, channel: &str) -> Vec<u8> {
    [&[5, 1, 0, 0][..], &request.to_be_bytes(), channel.as_bytes()].concat()
}

fn joined(request: u32, channel: u32, talker: u16) -> Vec<u8> {
    [&[5, 1, 1, 0][..], &request.to_be_bytes(), &channel.to_be_bytes(), &talker.to_be_bytes(), &[0, 0]]
        .concat()
}

async fn by_stream(client: &mut Client, request: u32, channel: &str) {
    client.say(json!({"type": "join", "request": request, "channel": channel})).await;
}

#[tokio::test]
async fn a_join_by_datagram_is_the_same_as_its_message_and_is_answered_as_often_as_it_comes() {
    let gateway = TestGateway::start();
    let (mut alice, mut bob) = (gateway.user("alice").await, gateway.user("bob").await);
    let seat = alice.join("lobby").await;

    bob.send_voice(&join(7, "lobby"));
    let answer = bob.voice().await;
    let told = bob.hear("joined").await;
    let talker = number(&told["talker"]) as u16;
    assert_eq!(answer, joined(7, seat.channel, talker));
    assert_eq!((number(&told["request"]), number(&told["channel"])), (7, seat.channel));
    by_stream(&mut bob, 7, "lobby").await;
    bob.send_voice(&join(7, "lobby"));
    assert_eq!(bob.voice().await, answer, "again, and once in the channel");

    let grant = alice.floor(seat.channel).await;
    alice.send_voice(&marked(START, seat, grant, 1));
    assert_eq!(bob.voice().await, marked(START, seat, grant, 1));
    assert_eq!(alice.hear("roster").await["joined"].as_array().map(Vec::len), Some(1));
    // What is left is left, however late a datagram comes.
    bob.leave(seat.channel).await;
    bob.send_voice(&join(7, "lobby"));
    by_stream(&mut bob, 8, "elsewhere").await;
    assert_eq!(number(&bob.hear("joined").await["request"]), 8);
    bob.send_voice(&join(8, "elsewhere"));
    assert_eq!(bob.voice().await[..8], [5, 1, 1, 0, 0, 0, 0, 8], "that one was ignored");
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_refused_is_refused_on_the_stream_alone() {
    let gateway = TestGateway::start();
    let mut alice = gateway.user("alice").await;
    let seat = alice.join("lobby").await;

    // It may have overtaken a `leave`: then its message comes behind that.
    alice.send_voice(&join(7, "lobby"));
    alice.send_voice(&join(9, "lobby-2"));
    assert_eq!(alice.voice().await[..8], [5, 1, 1, 0, 0, 0, 0, 9]);
    alice.hear("joined").await;
    alice.leave(seat.channel).await;
    by_stream(&mut alice, 7, "lobby").await;
    assert_eq!(number(&alice.hear("joined").await["request"]), 7);
    by_stream(&mut alice, 10, "lobby").await;
    assert_eq!(alice.hear("error").await["code"], "already_joined");
    gateway.finish().await;
}

#[tokio::test]
async fn bad_ones_and_too_many_are_dropped_and_counted() {
    let gateway = TestGateway::start();
    let (mut alice, mallory) = (gateway.user("alice").await, gateway.user("mallory").await);
    let seat = alice.join("lobby").await;
    for bytes in [&[5][..], &[5, 2, 0, 0, 0, 0, 0, 1, b'x'], &join(1, ""), &join(1, "a\nb"), &joined(1, 1, 1)]
    {
        mallory.send_voice(bytes);
    }
    gateway.until("they are counted", |gateway| gateway.dropped("malformed") == 5.0).await;
    for request in 0..300 {
        mallory.send_voice(&join(request, "no/right\u{200b}here"));
    }
    gateway.until("most are dropped", |gateway| gateway.dropped("rate") > 100.0).await;
    let grant = alice.floor(seat.channel).await;
    alice.send_voice(&frame(seat, grant, 1));
    gateway.finish().await;
}
