//! The HTTP API: tokens, throwing out and letting in again.

use std::time::Duration;

use jsonwebtoken::{Algorithm, Header};
use reqwest::Method;
use serde_json::{Value, json};
use suara_store::{Store, file_url};
use tokio::time::sleep;

use crate::api::{Asker, dispatcher, refusal, refused, service};
use crate::keys::{keys_of, sign};
use crate::kit::{Client, TestGateway, claims, mint, number};

/// A client that hears how its session ends, with its code.
async fn closed(mut client: Client) -> String {
    client.hear("closing").await["code"].as_str().expect("a code").to_owned()
}

#[tokio::test]
async fn all_sessions_of_a_user_are_thrown_out_and_kept_out_for_so_long() {
    let gateway = TestGateway::start();
    let service = Asker::with(&gateway, &service()).await;
    let (one, other) = (gateway.user("alice").await, gateway.user("alice").await);
    let mut trunk = gateway.trunk().await;
    trunk.ask(json!({"type": "attach", "member": 4, "token": mint(&claims("alice"))})).await;
    let mut bob = gateway.user("bob").await;

    let (status, kicked) = service.post("/api/users/alice/kick", json!({"ban_seconds": 60})).await;
    assert_eq!((status, &kicked["sessions"], &kicked["lasting"]), (200, &json!(3), &json!(true)));
    assert!(kicked["banned_until"].is_u64());
    assert_eq!([closed(one).await, closed(other).await], ["kicked", "kicked"]);
    let detached = trunk.hear("detached").await;
    assert_eq!((&detached["member"], &detached["code"]), (&json!(4), &json!("kicked")));

    let mut again = gateway.visitor().await;
    again.hello(&mint(&claims("alice"))).await;
    assert_eq!(closed(again).await, "kicked");
    let attach = json!({"type": "attach", "member": 5, "token": mint(&claims("alice"))});
    assert_eq!(trunk.refusal(attach.clone()).await, "unauthenticated");
    let alice = Asker::with(&gateway, &claims("alice")).await;
    assert_eq!(refusal(alice.get("/api/channels").await), refused(401, "unauthenticated"), "nor by HTTP");

    assert_eq!(service.ask(Method::DELETE, "/api/users/alice/ban", None).await, (204, Value::Null));
    assert_eq!(trunk.ask(attach).await["type"], "attached");
    gateway.user("alice").await;
    bob.join("gate").await;
}

#[tokio::test]
async fn without_a_ban_it_may_come_back_and_a_short_one_ends() {
    let gateway = TestGateway::start();
    let service = Asker::with(&gateway, &service()).await;
    let alice = gateway.user("alice").await;
    let (_, kicked) = service.post("/api/users/alice/kick", json!({})).await;
    assert_eq!(kicked, json!({"sessions": 1, "banned_until": null, "lasting": false}));
    assert_eq!(closed(alice).await, "kicked");
    gateway.user("alice").await;
    service.post("/api/users/alice/kick", json!({"ban_seconds": 1})).await;
    sleep(Duration::from_millis(1100)).await;
    gateway.user("alice").await;
}

