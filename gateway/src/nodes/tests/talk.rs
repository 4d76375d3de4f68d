//! Packets, voice and words from node to node.

use std::time::Instant;

use suara_engine::Frame;
use tokio::time::timeout;

use super::super::topics::Topics as _;
use super::super::*;
use super::kit::{self, *};

#[tokio::test(flavor = "multi_thread")]
async fn packets_and_voice_go_to_the_same_channel_at_other_nodes_and_nowhere_else() {
    let redis = Redis::start();
    let [(a, _), (b, _), (c, _)] = [0; 3].map(|_| node(redis.settings()));
    let (mut at_a, mut voice_a) = enter(&a, "ops");
    let (mut at_b, mut voice_b) = enter(&b, "ops");
    let (mut at_c, mut voice_c) = enter(&c, "ops");
    let (mut other, mut voice_of_other) = enter(&b, "lobby");
    for mooring in [&mut at_a, &mut at_b, &mut at_c, &mut other] {
        reachable(mooring, true).await;
    }
    at_a.send(None, Bytes::from_static(b"to all"));
    at_a.send(Some(c.id()), Bytes::from_static(b"to c"));
    at_b.send(Some(a.id()), Bytes::from_static(b"to a"));
    let heard = |packet: Packet| (packet.from, packet.to_me, packet.bytes);
    assert_eq!(heard(packet(&mut at_b).await), (a.id(), false, Bytes::from_static(b"to all")));
    assert_eq!(heard(packet(&mut at_c).await), (a.id(), false, Bytes::from_static(b"to all")));
    assert_eq!(heard(packet(&mut at_c).await), (a.id(), true, Bytes::from_static(b"to c")));
    assert_eq!(heard(packet(&mut at_a).await), (b.id(), true, Bytes::from_static(b"to a")));

    for byte in 0..3 {
        at_a.voice.push(Instant::now(), Frame::new(&[byte; 40]));
    }
    for voice in [&mut voice_b, &mut voice_c] {
        for byte in 0..3 {
            let heard = timeout(LONG, voice.recv()).await.unwrap().unwrap();
            assert_eq!(heard, (a.id(), vec![byte; 40]));
        }
    }
    assert!(voice_a.try_recv().is_err() && voice_of_other.try_recv().is_err());
    assert!(timeout(Duration::from_millis(50), other.next()).await.is_err());
    for nodes in [a, b, c] {
        nodes.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_hear_of_each_other_and_of_their_end() {
    let redis = Redis::start();
    let (a, metrics) = node(redis.settings());
    let mut words = a.words();
    let (b, _) = node(redis.settings());
    let (mut mooring, _) = enter(&a, "ops");
    reachable(&mut mooring, true).await;
    news(&mut words, |news| *news == News::Came(b.id())).await;
    assert_eq!(a.peers().iter().map(|peer| peer.node).collect::<Vec<_>>(), [b.id()]);
    assert_eq!(a.peers()[0].load.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(metrics.nodes.nodes.get(), 2);

    let mut at_b = b.words();
    news(&mut at_b, |news| *news == News::Came(a.id())).await;
    b.say(Bytes::from_static(b"to all"));
    b.tell(a.id(), Bytes::from_static(b"to a"));
    for bytes in [&b"to all"[..], b"to a"] {
        let word = News::Word { from: b.id(), bytes: Bytes::from_static(bytes) };
        assert_eq!(news(&mut words, |news| matches!(news, News::Word { .. })).await, word);
    }
    a.say(vec![0; MAX_WORD + 1].into());
    assert_eq!(metrics.nodes.count_of(metrics::What::Word, NodeDrop::Oversized), 1);

    let gone = b.id();
    b.stop().await;
    news(&mut words, |news| *news == News::Gone(gone)).await;
    hear(&mut mooring, |heard| (*heard == Heard::Gone(gone)).then_some(())).await;
    assert_eq!((a.peers(), metrics.nodes.nodes.get()), (vec![], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_falls_silent_is_dead() {
    let redis = Redis::start();
    let (a, _) = node(redis.settings());
    let (mut mooring, _) = enter(&a, "ops");
    let (b, _) = node(redis.settings());
    until("b is heard of", || a.peers().len() == 1).await;
    b.abandon();
    hear(&mut mooring, |heard| (*heard == Heard::Gone(b.id())).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_of_other_prefixes_hear_nothing() {
    let redis = Redis::start();
    let (a, _) = node(redis.settings());
    let (b, _) = node(NodesSettings { prefix: Prefix::new("other").unwrap(), ..redis.settings() });
    let (c, _) = node(redis.settings());
    let (mut at_a, _) = enter(&a, "ops");
    let (mut at_b, _) = enter(&b, "ops");
    reachable(&mut at_a, true).await;
    reachable(&mut at_b, true).await;
    at_a.send(None, Bytes::from_static(b"x"));
    until("c is heard of", || a.peers().len() == 1).await;
    assert_eq!((a.peers()[0].node, b.peers()), (c.id(), vec![]));
    assert!(timeout(Duration::from_millis(50), at_b.next()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_anybody_else_publishes_is_counted_and_breaks_nothing() {
    let redis = Redis::start();
    let (nodes, metrics) = node(redis.settings());
    let (mut mooring, mut voice) = enter(&nodes, "ops");
    reachable(&mut mooring, true).await;
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", redis.port)).unwrap();
    let mut link = client.get_multiplexed_async_connection().await.unwrap();
    let packet = |body: &[u8]| [&envelope::write(envelope::Sort::Packet, NodeId(9), None)[..], body].concat();
    let beat = |body: &[u8]| [&envelope::write(envelope::Sort::Beat, NodeId(9), None)[..], body].concat();
    let key = topics::hex("ops");
    let prefix = Prefix::default();
    let messages = [
        (prefix.control(&key), b"short".to_vec()),
        (prefix.control(&key), packet(&vec![0; MAX_PACKET + 1])),
        (prefix.control(&key), beat(b"{}")),
        (prefix.all(), packet(b"")),
        (prefix.all(), beat(b"no JSON")),
        (prefix.voice(&key), b"short".to_vec()),
        (prefix.voice(&key), vec![1; 4096]),
        (prefix.voice(&key), [&9_u64.to_be_bytes()[..], b"voice"].concat()),
        (prefix.control(&key), packet(b"packet")),
    ];
    for (topic, message) in messages {
        redis::cmd("SPUBLISH").arg(topic).arg(message).query_async::<()>(&mut link).await.unwrap();
    }
    assert_eq!(kit::packet(&mut mooring).await.bytes, Bytes::from_static(b"packet"));
    assert_eq!(timeout(LONG, voice.recv()).await.unwrap().unwrap(), (NodeId(9), b"voice".to_vec()));
    use metrics::What::{Packet, Voice, Word};
    let count = |what, reason| metrics.nodes.count_of(what, reason);
    assert_eq!((count(Packet, NodeDrop::Malformed), count(Packet, NodeDrop::Oversized)), (3, 1));
    assert_eq!((count(Voice, NodeDrop::Malformed), count(Voice, NodeDrop::Oversized)), (1, 1));
    assert_eq!(count(Word, NodeDrop::Malformed), 1);
    assert_eq!(nodes.peers(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_room_that_came_last_has_the_channel() {
    let redis = Redis::start();
    let [(a, _), (b, _)] = [0; 2].map(|_| node(redis.settings()));
    let (mut early, _) = enter(&a, "ops");
    reachable(&mut early, true).await;
    let (mut late, _) = enter(&a, "ops");
    reachable(&mut late, true).await;
    drop(early);
    let (mut other, _) = enter(&b, "ops");
    reachable(&mut other, true).await;
    other.send(None, Bytes::from_static(b"x"));
    assert_eq!(packet(&mut late).await.from, b.id());

    drop(late);
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", redis.port)).unwrap();
    let mut link = client.get_multiplexed_async_connection().await.unwrap();
    drop(other);
    let subscribed = async {
        loop {
            let channels: Vec<String> = redis::cmd("PUBSUB")
                .arg("SHARDCHANNELS")
                .arg("*control")
                .query_async(&mut link)
                .await
                .unwrap();
            if channels.is_empty() {
                return;
            }
        }
    };
    timeout(LONG, subscribed).await.expect("who drops it unsubscribes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_goes_leaves_the_topics_to_one_that_comes_at_that_moment() {
    let redis = Redis::start();
    let (nodes, _) = node(redis.settings());
    let (mut room, _) = enter(&nodes, "ops");
    for _ in 0..100 {
        reachable(&mut room, true).await;
        let gone = tokio::task::spawn_blocking(move || drop(room));
        room = enter(&nodes, "ops").0;
        gone.await.unwrap();
    }
    reachable(&mut room, true).await;
}
