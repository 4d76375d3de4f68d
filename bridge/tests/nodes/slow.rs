//! A Redis that is slow or stands still costs answers, and takes nobody for dead.

use std::time::{Duration, Instant};

use redis::cmd;
use reqwest::StatusCode;
use suara_redis::Prefix;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::kit::{ANYTHING, Node, Redis, is_found, until};

/// Past the time to live of a node's entry.
const LONG_PAUSE: Duration = Duration::from_secs(12);

#[tokio::test]
async fn a_redis_that_stands_still_takes_nobody_for_dead() {
    let redis = Redis::start().await;
    let [owner, other]: [Node; 2] = Node::pair(&redis).await;
    // A young node couldn't be sure of anybody's death.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let sid = owner.open_for_long().await;
    assert_eq!(other.say(&sid, ANYTHING).await.status(), StatusCode::OK);
    for pause in [Duration::from_millis(3500), LONG_PAUSE] {
        redis.pause(true);
        let begun = Instant::now();
        while begun.elapsed() < pause {
            let said = other.say(&sid, ANYTHING).await;
            assert_eq!(said.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", said.text().await.unwrap());
            assert_eq!(owner.say(&sid, ANYTHING).await.status(), StatusCode::OK);
        }
        redis.pause(false);
        is_found(&other, &sid, ANYTHING).await;
    }
}

#[tokio::test]
async fn a_redis_that_forgets_everything_while_its_connections_stand_is_told_again() {
    let redis = Redis::start().await;
    let [owner, other]: [Node; 2] = Node::pair(&redis).await;
    // A young node couldn't be sure that there is no such session.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let sid = owner.open_for_long().await;
    assert_eq!(other.say(&sid, ANYTHING).await.status(), StatusCode::OK);
    redis.ask::<()>(&mut cmd("FLUSHALL")).await;
    is_found(&other, &sid, ANYTHING).await;
}

/// A way to Redis that takes its time in both directions.
async fn slow_way(redis: &Redis, each_way: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, port) = (listener.local_addr().unwrap(), redis.port());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(delay(from_client, to_server, each_way));
            tokio::spawn(delay(from_server, to_client, each_way));
        }
    });
    format!("redis://{address}")
}

async fn delay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, by: Duration) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if sender.send((tokio::time::Instant::now() + by, buffer[..read].to_vec())).is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_much_to_say_to_a_slow_redis_stays_listed() {
    let redis = Redis::start().await;
    let way = slow_way(&redis, Duration::from_millis(600)).await;
    let [busy, other] =
        [Node::of(&way, None, Prefix::default(), true).await, Node::start(&redis, None).await];
    until("the nodes to see each other", async || (other.metric("nodes") == 2.0).then_some(())).await;
    // Forty at a time, each of which waits for Redis for a while.
    let opening = (0..40).map(async |_| {
        for _ in 0..10 {
            busy.open_for_long().await;
        }
    });
    let told = async {
        futures_util::future::join_all(opening).await;
        assert_eq!(busy.metric("owned_sessions"), 400.0);
        let begun = Instant::now();
        // Long enough for a renewal of all of them.
        while begun.elapsed() < Duration::from_secs(16) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let watched = async {
        loop {
            if let Ok(listed) = redis.try_ask::<Vec<String>>(cmd("KEYS").arg("suara:node:*").take()).await {
                assert_eq!(listed.len(), 2, "{listed:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = told => {}
        () = watched => {}
    }
}

#[tokio::test]
async fn deployments_on_one_redis_are_told_apart_by_their_prefix() {
    let redis = Redis::start().await;
    let site = Prefix::new("site-2").unwrap();
    let [ours, theirs] = [Node::start(&redis, None).await, Node::of(&redis, None, site, true).await];
    for node in [&ours, &theirs] {
        until("the node", async || (node.metric("nodes") == 1.0).then_some(())).await;
    }
    let sid = theirs.open_for_long().await;
    assert!(redis.ask::<bool>(cmd("EXISTS").arg(format!("site-2:sid:{sid}"))).await);
    let names: Vec<String> = redis.ask(cmd("KEYS").arg("*")).await;
    let of = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    assert_eq!((of("site-2:"), of("suara:")), (3, 2), "{names:?}");
    assert_eq!(
        ours.say(&sid, ANYTHING).await.status(),
        StatusCode::SERVICE_UNAVAILABLE,
        "it can't be sure yet"
    );
    assert_eq!(theirs.say(&sid, ANYTHING).await.status(), StatusCode::OK);
}
