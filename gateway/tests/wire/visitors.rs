//! Visitors of the livechat: sessions for whoever has no token, and what such a session may do.

use serde_json::{Value, json};
use suara_gateway::auth::{Claims, Minter, Scope};

use crate::kit::{Client, LIVECHAT_SECRET, TestGateway, claims, mint, seat};

async fn visitor(trunk: &mut Client, name: &str) -> Value {
    trunk.ask(json!({"type": "visitor", "name": name})).await
}

async fn attach(trunk: &mut Client, member: u32, token: &str) -> Value {
    trunk.ask(json!({"type": "attach", "member": member, "token": token, "scope": "livechat"})).await
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test]
async fn a_trunk_gets_a_session_for_a_visitor_and_brings_it_into_its_own_channel() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;

    let session = visitor(&mut trunk, "Budi di Solo").await;

    assert_eq!(session["type"], "visitor_session", "{session}");
    let channel = format!("livechat/{}", text(&session["session"]));
    let attached = attach(&mut trunk, 1, text(&session["token"])).await;
    assert_eq!(attached["user"], channel.as_str());
    assert_eq!((&attached["name"], &attached["role"]), (&json!("Budi di Solo"), &json!("")));
    assert_eq!(attached["expires"], session["expires"]);
    let joined = trunk.ask(json!({"type": "join", "member": 1, "channel": channel})).await;
    let place = seat(&joined);
    assert_eq!(joined["rights"], json!(["listen"]), "a visitor writes and doesn't talk");
    trunk.say(json!({"type": "floor_request", "request": 5, "channel": place.channel, "member": 1})).await;
    assert_eq!(trunk.hear("floor_deny").await["cause"], "receive_only");
}

#[tokio::test]
async fn a_visitor_is_in_no_other_channel_and_nobody_else_in_its_own() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let (one, other) = (visitor(&mut trunk, "Budi").await, visitor(&mut trunk, "Sari").await);
    attach(&mut trunk, 1, text(&one["token"])).await;
    let channel = format!("livechat/{}", text(&other["session"]));

    for foreign in [channel.as_str(), "ops", "livechat/", "livechat/*"] {
        let refusal = trunk.refusal(json!({"type": "join", "member": 1, "channel": foreign})).await;
        assert_eq!(refusal, "forbidden", "{foreign}");
    }
    let mut user = gateway.user("alice").await;
    let refusal = user.refusal(json!({"type": "join", "channel": channel})).await;
    assert_eq!(refusal, "forbidden", "rights on all channels are none on visitors'");
}

#[tokio::test]
async fn only_a_trunk_brings_visitors_and_only_by_names_that_can_be_shown() {
    let gateway = TestGateway::start();
    let (mut trunk, mut user) = (gateway.trunk().await, gateway.user("alice").await);

    assert_eq!(user.refusal(json!({"type": "visitor", "name": "Budi"})).await, "forbidden");
    for name in ["", " ", "a\nb", "abc\u{202e}dcba", &"n".repeat(65)] {
        assert_eq!(trunk.refusal(json!({"type": "visitor", "name": name})).await, "bad_field", "{name:?}");
    }
    let none = TestGateway::with(|settings| settings.livechat.passes = None);
    let mut trunk = none.trunk().await;
    assert_eq!(trunk.refusal(json!({"type": "visitor", "name": "Budi"})).await, "forbidden");
}

#[tokio::test]
async fn a_token_for_something_else_is_told_from_one_that_does_not_hold() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;

    assert_eq!(attach(&mut trunk, 1, &mint(&claims("alice"))).await["code"], "forbidden");
    assert_eq!(attach(&mut trunk, 1, "nonsense").await["code"], "unauthenticated");
    let ended = Claims { scope: Scope::Livechat, exp: 1, ..claims("v") };
    assert_eq!(attach(&mut trunk, 1, &mint(&ended)).await["code"], "unauthenticated");
    let forged = Minter::new(LIVECHAT_SECRET).mint(&claims("mallory")).unwrap();
    assert_eq!(
        attach(&mut trunk, 1, &forged).await["code"],
        "unauthenticated",
        "it vouches for visitors only"
    );
    let session = visitor(&mut trunk, "Budi").await;
    let as_user = trunk.ask(json!({"type": "attach", "member": 1, "token": session["token"]})).await;
    assert_eq!(as_user["code"], "unauthenticated", "a visitor is no user");
}

#[tokio::test]
async fn a_visitor_of_the_deployment_s_own_gets_no_more_than_its_token_gives() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let elsewhere = Claims {
        scope: Scope::Livechat,
        role: Some("admin".to_owned()),
        channels: Some(vec!["ops:listen,talk".to_owned()]),
        ..claims("v7")
    };

    let attached = attach(&mut trunk, 1, &mint(&elsewhere)).await;

    assert_eq!((&attached["user"], &attached["role"]), (&json!("livechat/v7"), &json!("")));
    for channel in ["livechat/v7", "ops"] {
        let refusal = trunk.refusal(json!({"type": "join", "member": 1, "channel": channel})).await;
        assert_eq!(refusal, "forbidden", "{channel}");
    }
}
