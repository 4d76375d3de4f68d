//! The HTTP API: each operation, each refusal, and the document that says so.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use suara_gateway::auth::{Claims, Scope};

use crate::kit::{TestGateway, claims, mint};

/// One who asks by HTTP.
pub(crate) struct Asker {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: Option<String>,
}

impl Asker {
    pub(crate) async fn with(gateway: &TestGateway, claims: &Claims) -> Self {
        Self { token: Some(mint(claims)), ..Self::nobody(gateway).await }
    }

    pub(crate) async fn nobody(gateway: &TestGateway) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { http, base: format!("http://{}", gateway.http().await), token: None }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        self.token.iter().fold(request, |request, token| request.bearer_auth(token))
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = body.iter().fold(self.request(method, path), |request, body| request.json(body));
        read(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::POST, path, Some(body)).await
    }
}

/// A status and a document; of a refusal it is sure that it is one.
pub(crate) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["cache-control"], "no-store", "{status}");
    assert!(!response.headers().contains_key("access-control-allow-origin"));
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().expect("text").to_owned());
    let text = response.text().await.expect("a body");
    let document = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") };
    if status >= 400 {
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{document}");
        assert_eq!((&document["status"], &document["type"]), (&json!(status), &json!("about:blank")));
    }
    (status, document)
}

/// A refusal as status and code.
pub(crate) fn refusal((status, document): (u16, Value)) -> (u16, String) {
    (status, document["code"].as_str().expect("a refusal has a code").to_owned())
}

pub(crate) fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

pub(crate) fn service() -> Claims {
    Claims { scope: Scope::Service, channels: None, ..claims("billing") }
}

pub(crate) fn dispatcher(channels: &str) -> Claims {
    Claims { channels: Some(vec![format!("{channels}:listen,talk,dispatch")]), ..claims("dora") }
}

fn deaf() -> Claims {
    Claims { channels: Some(vec!["lobby:listen".to_owned()]), ..claims("eve") }
}

#[tokio::test]
async fn channels_and_their_members_are_told_by_page_to_who_may_listen() {
    let gateway = TestGateway::start();
    let (mut alice, mut bob) = (gateway.user("alice").await, gateway.user("bob").await);
    for channel in ["gate", "yard/1", "zoo"] {
        alice.join(channel).await;
    }
    let seat = bob.join("gate").await;
    bob.floor(seat.channel).await;

    let service = Asker::with(&gateway, &service()).await;
    let (status, page) = service.get("/api/channels?limit=2").await;
    let expected = json!({"channels": [{"name": "gate", "members": 2, "talking": [2]},
        {"name": "yard/1", "members": 1, "talking": []}], "more": true});
    assert_eq!((status, page), (200, expected));
    let (_, page) = service.get("/api/channels?after=yard%2F1").await;
    assert_eq!(page, json!({"channels": [{"name": "zoo", "members": 1, "talking": []}], "more": false}));

    let eve = Asker::with(&gateway, &deaf()).await;
    assert_eq!(eve.get("/api/channels").await.1, json!({"channels": [], "more": false}));
    assert_eq!(refusal(eve.get("/api/channels/gate/members").await), refused(403, "forbidden"));

    let guard = Asker::with(&gateway, &claims("carol")).await;
    let (_, page) = guard.get("/api/channels/gate/members?limit=1").await;
    let expected = json!({"channel": "gate", "total": 2, "more": true, "members": [{"talker": 1, "user": "alice",
        "name": "Name of alice", "role": "guard", "listen_only": false, "muted": false, "unreachable": false,
        "talking": false}]});
    assert_eq!(page, expected);
    let (_, page) = guard.get("/api/channels/gate/members?after=1").await;
    assert_eq!((&page["members"][0]["user"], &page["members"][0]["talking"]), (&json!("bob"), &json!(true)));
    let (_, page) = guard.get("/api/channels/yard%2F1/members").await;
    assert_eq!((&page["channel"], &page["total"]), (&json!("yard/1"), &json!(1)));
    let (status, page) = guard.get("/api/channels/nowhere/members").await;
    assert_eq!(
        (status, page),
        (200, json!({"channel": "nowhere", "total": 0, "members": [], "more": false}))
    );
}

