//! The database of several nodes is away.

use std::time::Duration;

use serde_json::{Value, json};
use suara_store::Store;
use tokio::time::sleep;

use super::at;
use super::postgres::Server;
use crate::kit::{ChatStream, Redis, Seat, TestGateway, frame};

/// Messages that each of both writes once it is back.
const EACH: u64 = 5;

async fn node(redis: &Redis, database: &str) -> TestGateway {
    redis.node_with(|settings| settings.store = Store::begin(database).expect("a URL")).await
}

fn is_up(gateway: &TestGateway) -> bool {
    (gateway.gateway.ready_check())().is_ok()
}

fn message(seat: Seat, user: &str, number: u64) -> Value {
    let text = format!("{user} {number}");
    json!({"type": "chat_send", "channel": seat.channel, "id": text, "text": text})
}

/// The texts that are told from the second message on: each number once, in order, and each of one's own as it was acknowledged.
async fn told(stream: &mut ChatStream, user: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for number in 2..=1 + 2 * EACH {
        let chat = stream.hear("chat").await;
        assert_eq!(chat["message"], number, "in order, once");
        texts.push(chat["text"].as_str().expect("a text").to_owned());
    }
    for _ in 0..EACH {
        let ack = stream.hear("chat_ack").await;
        let index = usize::try_from(ack["message"].as_u64().expect("a number")).expect("a few") - 2;
        assert_eq!(ack["id"], texts[index], "{user}: what was acknowledged is what is there");
    }
    texts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database_nothing_is_acknowledged_and_voice_goes_on_between_nodes() {
    let mut server = Server::new();
    let database = server.database("nodes");
    let redis = Redis::start();
    let (one, other) = (node(&redis, &database).await, node(&redis, &database).await);
    one.until("the store is there", is_up).await;
    other.until("the store is there", is_up).await;
    let (mut alice, at_one) = at(&one, "alice", 0).await;
    let (mut bob, at_other) = at(&other, "bob", 1).await;
    let (mut here, mut there) =
        (ChatStream::open(&alice.connection).await, ChatStream::open(&bob.connection).await);
    assert_eq!(here.send(at_one.channel, "0", "before").await, 1);
    for stream in [&mut here, &mut there] {
        assert_eq!(stream.hear("chat").await["text"], "before");
    }

    server.stop();

    assert_eq!(here.refusal(message(at_one, "alice", 0)).await, "unavailable");
    assert_eq!(there.refusal(message(at_other, "bob", 0)).await, "unavailable");
    one.until("it knows", |gateway| !is_up(gateway)).await;
    other.until("it knows", |gateway| !is_up(gateway)).await;
    let grant = alice.floor(at_one.channel).await;
    bob.hear("floor_taken").await;
    for sequence in 0..20 {
        alice.send_voice(&frame(at_one, grant, sequence));
        let heard = frame(Seat { channel: at_other.channel, ..at_one }, grant, sequence);
        assert_eq!(bob.voice().await, heard);
        sleep(Duration::from_millis(20)).await;
    }
    alice.release(at_one.channel, grant).await;
    bob.hear("floor_idle").await;

    server.start();
    one.until("the store is back", is_up).await;
    other.until("the store is back", is_up).await;
    // The first of each is what was refused, again under its id.
    for number in 0..EACH {
        here.say(message(at_one, "alice", number)).await;
        there.say(message(at_other, "bob", number)).await;
    }
    let (mine, yours) = (told(&mut here, "alice").await, told(&mut there, "bob").await);
    assert_eq!(mine, yours, "one order at all nodes");
    let all = there.history(json!({"channel": at_other.channel})).await.0;
    assert_eq!(all, (1..=1 + 2 * EACH).collect::<Vec<_>>(), "and nothing but that");
}
