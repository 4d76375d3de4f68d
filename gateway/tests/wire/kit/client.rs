//! One client: a control stream in JSON, and datagrams.

use std::collections::VecDeque;

use serde_json::{Value, json};
use wtransport::error::ConnectionError;
use wtransport::{Connection, RecvStream, SendStream};

use super::soon;

pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) send: SendStream,
    receive: RecvStream,
    bytes: Vec<u8>,
    /// Heard, and not yet looked at.
    heard: VecDeque<Value>,
    requests: u32,
}

/// A place in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) channel: u32,
    pub(crate) talker: u16,
}

impl Client {
    /// Opens the control stream.
    pub(crate) async fn open(connection: Connection) -> Self {
        let (send, receive) = open_stream(&connection, &[1]).await;
        Self { connection, send, receive, bytes: Vec::new(), heard: VecDeque::new(), requests: 1000 }
    }

    pub(crate) async fn hello(&mut self, token: &str) {
        self.say(json!({"type": "hello", "version": 1, "token": token, "client": "test/1"})).await;
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.write(&framed(message.to_string().as_bytes())).await;
    }

    /// Writes bytes that may be no message.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        soon("room on the control stream", self.send.write_all(bytes)).await.expect("the session is open");
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Value {
        match self.heard.pop_front() {
            Some(message) => message,
            None => soon("a message", self.read()).await.expect("the control stream is open"),
        }
    }

    /// The first message that fits; those before it stay to be heard.
    pub(crate) async fn hear_that(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.heard.iter().position(&fits) {
            return self.heard.remove(index).expect("it is there");
        }
        loop {
            let Some(message) = soon(what, self.read()).await else {
                panic!("the control stream ended before {what}; there was {:?}", self.heard);
            };
            if fits(&message) {
                return message;
            }
            self.heard.push_back(message);
        }
    }

    /// The first message of a type.
    pub(crate) async fn hear(&mut self, kind: &str) -> Value {
        self.hear_that(kind, |message| message["type"] == kind).await
    }

    /// Everything that was said until the answer to a `ping` that is sent now.
    pub(crate) async fn so_far(&mut self) -> Vec<Value> {
        self.say(json!({"type": "ping", "nonce": 77})).await;
        let mut all = Vec::new();
        loop {
            let message = self.next().await;
            if message["type"] == "pong" {
                return all;
            }
            all.push(message);
        }
    }

    /// The answer to a message, whatever it is.
    pub(crate) async fn ask(&mut self, mut message: Value) -> Value {
        self.requests += 1;
        let request = self.requests;
        message["request"] = request.into();
        self.say(message).await;
        self.hear_that("the answer", |answer| answer["request"] == request).await
    }

    /// The code of the `error` that answers a message.
    pub(crate) async fn refusal(&mut self, message: Value) -> String {
        let answer = self.ask(message).await;
        assert_eq!(answer["type"], "error", "{answer}");
        assert!(answer["message"].is_string());
        text(&answer["code"])
    }

    pub(crate) async fn join(&mut self, channel: &str) -> Seat {
        seat(&self.ask(json!({"type": "join", "channel": channel})).await)
    }

    /// Joins and says what was answered; for tests that look at the answer.
    pub(crate) async fn joined(&mut self, channel: &str) -> (Seat, Value) {
        let joined = self.ask(json!({"type": "join", "channel": channel})).await;
        (seat(&joined), joined)
    }

    pub(crate) async fn leave(&mut self, channel: u32) {
        self.say(json!({"type": "leave", "channel": channel})).await;
        self.hear_that("left", |said| said["type"] == "left" && said["channel"] == channel).await;
    }

    /// Asks for the floor and gets it.
    pub(crate) async fn floor(&mut self, channel: u32) -> u32 {
        let answer = self.ask(json!({"type": "floor_request", "channel": channel})).await;
        assert_eq!(answer["type"], "floor_granted", "{answer}");
        assert_eq!(answer["channel"], channel);
        number(&answer["grant"])
    }

    pub(crate) async fn release(&mut self, channel: u32, grant: u32) {
        self.say(json!({"type": "floor_release", "channel": channel, "grant": grant})).await;
    }

    /// Who is in a channel, by talker number. Whatever was asked of the channel before is done by then.
    pub(crate) async fn roster(&mut self, channel: u32) -> Vec<(u16, String)> {
        self.say(json!({"type": "roster_request", "channel": channel})).await;
        let whole = |said: &Value| {
            said["type"] == "roster" && said["channel"] == channel && said["members"].is_array()
        };
        let roster = self.hear_that("the roster", whole).await;
        assert!(roster["since"].is_null());
        let members = roster["members"].as_array().expect("a list").iter();
        members.map(|member| (talker(member), text(&member["user"]))).collect()
    }

