//! A chat stream.

use std::collections::VecDeque;

use serde_json::{Value, json};
use wtransport::{Connection, RecvStream, SendStream};

use super::client::{framed, open_stream};
use super::soon;

pub(crate) struct ChatStream {
    send: SendStream,
    receive: RecvStream,
    bytes: Vec<u8>,
    heard: VecDeque<Value>,
}

impl ChatStream {
    pub(crate) async fn open(connection: &Connection) -> Self {
        let (send, receive) = open_stream(connection, &[2]).await;
        Self { send, receive, bytes: Vec::new(), heard: VecDeque::new() }
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.write(&framed(message.to_string().as_bytes())).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        soon("room on the chat stream", self.send.write_all(bytes)).await.expect("the stream is open");
    }

    /// The next message; `None` at the stream's end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        match self.heard.pop_front() {
            Some(message) => Some(message),
            None => soon("a message of chat", self.read()).await,
        }
    }

    /// The next message of a type; those before it stay to be heard.
    pub(crate) async fn hear(&mut self, kind: &str) -> Value {
        if let Some(at) = self.heard.iter().position(|message| message["type"] == kind) {
            return self.heard.remove(at).expect("it is there");
        }
        loop {
            let message = soon(kind, self.read()).await.expect("the chat stream is open");
            if message["type"] == kind {
                return message;
            }
            self.heard.push_back(message);
        }
    }

    /// Sends a text, and waits for its acknowledgement: its number.
    pub(crate) async fn send(&mut self, channel: u32, id: &str, text: &str) -> u64 {
        self.say(json!({"type": "chat_send", "channel": channel, "id": id, "text": text})).await;
        let ack = self.hear("chat_ack").await;
        assert_eq!((&ack["id"], &ack["channel"]), (&json!(id), &json!(channel)));
        ack["message"].as_u64().expect("a number")
    }

    /// The code by which a message is refused.
    pub(crate) async fn refusal(&mut self, message: Value) -> String {
        self.say(message).await;
        self.hear("chat_error").await["code"].as_str().expect("a code").to_owned()
    }

    /// A page of history, as numbers, and whether there is more.
    pub(crate) async fn history(&mut self, mut asked: Value) -> (Vec<u64>, bool) {
        asked["type"] = "chat_history".into();
        asked["request"] = 7.into();
        self.say(asked).await;
        let page = self.hear("chat_page").await;
        let messages = page["messages"].as_array().expect("a list").iter();
        (
            messages.map(|message| message["message"].as_u64().expect("a number")).collect(),
            page["more"] == true,
        )
    }

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