#[tokio::test]
async fn a_lost_sessions_places_are_not_kept_for_who_is_thrown_out() {
    let gateway = TestGateway::start();
    let service = Asker::with(&gateway, &service()).await;
    let mut watcher = gateway.user("watcher").await;
    watcher.join("gate").await;
    let mut alice = gateway.visitor().await;
    let hello = json!({"type": "hello", "version": 1, "token": mint(&claims("alice")), "resume": ""});
    alice.say(hello).await;
    alice.hear("welcome").await;
    alice.join("gate").await;
    drop(alice);
    let unreachable = async || {
        let (_, page) = service.get("/api/channels/gate/members?after=1").await;
        page["members"][0]["unreachable"] == true
    };
    while !unreachable().await {
        sleep(Duration::from_millis(10)).await;
    }
    service.post("/api/users/alice/kick", json!({})).await;
    while service.get("/api/channels/gate/members").await.1["total"] != 1 {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(gateway.metric("suara_members") <= 1.0);
}

#[tokio::test]
async fn a_dispatcher_throws_out_who_is_in_its_channel() {
    let gateway = TestGateway::start();
    let (mut alice, _bob) = (gateway.user("alice").await, gateway.user("bob").await);
    alice.join("gate").await;
    let dora = Asker::with(&gateway, &dispatcher("gate")).await;
    for (user, body) in [
        ("alice", json!({})),
        ("alice", json!({"channel": "yard"})),
        ("bob", json!({"channel": "gate"})),
        ("nobody", json!({"channel": "gate"})),
    ] {
        let kicked = dora.post(&format!("/api/users/{user}/kick"), body).await;
        assert_eq!(refusal(kicked), refused(403, "forbidden"), "{user}");
    }
    let guard = Asker::with(&gateway, &claims("carol")).await;
    let kicked = guard.post("/api/users/alice/kick", json!({"channel": "gate"})).await;
    assert_eq!(refusal(kicked), refused(403, "forbidden"));
    let lifted = dora.ask(Method::DELETE, "/api/users/alice/ban", None).await;
    assert_eq!(refusal(lifted), refused(403, "forbidden"));

    let (status, kicked) = dora.post("/api/users/alice/kick", json!({"channel": "gate"})).await;
    assert_eq!((status, &kicked["sessions"]), (200, &json!(1)));
    assert_eq!(closed(alice).await, "kicked");
}

#[tokio::test]
async fn a_ban_outlives_the_gateway() {
    let dir = tempfile::tempdir().expect("there is room");
    let url = file_url(&dir.path().join("bans.db")).expect("a path");
    let start = async || {
        let gateway = TestGateway::with(|settings| settings.store = Store::begin(&url).expect("a URL"));
        gateway.until("its store is there", |gateway| gateway.gateway.ready_check()().is_ok()).await;
        gateway
    };
    let gateway = start().await;
    let kick = json!({"ban_seconds": 600});
    let (_, kicked) = Asker::with(&gateway, &service()).await.post("/api/users/alice/kick", kick).await;
    assert_eq!((&kicked["sessions"], &kicked["lasting"]), (&json!(0), &json!(true)));
    let another = start().await;
    let mut alice = another.visitor().await;
    alice.hello(&mint(&claims("alice"))).await;
    assert_eq!(closed(alice).await, "kicked");
}

#[tokio::test]
async fn while_the_store_is_away_a_ban_holds_and_says_that_it_wont_last() {
    let gateway = TestGateway::with(|settings| {
        settings.store = Store::begin("postgres://suara@127.0.0.1:9/suara").expect("a URL");
    });
    let service = Asker::with(&gateway, &service()).await;
    let (status, kicked) = service.post("/api/users/alice/kick", json!({"ban_seconds": 60})).await;
    assert_eq!((status, &kicked["lasting"]), (200, &json!(false)));
    let mut alice = gateway.visitor().await;
    alice.hello(&mint(&claims("alice"))).await;
    assert_eq!(closed(alice).await, "kicked");
    let lifted = service.ask(Method::DELETE, "/api/users/alice/ban", None).await;
    assert_eq!(refusal(lifted), refused(503, "unavailable"));
    gateway.user("alice").await;
}

#[tokio::test]
async fn a_service_makes_tokens_for_users_and_none_that_make_more() {
    let gateway = TestGateway::start();
    let service = Asker::with(&gateway, &service()).await;
    let asked = json!({"sub": "alice", "name": "Alice", "role": "guard", "channels": ["gate:talk,listen"],
        "priority": 3, "ttl_seconds": 60});
    let (status, made) = service.post("/api/tokens", asked).await;
    assert_eq!(status, 201);
    assert!(u64::from(number(&made["expires"])) <= crate::kit::now() + 60);
    let mut alice = gateway.bearer(made["token"].as_str().expect("a token")).await;
    let welcome = alice.hear("welcome").await;
    assert_eq!((&welcome["name"], &welcome["expires"]), (&json!("Alice"), &made["expires"]));
    alice.join("gate").await;
    assert_eq!(alice.refusal(json!({"type": "join", "channel": "yard"})).await, "forbidden");
    assert_eq!(service.post("/api/tokens", json!({"sub": "x", "scope": "livechat"})).await.0, 201);

    for bad in [
        json!({}),
        json!({"sub": ""}),
        json!({"sub": "a\nb"}),
        json!({"sub": "x".repeat(129)}),
        json!({"sub": 7}),
        json!({"sub": "a", "name": ""}),
        json!({"sub": "a", "role": "\u{202e}"}),
        json!({"sub": "a", "scope": "service"}),
        json!({"sub": "a", "scope": "trunk"}),
        json!({"sub": "a", "ttl_seconds": 0}),
        json!({"sub": "a", "ttl_seconds": 86_401}),
        json!({"sub": "a", "priority": 256}),
        json!({"sub": "a", "channels": ["gate"]}),
        json!({"sub": "a", "channels": ["gate:shout"]}),
        json!({"sub": "a", "channels": vec!["a:talk"; 65]}),
        json!({"sub": "a", "channels": [format!("{}:talk", "x".repeat(200))]}),
        json!({"sub": "a", "exp": 1}),
    ] {
        assert_eq!(
            refusal(service.post("/api/tokens", bad.clone()).await),
            refused(422, "bad_field"),
            "{bad}"
        );
    }
    for other in [claims("mallory"), dispatcher("*")] {
        let mallory = Asker::with(&gateway, &other).await;
        let made = mallory.post("/api/tokens", json!({"sub": "alice"})).await;
        assert_eq!(refusal(made), refused(403, "forbidden"));
    }
}

#[tokio::test]
async fn tokens_are_their_issuers_to_make_where_keys_are_public() {
    let gateway = TestGateway::with(|settings| settings.keys = keys_of("p256.public.pem"));
    let billing = sign("p256", &Header::new(Algorithm::ES256), &service());
    let service = Asker { token: Some(billing), ..Asker::nobody(&gateway).await };
    assert_eq!(service.get("/api/channels").await.0, 200);
    assert_eq!(refusal(service.post("/api/tokens", json!({"sub": "a"})).await), refused(403, "forbidden"));
}
