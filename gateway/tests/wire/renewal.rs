//! Tokens that end in mid-session, and fresh ones.

use std::time::Duration;

use serde_json::json;
use suara_gateway::auth::{Claims, Scope};
use tokio::time::{Instant, sleep};

use crate::kit::{Client, TestGateway, claims, mint, now};

/// A user whose token ends in so many seconds.
fn brief(user: &str, seconds: u64) -> Claims {
    Claims { exp: now() + seconds, ..claims(user) }
}

async fn renew(client: &mut Client, claims: &Claims) -> serde_json::Value {
    client.ask(json!({"type": "renew", "token": mint(claims)})).await
}

#[tokio::test]
async fn a_token_that_ends_ends_the_session_and_others_see_why() {
    let gateway = TestGateway::start();
    let mut watch = gateway.user("watch").await;
    watch.join("lobby").await;
    let brief = brief("alice", 2);
    let mut alice = gateway.welcome(&brief).await;
    let seat = alice.join("lobby").await;
    let grant = alice.floor(seat.channel).await;

    let (closing, number) = alice.ending().await;

    assert!(now() >= brief.exp && now() <= brief.exp + 3);
    assert_eq!((&closing["code"], number), (&json!("token_expired"), 3));
    assert_eq!(watch.hear("floor_idle").await["grant"], grant);
    assert_eq!(watch.sees_leave(seat.talker).await, "expired");
    gateway.finish().await;
}

#[tokio::test]
async fn a_renewal_extends_the_session_and_keeps_its_channels() {
    let gateway = TestGateway::start();
    let first = brief("alice", 2);
    let mut alice = gateway.welcome(&first).await;
    let seat = alice.join("lobby").await;
    let fresh = brief("alice", 60);

    let renewed = renew(&mut alice, &fresh).await;

    assert_eq!(renewed, json!({"type": "renewed", "request": renewed["request"], "expires": fresh.exp}));
    while now() <= first.exp + 1 {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(alice.roster(seat.channel).await.len(), 1);
    // A shorter one counts as well: the last is in force.
    assert_eq!(renew(&mut alice, &brief("alice", 1)).await["type"], "renewed");
    assert_eq!(alice.closing().await, "token_expired");
}

#[tokio::test]
async fn a_renewal_changes_rights_at_the_next_join_only() {
    let gateway = TestGateway::start();
    let mut alice = gateway.user("alice").await;
    let seat = alice.join("lobby").await;

    let channels = Some(vec!["ops:listen".to_owned()]);
    renew(&mut alice, &Claims { channels, ..claims("alice") }).await;

    alice.floor(seat.channel).await;
    assert_eq!(alice.joined("ops").await.1["rights"], json!(["listen"]));
    alice.leave(seat.channel).await;
    assert_eq!(alice.refusal(json!({"type": "join", "channel": "lobby"})).await, "forbidden");
}

#[tokio::test]
async fn a_renewal_that_does_not_hold_leaves_the_old_token_in_force() {
    let gateway = TestGateway::start();
    let mut alice = gateway.user("alice").await;
    let tokens = [
        ("wrong_user", mint(&claims("bob"))),
        ("unauthenticated", "nonsense".to_owned()),
        ("unauthenticated", mint(&Claims { exp: now() - 60, ..claims("alice") })),
        ("unauthenticated", mint(&Claims { exp: now() - 2, ..claims("alice") })),
        ("unauthenticated", mint(&Claims { scope: Scope::Livechat, ..claims("alice") })),
        ("unauthenticated", mint(&Claims { scope: Scope::Trunk, ..claims("alice") })),
    ];

    for (code, token) in tokens {
        assert_eq!(alice.refusal(json!({"type": "renew", "token": token})).await, code);
    }

    sleep(Duration::from_millis(1100)).await;
    alice.join("lobby").await;
    assert_eq!(gateway.metric("suara_request_errors_total{reason=\"unauthenticated\"}"), 5.0);
}

#[tokio::test]
async fn a_token_that_has_just_ended_opens_no_session() {
    let gateway = TestGateway::start();
    let mut client = gateway.bearer(&mint(&Claims { exp: now() - 2, ..claims("alice") })).await;

    assert_eq!(client.next().await["code"], "token_expired", "and no welcome before it");
}

#[tokio::test]
async fn a_token_of_a_thousand_years_is_no_reason_to_panic() {
    let gateway = TestGateway::start();
    for exp in [now() + 31_556_952_000, u64::from(u32::MAX), (1 << 53) - 1] {
        let mut client = gateway.welcome(&Claims { exp, ..claims("alice") }).await;
        client.join("lobby").await;
    }
    let since = Instant::now();
    gateway.finish().await;
    assert!(since.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn clocks_may_differ_a_little_at_a_tokens_beginning() {
    let gateway = TestGateway::start();
    gateway.welcome(&Claims { nbf: Some(now() + 3), ..claims("alice") }).await;
}
