//! Chat: one order for all, stored once, there again after an absence.

use serde_json::{Value, json};
use suara_gateway::auth::Claims;
use suara_store::Store;
use tokio_tungstenite::tungstenite::Message;

use crate::kit::{ChatStream, Client, Seat, TestGateway, claims, framed, mint, open_socket, opening, soon};

/// A user in a channel, with a chat stream.
pub(crate) async fn writer(gateway: &TestGateway, name: &str, channel: &str) -> (Client, Seat, ChatStream) {
    let mut client = gateway.user(name).await;
    let seat = client.join(channel).await;
    let chat = ChatStream::open(&client.connection).await;
    (client, seat, chat)
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().expect("a text")).collect()
}

/// The stream is there, as far as the gateway is concerned: what it was asked was answered.
pub(crate) async fn settled(chat: &mut ChatStream, channel: u32) {
    chat.history(json!({"channel": channel})).await;
}

#[tokio::test]
async fn a_message_is_stored_acknowledged_and_told_to_everybody_once_and_in_order() {
    let gateway = TestGateway::start();
    let (_alice, seat, mut from_alice) = writer(&gateway, "alice", "ops").await;
    let (_bob, _, mut from_bob) = writer(&gateway, "bob", "ops").await;
    let (_eve, _, mut elsewhere) = writer(&gateway, "eve", "lobby").await;
    settled(&mut from_bob, seat.channel).await;

    assert_eq!(from_alice.send(seat.channel, "a1", "Gate 1 is clear").await, 1);
    assert_eq!(from_bob.send(seat.channel, "b1", "Thanks").await, 2);
    assert_eq!(from_alice.send(seat.channel, "a2", "Out").await, 3);

    let (mut own, mut others) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        own.push(from_alice.hear("chat").await);
        others.push(from_bob.hear("chat").await);
    }
    assert_eq!(texts(&own), ["Gate 1 is clear", "Thanks", "Out"]);
    assert_eq!(texts(&others), texts(&own));
    let at = &own[0]["at"];
    let expected = json!({"type": "chat", "channel": seat.channel, "id": "a1", "message": 1, "user": "alice",
        "name": "Name of alice", "role": "guard", "text": "Gate 1 is clear", "at": at});
    assert_eq!(own[0], expected, "its own id comes back to who sent it");
    assert!(others[0]["id"].is_null() && others[1]["id"] == "b1");
    let refused =
        elsewhere.refusal(json!({"type": "chat_send", "channel": seat.channel, "id": "e", "text": "x"}));
    assert_eq!(refused.await, "not_joined", "and nobody elsewhere hears of it");
    assert_eq!(gateway.metric("suara_chat_messages_stored_total"), 3.0);
    gateway.finish().await;
}

#[tokio::test]
async fn a_repetition_gets_the_same_answer_and_is_shown_once() {
    let gateway = TestGateway::start();
    let (_alice, seat, mut from_alice) = writer(&gateway, "alice", "ops").await;
    let (_bob, _, mut from_bob) = writer(&gateway, "bob", "ops").await;
    settled(&mut from_bob, seat.channel).await;
    let send = json!({"type": "chat_send", "channel": seat.channel, "id": "a1", "text": "once"});
    for _ in 0..3 {
        from_alice.say(send.clone()).await;
    }
    let first = from_alice.hear("chat_ack").await;
    assert_eq!(from_alice.hear("chat_ack").await, first);
    assert_eq!(from_alice.hear("chat_ack").await, first);
    // Another user's message of that name is another message.
    assert_eq!(from_bob.send(seat.channel, "a1", "twice").await, 2);
    assert_eq!(from_bob.hear("chat").await["text"], "once");
    assert_eq!(from_bob.hear("chat").await["text"], "twice");
    assert_eq!(from_bob.history(json!({"channel": seat.channel})).await, (vec![1, 2], false));
}

#[tokio::test]
async fn who_comes_back_sees_in_joined_that_it_missed_something_and_gets_it() {
    let gateway = TestGateway::start();
    gateway.until("the store is there", |gateway| gateway.gateway.ready_check()().is_ok()).await;
    let mut alice = gateway.user("alice").await;
    assert_eq!(alice.joined("ops").await.1["last_message"], 0);
    let (_bob, seat, mut from_bob) = writer(&gateway, "bob", "ops").await;
    alice.leave(seat.channel).await;
    for n in 1..=5 {
        from_bob.send(seat.channel, &n.to_string(), "x").await;
    }
    let (seat, joined) = alice.joined("ops").await;
    assert_eq!(joined["last_message"], 5);
    let mut chat = ChatStream::open(&alice.connection).await;
    let page = |more: Value| {
        let mut asked = json!({"channel": seat.channel});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked
    };
    assert_eq!(chat.history(page(json!({"after": 2, "limit": 2}))).await, (vec![3, 4], true));
    assert_eq!(chat.history(page(json!({"after": 4}))).await, (vec![5], false));
    assert_eq!(chat.history(page(json!({"before": 3}))).await, (vec![1, 2], false));
    assert_eq!(chat.history(page(json!({"limit": 1}))).await, (vec![5], true));
}

