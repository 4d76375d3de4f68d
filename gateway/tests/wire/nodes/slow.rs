//! A channel whose decider is away for a while, and a session that has other things to do meanwhile.

use serde_json::{Value, json};

use crate::kit::{Client, Redis, TestGateway, claims, mint, seat, text};

/// A node that has lost the one that decides in "slow": for the rest of a lease nobody decides there.
async fn without_decider(redis: &Redis) -> TestGateway {
    let one = redis.doomed().await;
    let other = redis.node().await;
    let mut alice = one.user("alice").await;
    alice.join("slow").await;
    one.kill();
    other
}

async fn attach(trunk: &mut Client, member: u32) {
    let token = mint(&claims(&format!("user {member}")));
    assert_eq!(
        trunk.ask(json!({"type": "attach", "member": member, "token": token})).await["type"],
        "attached"
    );
}

/// What is said until, and with, the answer to a request.
async fn until_answered(client: &mut Client, request: u32) -> Vec<Value> {
    let mut said = Vec::new();
    loop {
        said.push(client.next().await);
        if said.last().is_some_and(|last| last["request"] == request) {
            return said;
        }
    }
}

fn answers(said: &[Value]) -> Vec<u64> {
    said.iter().filter_map(|said| said["request"].as_u64().or(said["nonce"].as_u64())).collect()
}

#[tokio::test]
async fn a_slow_channel_holds_up_nothing_else_of_a_trunk() {
    let redis = Redis::start();
    let other = without_decider(&redis).await;
    let mut trunk = other.trunk().await;
    for member in [1, 2] {
        attach(&mut trunk, member).await;
    }
    let healthy = seat(&trunk.ask(json!({"type": "join", "member": 1, "channel": "healthy"})).await).channel;

    for message in [
        json!({"type": "join", "request": 1, "member": 1, "channel": "slow"}),
        json!({"type": "join", "request": 2, "member": 2, "channel": "slow"}),
        json!({"type": "floor_request", "request": 3, "member": 1, "channel": healthy}),
        json!({"type": "join", "request": 4, "member": 2, "channel": "healthy"}),
        json!({"type": "join", "request": 5, "member": 2, "channel": "new"}),
        json!({"type": "ping", "nonce": 6}),
    ] {
        trunk.say(message).await;
    }
    let first = until_answered(&mut trunk, 1).await;
    let order = answers(&first);
    assert!([3, 4, 5, 6].iter().all(|quick| order.contains(quick)), "{first:?}");
    let granted = first.iter().find(|said| said["request"] == 3).expect("an answer");
    assert_eq!(granted["type"], "floor_granted");
    let slow = seat(first.last().expect("the answer")).channel;
    if !order.contains(&2) {
        until_answered(&mut trunk, 2).await;
    }
    // Who is in can do all that members can.
    let floor = json!({"type": "floor_request", "member": 2, "channel": slow});
    assert_eq!(trunk.ask(floor).await["type"], "floor_granted");
}

#[tokio::test]
async fn in_one_channel_a_members_requests_keep_their_order_and_too_many_are_refused() {
    let redis = Redis::start();
    let other = without_decider(&redis).await;
    let mut bob = other.user("bob").await;
    for request in 1..=10 {
        bob.say(json!({"type": "join", "request": request, "channel": "slow"})).await;
    }
    let refused = bob.next().await;
    assert_eq!((&refused["request"], &refused["code"]), (&json!(10), &json!("rate_limited")));
    assert_eq!(bob.next().await["request"], 1, "the others wait for the first");
    for request in 2..=9 {
        let answer = bob.hear_that("the next", |said| said["type"] == "error").await;
        assert_eq!((&answer["request"], &answer["code"]), (&json!(request), &json!("already_joined")));
    }
}

#[tokio::test]
async fn a_member_that_goes_before_it_is_in_leaves_nobody_behind() {
    let redis = Redis::start();
    let other = without_decider(&redis).await;
    let mut trunk = other.trunk().await;
    attach(&mut trunk, 1).await;
    trunk.say(json!({"type": "join", "request": 1, "member": 1, "channel": "slow"})).await;
    trunk.say(json!({"type": "join", "request": 2, "member": 1, "channel": "slow"})).await;
    trunk.say(json!({"type": "detach", "member": 1})).await;
    let refused = trunk.next().await;
    assert_eq!((&refused["request"], &refused["code"]), (&json!(2), &json!("unknown_member")));
    // Another one by its number comes after it, and is let in.
    attach(&mut trunk, 1).await;
    trunk.say(json!({"type": "join", "request": 3, "member": 1, "channel": "slow"})).await;
    let is_code = |said: &Value| said["request"] == 1 && said["type"] == "error";
    assert_eq!(text(&trunk.hear_that("the end of the first", is_code).await["code"]), "unknown_member");
    let again = trunk.hear_that("the second's answer", |said| said["request"] == 3).await;
    let channel = seat(&again).channel;
    let mut gone = trunk.roster(channel).await;
    gone.retain(|(talker, user)| user == "user 1" && u32::from(*talker) != again["talker"]);
    assert!(gone.is_empty(), "{gone:?}");
    other.until("one is in", |gateway| gateway.metric("suara_members") == 1.0).await;
}

#[tokio::test]
async fn who_comes_back_waits_in_the_slow_channel_alone() {
    let redis = Redis::start();
    let one = redis.doomed().await;
    let other = redis.node().await;
    let mut alice = one.user("alice").await;
    alice.join("slow").await;
    let hello = |resume: &str| json!({"type": "hello", "version": 1, "token": mint(&claims("bob")), "resume": resume});
    let mut bob = other.visitor().await;
    bob.say(hello("")).await;
    let token = text(&bob.hear("welcome").await["resume"]);
    let (slow, healthy) = (bob.join("slow").await, bob.join("healthy").await);
    one.kill();

    let mut again = other.visitor().await;
    again.say(hello(&token)).await;
    assert_eq!(again.hear("welcome").await["resumed"], true);
    for message in [
        json!({"type": "floor_request", "request": 50, "channel": slow.channel}),
        json!({"type": "ping", "nonce": 51}),
        json!({"type": "floor_request", "request": 52, "channel": healthy.channel}),
        json!({"type": "join", "request": 53, "channel": "new"}),
    ] {
        again.say(message).await;
    }
    let said = until_answered(&mut again, 50).await;
    let back = |channel: u32| {
        let joined = |said: &Value| said["type"] == "joined" && said["channel"] == channel;
        said.iter().position(joined).expect("it is back")
    };
    let answered = |request: u64| {
        let answer = |said: &Value| said["request"] == request;
        said.iter().position(answer).unwrap_or_else(|| panic!("{request} is answered: {said:?}"))
    };
    assert!(back(healthy.channel) < answered(52) && answered(52) < back(slow.channel), "{said:?}");
    assert!(answered(53) < back(slow.channel));
    assert_eq!(said[answered(50)]["type"], "floor_granted");
    // The answer to a ping says that all are back.
    let pong = said.iter().position(|said| said["type"] == "pong");
    assert!(pong.is_none_or(|pong| back(slow.channel) < pong));
    drop(bob);
}
