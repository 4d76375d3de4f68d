//! What is bad on a chat stream has a name, and costs nobody else anything.

use serde_json::json;

use crate::chat::{settled, writer};
use crate::kit::{ChatStream, TestGateway, framed};

/// Texts that break what shows or stores them badly.
const NASTY: &[&str] = &[
    "<script>alert(1)</script>",
    "<ScRiPt/src=//evil.example>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert`1`>",
    "javascript:alert(1)",
    "\"><body onload=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u{ff1c}script\u{ff1e}",
    "'; DROP TABLE messages; --",
    "' OR '1'='1",
    "$1; SELECT pg_sleep(10)",
    "{{constructor.constructor('alert(1)')()}}",
    "${7*7} %s%n %00",
    "../../../etc/passwd",
    "{\"$gt\":\"\"}",
];

#[tokio::test]
async fn any_text_comes_back_as_it_was_sent_and_any_id() {
    let gateway = TestGateway::start();
    let (_alice, seat, mut chat) = writer(&gateway, "alice", "ops").await;
    for text in NASTY {
        chat.send(seat.channel, text, text).await;
        assert_eq!(chat.hear("chat").await["text"], *text);
    }
    chat.send(seat.channel, "turned", "txt.\u{202e}exe\u{0}\u{7}\r\nnext").await;
    assert_eq!(chat.hear("chat").await["text"], "txt.exe\nnext");
}

#[tokio::test]
async fn a_bad_message_is_refused_by_name_and_the_stream_goes_on() {
    let gateway = TestGateway::start();
    let (_alice, seat, mut chat) = writer(&gateway, "alice", "ops").await;
    let send =
        |id: &str, text: &str| json!({"type": "chat_send", "channel": seat.channel, "id": id, "text": text});
    for (bad, code) in [
        (json!("text"), "malformed"),
        (json!([1]), "malformed"),
        (json!({"channel": 1}), "malformed"),
        (json!({"type": "chat_delete", "channel": 1}), "unknown_type"),
        (json!({"type": "ping", "nonce": 1}), "unknown_type"),
        (json!({"type": "chat_send", "channel": seat.channel, "id": "1"}), "bad_field"),
        (json!({"type": "chat_send", "channel": seat.channel, "id": "1", "text": {"a": 1}}), "bad_field"),
        (json!({"type": "chat_send", "channel": "ops", "id": "1", "text": "x"}), "bad_field"),
        (json!({"type": "chat_send", "channel": 4_000_000_000_u32, "id": "1", "text": "x"}), "not_joined"),
        (
            json!({"type": "chat_send", "channel": seat.channel, "member": 1, "id": "1", "text": "x"}),
            "unknown_member",
        ),
        (send("", "x"), "bad_field"),
        (send("a\nb", "x"), "bad_field"),
        (send(&"a".repeat(65), "x"), "bad_field"),
        (send("1", ""), "bad_field"),
        (send("1", " \n\u{202e}\u{0}"), "bad_field"),
        (send("1", &"x".repeat(4001)), "bad_field"),
        (json!({"type": "chat_history", "request": 1, "channel": seat.channel, "limit": 0}), "bad_field"),
        (json!({"type": "chat_history", "request": 1, "channel": seat.channel, "before": "1"}), "bad_field"),
    ] {
        assert_eq!(chat.refusal(bad.clone()).await, code, "{bad}");
    }
    for bytes in [&b"\xff\xfe"[..], b"{\"type\":\"chat_send\",\"text\":\"\xff\"}", &b"[".repeat(60_000)] {
        chat.write(&framed(bytes)).await;
        assert_eq!(chat.hear("chat_error").await["code"], "malformed");
    }
    assert_eq!(chat.send(seat.channel, "1", &"警".repeat(4000)).await, 1);
}

#[tokio::test]
async fn ten_megabytes_end_the_chat_stream_and_nothing_else() {
    let gateway = TestGateway::start();
    let (mut alice, seat, mut chat) = writer(&gateway, "alice", "ops").await;
    chat.write(&10_000_000_u32.to_be_bytes()).await;
    assert_eq!(chat.hear("chat_error").await["code"], "malformed");
    assert_eq!(chat.next().await, None, "the stream ends");
    alice.floor(seat.channel).await;
    let mut again = ChatStream::open(&alice.connection).await;
    assert_eq!(again.send(seat.channel, "1", "still here").await, 1);
}

#[tokio::test]
async fn a_flood_is_refused_by_name_and_others_write_on() {
    let gateway = TestGateway::start();
    let (_alice, seat, mut from_alice) = writer(&gateway, "alice", "ops").await;
    let (_bob, _, mut from_bob) = writer(&gateway, "bob", "ops").await;
    settled(&mut from_bob, seat.channel).await;
    for n in 0..60 {
        let send =
            json!({"type": "chat_send", "channel": seat.channel, "id": n.to_string(), "text": "flood"});
        from_alice.say(send).await;
    }
    let refused = from_alice.hear("chat_error").await;
    assert_eq!(refused["code"], "rate_limited");
    assert!(refused["id"].is_string(), "and says which");
    from_bob.send(seat.channel, "b", "in between").await;
}

#[tokio::test]
async fn a_second_chat_stream_is_turned_away_while_there_is_one() {
    let gateway = TestGateway::start();
    let (alice, seat, mut chat) = writer(&gateway, "alice", "ops").await;
    settled(&mut chat, seat.channel).await;
    let mut second = ChatStream::open(&alice.connection).await;
    assert_eq!(second.next().await, None);
    assert_eq!(chat.send(seat.channel, "1", "x").await, 1);
}
