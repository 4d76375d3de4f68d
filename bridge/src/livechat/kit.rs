//! For tests: a gateway that answers what is said on a recorded link.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use suara_proto::message::ChatMessage;
use suara_proto::{ChannelNumber, ErrorCode, MemberRef, RequestId, TalkerNumber};
use tokio::sync::mpsc;

use super::desk::Desk;
use super::staff::StaffRoom;
use crate::metrics::Metrics;
use crate::trunk::recorded::{Record, Said};
use crate::trunk::{ChatEvent, Joined, TrunkEvent, Who};

pub(super) fn line(number: u64, user: &str, text: &str) -> ChatMessage<'static> {
    let [user, name, role, text] =
        [user.to_owned(), format!("Name of {user}"), String::new(), text.to_owned()].map(Into::into);
    ChatMessage { message: number, user, name, role, text, at: 1000 + number }
}

pub(super) fn who(session: &str) -> Who {
    Who { user: format!("livechat/{session}").into(), name: "Budi".into(), role: "".into() }
}

pub(super) fn joined(request: RequestId, number: u32) -> TrunkEvent {
    let (channel, talker) = (ChannelNumber(number), TalkerNumber(1));
    TrunkEvent::Joined(Joined::plain(request, channel, talker))
}

pub(super) fn chat(channel: u32, chat: ChatEvent) -> TrunkEvent {
    TrunkEvent::Chat { channel: ChannelNumber(channel), chat }
}

pub(super) fn request(message: &Value) -> RequestId {
    RequestId(number(&message["request"]))
}

pub(super) fn member(message: &Value) -> MemberRef {
    MemberRef(number(&message["member"]))
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}

/// Nobody of staff is here.
pub(super) struct NoStaff;

impl StaffRoom for NoStaff {
    fn tell(&self, _: &'static str, _: &Value) {}
}

/// Takes tokens that are a session's id; `bad`, `user` and `unknown` are refused in their ways. Stores what is sent.
pub(super) struct FakeGateway {
    events: mpsc::UnboundedSender<TrunkEvent>,
    sessions: HashMap<MemberRef, String>,
    channels: HashMap<String, u32>,
    stored: HashMap<u32, Vec<ChatMessage<'static>>>,
    ids: HashMap<(u32, String), u64>,
}

/// A desk on such a gateway, and the way to say more to it.
pub(super) fn desk() -> (Desk, mpsc::UnboundedSender<TrunkEvent>) {
    let (events, happened) = mpsc::unbounded_channel();
    let desk = Desk::start(happened, Arc::new(NoStaff), Metrics::default());
    let record = Record::default();
    events.send(TrunkEvent::Up(record.link())).unwrap();
    let mut gateway = FakeGateway {
        events: events.clone(),
        sessions: HashMap::new(),
        channels: HashMap::new(),
        stored: HashMap::new(),
        ids: HashMap::new(),
    };
    tokio::spawn(async move {
        loop {
            for said in record.take() {
                gateway.hear(said);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    (desk, events)
}

impl FakeGateway {
    fn say(&self, event: TrunkEvent) {
        self.events.send(event).ok();
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::Control(message) => self.control(&message),
            Said::Chat(message) => self.chat(&message),
            Said::Voice(_) => panic!("visitors don't talk"),
        }
    }

    fn control(&mut self, message: &Value) {
        let refuse = |code| TrunkEvent::Refused { request: request(message), code };
        match message["type"].as_str().unwrap() {
            "visitor" if message["name"] == "" => self.say(refuse(ErrorCode::BadField)),
            "visitor" => self.say(TrunkEvent::VisitorSession {
                request: request(message),
                session: "v1".to_owned(),
                token: "v1".to_owned(),
                expires: 2_000_000_000,
            }),
            "attach" => {
                assert_eq!(message["scope"], "livechat");
                match message["token"].as_str().unwrap() {
                    "bad" => self.say(refuse(ErrorCode::Unauthenticated)),
                    "user" => self.say(refuse(ErrorCode::Forbidden)),
                    "unknown" => self.say(refuse(ErrorCode::Unavailable)),
                    session => {
                        self.sessions.insert(member(message), session.to_owned());
                        let who = who(session);
                        self.say(TrunkEvent::Attached {
                            request: request(message),
                            who,
                            expires: 2_000_000_000,
                        });
                    }
                }
            }
            "join" => {
                let session = &self.sessions[&member(message)];
                assert_eq!(message["channel"], format!("livechat/{session}"), "its own and no other");
                if session == "rightless" {
                    return self.say(refuse(ErrorCode::Forbidden));
                }
                let next = 100 + self.channels.len() as u32;
                let number = *self.channels.entry(session.clone()).or_insert(next);
                self.say(joined(request(message), number));
            }
            _ => {}
        }
    }

    fn chat(&mut self, message: &Value) {
        let number = number(&message["channel"]);
        match message["type"].as_str().unwrap() {
            "chat_history" => {
                let after = message["after"].as_u64().unwrap_or(0);
                let stored = self.stored.get(&number).into_iter().flatten();
                let messages = stored.filter(|line| line.message > after).cloned().collect();
                self.say(chat(number, ChatEvent::Page { request: request(message), messages, more: false }));
            }
            "chat_send" => {
                let (id, member) = (message["id"].as_str().unwrap().to_owned(), member(message));
                let session = self.sessions[&member].clone();
                let stored = self.stored.entry(number).or_default();
                let next = stored.len() as u64 + 1;
                let place = *self.ids.entry((number, id.clone())).or_insert(next);
                self.say(chat(number, ChatEvent::Stored { member, id, message: place, at: 1000 + place }));
                if place == next {
                    let text = message["text"].as_str().unwrap();
                    let said = line(next, &format!("livechat/{session}"), text);
                    self.stored.entry(number).or_default().push(said.clone());
                    self.say(chat(number, ChatEvent::Said { member: Some(member), said }));
                }
            }
            _ => {}
        }
    }
}
