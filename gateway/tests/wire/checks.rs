//! The deployment's own check of tokens.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use suara_gateway::auth::RemoteCheck;
use tokio::time::{Instant, sleep};

use crate::kit::{Client, TestGateway, claims, kinds, mint, now};

/// A deployment that answers by the token's first word, and counts how often it was asked.
#[derive(Clone, Default)]
struct Deployment {
    asked: Arc<AtomicUsize>,
}

impl Deployment {
    async fn start(&self) -> TestGateway {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let url = format!("http://{}/check", listener.local_addr().expect("it is bound"));
        let router = Router::new().route("/check", post(check)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        TestGateway::with(|settings| {
            let url = url.parse().expect("it is a URL");
            settings.remote_check = Some(RemoteCheck::new(url).expect("there is an HTTP client"));
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }
}

async fn check(State(deployment): State<Deployment>, body: String) -> Response {
    deployment.asked.fetch_add(1, Relaxed);
    let form: HashMap<_, _> = body.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let token = form.get("token").copied().unwrap_or_default();
    let (kind, user) = token.split_once('.').unwrap_or((token, "nobody"));
    let good = |exp: u64, scope: &str| {
        json!({"active": true, "sub": user, "name": "From afar", "exp": exp, "scope": scope,
            "channels": ["*:listen,talk"], "client_id": "unknown to us"})
    };
    let answer = match kind {
        "good" => good(now() + 3600, "user"),
        "trunk" => good(now() + 3600, "trunk"),
        "brief" => good(now() + 2, "user"),
        "over" => good(now() - 2, "user"),
        "slow" => {
            sleep(Duration::from_millis(700)).await;
            good(now() + 3600, "user")
        }
        "hang" => std::future::pending().await,
        "refused" => return StatusCode::UNAUTHORIZED.into_response(),
        "broken" => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "garbage" => return "no JSON".into_response(),
        "endless" => json!({"active": true, "sub": user}),
        _ => json!({"active": false}),
    };
    Json(answer).into_response()
}

async fn attach(trunk: &mut Client, member: u32, token: &str) -> Value {
    trunk.ask(json!({"type": "attach", "member": member, "token": token})).await
}

#[tokio::test]
async fn an_active_token_is_who_the_deployment_says() {
    let deployment = Deployment::default();
    let gateway = deployment.start().await;
    let mut client = gateway.bearer("good.alice").await;

    let welcome = client.next().await;

    assert_eq!((&welcome["user"], &welcome["name"]), (&json!("alice"), &json!("From afar")));
    let seat = client.join("lobby").await;
    client.floor(seat.channel).await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_token_that_the_deployment_does_not_know_is_unauthenticated() {
    let gateway = Deployment::default().start().await;
    for token in ["unknown", "refused", "endless.alice", ""] {
        assert_eq!(gateway.bearer(token).await.closing().await, "unauthenticated", "{token}");
    }
    assert_eq!(gateway.bearer("over.alice").await.closing().await, "token_expired");
    gateway.finish().await;
}

#[tokio::test]
async fn while_the_deployment_does_not_answer_a_client_is_told_to_come_again() {
    let deployment = Deployment::default();
    let gateway = deployment.start().await;
    for token in ["broken", "garbage", "broken"] {
        let (closing, number) = gateway.bearer(token).await.ending().await;
        assert_eq!((&closing["code"], number), (&json!("overloaded"), 13), "{token}");
        assert!(closing["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0));
    }
    assert_eq!(deployment.asked(), 3, "no verdict isn't remembered");
    let mut client = gateway.bearer("good.alice").await;
    client.hear("welcome").await;
    assert_eq!(client.refusal(json!({"type": "renew", "token": "broken"})).await, "unavailable");
    gateway.finish().await;
}

#[tokio::test]
async fn the_same_token_is_asked_for_once() {
    let deployment = Deployment::default();
    let gateway = deployment.start().await;
    // At once and one after the other.
    let mut crowd = Vec::new();
    for _ in 0..5 {
        crowd.push(gateway.bearer("slow.alice").await);
    }
    for client in &mut crowd {
        client.hear("welcome").await;
    }
    gateway.bearer("slow.alice").await.hear("welcome").await;
    assert_eq!(deployment.asked(), 1);
    for _ in 0..3 {
        gateway.bearer("unknown").await.closing().await;
    }
    assert_eq!(deployment.asked(), 2, "a bad verdict is remembered as well");
    gateway.finish().await;
}

#[tokio::test]
async fn a_token_that_a_key_vouches_for_is_not_sent_to_the_deployment() {
    let deployment = Deployment::default();
    let gateway = deployment.start().await;
    gateway.user("alice").await;
    gateway
        .bearer(&mint(&suara_gateway::auth::Claims { exp: now() - 60, ..claims("bob") }))
        .await
        .closing()
        .await;
    assert_eq!(deployment.asked(), 0);
}

#[tokio::test]
async fn a_remembered_verdict_does_not_outlive_its_token() {
    let gateway = Deployment::default().start().await;
    let mut client = gateway.bearer("brief.alice").await;
    client.hear("welcome").await;
    assert_eq!(client.closing().await, "token_expired");

    assert_eq!(gateway.bearer("brief.alice").await.closing().await, "token_expired");
}

#[tokio::test]
async fn a_deployment_that_hangs_holds_up_nobody_but_who_needs_it() {
    let gateway = Deployment::default().start().await;
    let mut trunk = gateway.bearer("trunk.bridge").await;
    trunk.hear("welcome").await;
    attach(&mut trunk, 1, "good.alice").await;
    let mut waiting = gateway.bearer("hang").await;
    trunk.say(json!({"type": "attach", "request": 7, "member": 2, "token": "hang"})).await;
    let since = Instant::now();

    // The trunk's other members, and other sessions, go on.
    let joined = trunk.ask(json!({"type": "join", "member": 1, "channel": "lobby"})).await;
    assert_eq!(joined["type"], "joined");
    attach(&mut trunk, 3, "good.bob").await;
    let mut user = gateway.user("user").await;
    user.join("lobby").await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());

    let answer = trunk.hear_that("the answer", |said| said["request"] == 7).await;
    assert_eq!((&answer["code"], &answer["member"]), (&json!("unavailable"), &json!(2)));
    assert_eq!(waiting.closing().await, "overloaded");
    let waited = since.elapsed();
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_session_that_ends_while_its_tokens_are_checked_leaves_nothing_behind() {
    let gateway = Deployment::default().start().await;
    let mut trunk = gateway.bearer("trunk.bridge").await;
    trunk.hear("welcome").await;
    for member in 0..20 {
        let token = format!("slow.user{member}");
        trunk.say(json!({"type": "attach", "request": member, "member": member, "token": token})).await;
    }
    assert_eq!(kinds(&trunk.so_far().await), Vec::<&str>::new());

    drop(trunk);

    gateway.deserted().await;
    sleep(Duration::from_millis(800)).await;
    assert_eq!(gateway.metric("suara_trunk_members"), 0.0);
    gateway.finish().await;
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_deployment_that_hangs() {
    let gateway = Deployment::default().start().await;
    let mut waiting = gateway.bearer("hang").await;
    gateway.until("it was read", |gateway| gateway.metric("suara_sessions") == 0.0).await;
    sleep(Duration::from_millis(100)).await;

    let since = Instant::now();
    gateway.finish().await;

    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    assert_eq!(waiting.closing().await, "going_away");
}
