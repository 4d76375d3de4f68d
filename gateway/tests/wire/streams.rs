//! Streams, framing, and messages that make no sense.

use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::{TestGateway, claims, framed, mint, open_stream, soon};

#[tokio::test]
async fn a_second_control_stream_ends_the_session() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;

    let _second = open_stream(&client.connection, &[1]).await;

    assert_eq!(client.closing().await, "protocol_error");
}

#[tokio::test]
async fn a_stream_of_another_kind_is_reset_and_the_session_goes_on() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;

    // More than may be open at a time: each gives its place back.
    for kind in (0..=12).filter(|kind| ![1, 2, 3].contains(kind)) {
        let (send, mut receive) = open_stream(&client.connection, &[kind, 0, 0, 0, 1]).await;
        let end = soon("the reset", receive.read(&mut [0])).await;
        assert!(matches!(end, Err(wtransport::error::StreamReadError::Reset(_))), "{kind}: {end:?}");
        drop(send);
    }

    client.join("lobby").await;
}

#[tokio::test]
async fn other_streams_before_the_control_stream_are_turned_away() {
    let gateway = TestGateway::start();
    let connection = gateway.connect().await;
    let (_send, mut receive) = open_stream(&connection, &[3]).await;
    assert!(soon("the reset", receive.read(&mut [0])).await.is_err());

    let mut client = crate::kit::Client::open(connection).await;
    client.hello(&mint(&claims("alice"))).await;

    assert_eq!(client.next().await["type"], "welcome");
}

#[tokio::test]
async fn the_end_of_the_control_stream_is_the_end_of_the_session() {
    let gateway = TestGateway::start();
    let (mut leaver, mut other) = (gateway.user("leaver").await, gateway.user("other").await);
    let seat = leaver.join("lobby").await;
    other.join("lobby").await;

    soon("the stream's end", leaver.send.finish()).await.unwrap();

    assert_eq!(leaver.closing().await, "normal");
    assert_eq!(other.sees_leave(seat.talker).await, "disconnected");
    drop(other);
    gateway.deserted().await;
}

#[tokio::test]
async fn a_reset_control_stream_is_the_end_of_the_session() {
    let gateway = TestGateway::start();
    let (mut leaver, mut other) = (gateway.user("leaver").await, gateway.user("other").await);
    let seat = leaver.join("lobby").await;
    other.join("lobby").await;

    leaver.send.reset(7u32.into()).unwrap();

    assert_eq!(other.sees_leave(seat.talker).await, "disconnected");
    assert_eq!(leaver.closing().await, "normal");
}

#[tokio::test]
async fn a_client_that_wants_to_hear_no_more_has_ended_its_session() {
    let gateway = TestGateway::start();
    let (mut leaver, mut other) = (gateway.user("leaver").await, gateway.user("other").await);
    other.join("lobby").await;
    let seat = leaver.join("lobby").await;
    other.sees_join("leaver").await;
    leaver.so_far().await;

    let (connection, _send, receive) = leaver.into_parts();
    receive.stop(7u32.into());

    assert_eq!(other.sees_leave(seat.talker).await, "disconnected");
    soon("the close", connection.closed()).await;
}

#[tokio::test]
async fn messages_come_in_any_pieces() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;
    let bytes =
        [framed(br#"{"type":"ping","nonce":1}"#), framed(br#" { "nonce" : 2 , "type" : "ping" } "#)].concat();

    for byte in &bytes {
        client.write(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    client.write(&[&bytes[..], &bytes[..]].concat()).await;

    for nonce in [1, 2, 1, 2, 1, 2] {
        assert_eq!(client.next().await, json!({"type": "pong", "nonce": nonce}));
    }
}

#[tokio::test]
async fn a_message_that_makes_no_sense_is_answered_and_the_session_goes_on() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;
    let deep = format!(r#"{{"type":"ping","nonce":1,"deep":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let bad: [(&[u8], &str, Value); 14] = [
        (b"{", "malformed", Value::Null),
        (b"[1]", "malformed", Value::Null),
        (b"\"ping\"", "malformed", Value::Null),
        (b"null", "malformed", Value::Null),
        (br#"{"nonce":1}"#, "malformed", Value::Null),
        (br#"{"type":7,"request":3}"#, "malformed", json!(3)),
        (b"\xef\xbb\xbf{\"type\":\"ping\",\"nonce\":1}", "malformed", Value::Null),
        (b"{\"type\":\"join\",\"request\":4,\"channel\":\"\xff\"}", "malformed", Value::Null),
        (deep.as_bytes(), "bad_field", Value::Null),
        (br#"{"type":"salut","request":8}"#, "unknown_type", json!(8)),
        (br#"{"type":"ping"}"#, "bad_field", Value::Null),
        (br#"{"type":"ping","nonce":4294967296}"#, "bad_field", Value::Null),
        (br#"{"type":"join","request":9}"#, "bad_field", json!(9)),
        (br#"{"type":"floor_request","request":10,"channel":"lobby"}"#, "bad_field", json!(10)),
    ];

    for (bytes, code, request) in bad {
        client.write(&framed(bytes)).await;
        let error = client.next().await;
        let what = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{what}");
        // A request number is repeated where it could be read; in broken JSON it need not be.
        if code != "malformed" {
            assert_eq!(error["request"], request, "{what}");
        }
    }

    assert_eq!(client.so_far().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_bad_length_ends_a_session_with_what_was_said_before_it_done() {
    for length in [0_u32, 65_537, u32::MAX] {
        let gateway = TestGateway::start();
        let mut client = gateway.user("alice").await;
        client.join("lobby").await;

        client
            .write(&[framed(br#"{"type":"ping","nonce":1}"#), length.to_be_bytes().to_vec()].concat())
            .await;

        client.hear("pong").await;
        assert_eq!(client.closing().await, "protocol_error", "{length}");
        gateway.deserted().await;
    }
}

#[tokio::test]
async fn a_stream_without_a_first_byte_holds_nobody_up() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;
    let _mute = soon("a stream", client.connection.open_bi()).await.unwrap().await.unwrap();

    tokio::time::sleep(Duration::from_millis(50)).await;

    client.join("lobby").await;
    gateway.finish().await;
}
