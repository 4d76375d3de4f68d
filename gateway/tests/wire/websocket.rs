//! The WebSocket road: the same session on one TCP connection.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use suara_gateway::EngineSettings;
use suara_gateway::auth::{Claims, Scope};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

use crate::kit::{
    SocketClient, TestGateway, claims, first_piece, frame, framed, hello, mint, now, open_socket, opening,
};

/// A client by WebSocket with its welcome.
async fn user(gateway: &TestGateway, name: &str) -> SocketClient {
    let mut client = visitor(gateway).await;
    client.hello(&mint(&claims(name))).await;
    let welcome = client.hear("welcome").await;
    assert_eq!(welcome["user"], name);
    client
}

async fn visitor(gateway: &TestGateway) -> SocketClient {
    open_socket(opening(gateway.http().await)).await.expect("the gateway accepts WebSockets")
}

#[tokio::test]
async fn voice_crosses_between_the_roads_both_ways() {
    let gateway =
        TestGateway::with(|settings| settings.engine = EngineSettings { workers: 2, ..Default::default() });
    let (mut alice, mut carol) = (user(&gateway, "alice").await, user(&gateway, "carol").await);
    let seat = alice.join("lobby").await;
    carol.join("lobby").await;
    let mut others = Vec::new();
    for name in ["bob", "dan", "eve", "flo"] {
        let mut other = gateway.user(name).await;
        let seat = other.join("lobby").await;
        others.push((other, seat));
    }

    let grant = alice.floor(seat.channel).await;
    for sequence in 1..=3 {
        alice.send_voice(&frame(seat, grant, sequence)).await;
        for (other, _) in &others {
            assert_eq!(other.voice().await, frame(seat, grant, sequence));
        }
        assert_eq!(carol.voice().await, frame(seat, grant, sequence));
    }
    alice.release(seat.channel, grant).await;

    let (bob, seat) = &mut others[0];
    bob.hear("floor_idle").await;
    let grant = bob.floor(seat.channel).await;
    bob.send_voice(&frame(*seat, grant, 9));
    for listener in [&mut alice, &mut carol] {
        assert_eq!(listener.voice().await, frame(*seat, grant, 9), "and never one's own");
    }
    assert_eq!(gateway.metric("suara_websockets"), 2.0);
    let sent = 3.0 * 5.0 + 5.0;
    gateway.until("all is counted", |gateway| gateway.metric("suara_voice_frames_sent_total") == sent).await;
    gateway.finish().await;
}

#[tokio::test]
async fn floor_and_roster_are_the_same_on_both_roads() {
    let gateway = TestGateway::start();
    let mut alice = user(&gateway, "alice").await;
    let mut bob = gateway.user("bob").await;
    let (one, _two) = (alice.join("lobby").await, bob.join("lobby").await);
    alice.hear_that("bob", |said| said["joined"][0]["user"] == "bob").await;
    let grant = bob.floor(one.channel).await;
    let denied = alice.ask(json!({"type": "floor_request", "channel": one.channel})).await;
    assert_eq!((&denied["type"], &denied["cause"]), (&json!("floor_deny"), &json!("another_has_permission")));
    let idle = |said: &Value| said["type"] == "floor_idle" && said["grant"] == grant;
    bob.release(one.channel, grant).await;
    alice.hear_that("the release", idle).await;
    alice.vanish().await;
    assert_eq!(bob.sees_leave(one.talker).await, "disconnected");
    gateway.until("the connection is gone", |gateway| gateway.metric("suara_websockets") == 0.0).await;
    gateway.finish().await;
}

#[tokio::test]
async fn the_control_stream_may_be_cut_anywhere() {
    let gateway = TestGateway::start();
    let mut alice = visitor(&gateway).await;
    let opening = first_piece(&hello(&mint(&claims("alice"))));
    for byte in &opening[1..] {
        alice.binary(&[1, *byte]).await;
    }
    alice.hear("welcome").await;
    let pings = [5, 6].map(|nonce| framed(json!({"type": "ping", "nonce": nonce}).to_string().as_bytes()));
    alice.binary(&[&[1][..], &pings.concat()].concat()).await;
    assert_eq!(alice.hear("pong").await["nonce"], 5);
    assert_eq!(alice.hear("pong").await["nonce"], 6);
    gateway.finish().await;
}