#[tokio::test]
async fn a_channel_that_nobody_is_in_keeps_its_messages() {
    let gateway = TestGateway::start();
    let (alice, seat, mut chat) = writer(&gateway, "alice", "ops").await;
    chat.send(seat.channel, "1", "I was here").await;
    alice.vanish();
    gateway.deserted().await;
    let (_bob, joined) = gateway.user("bob").await.joined("ops").await;
    assert_eq!(joined["last_message"], 1);
}

#[tokio::test]
async fn who_may_only_listen_may_read_and_not_write() {
    let gateway = TestGateway::start();
    let listener = Claims { channels: Some(vec!["ops:listen".to_owned()]), ..claims("eve") };
    let mut client = gateway.welcome(&listener).await;
    let seat = client.join("ops").await;
    let mut chat = ChatStream::open(&client.connection).await;
    let (_alice, _, mut from_alice) = writer(&gateway, "alice", "ops").await;
    assert_eq!(chat.history(json!({"channel": seat.channel})).await, (vec![], false));
    from_alice.send(seat.channel, "1", "hello").await;
    assert_eq!(chat.hear("chat").await["text"], "hello");
    let send = json!({"type": "chat_send", "channel": seat.channel, "id": "e", "text": "x"});
    assert_eq!(chat.refusal(send).await, "forbidden");
    assert_eq!(chat.refusal(json!({"type": "chat_typing", "channel": seat.channel})).await, "forbidden");
}

#[tokio::test]
async fn that_somebody_writes_is_told_to_the_others() {
    let gateway = TestGateway::start();
    let (_alice, seat, mut from_alice) = writer(&gateway, "alice", "ops").await;
    let (_bob, _, mut from_bob) = writer(&gateway, "bob", "ops").await;
    settled(&mut from_bob, seat.channel).await;
    from_alice.say(json!({"type": "chat_typing", "channel": seat.channel})).await;
    let expected = json!({"type": "chat_typing", "channel": seat.channel, "talker": seat.talker, "user": "alice",
        "name": "Name of alice"});
    assert_eq!(from_bob.hear("chat_typing").await, expected);
    from_alice.send(seat.channel, "1", "x").await;
    assert_eq!(from_alice.next().await.unwrap()["type"], "chat", "and not to who writes");
}

#[tokio::test]
async fn a_trunk_is_told_once_and_which_of_its_members_it_was() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let mut channel = 0;
    for (member, name) in [(1, "alice"), (2, "bob")] {
        trunk.ask(json!({"type": "attach", "member": member, "token": mint(&claims(name))})).await;
        let joined = trunk.ask(json!({"type": "join", "member": member, "channel": "ops"})).await;
        channel = joined["channel"].as_u64().unwrap() as u32;
    }
    let mut from_trunk = ChatStream::open(&trunk.connection).await;
    let (_eve, _, mut from_eve) = writer(&gateway, "eve", "ops").await;
    let send = |member: u32| json!({"type": "chat_send", "channel": channel, "member": member, "id": "1", "text": "x"});
    from_trunk.say(send(2)).await;
    let ack = from_trunk.hear("chat_ack").await;
    assert_eq!((&ack["member"], &ack["message"]), (&json!(2), &json!(1)));
    let own = from_trunk.hear("chat").await;
    assert_eq!((&own["member"], &own["id"], &own["user"]), (&json!(2), &json!("1"), &json!("bob")));
    from_eve.send(channel, "2", "y").await;
    let other = from_trunk.next().await.unwrap();
    assert_eq!((&other["message"], &other["member"]), (&json!(2), &Value::Null), "once for both members");
    assert_eq!(from_trunk.refusal(send(3)).await, "unknown_member");
    from_trunk.say(json!({"type": "chat_typing", "channel": channel, "member": 1})).await;
    assert_eq!(from_trunk.hear("chat_typing").await["user"], "alice", "its other members want to know");
}