#[tokio::test]
async fn calls_are_listed_for_those_who_dispatch_them() {
    let gateway = TestGateway::start();
    let (mut alice, mut bob) = (gateway.visitor().await, gateway.visitor().await);
    for (client, user) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        client.say(json!({"type": "hello", "version": 1, "token": mint(&claims(user)), "calls": true})).await;
        client.hear("welcome").await;
    }
    alice.ask(json!({"type": "call", "users": ["bob"]})).await;
    let names = async |who: &Asker| who.get("/api/channels").await.1["channels"].as_array().map(Vec::len);
    assert_eq!(names(&Asker::with(&gateway, &claims("carol")).await).await, Some(0));
    assert_eq!(names(&Asker::with(&gateway, &dispatcher("*")).await).await, Some(1));
    assert_eq!(names(&Asker::with(&gateway, &service()).await).await, Some(1));
}

#[tokio::test]
async fn a_member_is_muted_as_by_a_dispatcher() {
    let gateway = TestGateway::start();
    let mut alice = gateway.user("alice").await;
    let seat = alice.join("gate").await;
    alice.floor(seat.channel).await;
    let dora = Asker::with(&gateway, &dispatcher("gate")).await;
    let path = "/api/channels/gate/members/1/mute";
    assert_eq!(dora.ask(Method::PUT, path, None).await, (204, Value::Null));
    assert_eq!(alice.hear("floor_revoke").await["cause"], "no_permission");
    assert_eq!(dora.ask(Method::PUT, path, None).await, (204, Value::Null), "once more changes nothing");
    assert_eq!(dora.get("/api/channels/gate/members").await.1["members"][0]["muted"], true);
    assert_eq!(dora.ask(Method::DELETE, path, None).await.0, 204);
    assert_eq!(dora.get("/api/channels/gate/members").await.1["members"][0]["muted"], false);

    let carol = Asker::with(&gateway, &claims("carol")).await;
    assert_eq!(refusal(carol.ask(Method::PUT, path, None).await), refused(403, "forbidden"));
    let yard = "/api/channels/yard/members/1/mute";
    assert_eq!(refusal(dora.ask(Method::PUT, yard, None).await), refused(403, "forbidden"));
    let service = Asker::with(&gateway, &service()).await;
    for absent in [yard, "/api/channels/gate/members/9/mute"] {
        assert_eq!(refusal(service.ask(Method::PUT, absent, None).await), refused(404, "unknown_talker"));
    }
    let huge = "/api/channels/gate/members/65536/mute";
    assert_eq!(refusal(service.ask(Method::DELETE, huge, None).await), refused(400, "bad_field"));
}

#[tokio::test]
async fn who_has_no_token_that_is_for_this_gets_nowhere() {
    let gateway = TestGateway::start();
    let paths = [
        (Method::GET, "/api/channels"),
        (Method::GET, "/api/channels/gate/members"),
        (Method::GET, "/api/channels/gate/messages"),
        (Method::PUT, "/api/channels/gate/members/1/mute"),
        (Method::DELETE, "/api/channels/gate/members/1/mute"),
        (Method::POST, "/api/users/alice/kick"),
        (Method::DELETE, "/api/users/alice/ban"),
        (Method::POST, "/api/tokens"),
        (Method::GET, "/api/kpi"),
    ];
    let nobody = Asker::nobody(&gateway).await;
    let liar = Asker { token: Some("nonsense".to_owned()), ..Asker::nobody(&gateway).await };
    let over = Asker::with(&gateway, &Claims { exp: crate::kit::now() - 1, ..service() }).await;
    let trunk = Asker::with(&gateway, &Claims { scope: Scope::Trunk, ..service() }).await;
    let livechat = Asker::with(&gateway, &Claims { scope: Scope::Livechat, ..service() }).await;
    for (method, path) in paths {
        for who in [&nobody, &liar, &over] {
            let response = who.request(method.clone(), path).send().await.expect("an answer");
            assert_eq!(response.headers()["www-authenticate"], "Bearer", "{path}");
            assert_eq!(refusal(read(response).await), refused(401, "unauthenticated"), "{path}");
        }
        assert_eq!(
            refusal(livechat.ask(method.clone(), path, None).await),
            refused(403, "forbidden"),
            "{path}"
        );
        assert_eq!(refusal(trunk.ask(method, path, None).await).0, 403, "{path}");
    }
}

