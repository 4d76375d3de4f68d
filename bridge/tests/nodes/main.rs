//! Several bridges and one Redis: a session is served wherever its client asks.

#![allow(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

mod cluster;
mod kit;
mod slow;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use kit::{Node, Redis, get, is_found, post, until, url};
use redis::cmd;
use reqwest::StatusCode;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What a log-in without a token is answered with: proof that the session took it.
const REFUSED: &str = r#"44{"message":"Autentikasi Gagal"}"#;

/// Each request to the next node.
fn turns(nodes: &[Node]) -> impl Iterator<Item = &Node> {
    nodes.iter().cycle()
}

#[tokio::test]
async fn a_session_goes_on_at_any_node() {
    let redis = Redis::start().await;
    for secret in [None, Some(SECRET)] {
        let nodes: [Node; 3] = Node::several(&redis, secret).await;
        let mut turns = turns(&nodes);
        let sid = turns.next().unwrap().open().await;
        for _ in 0..4 {
            let said = turns.next().unwrap().say(&sid, "40").await;
            assert_eq!((said.status(), &*said.text().await.unwrap()), (StatusCode::OK, "ok"));
            let mut heard = String::new();
            while !heard.contains(REFUSED) {
                let poll = turns.next().unwrap().poll(&sid).await;
                let status = poll.status();
                heard = poll.text().await.unwrap();
                assert_eq!(status, StatusCode::OK, "{heard}");
            }
        }
        let forwarded: f64 =
            nodes.iter().map(|node| node.metric("forwarded_total{outcome=\"answered\"}")).sum();
        assert!(forwarded >= 5.0, "{forwarded}");
        assert_eq!(nodes[0].metric("owned_sessions"), 1.0);
        for node in &nodes {
            node.bridge.drain(Duration::ZERO).await;
        }
        let left: Vec<String> = redis.ask(cmd("ZRANGE").arg("suara:nodes").arg(0).arg(-1)).await;
        assert!(left.is_empty(), "who has left is listed: {left:?}");
    }
}

/// A WebSocket at a node, for a session of any.
async fn upgrade(node: &Node, sid: &str) -> WebSocketStream<TcpStream> {
    let address = node.url(Some(sid)).replace("polling", "websocket").replace("http", "ws");
    let stream = TcpStream::connect(node.address).await.unwrap();
    tokio_tungstenite::client_async(address, stream).await.unwrap().0
}

#[tokio::test]
async fn a_node_that_drains_ends_the_tunnels_through_it() {
    let redis = Redis::start().await;
    let [owner, other]: [Node; 2] = Node::several(&redis, None).await;
    let sid = owner.open().await;
    let mut socket = upgrade(&other, &sid).await;
    until("the tunnel", async || (other.metric("tunnels") == 1.0).then_some(())).await;
    other.bridge.drain(Duration::from_secs(5)).await;
    while let Some(Ok(_)) = socket.next().await {}
    until("the tunnel's end", async || (other.metric("tunnels") == 0.0).then_some(())).await;
    assert_eq!(get(other.url(None)).await.status(), StatusCode::SERVICE_UNAVAILABLE, "no new sessions");
    let another = owner.open().await;
    assert_eq!(other.ask_upgrade(&another).await, StatusCode::SERVICE_UNAVAILABLE, "and no new tunnels");
    assert_eq!(other.say(&another, "40").await.status(), StatusCode::OK, "it goes on by polling");
}

/// Tells a node that the way to a session of its ends.
async fn hurry(door: SocketAddr, sid: &str, within: &str) -> StatusCode {
    let way = format!("http://{door}/socket.io/?EIO=4&transport=websocket&sid={sid}&within={within}");
    reqwest::Client::new().delete(way).send().await.unwrap().status()
}

