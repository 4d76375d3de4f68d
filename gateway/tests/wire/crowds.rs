//! Many at once.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;
use wtransport::config::QuicTransportConfig;
use wtransport::endpoint::ConnectOptions;

use crate::kit::{Client, TestGateway, claims, frame, mint, number};

#[tokio::test]
async fn two_hundred_come_at_once_and_all_see_all() {
    let gateway = Arc::new(TestGateway::start());
    let mut arrivals = JoinSet::new();
    for index in 0..200 {
        arrivals.spawn(arrive(gateway.clone(), index));
    }
    let mut clients = arrivals.join_all().await;

    assert_eq!((gateway.metric("suara_members"), gateway.metric("suara_channels")), (200.0, 1.0));
    for (client, joined) in clients.iter_mut().step_by(40) {
        // What each was told piece by piece adds up to the same as the whole.
        let channel = number(&joined["channel"]);
        let whole = client.roster(channel).await;
        let told = applied(joined, &client.so_far().await);
        assert_eq!(whole.len(), 200);
        assert_eq!(told, whole.into_iter().map(|(talker, _)| u32::from(talker)).collect::<Vec<_>>());
    }
    drop(clients);
    gateway.deserted().await;
    Arc::into_inner(gateway).expect("all have come").finish().await;
}

async fn arrive(gateway: Arc<TestGateway>, index: usize) -> (Client, Value) {
    let mut client = gateway.user(&format!("user {index}")).await;
    let (_, joined) = client.joined("lobby").await;
    (client, joined)
}

/// The talkers that a client knows of by section 4.2 of the protocol's page.
fn applied(joined: &Value, deltas: &[Value]) -> Vec<u32> {
    let talkers = |list: &Value| -> Vec<u32> {
        list.as_array().into_iter().flatten().map(|member| number(&member["talker"])).collect()
    };
    let mut known: BTreeSet<_> = talkers(&joined["members"]).into_iter().collect();
    let mut version = number(&joined["version"]);
    for delta in deltas.iter().filter(|said| said["type"] == "roster") {
        let (since, newer) = (number(&delta["since"]), number(&delta["version"]));
        if newer > version {
            assert!(since <= version, "nothing is missed: {delta}");
            known.extend(talkers(&delta["joined"]));
            known.retain(|talker| !talkers(&delta["left"]).contains(talker));
            version = newer;
        }
    }
    known.into_iter().collect()
}

/// A channel dies when its last member leaves, and is born with its first: many who come and go at once meet it in
/// every state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_joins_and_leaves_loses_nobody() {
    let gateway = Arc::new(TestGateway::start());
    let mut storm = JoinSet::new();
    for index in 0..6 {
        let gateway = gateway.clone();
        storm.spawn(async move {
            let mut client = gateway.user(&format!("user {index}")).await;
            for _ in 0..24 {
                // Two messages a round: the leave is not waited for, so that it races with the next join.
                let seat = client.join("lobby").await;
                client.say(json!({"type": "leave", "channel": seat.channel})).await;
                if index % 2 == 0 {
                    client.hear("left").await;
                }
            }
            let seat = client.join("lobby").await;
            (client, seat)
        });
    }
    let mut clients = storm.join_all().await;

    let channels: HashSet<_> = clients.iter().map(|(_, seat)| seat.channel).collect();
    assert_eq!(channels.len(), 1, "they are all in the same channel");
    let mut everybody: Vec<_> =
        clients.iter().enumerate().map(|(index, (_, seat))| (seat.talker, format!("user {index}"))).collect();
    everybody.sort_by_key(|(talker, _)| *talker);
    for (client, seat) in &mut clients {
        let mut seen = client.roster(seat.channel).await;
        seen.iter_mut().for_each(|member| member.1.truncate(6));
        assert_eq!(
            seen.iter().map(|m| m.0).collect::<Vec<_>>(),
            everybody.iter().map(|m| m.0).collect::<Vec<_>>()
        );
    }
    drop(clients);
    gateway.deserted().await;
    Arc::into_inner(gateway).expect("the storm is over").finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_come_and_vanish_at_every_moment_leave_nothing_behind() {
    let gateway = TestGateway::start();
    let url = gateway.url();
    let endpoint = Arc::new(gateway.endpoint(QuicTransportConfig::default()));
    let mut crowd = JoinSet::new();
    for index in 0..60_u64 {
        let (endpoint, url) = (endpoint.clone(), url.clone());
        crowd.spawn(async move {
            let life = async {
                let connection =
                    endpoint.connect(ConnectOptions::builder(url).build()).await.expect("it is served");
                let mut client = Client::open(connection).await;
                client.hello(&mint(&claims("mayfly"))).await;
                loop {
                    let seat = client.join("lobby").await;
                    client.say(json!({"type": "floor_request", "request": 1, "channel": seat.channel})).await;
                    let answer = client.hear_that("an answer", |said| said["request"] == 1).await;
                    if answer["type"] == "floor_granted" {
                        client.send_voice(&frame(seat, number(&answer["grant"]), 1));
                    }
                    client.leave(seat.channel).await;
                    sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::select! {
                () = life => {}
                () = sleep(Duration::from_millis(10 + index * 7)) => {}
            }
        });
    }
    crowd.join_all().await;

    gateway.deserted().await;
    assert_eq!(gateway.gateway.population(), 0);
    gateway.finish().await;
}
