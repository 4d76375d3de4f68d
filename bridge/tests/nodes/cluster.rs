//! The same by a Redis Cluster of three masters: each session is in a slot of its own.

use std::process::Command;
use std::time::Duration;

use redis::cmd;
use reqwest::StatusCode;

use super::kit::{ANYTHING, Address, Node, Redis, is_found, until};

struct Cluster(Vec<Redis>);

impl Cluster {
    async fn start() -> Self {
        let mut masters = Vec::new();
        for _ in 0..3 {
            let flags = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
            // A dead master takes down its own slots alone.
            let partly = ["--cluster-require-full-coverage", "no"];
            masters.push(Redis::with([&flags[..], &partly].concat()).await);
        }
        let hosts: Vec<_> = masters.iter().map(|redis| format!("127.0.0.1:{}", redis.port())).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(&hosts).args(["--cluster-replicas", "0", "--cluster-yes"]);
        let made = create.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        for redis in &masters {
            until("the cluster", async || {
                let info: String = redis.ask(cmd("CLUSTER").arg("INFO")).await;
                (info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")).then_some(())
            })
            .await;
        }
        Self(masters)
    }

    /// The master that a session's key is at.
    async fn master(&self, sid: &str) -> usize {
        let key = format!("suara:sid:{sid}");
        let slot: usize = self.0[2].ask(cmd("CLUSTER").arg("KEYSLOT").arg(&key)).await;
        [5461, 10_923].partition_point(|first| *first <= slot)
    }
}

impl Address for Cluster {
    fn url(&self) -> String {
        let hosts: Vec<_> = self.0.iter().map(|redis| format!("127.0.0.1:{}", redis.port())).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }
}

/// Sessions of a node, until there are some at each master: those of the third, and the others.
async fn sessions(cluster: &Cluster, owner: &Node) -> (Vec<String>, Vec<String>) {
    let (mut thirds, mut others) = (Vec::new(), [0; 2]);
    let mut rest = Vec::new();
    while thirds.len() < 2 || others.contains(&0) {
        let sid = owner.open_for_long().await;
        match cluster.master(&sid).await {
            2 => thirds.push(sid),
            master => {
                others[master] += 1;
                rest.push(sid);
            }
        }
    }
    (thirds, rest)
}

/// Says something in each session at another node, until all are taken; none is ever refused for good.
async fn all_go_on(other: &Node, sids: &[String]) {
    for sid in sids {
        is_found(other, sid, ANYTHING).await;
    }
}

#[tokio::test]
async fn sessions_of_all_slots_are_found_and_a_dead_master_takes_its_own_for_as_long_as_it_is_dead() {
    let mut cluster = Cluster::start().await;
    let [owner, other]: [Node; 2] = Node::pair(&cluster).await;
    let (thirds, others) = sessions(&cluster, &owner).await;
    for sid in thirds.iter().chain(&others) {
        assert_eq!(other.say(sid, ANYTHING).await.status(), StatusCode::OK);
    }

    cluster.0[2].kill();
    // The client may ask first where the slots are now.
    all_go_on(&other, &others).await;
    for sid in &others {
        assert_eq!(other.say(sid, ANYTHING).await.status(), StatusCode::OK);
    }
    for sid in &thirds {
        assert_eq!(other.say(sid, ANYTHING).await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(owner.say(sid, ANYTHING).await.status(), StatusCode::OK, "its own node needs nobody");
    }
    // Longer than Redis is doubted after something went wrong.
    tokio::time::sleep(Duration::from_secs(11)).await;

    // It comes back empty, and all of it is written anew.
    cluster.0[2].begin().await;
    all_go_on(&other, &thirds).await;
    all_go_on(&other, &others).await;
}

#[tokio::test]
async fn a_cluster_is_used_though_the_node_that_is_named_first_is_away() {
    let mut cluster = Cluster::start().await;
    cluster.0[0].kill();
    let [node, other]: [Node; 2] = [Node::start(&cluster, None).await, Node::start(&cluster, None).await];
    for node in [&node, &other] {
        until("Redis", async || (node.metric("redis_up") == 1.0).then_some(())).await;
    }
    // A session whose key is at one of the others is told, and found.
    until("a session in Redis", async || {
        let sid = node.open().await;
        let master = cluster.master(&sid).await;
        let key = format!("suara:sid:{sid}");
        (master > 0 && cluster.0[master].ask::<bool>(cmd("EXISTS").arg(key)).await).then_some(())
    })
    .await;
    // What is published is heard by way of the last that is left.
    cluster.0[1].kill();
    let word = r#"{"event":"notification","payload":1}"#;
    for node in [&node, &other] {
        until("what is published", async || {
            cluster.0[2].ask::<()>(cmd("PUBLISH").arg("socket:broadcast").arg(word)).await;
            (node.metric("broadcasts_total{way=\"json\"}") > 0.0).then_some(())
        })
        .await;
    }
}
