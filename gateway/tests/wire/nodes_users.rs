//! Two nodes on one database: whom one throws out, notifies or calls may be at the other.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use suara_gateway::auth::Claims;
use suara_proto::limits::MAX_CHANNELS_PER_MEMBER;
use tokio::time::sleep;

use crate::api::{Asker, dispatcher, refusal, refused, service};
use crate::kit::{Client, Pair, TestGateway, claims, mint};

async fn closed(mut client: Client) -> String {
    client.hear("closing").await["code"].as_str().expect("a code").to_owned()
}

/// How a log-in ends.
async fn log_in(gateway: &TestGateway, user: &str) -> String {
    let mut client = gateway.bearer(&mint(&claims(user))).await;
    let answer = client.next().await;
    answer["code"].as_str().or(answer["type"].as_str()).expect("a text").to_owned()
}

async fn caller(gateway: &TestGateway, user: &str) -> Client {
    let mut client = gateway.visitor().await;
    client.say(json!({"type": "hello", "version": 1, "token": mint(&claims(user)), "calls": true})).await;
    client.hear("welcome").await;
    client
}

async fn notify(trunk: &mut Client, mut message: Value) -> Value {
    message["type"] = "notify".into();
    trunk.ask(message).await
}

/// The payloads of the next notifications.
async fn told(client: &mut Client, count: usize) -> Vec<Value> {
    let mut payloads = Vec::new();
    while payloads.len() < count {
        payloads.push(client.hear("notification").await["payload"].clone());
    }
    payloads
}

#[tokio::test]
async fn a_user_is_thrown_out_and_kept_out_wherever_it_is() {
    let pair = Pair::start().await;
    let service = Asker::with(&pair.one, &service()).await;
    let (here, there) = (pair.one.user("alice").await, pair.other.user("alice").await);
    let mut trunk = pair.other.trunk().await;
    let attach = json!({"type": "attach", "member": 4, "token": mint(&claims("alice"))});
    trunk.ask(attach.clone()).await;

    let (status, kicked) = service.post("/api/users/alice/kick", json!({"ban_seconds": 60})).await;
    assert_eq!((status, &kicked["sessions"], &kicked["lasting"]), (200, &json!(3), &json!(true)));
    assert_eq!([closed(here).await, closed(there).await], ["kicked", "kicked"]);
    assert_eq!(trunk.hear("detached").await["code"], "kicked");
    for gateway in [&pair.one, &pair.other] {
        assert_eq!(log_in(gateway, "alice").await, "kicked");
    }
    assert_eq!(service.ask(Method::DELETE, "/api/users/alice/ban", None).await, (204, Value::Null));
    assert_eq!(log_in(&pair.one, "alice").await, "welcome");
    while trunk.ask(attach.clone()).await["type"] != "attached" {}
}

#[tokio::test]
async fn a_ban_of_which_no_word_was_heard_holds_once_the_store_is_read_again() {
    let pair = Pair::start().await;
    let service = Asker::with(&pair.one, &service()).await;
    let there = pair.other.user("alice").await;
    pair.ether.cut_off(Pair::OTHER);
    let (_, kicked) = service.post("/api/users/alice/kick", json!({"ban_seconds": 60})).await;
    assert_eq!((&kicked["sessions"], &kicked["lasting"]), (&json!(0), &json!(true)), "it couldn't be asked");
    assert_eq!(log_in(&pair.other, "alice").await, "welcome", "nor could it know");
    pair.ether.restore(Pair::OTHER);
    assert_eq!(closed(there).await, "kicked");
    assert_eq!(log_in(&pair.other, "alice").await, "kicked");

    pair.ether.cut_off(Pair::OTHER);
    service.ask(Method::DELETE, "/api/users/alice/ban", None).await;
    pair.ether.restore(Pair::OTHER);
    while log_in(&pair.other, "alice").await != "welcome" {}
}

