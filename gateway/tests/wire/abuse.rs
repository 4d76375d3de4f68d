//! Clients that mean harm, or are broken, and the rest who must not notice.

use std::time::Duration;

use serde_json::{Value, json};
use suara_gateway::auth::Claims;
use tokio::time::{Instant, sleep};
use wtransport::config::QuicTransportConfig;
use wtransport::endpoint::ConnectOptions;
use wtransport::error::ConnectionError;

use crate::kit::{Client, TestGateway, claims, close_code, frame, framed, kinds, mint, open_stream, soon};

fn ping(nonce: u32) -> Vec<u8> {
    framed(json!({"type": "ping", "nonce": nonce}).to_string().as_bytes())
}

#[tokio::test]
async fn who_sends_a_little_too_fast_is_told_and_may_stay() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;

    client.write(&(0..150).flat_map(ping).collect::<Vec<_>>()).await;

    let mut answers = Vec::new();
    for _ in 0..150 {
        answers.push(client.next().await);
    }
    let refused: Vec<_> = answers.iter().filter(|answer| answer["type"] == "error").collect();
    assert!((30..=50).contains(&refused.len()), "{}", refused.len());
    assert!(refused.iter().all(|refused| refused["code"] == "rate_limited"), "{refused:?}");
    sleep(Duration::from_millis(200)).await;
    client.join("lobby").await;
}

#[tokio::test]
async fn a_refusal_for_haste_names_the_request() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;
    let request = framed(br#"{"type":"join","request":5,"channel":"lobby"}"#);

    client.write(&[(0..110).flat_map(ping).collect::<Vec<_>>(), request].concat()).await;

    let answer = client.hear_that("the answer", |said| said["request"] == 5).await;
    assert_eq!(answer["code"], "rate_limited");
}

#[tokio::test]
async fn who_goes_on_sending_too_fast_is_closed_and_gone_from_its_channels() {
    let gateway = TestGateway::start();
    let mut watch = gateway.user("watch").await;
    let own = watch.join("lobby").await;
    let mut client = gateway.user("flood").await;
    let seat = client.join("lobby").await;

    client.write(&(0..1000).flat_map(ping).collect::<Vec<_>>()).await;

    let (closing, number) = client.ending().await;
    assert_eq!((&closing["code"], number), (&json!("rate_limited"), 6));
    assert!(closing["retry_after_ms"].is_number());
    assert_eq!(watch.sees_leave(seat.talker).await, "disconnected");
    assert_eq!(watch.roster(own.channel).await.len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_trunk_may_say_twenty_times_as_much() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;

    trunk.write(&(0..1900).flat_map(ping).collect::<Vec<_>>()).await;

    for nonce in 0..1900 {
        assert_eq!(trunk.next().await["nonce"], nonce);
    }
}

/// Many bytes of roster for few of request: a trunk fills a channel, and somebody asks for its roster without reading.
#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_nobody_waits_for_it() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let long = "\"".repeat(128);
    // Each member is more than half a kilobyte of JSON.
    let crowded = Claims { name: Some(long.clone()), role: Some(long.clone()), ..claims("alice") };
    for member in 0..900 {
        let attach = json!({"type": "attach", "request": member, "member": member, "token": mint(&crowded)});
        let join = json!({"type": "join", "request": member, "member": member, "channel": "lobby"});
        trunk.write(&framed(attach.to_string().as_bytes())).await;
        trunk.hear("attached").await;
        trunk.write(&framed(join.to_string().as_bytes())).await;
        trunk.hear("joined").await;
    }
    // Rosters are dear: only a trunk may ask for so many.
    let mut deaf = gateway.trunk().await;
    let attach = json!({"type": "attach", "request": 1, "member": 1, "token": mint(&claims("deaf"))});
    deaf.write(&framed(attach.to_string().as_bytes())).await;
    deaf.hear("attached").await;
    let join = json!({"type": "join", "request": 2, "member": 1, "channel": "lobby"});
    deaf.write(&framed(join.to_string().as_bytes())).await;
    let joined = deaf.hear("joined").await;
    let talker = u16::try_from(joined["talker"].as_u64().unwrap()).unwrap();
    let request =
        framed(json!({"type": "roster_request", "channel": joined["channel"]}).to_string().as_bytes());

    deaf.write(&request.repeat(90)).await;

    // Meanwhile the others go on: nothing of theirs waits.
    let mut alice = gateway.user("alice").await;
    for _ in 0..5 {
        let since = Instant::now();
        let own = alice.join("ops").await;
        let grant = alice.floor(own.channel).await;
        alice.release(own.channel, grant).await;
        alice.leave(own.channel).await;
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    }
    assert_eq!(close_code(&deaf.connection).await, 7);
    assert_eq!(trunk.sees_leave(talker).await, "disconnected");
    assert_eq!(gateway.metric("suara_session_closes_total{reason=\"slow_consumer\"}"), 1.0);
    gateway.finish().await;
}

