//! Redis that dies, comes back, or stands still.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use std::time::Instant;

use suara_engine::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until, timeout};

use super::super::*;
use super::kit::*;

const TAKE: LeaseAsk = LeaseAsk::Take { wanted: Epoch(1) };

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_dies_is_told_of_and_come_back_to() {
    let mut redis = Redis::start();
    let [(a, metrics), (b, _)] = [0; 2].map(|_| node(redis.settings()));
    let mut words = a.words();
    let ((mut at_a, mut voice), (mut at_b, _)) = (enter(&a, "ops"), enter(&b, "ops"));
    reachable(&mut at_a, true).await;
    reachable(&mut at_b, true).await;
    until("all lines are up", || a.trouble().is_none()).await;
    assert_eq!(metrics.nodes.reachable.get(), 1);
    news(&mut words, |news| *news == News::Reachable(true)).await;

    redis.kill();
    reachable(&mut at_a, false).await;
    reachable(&mut at_b, false).await;
    news(&mut words, |news| *news == News::Reachable(false)).await;
    // Members are told before whoever asks is.
    until("the loss is shown", || a.trouble().is_some() && metrics.nodes.reachable.get() == 0).await;
    assert_eq!(asks(&mut at_a, TAKE).await, LeaseAnswer::Away);
    at_a.send(None, Bytes::from_static(b"lost"));
    let lost = || metrics.nodes.count_of(metrics::What::Packet, NodeDrop::Away);
    until("a packet into nothing is counted", || lost() == 1).await;
    let (mut late, _) = enter(&b, "lobby");
    reachable(&mut late, false).await;

    redis.run();
    for mooring in [&mut at_a, &mut at_b, &mut late] {
        reachable(mooring, true).await;
    }
    news(&mut words, |news| *news == News::Reachable(true)).await;
    // Its scripts are gone with it.
    assert_eq!(asks(&mut at_b, TAKE).await, LeaseAnswer::Mine { epoch: Epoch(1), clean: false });
    at_b.send(None, Bytes::from_static(b"again"));
    assert_eq!(packet(&mut at_a).await.bytes, Bytes::from_static(b"again"));
    let heard = async {
        loop {
            at_b.voice.push(Instant::now(), Frame::new(b"voice"));
            if let Ok(heard) = timeout(Duration::from_millis(20), voice.recv()).await {
                return heard.unwrap();
            }
        }
    };
    assert_eq!(timeout(LONG, heard).await.unwrap(), (b.id(), b"voice".to_vec()));
    assert!(metrics.nodes.connections.get() >= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_begin_without_redis() {
    let mut redis = Redis::start();
    redis.kill();
    let (nodes, _) = node(redis.settings());
    let (mut mooring, _) = enter(&nodes, "ops");
    reachable(&mut mooring, false).await;
    assert_eq!(asks(&mut mooring, TAKE).await, LeaseAnswer::Away);
    assert!(nodes.trouble().is_some());
    redis.run();
    reachable(&mut mooring, true).await;
    until("nothing is wrong any more", || nodes.trouble().is_none()).await;
}

/// Says something to Redis as who runs it.
fn order(redis: &Redis, words: &[&str]) {
    let said = Command::new("redis-cli").args(["-p", &redis.port.to_string()]).args(words).output().unwrap();
    assert!(said.status.success(), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hears_nothing_is_told_so_though_redis_answers() {
    let redis = Redis::start();
    let deaf = ["ACL", "SETUSER", "guard", "on", ">secret", "~*", "&*", "+@all", "-ssubscribe"];
    let hears = ["ACL", "SETUSER", "guard", "+ssubscribe"];
    order(&redis, &deaf);
    order(&redis, &hears);
    let (a, _) = node(settings(&format!("redis://guard:secret@127.0.0.1:{}", redis.port)));
    let (b, _) = node(redis.settings());
    let ((mut at_a, _), (mut at_b, _)) = (enter(&a, "ops"), enter(&b, "ops"));
    reachable(&mut at_a, true).await;
    reachable(&mut at_b, true).await;
    let knows_b = || a.peers().iter().any(|peer| peer.node == b.id());
    until("heartbeats are heard", knows_b).await;

    order(&redis, &deaf);
    order(&redis, &["CLIENT", "KILL", "USER", "guard"]);
    reachable(&mut at_a, false).await;
    until("all lines are up again", || a.trouble().is_none()).await;
    assert!(matches!(asks(&mut at_a, TAKE).await, LeaseAnswer::Mine { epoch: Epoch(1), .. }));
    at_a.send(None, Bytes::from_static(b"said"));
    assert_eq!(packet(&mut at_b).await.bytes, Bytes::from_static(b"said"));
    // Longer than a node may be silent: who hears nothing holds nobody for dead.
    sleep(Duration::from_secs(4)).await;
    assert!(knows_b());

    order(&redis, &hears);
    reachable(&mut at_a, true).await;
    at_b.send(None, Bytes::from_static(b"heard"));
    assert_eq!(packet(&mut at_a).await.bytes, Bytes::from_static(b"heard"));
}

/// A road to Redis that can be long, and made to stand: connections stay, and nothing moves.
struct Road {
    port: u16,
    stands: Arc<AtomicBool>,
}

impl Road {
    async fn to(redis: u16) -> Self {
        Self::of(redis, Duration::ZERO).await
    }

    /// Which takes so long each way.
    async fn of(redis: u16, length: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, stands) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let stood = stands.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", redis)).await.unwrap();
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                tokio::spawn(pass(from_near, to_far, stood.clone(), length));
                tokio::spawn(pass(from_far, to_near, stood.clone(), length));
            }
        });
        Self { port, stands }
    }

    fn settings(&self) -> NodesSettings {
        settings(&format!("redis://127.0.0.1:{}", self.port))
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    stands: Arc<AtomicBool>,
    length: Duration,
) {
    let (sender, mut on_the_way) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            if sender.send((Instant::now() + length, bytes[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    while let Some((due, bytes)) = on_the_way.recv().await {
        sleep_until(due.into()).await;
        while stands.load(SeqCst) {
            sleep(Duration::from_millis(5)).await;
        }
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_stands_holds_nobody_up_and_its_voice_grows_old() {
    let redis = Redis::start();
    let road = Road::to(redis.port).await;
    let (a, metrics) = node(road.settings());
    let (b, _) = node(redis.settings());
    let ((mut at_a, _), (mut at_b, mut voice)) = (enter(&a, "ops"), enter(&b, "ops"));
    reachable(&mut at_a, true).await;
    reachable(&mut at_b, true).await;
    until("all lines are up", || a.trouble().is_none()).await;

    road.stands.store(true, SeqCst);
    let begun = Instant::now();
    for number in 0..20_000_u32 {
        at_a.send(None, vec![0; 1000].into());
        at_a.voice.push(Instant::now(), Frame::new(&number.to_be_bytes()));
    }
    // Each call takes microseconds; that all waited for Redis once would take as long as Redis stands.
    assert!(begun.elapsed() < LONG);
    assert_eq!(asks(&mut at_a, TAKE).await, LeaseAnswer::Away);
    reachable(&mut at_a, false).await;
    let of_packets = |reason| metrics.nodes.count_of(metrics::What::Packet, reason);
    assert!(of_packets(NodeDrop::Overflow) > 0);
    // A burst of 20 000 at once overflows the room's queue, which counts what it drops.
    assert!(metrics.nodes.voice_out.get() < 1000, "{}", metrics.nodes.voice_out.get());

    road.stands.store(false, SeqCst);
    reachable(&mut at_a, true).await;
    let fresh = async {
        loop {
            at_a.voice.push(Instant::now(), Frame::new(b"fresh"));
            if let Ok(heard) = timeout(Duration::from_millis(20), voice.recv()).await
                && heard.as_ref().unwrap().1 == b"fresh"
            {
                return;
            }
        }
    };
    timeout(LONG, fresh).await.expect("voice goes again");
}

#[tokio::test(flavor = "multi_thread")]
async fn voice_that_waited_too_long_is_not_sent() {
    let redis = Redis::start();
    let (a, metrics) = node(redis.settings());
    let (b, _) = node(redis.settings());
    let ((mut at_a, _), (mut at_b, mut voice)) = (enter(&a, "ops"), enter(&b, "ops"));
    reachable(&mut at_a, true).await;
    reachable(&mut at_b, true).await;
    until("all lines are up", || a.trouble().is_none()).await;
    let Some(long_ago) = Instant::now().checked_sub(Duration::from_secs(1)) else { return };
    at_a.voice.push(long_ago, Frame::new(b"old"));
    at_a.voice.push(Instant::now() + Duration::from_secs(10), Frame::new(b"new"));
    assert_eq!(timeout(LONG, voice.recv()).await.unwrap().unwrap().1, b"new");
    assert_eq!(metrics.nodes.voice_out.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_channels_say_at_once_is_sent_however_far_away_redis_is() {
    const MESSAGES: u64 = 3000;
    let redis = Redis::start();
    let road = Road::of(redis.port, Duration::from_millis(100)).await;
    let (a, metrics) = node(NodesSettings { timeout: LONG, ..road.settings() });
    let (mut at_a, _) = enter(&a, "ops");
    reachable(&mut at_a, true).await;
    let dropped = || {
        let of_packets = |reason| metrics.nodes.count_of(metrics::What::Packet, reason);
        of_packets(NodeDrop::Stale) + of_packets(NodeDrop::Overflow)
    };
    let (sent_before, mut attempts) = (metrics.nodes.packets_out.get(), 0);
    // On a machine that stands for a second, messages grow old by no fault of the road's.
    loop {
        let before = dropped();
        attempts += 1;
        (0..MESSAGES).for_each(|_| at_a.send(None, Bytes::from_static(b"beat")));
        let done = || metrics.nodes.packets_out.get() - sent_before + dropped() >= attempts * MESSAGES;
        until("all are sent or lost", done).await;
        if dropped() == before {
            break;
        }
        assert!(attempts < 5, "{} were lost", dropped());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_ends_is_heard_to_behind_all_that_it_said_before() {
    let redis = Redis::start();
    for attempt in 0.. {
        let road = Road::to(redis.port).await;
        let (a, _) = node(NodesSettings { timeout: LONG, ..road.settings() });
        let (b, _) = node(redis.settings());
        let ((mut at_a, _), (mut at_b, _)) = (enter(&a, "ops"), enter(&b, "ops"));
        reachable(&mut at_a, true).await;
        reachable(&mut at_b, true).await;
        let mut words = TcpStream::connect(("127.0.0.1", redis.port)).await.unwrap();
        words.write_all(b"SSUBSCRIBE suara:{nodes}:all\r\n").await.unwrap();
        let bye = envelope::write(envelope::Sort::Bye, a.id(), None);

        road.stands.store(true, SeqCst);
        // More than may be under way at a time.
        (0..5).for_each(|number| at_a.send(None, vec![number; 2 << 20].into()));
        let ending = a.clone();
        let ending = tokio::spawn(async move { ending.stop().await });
        sleep(Duration::from_millis(50)).await;
        road.stands.store(false, SeqCst);
        ending.await.unwrap();

        let said = async {
            let mut heard = Vec::new();
            while !heard.windows(bye.len()).any(|window| window == bye) {
                assert!(words.read_buf(&mut heard).await.unwrap() > 0);
            }
        };
        // A busy machine may not get it all out in the second that a node has for its end.
        if timeout(Duration::from_secs(3), said).await.is_ok() {
            for number in 0..5 {
                assert_eq!(packet(&mut at_b).await.bytes[0], number);
            }
            return;
        }
        assert!(attempt < 5, "its last word is lost");
    }
}