#[tokio::test]
async fn what_cant_be_read_is_refused_by_its_own_status() {
    let gateway = TestGateway::start();
    let service = Asker::with(&gateway, &service()).await;
    for (path, status, code) in [
        ("/api/nothing", 404, "not_found"),
        ("/api/channels/gate", 404, "not_found"),
        ("/api/tokens", 405, "method_not_allowed"),
        ("/api/users/alice/kick", 405, "method_not_allowed"),
        ("/api/channels?limit=0", 400, "bad_field"),
        ("/api/channels?limit=101", 400, "bad_field"),
        ("/api/channels?after=%00", 400, "bad_field"),
        ("/api/channels/gate/members?limit=1001", 400, "bad_field"),
        ("/api/channels/gate/members?after=-1", 400, "bad_field"),
        ("/api/channels/%FF/members", 400, "bad_field"),
    ] {
        assert_eq!(refusal(service.get(path).await), refused(status, code), "{path}");
    }
    let response = service.request(Method::GET, "/api/tokens").send().await.expect("an answer");
    assert_eq!(response.headers()["allow"], "POST");

    let say = async |kind: &'static str, body: String| {
        let request = service.request(Method::POST, "/api/users/alice/kick");
        let sent = request.header("content-type", kind).body(body).send().await.expect("an answer");
        refusal(read(sent).await)
    };
    let json = "application/json";
    assert_eq!(say("text/plain", "{}".to_owned()).await, refused(415, "media_type"));
    assert_eq!(say(json, "{".to_owned()).await, refused(400, "malformed"));
    assert_eq!(say(json, "[]".to_owned()).await, refused(422, "bad_field"));
    assert_eq!(say(json, r#"{"ban": 1}"#.to_owned()).await, refused(422, "bad_field"));
    assert_eq!(say(json, r#"{"ban_seconds": 2592001}"#.to_owned()).await, refused(422, "bad_field"));
    assert_eq!(say(json, format!("{{}}{}", " ".repeat(70_000))).await, refused(413, "too_large"));
    let long = format!("/api/users/{}/kick", "x".repeat(129));
    assert_eq!(refusal(service.post(&long, json!({})).await), refused(400, "bad_field"));
}

#[tokio::test]
async fn who_asks_too_fast_is_told_so_and_nobody_else_is() {
    let gateway = TestGateway::start();
    let (fast, other) =
        (Asker::with(&gateway, &claims("fast")).await, Asker::with(&gateway, &claims("other")).await);
    let mut refused = None;
    while refused.is_none() {
        let asking = (0..100).map(|_| fast.request(Method::GET, "/api/channels").send());
        let answers = futures_util::future::join_all(asking).await;
        refused = answers.into_iter().flatten().find(|answer| answer.status() != 200);
    }
    let response = refused.expect("it was refused");
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(refusal(read(response).await), (429, "rate_limited".to_owned()));
    assert_eq!(other.get("/api/channels").await.0, 200);
}

/// Every operation there is: one that is added is added here, and its document with it.
const OPERATIONS: [&str; 11] = [
    "delete /api/channels/{name}/members/{talker}/mute",
    "delete /api/users/{user}/ban",
    "get /api/channels",
    "get /api/channels/{name}/members",
    "get /api/channels/{name}/messages",
    "get /api/connect",
    "get /api/kpi",
    "post /api/broadcast",
    "post /api/tokens",
    "post /api/users/{user}/kick",
    "put /api/channels/{name}/members/{talker}/mute",
];

#[tokio::test]
async fn the_document_has_every_operation_and_all_that_it_refers_to() {
    let gateway = TestGateway::start();
    let nobody = Asker::nobody(&gateway).await;
    let response = nobody.request(Method::GET, "/api/openapi.json").send().await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "application/json");
    let document: Value = response.json().await.expect("JSON");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            operations.push(format!("{method} {path}"));
            assert!(operation["summary"].is_string(), "{method} {path}");
            if path != "/api/connect" {
                assert_eq!(operation["security"], json!([{"bearer": []}]), "{method} {path}");
                for status in ["400", "401", "403", "429", "503"] {
                    let problem = &operation["responses"][status]["content"]["application/problem+json"];
                    assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem", "{method} {path}");
                }
            }
        }
    }
    operations.sort();
    assert_eq!(operations, OPERATIONS);
    let text = document.to_string();
    for (_, rest) in text.match_indices(r##""$ref":"#"##).map(|(at, found)| text.split_at(at + found.len())) {
        let pointer = rest.split('"').next().expect("an end");
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}
