//! Staff and visitors: who sees what is said to whom.

use serde_json::{Value, json};
use suara_gateway::auth::{Claims, Minter};

use crate::kit::{ChatStream, Client, LIVECHAT_SECRET, TestGateway, claims, number, passes, soon};

/// A trunk with a visitor in its channel.
pub(crate) struct Visitor {
    pub(crate) trunk: Client,
    pub(crate) chat: ChatStream,
    pub(crate) session: String,
    pub(crate) channel: u32,
}

fn staff(name: &str) -> Claims {
    Claims { role: Some("admin".to_owned()), channels: Some(Vec::new()), ..claims(name) }
}

async fn join(trunk: &mut Client, member: u32, name: &str) -> (String, u32) {
    let session = trunk.ask(json!({"type": "visitor", "name": name})).await;
    let token = &session["token"];
    trunk.ask(json!({"type": "attach", "member": member, "token": token, "scope": "livechat"})).await;
    let session = session["session"].as_str().expect("a text").to_owned();
    let channel = format!("livechat/{session}");
    let joined = trunk.ask(json!({"type": "join", "member": member, "channel": channel})).await;
    (session, number(&joined["channel"]))
}

pub(crate) async fn visitor(gateway: &TestGateway, name: &str) -> Visitor {
    let mut trunk = gateway.trunk().await;
    let chat = ChatStream::open(&trunk.connection).await;
    let (session, channel) = join(&mut trunk, 1, name).await;
    Visitor { trunk, chat, session, channel }
}

impl Visitor {
    pub(crate) async fn send(&mut self, id: &str, text: &str) -> Value {
        let channel = self.channel;
        let send = json!({"type": "chat_send", "channel": channel, "member": 1, "id": id, "text": text});
        self.chat.say(send).await;
        self.chat.hear("chat_ack").await
    }
}

pub(crate) async fn watching(gateway: &TestGateway, name: &str) -> (Client, ChatStream, Value) {
    let client = gateway.welcome(&staff(name)).await;
    let mut chat = ChatStream::open(&client.connection).await;
    chat.say(json!({"type": "livechat_watch", "request": 1})).await;
    let inbox = chat.hear("livechat_inbox").await;
    (client, chat, inbox)
}

#[tokio::test]
async fn staff_hears_every_visitor_once_and_visitors_hear_their_own_answers() {
    let gateway = TestGateway::start();
    let (_one, mut admin, inbox) = watching(&gateway, "sari").await;
    assert_eq!(inbox["conversations"], json!([]));
    // To ask again ends nothing.
    admin.say(json!({"type": "livechat_watch", "request": 2})).await;
    admin.hear("livechat_inbox").await;
    let (_two, mut other, _) = watching(&gateway, "dewi").await;
    let mut budi = visitor(&gateway, "Budi").await;
    let came = admin.hear("livechat_presence").await;
    assert_eq!((&came["session"], &came["open"]), (&json!(budi.session), &json!(true)));

    budi.send("m-1", "Request lagu").await;
    for staff in [&mut admin, &mut other] {
        let said = staff.hear("livechat").await;
        assert_eq!((&said["session"], &said["text"]), (&json!(budi.session), &json!("Request lagu")));
        assert_eq!((&said["staff"], &said["message"]), (&json!(false), &json!(1)));
    }

    let reply = json!({"type": "livechat_reply", "session": budi.session, "id": "r-1", "text": "Segera!"});
    admin.say(reply.clone()).await;
    let ack = admin.hear("livechat_ack").await;
    assert_eq!((&ack["id"], &ack["message"]), (&json!("r-1"), &json!(2)));
    assert_eq!(admin.hear("livechat").await["message"], 2);
    let seen = other.hear("livechat").await;
    assert_eq!((&seen["staff"], &seen["name"]), (&json!(true), &json!("Name of sari")));
    assert_eq!(budi.chat.hear("chat").await["message"], 1);
    let heard = budi.chat.hear("chat").await;
    assert_eq!((&heard["user"], &heard["text"]), (&json!("sari"), &json!("Segera!")));

    admin.say(reply).await;
    assert_eq!(admin.hear("livechat_ack").await["message"], 2, "sent again it is the same");
    budi.send("m-2", "Terima kasih").await;
    assert_eq!(admin.hear("livechat").await["message"], 3, "and nobody was told twice");
    assert_eq!(budi.chat.hear("chat").await["message"], 3);
}

#[tokio::test]
async fn the_inbox_has_what_is_open_and_what_was_last() {
    let gateway = TestGateway::start();
    let mut gone = visitor(&gateway, "Budi").await;
    gone.send("m", "halo").await;
    let mut here = visitor(&gateway, "Sari").await;
    here.send("m", "hai").await;
    let silent = visitor(&gateway, "Dewi").await;
    let session = gone.session.clone();
    drop(gone);
    let (_client, mut admin, _) = watching(&gateway, "admin-1").await;
    let inbox = loop {
        admin.say(json!({"type": "livechat_watch", "request": 2})).await;
        let inbox = admin.hear("livechat_inbox").await;
        let open = |talk: &&Value| talk["open"] == true;
        if inbox["conversations"].as_array().expect("a list").iter().filter(open).count() == 2 {
            break inbox;
        }
    };
    let talks = inbox["conversations"].as_array().expect("a list");
    let find = |session: &str| talks.iter().find(|talk| talk["session"] == session).expect("it is listed");
    let (closed, open, new) = (find(&session), find(&here.session), find(&silent.session));
    assert_eq!(
        (&closed["open"], &closed["name"], &closed["last"]["text"]),
        (&json!(false), &json!("Budi"), &json!("halo"))
    );
    assert_eq!((&open["open"], &open["last"]["staff"]), (&json!(true), &json!(false)));
    assert_eq!((&new["name"], &new["last"]), (&json!("Dewi"), &Value::Null));
    admin.say(json!({"type": "livechat_history", "request": 3, "session": session, "limit": 10})).await;
    let page = admin.hear("livechat_page").await;
    assert_eq!((&page["messages"][0]["text"], &page["more"]), (&json!("halo"), &json!(false)));
}