    /// Waits for a roster delta that tells of this talker's coming.
    pub(crate) async fn sees_join(&mut self, user: &str) -> Value {
        let came = |said: &Value| member_in(&said["joined"], |member| member["user"] == user);
        self.hear_that("a newcomer", |said| said["type"] == "roster" && came(said)).await
    }

    /// Waits for a roster delta that tells of this talker's going; its reason.
    pub(crate) async fn sees_leave(&mut self, talker: u16) -> String {
        let gone = |said: &Value| member_in(&said["left"], |left| left["talker"] == talker);
        let delta = self.hear_that("a leave", |said| said["type"] == "roster" && gone(said)).await;
        let left = delta["left"].as_array().expect("a list");
        text(&left.iter().find(|left| left["talker"] == talker).expect("it is in there")["reason"])
    }

    pub(crate) fn send_voice(&self, frame: &[u8]) {
        self.connection.send_datagram(frame).expect("datagrams can be sent");
    }

    /// The next voice frame, without what rides along with it.
    pub(crate) async fn voice(&self) -> Vec<u8> {
        let mut bytes = self.voice_as_it_came().await;
        while bytes[0] == 1 && bytes[3] > 0 {
            let length = u16::from_be_bytes([bytes[20], bytes[21]]);
            bytes.drain(20..22 + usize::from(length));
            bytes[3] -= 1;
        }
        bytes
    }

    /// The next voice frame with all that is in it.
    pub(crate) async fn voice_as_it_came(&self) -> Vec<u8> {
        let datagram = soon("voice", self.connection.receive_datagram()).await.expect("the session is open");
        datagram.payload().to_vec()
    }

    /// The session's end: what `closing` says, with the code by which the connection was closed after it.
    pub(crate) async fn ending(&mut self) -> (Value, u64) {
        let closing = self.hear("closing").await;
        let after = soon("the control stream's end", self.read()).await;
        assert_eq!(after, None, "nothing comes after closing");
        (closing, close_code(&self.connection).await)
    }

    /// The name in `closing`, once it is sure that the close's number means the same.
    pub(crate) async fn closing(&mut self) -> String {
        let (closing, number) = self.ending().await;
        let name = text(&closing["code"]);
        let code = suara_proto::CloseCode::ALL.iter().find(|code| code.name() == name);
        assert_eq!(code.map(|code| u64::from(code.number())), Some(number), "{closing}");
        name
    }

    /// Ends the session as a page does that is closed.
    pub(crate) fn vanish(self) {
        self.connection.close(0u32.into(), b"");
    }

    /// Gives the stream's two directions away.
    pub(crate) fn into_parts(self) -> (Connection, SendStream, RecvStream) {
        (self.connection, self.send, self.receive)
    }

    /// One message; `None` at the stream's end.
    async fn read(&mut self) -> Option<Value> {
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some((length, rest)) = self.bytes.split_first_chunk::<4>() {
                let length = u32::from_be_bytes(*length) as usize;
                if let Some(json) = rest.get(..length) {
                    let message = serde_json::from_slice(json).expect("the gateway writes JSON");
                    self.bytes.drain(..4 + length);
                    return Some(message);
                }
            }
            match self.receive.read(&mut chunk).await {
                Ok(Some(length)) => self.bytes.extend_from_slice(&chunk[..length]),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

/// Opens a stream and writes its first bytes.
pub(crate) async fn open_stream(connection: &Connection, first: &[u8]) -> (SendStream, RecvStream) {
    let opening = soon("a stream", connection.open_bi()).await.expect("the session is open");
    let (mut send, receive) = soon("a stream", opening).await.expect("the session is open");
    send.write_all(first).await.expect("the session is open");
    (send, receive)
}

/// The code by which a session was closed. The library says it to who waits for a stream, of which the gateway opens none.
pub(crate) async fn close_code(connection: &Connection) -> u64 {
    match soon("the close", connection.accept_uni()).await {
        Err(ConnectionError::ApplicationClosed(close)) => close.code().into_inner(),
        Err(other) => panic!("closed otherwise: {other}"),
        Ok(_) => panic!("the gateway opened a stream"),
    }
}

pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("tests send no more");
    [&length.to_be_bytes()[..], message].concat()
}

/// The types of messages, in their order.
pub(crate) fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().expect("a type")).collect()
}

pub(crate) fn seat(joined: &Value) -> Seat {
    assert_eq!(joined["type"], "joined", "{joined}");
    Seat { channel: number(&joined["channel"]), talker: talker(joined) }
}

pub(crate) fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn talker(value: &Value) -> u16 {
    number(&value["talker"]).try_into().expect("16 bits")
}

fn member_in(list: &Value, fits: impl Fn(&Value) -> bool) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(fits))
}
