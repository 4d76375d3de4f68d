//! The same by a Redis Cluster of three masters.

use std::process::Command;

use std::time::Instant;

use suara_engine::Frame;
use tokio::time::timeout;

use super::super::topics::Topics as _;
use super::super::*;
use super::kit::*;

/// Three masters that share the slots.
fn masters() -> (Vec<Redis>, NodesSettings) {
    let arguments = [
        ["--cluster-enabled", "yes"],
        ["--cluster-node-timeout", "1000"],
        // A dead master takes down its own slots alone.
        ["--cluster-require-full-coverage", "no"],
    ];
    let masters: Vec<_> = (0..3).map(|_| Redis::with(arguments.as_flattened())).collect();
    let addresses: Vec<_> = masters.iter().map(|redis| format!("127.0.0.1:{}", redis.port)).collect();
    let made = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(&addresses)
        .args(["--cluster-replicas", "0", "--cluster-yes"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    for redis in &masters {
        let port = redis.port.to_string();
        let info =
            || Command::new("redis-cli").args(["-p", &port, "cluster", "info"]).output().unwrap().stdout;
        let agrees = |info: &str| info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3");
        while !agrees(&String::from_utf8_lossy(&info())) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let settings = settings(&format!("redis+cluster://{}", addresses.join(",")));
    (masters, settings)
}

/// The slots from here on are the third master's.
const OF_THE_THIRD: u16 = 10_923;

fn slot(port: u16, channel: &str) -> u16 {
    let key = Prefix::default().lease(&topics::hex(channel));
    let said = Command::new("redis-cli")
        .args(["-p", &port.to_string(), "cluster", "keyslot", &key])
        .output()
        .unwrap();
    String::from_utf8(said.stdout).unwrap().trim().parse().unwrap()
}

/// Channels enough that each master has some of them.
fn channels() -> impl Iterator<Item = String> {
    (0..24).map(|number| format!("ops {number}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_of_all_masters_work_and_one_dead_master_takes_its_own_only() {
    let (mut masters, settings) = masters();
    let [(a, _), (b, _)] = [0; 2].map(|_| node(settings.clone()));
    let mut rooms = Vec::new();
    for channel in channels() {
        let ((mut at_a, _), (mut at_b, mut voice)) = (enter(&a, &channel), enter(&b, &channel));
        reachable(&mut at_a, true).await;
        reachable(&mut at_b, true).await;
        at_a.send(None, Bytes::from_static(b"packet"));
        assert_eq!(packet(&mut at_b).await.bytes, Bytes::from_static(b"packet"));
        let taken = asks(&mut at_a, LeaseAsk::Take { wanted: Epoch(1) }).await;
        assert!(matches!(taken, LeaseAnswer::Mine { epoch: Epoch(1), .. }), "{taken:?}");
        let heard = async {
            loop {
                at_a.voice.push(Instant::now(), Frame::new(b"voice"));
                if let Ok(heard) = timeout(Duration::from_millis(50), voice.recv()).await {
                    return heard.unwrap();
                }
            }
        };
        assert_eq!(timeout(LONG, heard).await.unwrap(), (a.id(), b"voice".to_vec()));
        rooms.push((at_a, at_b));
    }
    until("they know each other", || a.peers().len() == 1 && b.peers().len() == 1).await;

    masters[2].kill();
    let (dead, alive): (Vec<_>, Vec<_>) =
        channels().enumerate().partition(|(_, channel)| slot(masters[0].port, channel) >= OF_THE_THIRD);
    assert!(!dead.is_empty() && !alive.is_empty());
    for (number, _) in &dead {
        let (at_a, at_b) = &mut rooms[*number];
        reachable(at_a, false).await;
        reachable(at_b, false).await;
    }
    for (number, _) in &alive {
        let at_a = &mut rooms[*number].0;
        // The client may ask others first where the slots are now.
        let renewed = async {
            loop {
                let answer = asks(at_a, LeaseAsk::Take { wanted: Epoch(1) }).await;
                if matches!(answer, LeaseAnswer::Mine { .. }) {
                    return;
                }
            }
        };
        timeout(LONG, renewed).await.expect("the other masters serve on");
    }

    masters[2].run();
    for (number, _) in dead {
        let (at_a, at_b) = &mut rooms[number];
        reachable(at_a, true).await;
        reachable(at_b, true).await;
        let again = async {
            loop {
                at_a.send(None, Bytes::from_static(b"again"));
                if let Ok(packet) = timeout(Duration::from_millis(100), packet(at_b)).await {
                    return packet.bytes;
                }
            }
        };
        assert_eq!(timeout(LONG, again).await.unwrap(), Bytes::from_static(b"again"));
    }
}