#[tokio::test]
async fn chat_goes_by_websocket_too() {
    let gateway = TestGateway::start();
    let mut socket = open_socket(opening(gateway.http().await)).await.unwrap();
    socket.hello(&mint(&claims("alice"))).await;
    let seat = socket.join("ops").await;
    let send = json!({"type": "chat_send", "channel": seat.channel, "id": "1", "text": "by TCP"}).to_string();
    let framed = framed(send.as_bytes());
    // In two pieces, on the stream of the number 9.
    socket.binary(&[&[9, 2], &framed[..7]].concat()).await;
    socket.binary(&[&[9], &framed[7..]].concat()).await;
    let mut bytes = Vec::new();
    while bytes.windows(7).filter(|window| window == b"\"chat\",").count() < 1 {
        let Message::Binary(piece) = socket.another().await else { panic!("no piece") };
        assert_eq!(piece[0], 9);
        bytes.extend_from_slice(&piece[1..]);
    }
    assert!(String::from_utf8_lossy(&bytes).contains("chat_ack"));
    // It ends it, and begins another under the same number.
    socket.binary(&[9]).await;
    while !matches!(socket.another().await, Message::Binary(piece) if piece[..] == [9]) {}
    socket.binary(&[&[9, 2], &framed[..]].concat()).await;
    let Message::Binary(piece) = socket.another().await else { panic!("no piece") };
    assert!(String::from_utf8_lossy(&piece).contains("chat_ack"), "the same answer on the new stream");
}

#[tokio::test]
async fn history_is_had_by_http_with_a_token_that_may_listen() {
    let gateway = TestGateway::start();
    let (_alice, seat, mut chat) = writer(&gateway, "alice", "ops/gate 1").await;
    for n in 1..=3 {
        chat.send(seat.channel, &n.to_string(), &format!("<b>{n}</b>")).await;
    }
    let http = gateway.http().await;
    let get = |token: Option<String>, rest: &'static str| async move {
        let mut request = reqwest::Client::new().get(format!("http://{http}/api/channels/{rest}"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = soon("an answer", request.send()).await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        (response.status().as_u16(), kind, response.json::<Value>().await.unwrap())
    };
    let good = || Some(mint(&claims("bob")));
    let (status, kind, page) = get(good(), "ops%2Fgate%201/messages?limit=2").await;
    assert_eq!((status, &*kind), (200, "application/json"));
    assert_eq!((&page["channel"], &page["more"]), (&json!("ops/gate 1"), &json!(true)));
    assert_eq!(texts(page["messages"].as_array().unwrap()), ["<b>2</b>", "<b>3</b>"], "as it was sent");
    let (_, _, page) = get(good(), "ops%2Fgate%201/messages?after=1&before=3").await;
    assert_eq!(texts(page["messages"].as_array().unwrap()), ["<b>2</b>"]);
    let deaf = Claims { channels: Some(vec!["lobby:listen".to_owned()]), ..claims("eve") };
    for (token, rest, status, code) in [
        (None, "ops/messages", 401, "unauthenticated"),
        (Some("nonsense".to_owned()), "ops/messages", 401, "unauthenticated"),
        (Some(mint(&deaf)), "ops/messages", 403, "forbidden"),
        (good(), "ops/messages?limit=0", 400, "bad_field"),
        (good(), "ops/messages?limit=101", 400, "bad_field"),
        (good(), "ops/messages?before=-1", 400, "bad_field"),
        (good(), "ops/messages?after='%20OR%201=1", 400, "bad_field"),
        (good(), "%00/messages", 400, "bad_field"),
        (good(), "%FF/messages", 400, "bad_field"),
    ] {
        let (got, kind, problem) = get(token, rest).await;
        assert_eq!((got, &*kind), (status, "application/problem+json"), "{rest}: {problem}");
        assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(status)), "{rest}");
    }
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_acknowledged_and_voice_goes_on() {
    let gateway = TestGateway::with(|settings| {
        // Nobody listens there.
        settings.store = Store::begin("postgres://suara@127.0.0.1:9/suara").expect("a URL");
    });
    let (mut alice, seat, mut chat) = writer(&gateway, "alice", "ops").await;
    let send = json!({"type": "chat_send", "channel": seat.channel, "id": "1", "text": "x"});
    chat.say(send).await;
    let refused = chat.hear("chat_error").await;
    assert_eq!((&refused["code"], &refused["id"]), (&json!("unavailable"), &json!("1")));
    let history = json!({"type": "chat_history", "request": 1, "channel": seat.channel});
    assert_eq!(chat.refusal(history).await, "unavailable");
    assert!(gateway.gateway.ready_check()().is_err());
    let (bob, _, _) = writer(&gateway, "bob", "ops").await;
    let grant = alice.floor(seat.channel).await;
    alice.send_voice(&crate::kit::frame(seat, grant, 1));
    assert_eq!(bob.voice().await, crate::kit::frame(seat, grant, 1));
}