/// The end of a session must not depend on its client's reading either.
#[tokio::test]
async fn a_client_that_does_not_read_can_not_hold_up_its_own_end() {
    let gateway = TestGateway::start();
    let mut transport = QuicTransportConfig::default();
    transport.stream_receive_window(2000u32.into());
    let endpoint = gateway.endpoint(transport);
    let connecting = endpoint.connect(ConnectOptions::builder(gateway.url()).build());
    let mut deaf = Client::open(soon("a session", connecting).await.unwrap()).await;
    deaf.hello(&mint(&Claims { exp: crate::kit::now() + 2, ..claims("deaf") })).await;
    deaf.hear("welcome").await;
    deaf.write(&(0..90).flat_map(ping).collect::<Vec<_>>()).await;

    soon("the close", deaf.connection.closed()).await;

    gateway.deserted().await;
    gateway.finish().await;
}

/// One test for all who fall silent, so that it waits once.
#[tokio::test]
async fn who_says_nothing_for_fifteen_seconds_is_closed_and_who_pings_is_not() {
    let gateway = TestGateway::start();
    let mut alive = gateway.user("alive").await;
    let own = alive.join("lobby").await;
    let mut silent = gateway.user("silent").await;
    let silent_seat = silent.join("lobby").await;
    // Voice doesn't count.
    let mut talking = gateway.user("talking").await;
    let talking_seat = talking.join("lobby").await;
    let grant = talking.floor(talking_seat.channel).await;
    let since = Instant::now();

    let mut sequence = 0;
    while since.elapsed() < Duration::from_millis(14_000) {
        alive.say(json!({"type": "ping", "nonce": 1})).await;
        for _ in 0..10 {
            talking.send_voice(&frame(talking_seat, grant, sequence));
            sequence += 1;
            sleep(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(alive.roster(own.channel).await.len(), 3, "nobody goes before the time");

    for (mut client, seat) in [(silent, silent_seat), (talking, talking_seat)] {
        assert_eq!(client.closing().await, "idle_timeout");
        assert_eq!(alive.sees_leave(seat.talker).await, "disconnected");
    }
    assert!(since.elapsed() >= Duration::from_millis(14_500));
    alive.roster(own.channel).await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_flood_of_datagrams_of_one_does_not_silence_another() {
    let gateway = TestGateway::start();
    let (mut alice, mut bob) = (gateway.user("alice").await, gateway.user("bob").await);
    let seat = alice.join("lobby").await;
    bob.join("lobby").await;
    let grant = alice.floor(seat.channel).await;
    let mallory = gateway.user("mallory").await;
    let connection = mallory.connection.clone();
    let flood = tokio::spawn(async move {
        loop {
            for _ in 0..50 {
                connection.send_datagram([0xff; 1000]).expect("the flood flows");
            }
            tokio::task::yield_now().await;
        }
    });

    for sequence in 0..25 {
        alice.send_voice(&frame(seat, grant, sequence));
        assert_eq!(bob.voice().await, frame(seat, grant, sequence));
        sleep(Duration::from_millis(20)).await;
    }

    flood.abort();
    assert!(gateway.dropped("malformed") > 50.0);
}

#[tokio::test]
async fn more_streams_than_may_be_are_the_clients_own_problem() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;
    let mut streams = Vec::new();
    // Each keeps its own direction open after it was turned away.
    for _ in 0..30 {
        let opening =
            tokio::time::timeout(Duration::from_millis(200), open_stream(&client.connection, &[9])).await;
        match opening {
            Ok(stream) => streams.push(stream),
            Err(_) => break,
        }
    }

    client.join("lobby").await;
    gateway.finish().await;
}

#[tokio::test]
async fn unidirectional_streams_mean_nothing() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;
    for _ in 0..3 {
        let opening = tokio::time::timeout(Duration::from_millis(100), client.connection.open_uni()).await;
        let Ok(Ok(opening)) = opening else { break };
        let Ok(Ok(mut stream)) = tokio::time::timeout(Duration::from_millis(100), opening).await else {
            break;
        };
        stream.write_all(&[1; 100]).await.unwrap_or_default();
    }
    client.join("lobby").await;
}

/// Random bytes on the control stream end it or are answered; nothing panics, and the gateway serves on.
#[tokio::test]
async fn noise_on_the_control_stream_harms_nobody() {
    let gateway = TestGateway::start();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = |length: usize| -> Vec<u8> {
        let bytes = (0..length).map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as u8
        });
        bytes.collect()
    };
    for round in 0..40 {
        let mut client = gateway.user("noise").await;
        let bytes = noise(10 + round * 20);
        // Half of the time well framed.
        let bytes = if round % 2 == 0 { framed(&bytes) } else { bytes };
        client.write(&bytes).await;
        if round % 2 == 0 {
            assert_eq!(client.next().await["code"], "malformed");
        }
        client.send_voice(&noise(40));
    }
    gateway.deserted().await;
    gateway.user("alice").await.join("lobby").await;
    gateway.finish().await;
}

