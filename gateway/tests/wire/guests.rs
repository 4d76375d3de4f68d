//! Clients of old without a token: a trunk brings them, where the gateway admits such.

use serde_json::json;
use suara_gateway::auth::{ChannelGrant, Minter, Scope};
use suara_gateway::guests::GuestPasses;
use suara_gateway::{Settings, livechat::VisitorPasses};

use crate::kit::{Client, LIVECHAT_SECRET, TestGateway, claims, mint, passes};

fn admitting(settings: &mut Settings) {
    let VisitorPasses { issuer, audience, .. } = passes();
    let channels: Vec<ChannelGrant> = vec![
        "lobby*:listen,talk,dispatch,emergency".parse().expect("a grant"),
        "news:listen".parse().expect("a grant"),
    ];
    let minter = Minter::new(LIVECHAT_SECRET);
    settings.guests = Some(GuestPasses { minter, issuer, audience, channels: Some(channels) });
}

async fn attach(trunk: &mut Client, member: u32) -> String {
    let session = trunk.ask(json!({"type": "guest"})).await;
    assert_eq!(session["type"], "guest_session");
    let token = &session["token"];
    let attached =
        trunk.ask(json!({"type": "attach", "member": member, "token": token, "scope": "guest"})).await;
    assert_eq!((&attached["type"], &attached["role"]), (&json!("attached"), &json!("")));
    attached["user"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn guests_are_named_apart_and_listen_and_talk_at_most() {
    let gateway = TestGateway::with(admitting);
    let mut trunk = gateway.trunk().await;
    let users = [attach(&mut trunk, 1).await, attach(&mut trunk, 2).await];
    assert!(users.iter().all(|user| user.starts_with("guest-")) && users[0] != users[1], "{users:?}");
    for (channel, rights) in [("lobby-2", json!(["listen", "talk"])), ("news", json!(["listen"]))] {
        let joined = trunk.ask(json!({"type": "join", "member": 1, "channel": channel})).await;
        assert_eq!(joined["rights"], rights, "{channel}");
    }
    let refused = trunk.ask(json!({"type": "join", "member": 1, "channel": "ops"})).await;
    assert_eq!(refused["code"], "forbidden");
}

#[tokio::test]
async fn nobody_is_admitted_without_a_token_unless_that_is_settled() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let refused = trunk.ask(json!({"type": "guest"})).await;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("forbidden")));
    // Nor by a token that another gateway made.
    let elsewhere = TestGateway::with(admitting);
    let mut settled = elsewhere.trunk().await;
    let token = settled.ask(json!({"type": "guest"})).await["token"].clone();
    let refused = trunk.ask(json!({"type": "attach", "member": 1, "token": token, "scope": "guest"})).await;
    assert_eq!(refused["code"], "forbidden");
    let mut user = gateway.welcome(&claims("alice")).await;
    assert_eq!(user.ask(json!({"type": "guest"})).await["code"], "forbidden");
}

#[tokio::test]
async fn a_guests_token_opens_nothing_else_and_no_other_makes_a_guest() {
    let gateway = TestGateway::with(admitting);
    let mut trunk = gateway.trunk().await;
    let token = trunk.ask(json!({"type": "guest"})).await["token"].clone();
    for (scope, code) in [("user", "unauthenticated"), ("livechat", "forbidden")] {
        let refused = trunk.ask(json!({"type": "attach", "member": 1, "token": token, "scope": scope})).await;
        assert_eq!(refused["code"], code, "{scope}");
    }
    let token = mint(&claims("alice"));
    let refused = trunk.ask(json!({"type": "attach", "member": 1, "token": token, "scope": "guest"})).await;
    assert_eq!(refused["code"], "forbidden");
    assert_eq!(Scope::Guest.name(), "suara_guest");
}