#[tokio::test]
async fn a_broadcast_that_came_to_one_node_reaches_all_that_it_is_for_once() {
    let pair = Pair::start().await;
    let mut trunk = pair.one.trunk().await;
    let admin = Claims { role: Some("admin".to_owned()), ..claims("ann") };
    let mut ann = pair.other.welcome(&admin).await;
    let (mut here, mut there) = (pair.one.user("gus").await, pair.other.user("gus").await);
    there.join("gate").await;
    for (payload, to) in [(1, json!({})), (2, json!({"role": "admin"})), (3, json!({"user": "gus"}))] {
        let mut broadcast = json!({"event": "e", "payload": payload});
        broadcast.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
        assert_eq!(notify(&mut trunk, broadcast).await["type"], "notified");
    }
    notify(&mut trunk, json!({"event": "e", "payload": 4, "channel": "gate"})).await;
    notify(&mut trunk, json!({"event": "e", "payload": 5})).await;
    assert_eq!(told(&mut ann, 3).await, [1, 2, 5]);
    assert_eq!(told(&mut here, 3).await, [1, 3, 5]);
    let mut heard = told(&mut there, 4).await;
    heard.sort_by_key(Value::as_u64);
    assert_eq!(heard, [1, 3, 4, 5]);
}

#[tokio::test]
async fn what_every_nodes_bridge_hears_is_told_once_and_kept_once() {
    let pair = Pair::start().await;
    let (mut trunk, mut far) = (pair.one.trunk().await, pair.other.trunk().await);
    let mut there = pair.other.user("gus").await;
    let said = json!({"event": "e", "payload": 1, "user": "gus", "keep_ms": 60_000, "copy": "a"});
    assert_eq!(notify(&mut trunk, said.clone()).await["kept"], false, "it is at the other node");
    assert_eq!(notify(&mut far, said).await["sessions"], 1);
    notify(&mut far, json!({"event": "e", "payload": 2})).await;
    assert_eq!(told(&mut there, 2).await, [1, 2], "once each");

    let said = json!({"event": "e", "payload": 3, "user": "eve", "keep_ms": 60_000, "copy": "b"});
    for _ in 0..2 {
        let (one, other) = tokio::join!(notify(&mut trunk, said.clone()), notify(&mut far, said.clone()));
        assert_eq!((&one["kept"], &other["kept"]), (&json!(true), &json!(true)));
    }
    let mut eve = pair.other.user("eve").await;
    assert_eq!(told(&mut eve, 2).await, [3, 3], "for it was said twice");
    notify(&mut far, json!({"event": "e", "payload": 4})).await;
    assert_eq!(told(&mut eve, 1).await, [4], "and not more often");
}

#[tokio::test]
async fn what_a_slow_node_tells_after_it_was_kept_is_told_once() {
    let pair = Pair::start().await;
    let (mut trunk, mut far) = (pair.one.trunk().await, pair.other.trunk().await);
    let mut there = pair.other.user("gus").await;
    let keep = |payload: u32| json!({"event": "n", "payload": payload, "user": "gus", "keep_ms": 60_000});
    pair.ether.slow_down(Pair::OTHER);
    assert_eq!(notify(&mut trunk, keep(1)).await["kept"], true, "nobody said that it is there");
    let mut copy = keep(2);
    copy["copy"] = "a".into();
    assert_eq!(notify(&mut trunk, copy.clone()).await["kept"], true);
    assert_eq!(notify(&mut far, copy).await["sessions"], 1, "its own bridge tells it");
    pair.ether.speed_up(Pair::OTHER);
    let mut heard = told(&mut there, 2).await;
    heard.sort_by_key(Value::as_u64);
    assert_eq!(heard, [1, 2]);

    // What was kept is taken, and told neither to it nor to who logs in later.
    sleep(Duration::from_millis(300)).await;
    let mut again = pair.one.user("gus").await;
    notify(&mut trunk, json!({"event": "n", "payload": 4, "user": "gus"})).await;
    for client in [&mut there, &mut again] {
        assert_eq!(told(client, 1).await, [4]);
    }
}