#[tokio::test]
async fn only_staff_watches_reads_and_answers() {
    let gateway = TestGateway::start();
    let mut budi = visitor(&gateway, "Budi").await;
    budi.send("m", "halo").await;
    let guard = gateway.user("alice").await;
    let mut chat = ChatStream::open(&guard.connection).await;
    for asked in [
        json!({"type": "livechat_watch", "request": 1}),
        json!({"type": "livechat_reply", "session": budi.session, "id": "x", "text": "x"}),
        json!({"type": "livechat_typing", "session": budi.session}),
        json!({"type": "livechat_history", "request": 1, "session": budi.session}),
    ] {
        chat.say(asked).await;
        assert_eq!(chat.hear("livechat_error").await["code"], "forbidden");
        // Nor a visitor that says that it is staff.
        let forged = json!({"type": "livechat_reply", "member": 1, "session": "x", "id": "x", "text": "x", "role": "admin"});
        budi.chat.say(forged).await;
        assert_eq!(budi.chat.hear("livechat_error").await["code"], "forbidden");
    }
    let as_admin = Claims { role: Some("admin".to_owned()), ..claims("livechat/x") };
    let token = Minter::new(LIVECHAT_SECRET).mint(&as_admin).unwrap();
    let refused = budi.trunk.ask(json!({"type": "attach", "member": 9, "token": token})).await;
    assert_eq!(refused["code"], "unauthenticated", "the visitors' key makes no staff");
}

#[tokio::test]
async fn bad_answers_are_refused_by_name() {
    let gateway = TestGateway::start();
    let (_client, mut admin, _) = watching(&gateway, "admin-1").await;
    let budi = visitor(&gateway, "Budi").await;
    let session = &budi.session;
    for (said, code) in [
        (json!({"type": "livechat_reply", "session": "nobody", "id": "x", "text": "x"}), "not_joined"),
        (json!({"type": "livechat_reply", "session": "a\nb", "id": "x", "text": "x"}), "bad_field"),
        (json!({"type": "livechat_reply", "session": session, "id": "", "text": "x"}), "bad_field"),
        (json!({"type": "livechat_reply", "session": session, "id": "x", "text": " "}), "bad_field"),
        (
            json!({"type": "livechat_reply", "session": session, "id": "x", "text": "x".repeat(4001)}),
            "bad_field",
        ),
        (json!({"type": "livechat_watch", "request": 1, "member": 3}), "unknown_member"),
    ] {
        admin.say(said.clone()).await;
        assert_eq!(admin.hear("livechat_error").await["code"], code, "{said}");
    }
    admin.say(json!({"type": "livechat_reply", "session": session, "id": "x"})).await;
    assert_eq!(admin.hear("chat_error").await["code"], "bad_field");
}

#[tokio::test]
async fn typing_goes_both_ways_and_to_no_other_visitor() {
    let gateway = TestGateway::start();
    let (_client, mut admin, _) = watching(&gateway, "admin-1").await;
    let (mut budi, mut sari) = (visitor(&gateway, "Budi").await, visitor(&gateway, "Sari").await);
    budi.chat.say(json!({"type": "chat_typing", "channel": budi.channel, "member": 1})).await;
    let typing = admin.hear("livechat_typing").await;
    assert_eq!(
        (&typing["session"], &typing["staff"], &typing["name"]),
        (&json!(budi.session), &json!(false), &json!("Budi"))
    );
    admin.say(json!({"type": "livechat_typing", "session": budi.session})).await;
    // A trunk hears of its own members' typing too, since it has others.
    assert_eq!(budi.chat.hear("chat_typing").await["name"], "Budi");
    assert_eq!(budi.chat.hear("chat_typing").await["user"], "admin-1");
    sari.send("m", "x").await;
    assert_eq!(sari.chat.next().await.expect("its own message")["type"], "chat");
}

#[tokio::test]
async fn a_conversation_is_read_by_staff_alone_over_http() {
    let gateway = TestGateway::start();
    let mut budi = visitor(&gateway, "Budi").await;
    budi.send("m", "rahasia").await;
    let address = gateway.http().await;
    let path = format!("http://{address}/api/channels/livechat%2F{}/messages", budi.session);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let ask = async |token: String| {
        let answer =
            soon("an answer", client.get(&path).bearer_auth(token).send()).await.expect("it answers");
        answer.status().as_u16()
    };
    let widest = Claims { channels: Some(vec!["*:listen,talk,dispatch".to_owned()]), ..claims("alice") };
    assert_eq!(ask(crate::kit::mint(&widest)).await, 403);
    assert_eq!(ask(crate::kit::mint(&staff("admin-1"))).await, 200);
    let pass = passes().issue("Mallory", std::time::SystemTime::now()).expect("a name");
    assert!([401, 403].contains(&ask(pass.token).await), "nor by another visitor");
}
