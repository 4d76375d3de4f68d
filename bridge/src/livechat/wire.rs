//! The livechat over real sockets, with a gateway of the tests' own behind it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use suara_proto::CloseCode;
use suara_tcp::{StallAwareListener, serve};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, coding};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::sync::CancellationToken;

use super::door::Door;
use super::kit::{chat, desk, line};
use crate::metrics::Metrics;
use crate::settings::OriginPolicy;
use crate::trunk::{ChatEvent, TrunkEvent};

struct Livechat {
    address: SocketAddr,
    events: mpsc::UnboundedSender<TrunkEvent>,
    door: Door,
}

struct Visitor(WebSocketStream<TcpStream>);

async fn livechat() -> Livechat {
    let (desk, events) = desk();
    let door = Door::new(desk, vec!["127.0.0.1/32".parse().unwrap()], Metrics::default());
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let allow: OriginPolicy = Arc::new(|origin, _| origin == "https://radio.example");
    tokio::spawn(serve(StallAwareListener::new(listener), door.router(&allow), CancellationToken::new()));
    Livechat { address, events, door }
}

async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), event).await.expect("it comes")
}

impl Livechat {
    async fn open(&self, query: &str) -> Result<Visitor, u16> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        match soon(client_async(format!("ws://{}/livechat/ws{query}", self.address), stream)).await {
            Ok((socket, _)) => Ok(Visitor(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn visitor(&self, session: &str) -> Visitor {
        let mut visitor =
            self.open(&format!("?token={session}")).await.unwrap_or_else(|status| panic!("{status}"));
        assert_eq!(visitor.hear().await["type"], "connection:success");
        visitor
    }

    async fn post(&self, body: impl Into<reqwest::Body>, header: (&str, &str)) -> reqwest::Response {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/livechat/session", self.address);
        let (name, value) = header;
        soon(client.post(url).header(name, value).body(body).send()).await.unwrap()
    }
}

impl Visitor {
    async fn say(&mut self, frame: &Value) {
        self.raw(Message::text(frame.to_string())).await;
    }

    async fn raw(&mut self, message: Message) {
        soon(self.0.send(message)).await.unwrap();
    }

    async fn message(&mut self) -> Message {
        soon(self.0.next()).await.expect("the connection stands").unwrap()
    }

    async fn hear(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.message().await {
                return frame.map_or(1005, |frame| frame.code.into());
            }
        }
    }

    async fn send(&mut self, id: Value, text: &str) {
        self.say(&json!({"type": "message:send", "data": {"id": id, "text": text}})).await;
    }
}

#[tokio::test]
async fn handshakes_are_refused_by_status() {
    let livechat = livechat().await;
    for (query, status) in [
        ("", 401),
        ("?token=", 401),
        ("?token=bad", 401),
        ("?token=user", 403),
        ("?token=rightless", 403),
        ("?token=unknown", 503),
    ] {
        assert_eq!(livechat.open(query).await.err(), Some(status), "{query}");
    }
    let plain = reqwest::get(format!("http://{}/livechat/ws?token=v1", livechat.address)).await.unwrap();
    assert_eq!(plain.status(), 426);
}

#[tokio::test]
async fn a_session_is_got_by_name_and_opened_by_its_token() {
    let livechat = livechat().await;
    let page = ("origin", "https://radio.example");
    let answer = livechat.post(r#"{"name":"Budi"}"#, page).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://radio.example");
    let session: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(session, json!({"sessionToken": "v1", "sessionId": "v1", "expiresAt": 2_000_000_000_000_u64}));
    let mut visitor = livechat.open("?token=v1").await.unwrap();
    let success = visitor.hear().await;
    assert_eq!(success["data"]["sessionId"], "v1");
    assert_eq!((&success["data"]["name"], &success["data"]["messages"]), (&json!("Budi"), &json!([])));
}

#[tokio::test]
async fn bad_sessions_are_refused_and_one_address_gets_only_so_many() {
    let livechat = livechat().await;
    for (body, status) in [
        ("{}".to_owned(), 400),
        ("not JSON".to_owned(), 400),
        (r#"{"name":7}"#.to_owned(), 400),
        (r#"{"name":""}"#.to_owned(), 400),
        (r#"{"name":["x"]}"#.to_owned(), 400),
        (format!(r#"{{"name":"{}"}}"#, "x".repeat(10_000)), 413),
    ] {
        assert_eq!(livechat.post(body, ("x-forwarded-for", "192.0.2.1")).await.status(), status);
    }
    assert_eq!(livechat.post(r#"{"name":"x"}"#, ("origin", "https://evil.example")).await.status(), 403);
    let mut refused = 0;
    for _ in 0..40 {
        let answer = livechat.post(r#"{"name":"x"}"#, ("x-forwarded-for", "192.0.2.2")).await;
        refused += u32::from(answer.status() == 429 && answer.headers().contains_key("retry-after"));
    }
    assert!(refused > 0, "a flood from one address");
    let other = livechat.post(r#"{"name":"x"}"#, ("x-forwarded-for", "192.0.2.3")).await;
    assert_eq!(other.status(), 201, "and from no other");
}

#[tokio::test]
async fn a_message_is_acknowledged_once_stored_and_again_when_it_is_sent_again() {
    let livechat = livechat().await;
    let (mut one, mut other) = (livechat.visitor("v1").await, livechat.visitor("v1").await);
    one.send(json!(7), "<b>Halo</b> & 'hai'").await;
    let ack = one.hear().await;
    assert_eq!(ack, json!({"type": "message:ack", "data": {"id": 7, "messageId": 1, "timestamp": 1001}}));
    one.send(json!(7), "<b>Halo</b> & 'hai'").await;
    assert_eq!(one.hear().await, ack);
    let shown = other.hear().await;
    assert_eq!(shown["type"], "message:sent");
    assert_eq!(shown["data"]["text"], "&lt;b&gt;Halo&lt;/b&gt; &amp; &#x27;hai&#x27;");

    one.say(&json!({"type": "message:send", "data": {"text": "tanpa id"}})).await;
    let ack = one.hear().await;
    assert_eq!((&ack["type"], &ack["data"]["messageId"]), (&json!("message:ack"), &json!(2)));
    assert_eq!(other.hear().await["data"]["messageId"], 2, "the repeated one was not shown again");
}

#[tokio::test]
async fn an_answer_by_staff_and_its_typing_reach_the_session_and_no_other() {
    let livechat = livechat().await;
    let mut one = livechat.visitor("v1").await;
    let mut other = livechat.visitor("v2").await;
    one.send(json!("m"), "halo").await;
    one.hear().await;
    other.send(json!("m"), "hai").await;
    other.hear().await;
    let (talker, name) = (suara_proto::TalkerNumber(3), "Penyiar <A>".to_owned());
    let typing = ChatEvent::Typing { talker, user: "p1".to_owned(), name };
    livechat.events.send(chat(100, typing)).unwrap();
    let said = line(2, "p1", "Segera diputar!");
    livechat.events.send(chat(100, ChatEvent::Said { member: None, said })).unwrap();

    assert_eq!(one.hear().await, json!({"type": "user:typing", "data": {"from": "Penyiar &lt;A&gt;"}}));
    let receive = one.hear().await;
    assert_eq!(receive["type"], "message:receive");
    assert_eq!(
        (&receive["data"]["from"], &receive["data"]["text"]),
        (&json!("Name of p1"), &json!("Segera diputar!"))
    );
    other.send(json!("n"), "masih di sini").await;
    assert_eq!(other.hear().await["data"]["id"], "n", "nothing came before it");
}

#[tokio::test]
async fn bad_frames_are_answered_and_cost_nobody_the_connection() {
    let livechat = livechat().await;
    let mut visitor = livechat.visitor("v1").await;
    for bad in [
        "not JSON",
        "[]",
        "null",
        "7",
        r#"{"type":"message:send"}"#,
        r#"{"type":"message:send","data":{"text":7}}"#,
        r#"{"type":"livechat:reply","data":{"sessionId":"v2","text":"x"}}"#,
        "' OR 1=1; --",
    ] {
        visitor.raw(Message::text(bad)).await;
        assert_eq!(visitor.hear().await["type"], "error:invalid_payload", "{bad}");
    }
    visitor.raw(Message::text(format!(r#"{{"type":{}"#, "[".repeat(50_000)))).await;
    assert_eq!(visitor.hear().await["type"], "error:invalid_payload");
    visitor.raw(Message::binary(vec![0, 1, 2])).await;
    assert_eq!(visitor.hear().await["type"], "error:invalid_payload");
    visitor.send(json!("m"), "masih di sini").await;
    assert_eq!(visitor.hear().await["type"], "message:ack");
}

#[tokio::test]
async fn a_frame_of_ten_megabytes_is_refused_by_name_and_closed() {
    let livechat = livechat().await;
    let visitor = livechat.visitor("v1").await;
    let (mut sink, mut stream) = visitor.0.split();
    let frame = json!({"type": "message:send", "data": {"text": "x".repeat(10 << 20)}}).to_string();
    // The server hangs up on it in the middle.
    let sending = tokio::spawn(async move { sink.send(Message::text(frame)).await.is_ok() });
    let first = soon(stream.next()).await.unwrap().unwrap();
    assert!(first.to_text().unwrap().contains("error:invalid_payload"), "{first:?}");
    let Some(Ok(Message::Close(Some(close)))) = soon(stream.next()).await else { panic!("it is closed") };
    assert_eq!(u16::from(close.code), 1009);
    sending.abort();
    let mut other = livechat.visitor("v2").await;
    other.send(json!("m"), "x").await;
    assert_eq!(other.hear().await["type"], "message:ack", "nobody else is concerned");
}

#[tokio::test]
async fn text_that_is_no_utf_8_is_refused_by_name_and_closed() {
    let livechat = livechat().await;
    let mut visitor = livechat.visitor("v1").await;
    let frame = Frame::message(vec![0xc3, 0x28, 0xff], OpCode::Data(Data::Text), true);
    visitor.raw(Message::Frame(frame)).await;
    assert_eq!(visitor.hear().await["type"], "error:invalid_payload");
    assert_eq!(visitor.code().await, u16::from(coding::CloseCode::Invalid));
}

#[tokio::test]
async fn who_sends_too_fast_is_told_and_who_goes_on_is_closed() {
    let livechat = livechat().await;
    let visitor = livechat.visitor("v1").await;
    let (mut sink, mut stream) = visitor.0.split();
    let sending = tokio::spawn(async move {
        for number in 0..500 {
            let frame = json!({"type": "message:send", "data": {"id": number, "text": "spam"}}).to_string();
            if sink.send(Message::text(frame)).await.is_err() {
                break;
            }
        }
    });
    let (mut acked, mut limited) = (0, 0);
    let code = loop {
        match soon(stream.next()).await {
            Some(Ok(Message::Text(text))) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                acked += u32::from(frame["type"] == "message:ack");
                limited += u32::from(frame["type"] == "error:rate_limited");
            }
            Some(Ok(Message::Close(close))) => break close.map(|close| u16::from(close.code)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, Some(1008));
    assert!(acked < 30 && limited > 5, "{acked} {limited}");
    sending.abort();
    livechat.visitor("v1").await;
}

#[tokio::test]
async fn a_token_that_ends_is_told_before_the_connection_ends() {
    let livechat = livechat().await;
    let mut visitor = livechat.visitor("v1").await;
    let member = suara_proto::MemberRef(super::FIRST_MEMBER + 1);
    livechat.events.send(TrunkEvent::Detached { member, code: CloseCode::TokenExpired }).unwrap();
    assert_eq!(visitor.hear().await["type"], "error:invalid_token");
    assert_eq!(visitor.code().await, 1008);
}

#[tokio::test]
async fn a_drain_sends_everybody_elsewhere() {
    let livechat = livechat().await;
    let mut visitor = livechat.visitor("v1").await;
    let door = livechat.door.clone();
    let drained = tokio::spawn(async move { door.drain(Duration::ZERO).await });
    assert_eq!(visitor.code().await, 1001);
    drop(visitor);
    soon(drained).await.unwrap();
    assert_eq!(livechat.open("?token=v1").await.err(), Some(503));
}