/// Below WebTransport: whoever speaks QUIC can write what it likes in HTTP/3's place.
#[tokio::test]
async fn noise_in_place_of_http_harms_nobody() {
    let gateway = TestGateway::start();
    let noises: [&[u8]; 6] = [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        // A settings stream that ends at once; settings that are too long; a reserved frame; a session nobody asked for.
        &[0x00],
        &[0x00, 0x04, 0xbf, 0xff, 0xff, 0xff],
        &[0x01, 0x3f, 0xff, 0xff],
        &[0x40, 0x41, 0x00, 0x01, 0x00, 0x00],
    ];
    let endpoint = gateway.quic_endpoint();
    let mut connections = Vec::new();
    for noise in noises {
        let connection = endpoint.connect(gateway.address(), "localhost").unwrap().await.unwrap();
        let mut one_way = connection.open_uni().await.unwrap();
        one_way.write_all(noise).await.unwrap();
        one_way.finish().unwrap();
        // The gateway may have closed the connection by now.
        if let Ok((mut send, _)) = connection.open_bi().await {
            send.write_all(noise).await.unwrap_or_default();
        }
        connection.send_datagram(noise.to_vec().into()).unwrap_or_default();
        connections.push(connection);
    }

    gateway.user("alice").await.join("lobby").await;
    gateway.deserted().await;
    gateway.finish().await;
}

/// Every message of a client with every field of every kind: an answer, and never an end.
#[tokio::test]
async fn fields_of_all_kinds_are_answered() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;
    let seat = client.join("lobby").await;
    client.so_far().await;
    let values = [
        Value::Null,
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!("x"),
        json!([]),
        json!({}),
        json!(true),
    ];
    let types = [
        "hello",
        "renew",
        "attach",
        "detach",
        "join",
        "leave",
        "floor_request",
        "floor_release",
        "roster_request",
    ];
    for kind in types {
        for value in &values {
            // Slower than the limit of messages.
            sleep(Duration::from_millis(22)).await;
            client
                .say(json!({"type": kind, "request": 1, "channel": value, "member": value, "token": value,
                "grant": value, "version": value}))
                .await;
            let answer = client.next().await;
            assert_eq!(answer["type"], "error", "{kind} {value}: {answer}");
        }
    }
    assert_eq!(client.roster(seat.channel).await.len(), 1);
}

#[tokio::test]
async fn a_client_whose_machine_dies_is_gone_after_a_while() {
    let gateway = TestGateway::start();
    let mut watch = gateway.user("watch").await;
    watch.join("lobby").await;
    let mut transport = QuicTransportConfig::default();
    // Its own patience is short; what it tells the gateway of it is the gateway's as well.
    transport.max_idle_timeout(Some(Duration::from_secs(1).try_into().unwrap()));
    let endpoint = gateway.endpoint(transport);
    let connecting = endpoint.connect(ConnectOptions::builder(gateway.url()).build());
    let mut dead = Client::open(soon("a session", connecting).await.unwrap()).await;
    dead.hello(&mint(&claims("dead"))).await;
    let seat = dead.join("lobby").await;

    let end = soon("the end", dead.connection.closed()).await;

    assert!(matches!(end, ConnectionError::TimedOut), "{end}");
    assert_eq!(watch.sees_leave(seat.talker).await, "disconnected");
    assert!(kinds(&watch.so_far().await).iter().all(|kind| *kind == "roster"));
}
