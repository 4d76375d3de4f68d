//! The first message, and who is turned away.

use std::time::Duration;

use serde_json::{Value, json};
use suara_gateway::auth::{Claims, Minter, Scope};
use suara_gateway::http::OriginPolicy;
use tokio::time::Instant;
use wtransport::endpoint::ConnectOptions;
use wtransport::error::ConnectingError;

use crate::kit::{Client, SECRET, TRUNK_SECRET, TestGateway, claims, close_code, framed, mint, now};

#[tokio::test]
async fn welcome_says_who_the_token_says_one_is() {
    let gateway = TestGateway::start();
    let alice = claims("alice");
    let mut client = gateway.bearer(&mint(&alice)).await;

    let mut welcome = client.next().await;

    let session = welcome["session"].take();
    assert!(session.as_str().is_some_and(|session| !session.is_empty()), "{session}");
    let expected = json!({
        "type": "welcome", "version": 1, "session": null, "user": "alice", "name": "Name of alice", "role": "guard",
        "expires": alice.exp, "heartbeat_ms": 5000, "idle_timeout_ms": 15000, "floor_renewal_ms": 2000,
        "emergency_channel": "emergency",
    });
    assert_eq!(welcome, expected);
    assert_eq!(gateway.metric("suara_sessions"), 1.0);
    client.vanish();
    gateway.deserted().await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_token_without_name_and_role_shows_the_users_id_and_an_empty_role() {
    let gateway = TestGateway::start();
    let mut client = gateway.bearer(&mint(&Claims { name: None, role: None, ..claims("bob") })).await;

    let welcome = client.next().await;

    assert_eq!((&welcome["name"], &welcome["role"]), (&json!("bob"), &json!("")));
}

#[tokio::test]
async fn a_newer_client_is_welcomed_in_the_version_of_the_gateway() {
    let gateway = TestGateway::start();
    let mut client = gateway.visitor().await;
    let hello = json!({"type": "hello", "version": 4_000_000_000_u32, "token": mint(&claims("alice")), "client": null,
        "from_the_future": [{}]});

    client.say(hello).await;

    assert_eq!(client.next().await["version"], 1);
}

#[tokio::test]
async fn a_second_hello_is_refused_and_the_session_goes_on() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;

    client.hello(&mint(&claims("alice"))).await;

    assert_eq!(client.next().await["code"], "bad_field");
    client.join("lobby").await;
}

#[tokio::test]
async fn tokens_that_do_not_hold_are_unauthenticated() {
    let gateway = TestGateway::start();
    let of = |change: fn(&mut Claims)| {
        let mut claims = claims("mallory");
        change(&mut claims);
        mint(&claims)
    };
    let other_secret = Minter::new(b"another secret of thirty-two bytes").mint(&claims("mallory")).unwrap();
    let user_by_trunk_secret = Minter::new(TRUNK_SECRET).mint(&claims("mallory")).unwrap();
    let mut altered = mint(&claims("mallory"));
    altered.pop();
    let bad = [
        ("another secret", other_secret),
        ("a user by the bridge's key", user_by_trunk_secret),
        ("an altered signature", altered),
        ("no token at all", String::new()),
        ("no JWT", "a.b.c".into()),
        ("the secret itself", String::from_utf8(SECRET.to_vec()).unwrap()),
        ("a scope without sessions", of(|claims| claims.scope = Scope::Livechat)),
        ("another scope without sessions", of(|claims| claims.scope = Scope::Service)),
        ("not yet valid", of(|claims| claims.nbf = Some(now() + 60))),
        ("no user", of(|claims| claims.sub.clear())),
        ("a user's id that is too long", of(|claims| claims.sub = "x".repeat(129))),
        ("a name that turns text round", of(|claims| claims.name = Some("abc\u{202e}cba".into()))),
        ("an empty name", of(|claims| claims.name = Some(String::new()))),
        ("a role of two lines", of(|claims| claims.role = Some("a\nb".into()))),
        ("a right that does not exist", of(|claims| claims.channels = Some(vec!["*:shout".into()]))),
    ];
    for (what, token) in bad {
        let mut client = gateway.bearer(&token).await;
        assert_eq!(client.closing().await, "unauthenticated", "{what}");
    }
    assert_eq!(gateway.metric("suara_session_closes_total{reason=\"unauthenticated\"}"), 15.0);
    gateway.finish().await;
}

#[tokio::test]
async fn an_expired_token_is_told_from_a_wrong_one() {
    let gateway = TestGateway::start();
    let mut client = gateway.bearer(&mint(&Claims { exp: now() - 60, ..claims("alice") })).await;

    assert_eq!(client.closing().await, "token_expired");
}

#[tokio::test]
async fn a_client_of_an_older_version_has_none_in_common() {
    let gateway = TestGateway::start();
    let mut client = gateway.visitor().await;

    client.say(json!({"type": "hello", "version": 0, "token": mint(&claims("alice"))})).await;

    assert_eq!(client.closing().await, "unsupported_version");
}