#[tokio::test]
async fn what_is_kept_at_one_node_is_handed_over_by_the_one_that_sees_the_log_in() {
    let pair = Pair::start().await;
    let mut trunk = pair.one.trunk().await;
    let keep = |payload: u32| json!({"event": "n", "payload": payload, "user": "alice", "keep_ms": 60_000});
    for payload in 1..=3 {
        assert_eq!(notify(&mut trunk, keep(payload)).await["kept"], true);
    }
    let mut alice = pair.other.user("alice").await;
    assert_eq!(told(&mut alice, 3).await, [1, 2, 3]);
    assert_eq!(notify(&mut trunk, keep(4)).await["kept"], false, "it is there");
    assert_eq!(told(&mut alice, 1).await, [4]);
    let mut again = pair.one.user("alice").await;
    notify(&mut trunk, json!({"event": "n", "payload": 5})).await;
    assert_eq!(told(&mut again, 1).await, [5], "what was given is given");
}

#[tokio::test]
async fn who_is_at_another_node_is_called_and_who_is_nowhere_is_not() {
    let pair = Pair::start().await;
    let (mut alice, mut bob) = (caller(&pair.one, "alice").await, caller(&pair.other, "bob").await);
    let nobody = json!({"type": "call", "users": ["carol"]});
    assert_eq!(alice.refusal(nobody.clone()).await, "unknown_user");
    let _deaf = pair.other.user("carol").await;
    assert_eq!(alice.refusal(nobody).await, "unknown_user", "its client knows no calls");

    let called = alice.ask(json!({"type": "call", "users": ["bob"]})).await;
    assert_eq!((&called["type"], &called["users"]), (&json!("called"), &json!(["bob"])));
    let is_call = |said: &Value| said["type"] == "joined" && said["call"].is_object();
    let own = alice.hear_that("its own call", is_call).await;
    let theirs = bob.hear_that("the call", is_call).await;
    assert_eq!((&own["name"], &own["call"]), (&theirs["name"], &theirs["call"]));
    assert_eq!(called["channel"], own["channel"]);
    let between =
        json!({"kind": "private", "by": "alice", "name": "Name of alice", "users": ["alice", "bob"]});
    assert_eq!(theirs["call"], between);

    pair.ether.cut_off(Pair::OTHER);
    let cut = json!({"type": "call", "users": ["bob"]});
    assert_eq!(alice.refusal(cut).await, "unknown_user", "who can't be asked can't be called");
}

#[tokio::test]
async fn a_call_is_found_by_its_name_from_another_node_by_who_is_called_alone() {
    let pair = Pair::start().await;
    let (mut alice, _bob) = (caller(&pair.one, "alice").await, caller(&pair.one, "bob").await);
    alice.ask(json!({"type": "call", "users": ["bob"]})).await;
    let name = alice.hear("joined").await["name"].clone();
    let (mut bob, mut eve) = (caller(&pair.other, "bob").await, caller(&pair.other, "eve").await);
    let join = json!({"type": "join", "channel": name});
    assert_eq!(eve.refusal(join.clone()).await, "forbidden");
    let joined = bob.ask(join).await;
    assert_eq!((&joined["type"], &joined["call"]["by"]), (&json!("joined"), &json!("alice")));
    let unknown = json!({"type": "join", "channel": format!("call/{:032x}", 7)});
    assert_eq!(bob.refusal(unknown).await, "forbidden");
}