#[tokio::test]
async fn a_session_goes_whose_way_ends() {
    let redis = Redis::start().await;
    let [node, _other] = Node::pair(&redis).await;
    let [staying, going] = [node.open_for_long().await, node.open_for_long().await];
    let door = node.bridge.peer_address().unwrap();
    assert_eq!(hurry(door, &node.open().await, "4000").await, StatusCode::NOT_FOUND, "nobody has logged in");
    assert_eq!(hurry(door, "AAAAAAAAAAAAAAAA", "4000").await, StatusCode::BAD_REQUEST);
    for bad in ["", "soon", "-1", "1e3", "99999999999"] {
        assert_eq!(hurry(door, &staying, bad).await, StatusCode::BAD_REQUEST, "{bad}");
    }
    assert_eq!(hurry(door, &going, "4000").await, StatusCode::NO_CONTENT);
    until("its end", async || {
        (node.say(&going, "40").await.status() == StatusCode::BAD_REQUEST).then_some(())
    })
    .await;
    assert_eq!(node.say(&staying, "40").await.status(), StatusCode::OK, "it alone");
}

#[tokio::test]
async fn a_node_with_another_secret_is_none_of_ours() {
    let redis = Redis::start().await;
    let owner = Node::start(&redis, Some(SECRET)).await;
    let stranger = Node::start(&redis, Some("fedcba9876543210fedcba9876543210")).await;
    until("the nodes", async || (stranger.metric("nodes") == 2.0).then_some(())).await;
    let sid = owner.open().await;
    assert_eq!(stranger.say(&sid, "40").await.status(), StatusCode::GONE);
    assert_eq!(stranger.ask_upgrade(&sid).await, StatusCode::GONE);
    assert_eq!(owner.metric("bad_input_total{kind=\"peer\"}"), 2.0);
    assert_eq!(owner.say(&sid, "40").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_session_is_upgraded_through_another_node() {
    let redis = Redis::start().await;
    let [owner, other]: [Node; 2] = Node::several(&redis, Some(SECRET)).await;
    let sid = owner.open().await;
    let mut socket = upgrade(&other, &sid).await;
    let mut heard = async |said: &str| {
        socket.send(Message::text(said)).await.unwrap();
        socket.next().await.unwrap().unwrap().into_text().unwrap().to_string()
    };
    assert_eq!(heard("2probe").await, "3probe");
    assert_eq!(other.metric("tunnels"), 1.0);
    // The next word is the upgrade's end, upon which nothing is said.
    socket.send(Message::text("5")).await.unwrap();
    socket.send(Message::text("40")).await.unwrap();
    until("the answer", async || {
        let heard = socket.next().await?.ok()?.into_text().ok()?;
        // There may be a ping first.
        (heard.as_str() == REFUSED).then_some(())
    })
    .await;
    drop(socket);
    until("the tunnel's end", async || (other.metric("tunnels") == 0.0).then_some(())).await;
    until("the session's end", async || (owner.metric("owned_sessions") == 0.0).then_some(())).await;
}

#[tokio::test]
async fn a_session_that_ended_is_in_redis_no_more_and_unknown_everywhere() {
    let redis = Redis::start().await;
    let [owner, other]: [Node; 2] = Node::several(&redis, None).await;
    let settled = tokio::time::Instant::now() + Duration::from_secs(11);
    let sid = owner.open().await;
    let key = format!("suara:sid:{sid}");
    assert!(redis.ask::<bool>(cmd("EXISTS").arg(&key)).await);
    assert_eq!(other.say(&sid, "1").await.status(), StatusCode::OK);
    until("its end in Redis", async || (!redis.ask::<bool>(cmd("EXISTS").arg(&key)).await).then_some(()))
        .await;
    assert_eq!(owner.metric("owned_sessions"), 0.0);
    // A young node couldn't be sure.
    tokio::time::sleep_until(settled).await;
    for node in [&owner, &other] {
        let answer = node.poll(&sid).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(answer.text().await.unwrap(), r#"{"code":"1","message":"Session ID unknown"}"#);
        assert_eq!(node.ask_upgrade(&sid).await, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_session_of_a_node_that_is_gone_is_gone() {
    let redis = Redis::start().await;
    let [owner, other]: [Node; 2] = Node::several(&redis, None).await;
    let sid = owner.open().await;
    assert_eq!(other.say(&sid, "40").await.status(), StatusCode::OK);
    owner.crash();
    // Its entry is still there; its address answers no more.
    let answer = until("its end", async || {
        let answer = other.poll(&sid).await;
        (answer.status() != StatusCode::OK).then_some(answer)
    })
    .await;
    assert_eq!(answer.status(), StatusCode::GONE);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.text().await.unwrap().contains("session_gone"));
    assert_eq!(other.ask_upgrade(&sid).await, StatusCode::GONE);
}

#[tokio::test]
async fn without_redis_a_node_serves_its_own_sessions_and_is_unsure_of_others() {
    let mut redis = Redis::start().await;
    let [owner, other]: [Node; 2] = Node::several(&redis, None).await;
    let sid = owner.open().await;
    redis.kill();
    let answer = until("the loss", async || Some(other.say(&sid, "40").await)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert!(answer.text().await.unwrap().contains("session_unreachable"));
    assert_eq!(other.ask_upgrade(&sid).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(owner.say(&sid, "40").await.status(), StatusCode::OK);
    let begun = Instant::now();
    let later = owner.open().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "a lost Redis held a handshake up");
    assert_eq!(owner.say(&later, "40").await.status(), StatusCode::OK);

    // It comes back empty: until the owner has told it anew nobody says that there is no such session.
    redis.begin().await;
    for sid in [&sid, &later] {
        is_found(&other, sid, "40").await;
    }
}

#[tokio::test]
async fn the_peers_door_opens_for_nodes_and_for_what_is_here() {
    let redis = Redis::start().await;
    let [owner, open]: [Node; 2] = [Node::start(&redis, Some(SECRET)).await, Node::start(&redis, None).await];
    let sid = owner.open().await;
    let closed_door = owner.bridge.peer_address().unwrap();
    assert_eq!(get(url(closed_door, Some(&sid))).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(post(url(closed_door, Some(&sid)), "40").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(get(url(closed_door, None)).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(owner.metric("bad_input_total{kind=\"peer\"}"), 3.0);

    let sid = open.open().await;
    let door = open.bridge.peer_address().unwrap();
    assert_eq!(post(url(door, Some(&sid)), "40").await.status(), StatusCode::OK);
    assert_eq!(get(url(door, None)).await.status(), StatusCode::BAD_REQUEST, "no handshakes");
    assert_eq!(get(url(door, Some("AAAAAAAAAAAAAAAA"))).await.status(), StatusCode::BAD_REQUEST);
    let page = reqwest::Client::new().get(url(door, Some(&sid))).header("origin", "https://evil.example");
    assert_eq!(page.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let elsewhere = reqwest::Client::new().get(format!("http://{door}/api/broadcast"));
    assert_ne!(elsewhere.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_no_node_takes_is_refused_on_the_way() {
    let redis = Redis::start().await;
    let [owner, other]: [Node; 2] = Node::several(&redis, None).await;
    let sid = owner.open().await;
    let large: &'static str = Box::leak("4".repeat(1024 * 1024 + 1).into_boxed_str());
    assert_eq!(other.say(&sid, large).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(other.say(&sid, "40").await.status(), StatusCode::OK, "nothing else happened");
}

#[tokio::test]
async fn what_redis_says_of_nodes_is_a_peers_word() {
    let redis = Redis::start().await;
    let node = Node::start(&redis, None).await;
    until("the node", async || (node.metric("nodes") == 1.0).then_some(())).await;
    let (sid, id) = ("AAAAAAAAAAAAAAAA", "0123456789abcdef0123456789abcdef");
    let entry =
        |id: &str, peer: &str| format!(r#"{{"id":"{id}","peer":"{peer}","started":1,"version":"0.1.0"}}"#);
    for (holder, entry) in [
        ("http://127.0.0.1:1", String::new()),
        (id, "nonsense".to_owned()),
        (id, entry("ffffffffffffffffffffffffffffffff", "127.0.0.1:1")),
        (id, entry(id, "user@127.0.0.1:1")),
        // Without a secret no other machine is asked.
        (id, entry(id, "192.0.2.1:80")),
    ] {
        redis.ask::<()>(cmd("SET").arg(format!("suara:sid:{sid}")).arg(holder)).await;
        redis.ask::<()>(cmd("SET").arg(format!("suara:node:{id}")).arg(&entry)).await;
        let before = node.metric("bad_input_total{kind=\"node\"}");
        let begun = Instant::now();
        let status = node.poll(sid).await.status();
        assert!(!status.is_success(), "{entry}: {status}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{entry} was asked");
        assert_eq!(node.metric("bad_input_total{kind=\"node\"}") - before, 1.0, "{entry}");
    }
}