#[tokio::test]
async fn a_large_message_comes_in_pieces() {
    let gateway = TestGateway::start();
    let mut alice = user(&gateway, "alice").await;
    let names: Vec<String> = (0..150).map(|index| format!("{index:0>120}")).collect();
    let mut trunk = gateway.trunk().await;
    for (member, name) in names.iter().enumerate() {
        trunk.ask(json!({"type": "attach", "member": member, "token": mint(&claims(name))})).await;
        trunk.ask(json!({"type": "join", "member": member, "channel": "lobby"})).await;
    }
    let joined = alice.ask(json!({"type": "join", "channel": "lobby"})).await;
    assert_eq!(joined["members"].as_array().expect("a list").len(), 151);
    assert!(joined.to_string().len() > 3 * 8192, "it is long enough to be cut");
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_against_the_rules_ends_the_session() {
    let gateway = TestGateway::start();
    let bad = [
        ("text", Message::text("hello")),
        ("nothing", Message::binary(Vec::new())),
        ("too much", Message::binary(vec![0; 65_543])),
        ("another first stream", Message::binary(vec![1, 2])),
        ("a second control stream", Message::binary(vec![2, 1])),
        ("a message without a length", Message::binary(vec![1, 1, 0, 0, 0, 0])),
        ("too long a message", Message::binary(vec![1, 1, 0, 1, 0, 1])),
    ];
    for (what, message) in bad {
        let mut visitor = visitor(&gateway).await;
        visitor.send(message).await;
        assert_eq!(visitor.closing().await, "protocol_error", "{what}");
    }
    let mut alice = user(&gateway, "alice").await;
    alice.send(Message::text("{\"type\":\"ping\",\"nonce\":1}")).await;
    assert_eq!(alice.closing().await, "protocol_error", "after hello, too");
    let closes = "suara_session_closes_total{reason=\"protocol_error\"}";
    gateway.until("all is counted", |gateway| gateway.metric(closes) == 8.0).await;
    gateway.deserted().await;
    gateway.finish().await;
}

#[tokio::test]
async fn bytes_that_are_no_websocket_end_the_session() {
    let gateway = TestGateway::start();
    let mut tcp = TcpStream::connect(gateway.http().await).await.expect("the gateway listens");
    let request = "GET /v1/ws HTTP/1.1\r\nhost: g\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   sec-websocket-protocol: suara.1\r\n\r\n";
    tcp.write_all(request.as_bytes()).await.expect("it is open");
    // Not masked, as a client's must be, with a reserved bit, and then noise.
    tcp.write_all(&[0xf2; 300]).await.expect("it is open");
    let mut all = Vec::new();
    crate::kit::soon("the end", tcp.read_to_end(&mut all)).await.unwrap_or_default();
    assert!(String::from_utf8_lossy(&all).contains("protocol_error"), "{:?}", String::from_utf8_lossy(&all));
    gateway.deserted().await;
    gateway.finish().await;
}

#[tokio::test]
async fn other_streams_are_turned_away_and_the_session_goes_on() {
    let gateway = TestGateway::start();
    let mut alice = user(&gateway, "alice").await;
    for piece in [&[7, 2][..], &[7, 1, 1, 1], &[200, 9], &[7], &[7, 9]] {
        alice.binary(piece).await;
    }
    for number in [7, 200, 7] {
        assert_eq!(alice.another().await, Message::binary(vec![number]), "told once, until it was ended");
    }
    alice.say(json!({"type": "ping", "nonce": 3})).await;
    alice.hear("pong").await;
    assert!(alice.other.is_empty());
    alice.send(Message::Ping(b"there?".as_slice().into())).await;
    assert_eq!(alice.another().await, Message::Pong(b"there?".as_slice().into()));
    alice.binary(&[1]).await;
    assert_eq!(alice.closing().await, "normal", "the control stream's end is the session's");
    gateway.finish().await;
}

/// What comes on a stream until it ends.
async fn answer(client: &mut SocketClient, number: u8) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match client.another().await {
            Message::Binary(bytes) if *bytes == [number] => return all,
            Message::Binary(bytes) if bytes[0] == number => all.extend_from_slice(&bytes[1..]),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_burst_is_replayed_on_a_stream_of_its_own() {
    let gateway = TestGateway::start();
    let (mut alice, mut bob) = (user(&gateway, "alice").await, user(&gateway, "bob").await);
    let seat = alice.join("ops").await;
    bob.join("ops").await;
    let grant = alice.floor(seat.channel).await;
    for sequence in 0..40 {
        alice.send_voice(&frame(seat, grant, sequence)).await;
    }
    let came = |gateway: &TestGateway| gateway.metric("suara_voice_frames_received_total") == 40.0;
    gateway.until("the voice is there", came).await;

    let request = framed(json!({"type": "replay", "channel": seat.channel}).to_string().as_bytes());
    // In two pieces, and beside another that never says what it wants.
    bob.binary(&[6, 3]).await;
    bob.binary(&[&[5, 3][..], &request[..9]].concat()).await;
    bob.binary(&[&[5][..], &request[9..]].concat()).await;
    bob.binary(&[5]).await;
    let bytes = answer(&mut bob, 5).await;
    let (length, rest) = bytes.split_first_chunk::<4>().expect("a message");
    let (json, mut rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
    let head: Value = serde_json::from_slice(json).expect("JSON");
    assert_eq!((&head["type"], &head["frames"]), (&json!("replaying"), &json!(40)));
    for sequence in 0..40 {
        let (length, tail) = rest.split_first_chunk::<2>().expect("a frame");
        let (bytes, tail) = tail.split_at(usize::from(u16::from_be_bytes(*length)));
        assert_eq!(bytes, frame(seat, grant, sequence));
        rest = tail;
    }
    assert!(rest.is_empty());

    bob.binary(&[6]).await;
    assert!(answer(&mut bob, 6).await.is_empty(), "who ends it without a word has its end");
    bob.binary(&[&[5, 3][..], &framed(b"{}")].concat()).await;
    let refusal = answer(&mut bob, 5).await;
    assert_eq!(serde_json::from_slice::<Value>(&refusal[4..]).expect("JSON")["code"], "malformed");
    bob.binary(&[&[8, 3][..], &[0, 0, 0xff, 0xff]].concat()).await;
    assert!(answer(&mut bob, 8).await.is_empty(), "too long a request is turned away");
    gateway.finish().await;
}

#[tokio::test]
async fn bad_voice_is_counted_and_nothing_else() {
    let gateway = TestGateway::start();
    let mut alice = user(&gateway, "alice").await;
    let seat = alice.join("lobby").await;
    alice.binary(&[0]).await;
    alice.send_voice(&[1; 60_000]).await;
    alice.send_voice(&frame(seat, 1, 1)).await;
    gateway.until("it is counted", |gateway| gateway.dropped("malformed") == 2.0).await;
    gateway.until("it is counted", |gateway| gateway.dropped("no_grant") == 1.0).await;
    alice.say(json!({"type": "ping", "nonce": 3})).await;
    alice.hear("pong").await;
    gateway.finish().await;
}

#[tokio::test]
async fn pages_of_foreign_origins_are_told_so_and_ones_own_are_not() {
    let gateway = TestGateway::start();
    let http = gateway.http().await;
    let from = |origin: &str| {
        let mut request = opening(http);
        request.headers_mut().insert("origin", origin.parse().expect("an origin"));
        request
    };
    let mut foreign = open_socket(from("https://evil.example")).await.expect("accepted, to be told");
    assert_eq!(foreign.closing().await, "origin_refused");
    let mut own = open_socket(from(&format!("http://{http}"))).await.expect("accepted");
    own.hello(&mint(&claims("alice"))).await;
    own.hear("welcome").await;
    gateway.finish().await;
}

#[tokio::test]
async fn who_says_no_hello_or_a_bad_one_is_closed() {
    let gateway = TestGateway::start();
    let mut silent = visitor(&gateway).await;
    let mut forger = visitor(&gateway).await;
    forger.hello("no token").await;
    assert_eq!(forger.closing().await, "unauthenticated");
    assert_eq!(silent.closing().await, "hello_timeout");
    gateway.finish().await;
}

#[tokio::test]
async fn more_sessions_than_may_be_are_turned_away() {
    let gateway = TestGateway::with(|settings| settings.max_sessions = 1);
    let _alice = user(&gateway, "alice").await;
    let mut bob = visitor(&gateway).await;
    assert_eq!(bob.closing().await, "overloaded");
    gateway.finish().await;
}

#[tokio::test]
async fn a_drain_is_announced_and_takes_nobody_new() {
    let gateway = TestGateway::start();
    let mut alice = user(&gateway, "alice").await;
    gateway.gateway.announce_drain(Duration::from_secs(30));
    alice.hear("draining").await;
    assert_eq!(open_socket(opening(gateway.http().await)).await.err(), Some(503));
    let end = tokio::spawn(async move { alice.closing().await });
    gateway.finish().await;
    assert_eq!(end.await.expect("no panic"), "going_away");
}

#[tokio::test]
async fn only_a_whole_handshake_of_our_protocol_opens_a_session() {
    let gateway = TestGateway::start();
    let http = gateway.http().await;
    let mut request = opening(http);
    request.headers_mut().insert("sec-websocket-protocol", "suara.2".parse().expect("a token"));
    assert_eq!(open_socket(request).await.err(), Some(400));
    let mut tcp = TcpStream::connect(http).await.expect("the gateway listens");
    tcp.write_all(b"GET /v1/ws HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n").await.expect("it is open");
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 426"), "{answer}");
    gateway.finish().await;
}

#[tokio::test]
async fn the_road_is_announced() {
    let gateway = TestGateway::start();
    let http = gateway.http().await;
    let (_, json) = where_to_connect(http).await;
    let connect: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(connect["websocket"], json!({"url": "/v1/ws"}));
    gateway.finish().await;
}

#[tokio::test]
async fn who_asks_during_a_drain_is_sent_to_another_node() {
    let gateway = TestGateway::start();
    let http = gateway.http().await;
    let _alice = gateway.user("alice").await;
    gateway.gateway.announce_drain(Duration::from_secs(30));

    let (head, json) = where_to_connect(http).await;

    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert!(head.to_ascii_lowercase().contains("retry-after: 1"), "{head}");
    let problem: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(problem["code"], "unavailable");
    gateway.finish().await;
}

/// `GET /api/connect`: the answer's head and body.
async fn where_to_connect(http: SocketAddr) -> (String, String) {
    let mut tcp = TcpStream::connect(http).await.expect("the gateway listens");
    tcp.write_all(b"GET /api/connect HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n")
        .await
        .expect("it is open");
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    (head.to_owned(), body.to_owned())
}

/// Frames of a good size, sent no faster than may be, until the gateway has had to drop some.
const STALL_FRAMES: u16 = 160;

#[tokio::test]
async fn a_listener_that_stalls_loses_old_voice_and_no_message_and_nobody_waits() {
    let gateway = TestGateway::start();
    let (mut talker, mut stalled) = (gateway.user("talker").await, user(&gateway, "stalled").await);
    let mut prompt = user(&gateway, "prompt").await;
    let seat = talker.join("lobby").await;
    stalled.join("lobby").await;
    prompt.join("lobby").await;
    let grant = talker.floor(seat.channel).await;
    let large = |sequence| {
        let mut large = frame(seat, grant, sequence);
        large.resize(900, 0x55);
        large
    };

    for sequence in 0..STALL_FRAMES {
        talker.send_voice(&large(sequence));
        assert_eq!(prompt.voice().await, large(sequence), "the others hear all");
        sleep(Duration::from_millis(12)).await;
    }
    for index in 0..3 {
        let mut guest = gateway.user(&format!("guest {index}")).await;
        guest.join("lobby").await;
        guest.vanish();
    }
    gateway.until("the guests are gone", |gateway| gateway.metric("suara_members") == 3.0).await;
    sleep(Duration::from_millis(150)).await;
    talker.send_voice(&large(STALL_FRAMES));
    gateway.until("old voice is dropped", |gateway| gateway.dropped("stale") >= 1.0).await;

    // It reads again: what was said to it is all there, and of voice what was on its way, and what is new.
    for index in 0..3 {
        let came = |said: &Value| {
            let joined = said["joined"].as_array().into_iter().flatten();
            joined.into_iter().any(|member| member["user"] == format!("guest {index}"))
        };
        stalled.hear_that("a guest", came).await;
    }
    let newest = large(STALL_FRAMES);
    let mut heard = stalled.voices();
    while heard.last() != Some(&newest) {
        heard.push(stalled.voice().await);
    }
    let dropped = gateway.dropped("stale") + gateway.dropped("overflow");
    assert_eq!(heard.len() as f64 + dropped, f64::from(STALL_FRAMES) + 1.0, "heard or counted");
    assert!(heard.len() < usize::from(STALL_FRAMES) / 2, "{} frames were held back", heard.len());
    gateway.finish().await;
}

#[tokio::test]
async fn who_reads_no_messages_is_closed_and_the_others_are_told() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let long = "\"".repeat(128);
    // Each member is more than half a kilobyte of JSON.
    let crowded = Claims { name: Some(long.clone()), role: Some(long.clone()), ..claims("alice") };
    for member in 0..900 {
        trunk.ask(json!({"type": "attach", "member": member, "token": mint(&crowded)})).await;
        trunk.ask(json!({"type": "join", "member": member, "channel": "lobby"})).await;
    }
    // Rosters are dear: only a trunk may ask for so many.
    let mut deaf = visitor(&gateway).await;
    deaf.hello(&mint(&Claims { scope: Scope::Trunk, ..claims("bridge") })).await;
    deaf.hear("welcome").await;
    deaf.ask(json!({"type": "attach", "member": 1, "token": mint(&claims("deaf"))})).await;
    let joined = deaf.ask(json!({"type": "join", "member": 1, "channel": "lobby"})).await;
    let talker = joined["talker"].as_u64().expect("a number") as u16;

    for _ in 0..90 {
        deaf.say(json!({"type": "roster_request", "channel": joined["channel"]})).await;
    }

    assert_eq!(trunk.sees_leave(talker).await, "disconnected");
    assert_eq!(gateway.metric("suara_session_closes_total{reason=\"slow_consumer\"}"), 1.0);
    gateway.until("it is hung up on", |gateway| gateway.metric("suara_websockets") == 0.0).await;
    gateway.finish().await;
}

/// The end of a session must not depend on its client's reading either.
#[tokio::test]
async fn who_reads_nothing_can_not_hold_up_its_own_end() {
    let gateway = TestGateway::start();
    let mut deaf = visitor(&gateway).await;
    deaf.hello(&mint(&Claims { exp: now() + 2, ..claims("deaf") })).await;
    deaf.hear("welcome").await;
    for nonce in 0..90 {
        deaf.say(json!({"type": "ping", "nonce": nonce})).await;
    }
    deaf.send(Message::Ping(vec![7; 125].into())).await;
    gateway.until("it is hung up on", |gateway| gateway.metric("suara_websockets") == 0.0).await;
    gateway.deserted().await;
    gateway.finish().await;
}
