//! Notifications: what a bridge says of a broadcast, who gets it, and what waits for whom.

use serde_json::{Value, json};
use suara_gateway::auth::{Claims, Scope};
use suara_store::{MAX_NOTICES, Store, file_url};

use crate::kit::{Client, TestGateway, claims, mint};

fn role(user: &str, role: &str) -> Claims {
    Claims { role: Some(role.to_owned()), ..claims(user) }
}

async fn notify(trunk: &mut Client, mut message: Value) -> Value {
    message["type"] = "notify".into();
    trunk.ask(message).await
}

/// What a client was told, as event and payload.
async fn told(client: &mut Client) -> (Value, Value) {
    let told = client.hear("notification").await;
    (told["event"].clone(), told["payload"].clone())
}

#[tokio::test]
async fn a_broadcast_reaches_all_that_it_is_for_and_no_member_of_a_trunk() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let (mut admin, mut guard) =
        (gateway.welcome(&role("ann", "admin")).await, gateway.welcome(&role("gus", "guard")).await);
    trunk.ask(json!({"type": "attach", "member": 1, "token": mint(&claims("gus"))})).await;
    guard.join("gate").await;

    let all = notify(&mut trunk, json!({"event": "all", "payload": {"n": 1}})).await;
    assert_eq!(
        (&all["type"], &all["sessions"], &all["kept"]),
        (&json!("notified"), &json!(2), &json!(false))
    );
    let sessions = async |trunk: &mut Client, to: Value| notify(trunk, to).await["sessions"].clone();
    assert_eq!(sessions(&mut trunk, json!({"event": "r", "payload": 1, "role": "admin"})).await, 1);
    assert_eq!(sessions(&mut trunk, json!({"event": "u", "payload": 2, "user": "gus"})).await, 1);
    assert_eq!(sessions(&mut trunk, json!({"event": "c", "payload": 3, "channel": "gate"})).await, 1);
    assert_eq!(sessions(&mut trunk, json!({"event": "c", "payload": 3, "channel": "nobody's"})).await, 0);
    assert_eq!(sessions(&mut trunk, json!({"event": "u", "payload": 2, "user": "nobody"})).await, 0);

    assert_eq!(told(&mut admin).await, (json!("all"), json!({"n": 1})));
    assert_eq!(told(&mut admin).await, (json!("r"), json!(1)));
    for (event, payload) in [("all", json!({"n": 1})), ("u", json!(2)), ("c", json!(3))] {
        assert_eq!(told(&mut guard).await, (json!(event), payload));
    }
    let heard = trunk.so_far().await;
    assert!(heard.iter().all(|message| message["type"] != "notification"), "{heard:?}");
}

#[tokio::test]
async fn what_is_for_a_user_who_is_away_waits_for_its_next_log_in_by_whatever_client() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let keep = |payload: u32| json!({"event": "n", "payload": payload, "user": "alice", "keep_ms": 60_000});
    assert_eq!(notify(&mut trunk, keep(1)).await["kept"], true);
    assert_eq!(notify(&mut trunk, keep(2)).await["kept"], true);
    assert_eq!(notify(&mut trunk, json!({"event": "n", "payload": 3, "user": "alice"})).await["kept"], false);

    let mut alice = gateway.welcome(&claims("alice")).await;
    let first = alice.hear("notification").await;
    assert_eq!((&first["payload"], first["at"].is_u64()), (&json!(1), true));
    assert_eq!(told(&mut alice).await, (json!("n"), json!(2)));
    assert_eq!(notify(&mut trunk, keep(4)).await["kept"], false, "it is here");
    assert_eq!(told(&mut alice).await, (json!("n"), json!(4)));
    drop(alice);
    gateway.until("alice is gone", |gateway| gateway.metric("suara_sessions") == 1.0).await;

    assert_eq!(notify(&mut trunk, keep(5)).await["kept"], true);
    trunk.ask(json!({"type": "attach", "member": 9, "token": mint(&claims("alice"))})).await;
    let kept = trunk.hear("notification").await;
    assert_eq!((&kept["member"], &kept["payload"]), (&json!(9), &json!(5)));
    assert_eq!(notify(&mut trunk, keep(6)).await["kept"], false, "by a trunk it is here as well");
    trunk.say(json!({"type": "detach", "member": 9})).await;
    assert_eq!(notify(&mut trunk, keep(7)).await["kept"], true);
}