#[tokio::test]
async fn anything_but_a_good_hello_first_is_a_protocol_error() {
    let gateway = TestGateway::start();
    let token = mint(&claims("alice"));
    let firsts: [(&str, Vec<u8>); 10] = [
        ("ping", framed(br#"{"type":"ping","nonce":1}"#)),
        ("join", framed(br#"{"type":"join","request":1,"channel":"lobby"}"#)),
        ("a type that nobody knows", framed(br#"{"type":"salut"}"#)),
        ("hello without a token", framed(br#"{"type":"hello","version":1}"#)),
        (
            "a version that is no number",
            framed(format!(r#"{{"type":"hello","version":"1","token":"{token}"}}"#).as_bytes()),
        ),
        (
            "a key twice",
            framed(format!(r#"{{"type":"hello","version":1,"version":1,"token":"{token}"}}"#).as_bytes()),
        ),
        ("garbage", framed(b"\xff\xfe garbage")),
        ("a list", framed(b"[]")),
        ("a length of zero", vec![0; 4]),
        ("a length above the limit", 65_537_u32.to_be_bytes().to_vec()),
    ];
    for (what, bytes) in firsts {
        let mut client = gateway.visitor().await;
        client.write(&bytes).await;
        assert_eq!(client.closing().await, "protocol_error", "{what}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_hello_may_come_in_pieces_and_with_others_behind_it() {
    let gateway = TestGateway::start();
    let mut client = gateway.visitor().await;
    let hello = json!({"type": "hello", "version": 1, "token": mint(&claims("alice"))}).to_string();
    let join = json!({"type": "join", "request": 5, "channel": "lobby"}).to_string();
    let bytes = [framed(hello.as_bytes()), framed(join.as_bytes())].concat();
    let (first, rest) = bytes.split_at(7);

    client.write(first).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.write(rest).await;

    assert_eq!(client.next().await["type"], "welcome");
    assert_eq!(client.next().await["request"], 5);
}

#[tokio::test]
async fn a_message_as_long_as_may_be_is_taken() {
    let gateway = TestGateway::start();
    let mut client = gateway.visitor().await;
    let mut hello = json!({"type": "hello", "version": 1, "token": mint(&claims("alice")), "client": ""});
    let rest = 65_536 - hello.to_string().len();
    hello["client"] = Value::from("x".repeat(rest));

    client.say(hello).await;

    assert_eq!(client.next().await["type"], "welcome");
}

/// One test for all who say nothing, so that it waits once.
#[tokio::test]
async fn who_says_no_hello_within_five_seconds_is_closed() {
    let gateway = TestGateway::start();
    let since = Instant::now();
    let streamless = gateway.connect().await;
    let mut silent = gateway.visitor().await;
    let mut slow = gateway.visitor().await;
    slow.write(&framed(b"{\"type\":\"hello\"}")[..12]).await;

    assert_eq!(silent.closing().await, "hello_timeout");
    let after = since.elapsed();
    assert!(after >= Duration::from_millis(4900) && after < Duration::from_secs(8), "{after:?}");
    assert_eq!(slow.closing().await, "hello_timeout");
    // Without a stream there is no place for words.
    assert_eq!(close_code(&streamless).await, 4);
    assert_eq!(gateway.metric("suara_session_closes_total{reason=\"hello_timeout\"}"), 3.0);
    gateway.finish().await;
}

#[tokio::test]
async fn a_page_of_a_foreign_origin_is_told_so() {
    let gateway = TestGateway::with(|settings| {
        settings.origins = OriginPolicy::new(&["https://*.partner.example".into()])
    });
    let from = |origin: &str| ConnectOptions::builder(gateway.url()).add_header("origin", origin).build();

    for origin in ["https://evil.example", "null", "https://partner.example.evil.example"] {
        let mut client = Client::open(gateway.connect_with(from(origin)).await.unwrap()).await;
        client.hello(&mint(&claims("alice"))).await;
        assert_eq!(client.closing().await, "origin_refused", "{origin}");
    }
    for origin in ["https://app.partner.example", "http://localhost:3000"] {
        let mut client = Client::open(gateway.connect_with(from(origin)).await.unwrap()).await;
        client.hello(&mint(&claims("alice"))).await;
        assert_eq!(client.next().await["type"], "welcome", "{origin}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn sessions_have_one_path() {
    let gateway = TestGateway::start();
    let at = |path: &str| ConnectOptions::builder(format!("https://{}{path}", gateway.address())).build();

    for path in ["/", "/v1/wt/", "/v1", "/v1/wt2", "/V1/WT"] {
        let refused = gateway.connect_with(at(path)).await;
        assert!(matches!(refused, Err(ConnectingError::SessionRejected)), "{path}: {refused:?}");
    }
    gateway.connect_with(at("/v1/wt?from=here")).await.unwrap();
    gateway.finish().await;
}

#[tokio::test]
async fn more_sessions_than_may_be_are_turned_away() {
    let gateway = TestGateway::with(|settings| settings.max_sessions = 2);
    let (one, _two) = (gateway.user("one").await, gateway.user("two").await);

    let mut third = gateway.bearer(&mint(&claims("three"))).await;
    let (closing, _) = third.ending().await;
    assert_eq!(closing["code"], "overloaded");
    assert!(closing["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{closing}");

    one.vanish();
    gateway.until("one has gone", |gateway| gateway.metric("suara_sessions") == 1.0).await;
    gateway.user("three").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_crowd_that_is_let_in_at_once_is_no_larger_for_it() {
    let gateway = TestGateway::with(|settings| settings.max_sessions = 2);
    let mut crowd = Vec::new();
    for _ in 0..5 {
        crowd.push(gateway.visitor().await);
    }

    let mut answers = Vec::new();
    for client in &mut crowd {
        client.hello(&mint(&claims("one of many"))).await;
        answers.push(client.next().await);
    }

    assert_eq!(crate::kit::kinds(&answers), ["welcome", "welcome", "closing", "closing", "closing"]);
    assert_eq!(answers[4]["code"], "overloaded");
    gateway.finish().await;
}