#[tokio::test]
async fn who_tries_names_of_calls_asks_other_nodes_seldom() {
    let pair = Pair::start().await;
    let mut eve = caller(&pair.other, "eve").await;
    let sought = || pair.other.metric("suara_words_calls_sought_total");
    let join = |name: String| json!({"type": "join", "channel": name});
    for _ in 0..4 {
        assert_eq!(eve.refusal(join(format!("call/{:032x}", 7))).await, "forbidden");
    }
    assert_eq!((sought(), pair.other.metric("suara_words_calls_unknown_total")), (1.0, 3.0));
    for name in ["call/7".to_owned(), format!("call/{:032X}", 0xABC), format!("call/{:033x}", 7)] {
        assert_eq!(eve.refusal(join(name)).await, "forbidden");
    }
    assert_eq!(sought(), 1.0, "no call is called so");
    let mut refused = 0;
    for number in 100..140 {
        let code = eve.refusal(join(format!("call/{number:032x}"))).await;
        refused += i32::from(code == "rate_limited");
    }
    assert!(refused > 0 && sought() + f64::from(refused) == 41.0, "{refused} of {}", sought());

    // What somebody couldn't be asked isn't known.
    pair.ether.cut_off(Pair::ONE);
    let mut mallory = caller(&pair.other, "mallory").await;
    let before = sought();
    for _ in 0..2 {
        assert_eq!(mallory.refusal(join(format!("call/{:032x}", 8))).await, "forbidden");
    }
    assert_eq!(sought(), before + 2.0);
}

#[tokio::test]
async fn the_api_says_and_does_the_same_at_each_node() {
    let pair = Pair::start().await;
    let (mut alice, mut bob) = (pair.one.user("alice").await, pair.other.user("bob").await);
    for channel in ["ant", "cat"] {
        alice.join(channel).await;
    }
    let bobs = bob.join("bee").await;
    let (service, chief) =
        (Asker::with(&pair.one, &service()).await, Asker::with(&pair.one, &dispatcher("bee")).await);
    let names = |page: &Value| -> Vec<String> {
        let channels = page["channels"].as_array().unwrap();
        channels.iter().map(|channel| channel["name"].as_str().unwrap().to_owned()).collect()
    };
    let page = service.get("/api/channels?limit=2").await.1;
    assert_eq!((names(&page), &page["more"]), (vec!["ant".to_owned(), "bee".to_owned()], &json!(true)));
    let page = service.get("/api/channels?after=bee").await.1;
    assert_eq!((names(&page), &page["more"]), (vec!["cat".to_owned()], &json!(false)));
    assert_eq!(names(&chief.get("/api/channels").await.1), ["bee"]);

    let page = service.get("/api/channels/bee/members").await.1;
    assert_eq!((&page["total"], &page["members"][0]["user"]), (&json!(1), &json!("bob")));
    assert_eq!(service.get("/api/channels/nobody/members").await.1["total"], 0);
    let mute = format!("/api/channels/bee/members/{}/mute", bobs.talker);
    assert_eq!(chief.ask(Method::PUT, &mute, None).await.0, 204);
    let page = service.get("/api/channels/bee/members").await.1;
    assert_eq!(page["members"][0]["muted"], true);
    let nobodys = "/api/channels/bee/members/77/mute";
    assert_eq!(refusal(chief.ask(Method::PUT, nobodys, None).await), refused(404, "unknown_talker"));

    let kick = json!({"channel": "bee"});
    assert_eq!(refusal(chief.post("/api/users/alice/kick", kick.clone()).await), refused(403, "forbidden"));
    assert_eq!(chief.post("/api/users/bob/kick", kick).await.1["sessions"], 1);
    assert_eq!(closed(bob).await, "kicked");
}

#[tokio::test]
async fn a_call_into_which_nobody_can_be_brought_leaves_no_channel() {
    let pair = Pair::start().await;
    let (mut alice, mut bob) = (caller(&pair.one, "alice").await, caller(&pair.other, "bob").await);
    for channel in 0..MAX_CHANNELS_PER_MEMBER {
        bob.join(&format!("room {channel}")).await;
    }
    let called = alice.ask(json!({"type": "call", "users": ["bob"]})).await;
    assert_eq!(called["users"], json!(["bob"]), "it rings");
    let full = |gateway: &TestGateway| gateway.metric("suara_channels") == MAX_CHANNELS_PER_MEMBER as f64;
    pair.other.until("the call's channel is there", |gateway| !full(gateway)).await;
    pair.other.until("it is given up", full).await;
}
