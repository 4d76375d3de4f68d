//! The gateway's end.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};
use wtransport::endpoint::ConnectOptions;

use crate::kit::{TestGateway, claims, close_code, frame, mint, number};

#[tokio::test]
async fn a_drain_is_announced_and_goes_on_serving_those_who_are_there() {
    let gateway = TestGateway::start();
    let (mut alice, mut bob) = (gateway.user("alice").await, gateway.user("bob").await);
    let mut trunk = gateway.trunk().await;

    gateway.gateway.announce_drain(Duration::from_secs(30));

    for client in [&mut alice, &mut bob, &mut trunk] {
        let draining = client.hear("draining").await;
        assert!((29_000..=30_000).contains(&number(&draining["deadline_ms"])), "{draining}");
        assert!(
            draining["node"].is_string() && draining["avoid"].is_null(),
            "no address of its own: {draining}"
        );
    }
    let seat = alice.join("lobby").await;
    bob.join("lobby").await;
    let grant = alice.floor(seat.channel).await;
    alice.send_voice(&frame(seat, grant, 1));
    assert_eq!(bob.voice().await, frame(seat, grant, 1));
    assert_eq!(gateway.gateway.population(), 2);
    gateway.finish().await;
}

#[tokio::test]
async fn who_is_told_where_not_to_be_is_not_led_there_again() {
    let announced = "https://node-1.radio.example/v1/wt";
    let gateway = TestGateway::with(|settings| settings.announce = Some(announced.to_owned()));
    let http = gateway.http().await;
    let ask = async |query: &str| {
        let answer = reqwest::get(format!("http://{http}/api/connect{query}")).await.expect("it answers");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let (status, connect) = ask("").await;
    let node = connect["node"].as_str().expect("it says which it is").to_owned();
    assert_eq!(status, 200);

    let (status, refused) = ask(&format!("?not={node}")).await;
    assert_eq!((status, &refused["code"]), (503, &json!("unavailable")));
    for others in ["?not=1f0c9a4e00000001", "?not=", "?not=%ff&not=x&y"] {
        assert_eq!(ask(others).await.0, 200, "{others}");
    }
    assert_eq!(ask(&format!("?not=x&not={node}")).await.0, 503);

    let mut alice = gateway.user("alice").await;
    gateway.gateway.announce_drain(Duration::from_secs(30));
    let draining = alice.hear("draining").await;
    assert_eq!((&draining["node"], &draining["avoid"]), (&json!(node), &json!([announced])));
    gateway.finish().await;
}

#[tokio::test]
async fn a_drain_may_take_for_ever() {
    let gateway = TestGateway::start();
    let mut alice = gateway.user("alice").await;
    gateway.gateway.announce_drain(Duration::MAX);
    assert!(number(&alice.hear("draining").await["deadline_ms"]) > u32::MAX - 60_000);
}

#[tokio::test]
async fn who_comes_during_a_drain_is_refused_at_once() {
    let gateway = TestGateway::start();
    let _alice = gateway.user("alice").await;
    gateway.gateway.announce_drain(Duration::from_secs(30));

    let since = Instant::now();
    let refused = gateway.connect_with(ConnectOptions::builder(gateway.url()).build()).await;

    assert!(refused.is_err());
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}

#[tokio::test]
async fn whose_hello_was_under_way_is_welcomed_and_told_of_the_drain() {
    let gateway = TestGateway::start();
    let mut late = gateway.visitor().await;
    let _other = gateway.user("alice").await;
    gateway.gateway.announce_drain(Duration::from_secs(30));

    late.hello(&mint(&claims("late"))).await;

    assert_eq!(late.next().await["type"], "welcome");
    let draining = late.next().await;
    assert_eq!(draining["type"], "draining");
    assert!((20_000..=30_000).contains(&number(&draining["deadline_ms"])), "{draining}");
    gateway.finish().await;
}

#[tokio::test]
async fn the_end_is_said_to_everybody_and_comes_quickly() {
    let gateway = TestGateway::start();
    let mut clients = Vec::new();
    for index in 0..20 {
        let mut client = gateway.user(&format!("user {index}")).await;
        client.join("lobby").await;
        clients.push(client);
    }
    let mut trunk = gateway.trunk().await;
    trunk.ask(json!({"type": "attach", "member": 1, "token": mint(&claims("member"))})).await;
    trunk.ask(json!({"type": "join", "member": 1, "channel": "lobby"})).await;
    let mut silent = gateway.visitor().await;
    let streamless = gateway.connect().await;

    let since = Instant::now();
    gateway.finish().await;

    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    clients.push(trunk);
    for client in &mut clients {
        let (closing, number) = client.ending().await;
        assert_eq!((&closing["code"], number), (&json!("going_away"), 1));
        assert!(closing["retry_after_ms"].is_number());
    }
    assert_eq!(silent.closing().await, "going_away");
    assert_eq!(close_code(&streamless).await, 1);
}

#[tokio::test]
async fn an_empty_gateway_ends_at_once() {
    let gateway = TestGateway::start();
    let since = Instant::now();
    gateway.finish().await;
    assert!(since.elapsed() < Duration::from_millis(500), "{:?}", since.elapsed());
}

#[tokio::test]
async fn half_a_handshake_does_not_hold_up_the_end() {
    let gateway = TestGateway::start();
    // The first packet comes through, and what the gateway answers is lost: a proxy that passes one way only.
    let proxy = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v1/wt", proxy.local_addr().unwrap());
    let connecting = gateway.connect_with(ConnectOptions::builder(url).build());
    let one_way = async {
        let mut packet = [0; 2048];
        let (length, _) = proxy.recv_from(&mut packet).await.unwrap();
        proxy.send_to(&packet[..length], gateway.address()).await.unwrap();
        proxy.recv_from(&mut packet).await.unwrap();
    };
    tokio::select! {
        result = timeout(Duration::from_secs(8), connecting) => panic!("connected: {}", result.is_ok()),
        () = one_way => {}
    }

    let since = Instant::now();
    gateway.finish().await;

    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}