#[tokio::test]
async fn what_is_kept_is_kept_by_the_store_and_no_more_than_a_user_needs() {
    let dir = tempfile::tempdir().expect("there is room");
    let url = file_url(&dir.path().join("kept.db")).expect("a path");
    let on_it = || TestGateway::with(|settings| settings.store = Store::begin(&url).expect("a URL"));
    let keep = |payload: u32| json!({"event": "n", "payload": payload, "user": "alice", "keep_ms": 60_000});
    let gateway = on_it();
    let mut trunk = gateway.trunk().await;
    for payload in 1..=MAX_NOTICES {
        assert_eq!(notify(&mut trunk, keep(payload)).await["kept"], true);
    }
    assert_eq!(notify(&mut trunk, keep(0)).await["code"], "unavailable", "what was kept stays");

    // Another gateway knows nothing but what is stored; the first is as if it had been killed.
    let another = on_it();
    another.until("its store is there", |gateway| gateway.gateway.ready_check()().is_ok()).await;
    let mut alice = another.welcome(&claims("alice")).await;
    for payload in 1..=MAX_NOTICES {
        assert_eq!(told(&mut alice).await, (json!("n"), json!(payload)));
    }
    drop(another.welcome(&claims("alice")).await);
    assert!(alice.so_far().await.is_empty(), "each is given once");
}

#[tokio::test]
async fn what_two_bridges_hear_is_said_once() {
    let gateway = TestGateway::start();
    let (mut one, mut other) = (gateway.trunk().await, gateway.trunk().await);
    let mut alice = gateway.welcome(&claims("alice")).await;
    let heard = |payload: u32| json!({"event": "n", "payload": payload, "copy": payload.to_string()});
    for payload in [1, 2, 2] {
        notify(&mut one, heard(payload)).await;
    }
    for payload in [1, 2, 2] {
        assert_eq!(notify(&mut other, heard(payload)).await["sessions"], 0);
    }
    notify(&mut other, heard(3)).await;
    for payload in [1, 2, 2, 3] {
        assert_eq!(told(&mut alice).await.1, payload);
    }
}

#[tokio::test]
async fn only_a_trunk_broadcasts_and_only_what_makes_sense() {
    let gateway = TestGateway::start();
    let (mut trunk, mut user) = (gateway.trunk().await, gateway.user("mallory").await);
    assert_eq!(notify(&mut user, json!({"event": "n", "payload": 1})).await["code"], "forbidden");
    assert_eq!(user.refusal(json!({"type": "verify", "token": "x"})).await, "forbidden");
    for bad in [
        json!({"event": ""}),
        json!({"event": "x".repeat(129)}),
        json!({"event": 7}),
        json!({"event": "n", "user": "a", "role": "b"}),
        json!({"event": "n", "user": ""}),
        json!({"event": "n", "copy": "x".repeat(65)}),
        json!({"event": "n", "channel": "a\nb"}),
        json!({"event": "n", "role": "admin", "keep_ms": 1}),
        json!({"event": "n", "user": "a", "keep_ms": -1}),
    ] {
        assert_eq!(notify(&mut trunk, bad.clone()).await["code"], "bad_field", "{bad}");
    }
}

#[tokio::test]
async fn a_bridge_learns_whose_a_token_is_that_is_no_members() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let billing = Claims { scope: Scope::Service, ..claims("billing") };
    let verified = trunk.ask(json!({"type": "verify", "token": mint(&billing)})).await;
    let expected = json!({"type": "verified", "request": verified["request"], "user": "billing", "scope": "service",
        "expires": billing.exp});
    assert_eq!(verified, expected);
    assert_eq!(trunk.ask(json!({"type": "verify", "token": mint(&claims("gus"))})).await["scope"], "user");
    assert_eq!(trunk.refusal(json!({"type": "verify", "token": "nonsense"})).await, "unauthenticated");
    assert_eq!(gateway.metric("suara_trunk_members"), 0.0);
}
