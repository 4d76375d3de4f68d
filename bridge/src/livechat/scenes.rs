//! Scenarios of the livechat's desk: visitors who come, write and go, and a trunk that comes and goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use suara_proto::message::ChatMessage;
use suara_proto::{CloseCode, ErrorCode, MemberRef, TalkerNumber};
use tokio::sync::{mpsc, oneshot};

use super::kit::{chat, joined, line, member, request, who};
use super::state::{MAX_UNACKED, PATIENCE, State};
use super::told::{Opened, Opening, Order, Refusal, Told};
use crate::desk::Token;
use crate::metrics::Metrics;
use crate::trunk::recorded::{Record, Said};
use crate::trunk::{ChatEvent, TrunkEvent};

struct Scene {
    state: State,
    record: Record,
    now: Instant,
}

struct Tab {
    member: MemberRef,
    told: mpsc::Receiver<Told>,
    opened: Opened,
}

impl Tab {
    fn heard(&mut self) -> Vec<Told> {
        std::iter::from_fn(|| self.told.try_recv().ok()).collect()
    }
}

type Answer = oneshot::Receiver<Result<Opened, Refusal>>;

const CHANNEL: u32 = 17;

impl Scene {
    fn new() -> Self {
        let mut scene = Self {
            state: State::new(Arc::new(super::kit::NoStaff), Metrics::default()),
            record: Record::default(),
            now: Instant::now(),
        };
        scene.event(TrunkEvent::Up(scene.record.link()));
        scene
    }

    fn event(&mut self, event: TrunkEvent) {
        self.state.event(self.now, event);
    }

    fn chat(&mut self, event: ChatEvent) {
        self.event(chat(CHANNEL, event));
    }

    fn order(&mut self, order: Order) {
        self.state.order(self.now, order);
    }

    fn said(&mut self) -> Vec<Value> {
        let json = |said| match said {
            Said::Control(json) | Said::Chat(json) => json,
            Said::Voice(_) => panic!("visitors don't talk"),
        };
        self.record.take().into_iter().map(json).collect()
    }

    fn only(&mut self, kind: &str) -> Value {
        let said = self.said();
        let [message] = &said[..] else { panic!("{said:?}") };
        assert_eq!(message["type"], kind, "{message}");
        message.clone()
    }

    fn knock(&mut self, after: Option<u64>) -> (Answer, mpsc::Receiver<Told>) {
        let ((outlet, told), (reply, answer)) = (mpsc::channel(64), oneshot::channel());
        self.order(Order::Open { opening: Opening { token: Token::new("secret"), after, outlet }, reply });
        (answer, told)
    }

    /// Answers what brings a visitor in, up to the page.
    fn let_in(&mut self, session: &str, page: &[ChatMessage<'static>]) -> MemberRef {
        let attach = self.only("attach");
        assert_eq!((&attach["scope"], &attach["token"]), (&json!("livechat"), &json!("secret")));
        self.event(TrunkEvent::Attached { request: request(&attach), who: who(session), expires: 9 });
        let join = self.only("join");
        assert_eq!(join["channel"], format!("livechat/{session}"));
        self.event(joined(request(&join), CHANNEL));
        let history = self.only("chat_history");
        self.page(&history, page);
        member(&attach)
    }

    fn page(&mut self, history: &Value, page: &[ChatMessage<'static>]) {
        self.chat(ChatEvent::Page { request: request(history), messages: page.to_vec(), more: false });
    }

    fn tab(&mut self, page: &[ChatMessage<'static>]) -> Tab {
        let (mut answer, told) = self.knock(None);
        let member = self.let_in("v1", page);
        Tab { member, told, opened: answer.try_recv().unwrap().unwrap() }
    }

    fn send(&mut self, tab: &Tab, id: &str, text: &str) {
        self.order(Order::Send { member: tab.member, id: id.to_owned(), text: text.to_owned() });
    }

    fn heard_said(&mut self, by: Option<MemberRef>, said: ChatMessage<'static>) {
        self.chat(ChatEvent::Said { member: by, said });
    }

    fn acked(&mut self, tab: &Tab, id: &str, message: u64) {
        self.chat(ChatEvent::Stored { member: tab.member, id: id.to_owned(), message, at: 1000 + message });
    }
}

fn typing(user: &str, name: &str) -> ChatEvent {
    ChatEvent::Typing { talker: TalkerNumber(3), user: user.to_owned(), name: name.to_owned() }
}

fn texts(told: &[Told]) -> Vec<String> {
    let text = |told: &Told| match told {
        Told::Said(message) => message.text.to_string(),
        other => format!("{other:?}"),
    };
    told.iter().map(text).collect()
}

#[test]
fn a_visitor_is_verified_joins_its_channel_and_is_shown_what_was_said() {
    let mut scene = Scene::new();
    let tab = scene.tab(&[line(1, "livechat/v1", "halo"), line(2, "admin-1", "ya?")]);
    assert_eq!((&*tab.opened.session, &*tab.opened.name, tab.opened.expires), ("v1", "Budi", 9));
    let staff: Vec<_> = tab.opened.said.iter().map(|message| message.staff).collect();
    assert_eq!(staff, [false, true]);
}

#[test]
fn refusals_are_told_apart() {
    for (code, refusal) in [
        (ErrorCode::Unauthenticated, Refusal::Token),
        (ErrorCode::Forbidden, Refusal::Forbidden),
        (ErrorCode::Unavailable, Refusal::Unavailable),
        (ErrorCode::TooManyMembers, Refusal::Unavailable),
    ] {
        let mut scene = Scene::new();
        let (mut answer, _told) = scene.knock(None);
        let attach = scene.only("attach");
        scene.event(TrunkEvent::Refused { request: request(&attach), code });
        assert_eq!(answer.try_recv().unwrap(), Err(refusal));
        assert!(scene.state.visitors.is_empty());
    }
    let mut scene = Scene::new();
    let (mut answer, _told) = scene.knock(None);
    let attach = scene.only("attach");
    scene.event(TrunkEvent::Attached { request: request(&attach), who: who("v1"), expires: 9 });
    let join = scene.only("join");
    scene.event(TrunkEvent::Refused { request: request(&join), code: ErrorCode::Forbidden });
    assert_eq!(answer.try_recv().unwrap(), Err(Refusal::Forbidden));
    assert_eq!(scene.only("detach")["member"], attach["member"]);
}

#[test]
fn who_is_not_answered_in_time_is_told() {
    let mut scene = Scene::new();
    let (mut answer, _told) = scene.knock(None);
    scene.now += PATIENCE;
    scene.state.tick(scene.now);
    assert_eq!(answer.try_recv().unwrap(), Err(Refusal::Unavailable));
}

#[test]
fn a_message_is_acknowledged_when_the_gateway_says_so_and_the_other_tab_sees_it() {
    let mut scene = Scene::new();
    let (mut one, mut other) = (scene.tab(&[]), scene.tab(&[]));
    scene.send(&one, "m-1", "Request lagu");
    let sent = scene.only("chat_send");
    assert_eq!(
        (&sent["id"], &sent["text"], &sent["channel"]),
        (&json!("m-1"), &json!("Request lagu"), &json!(CHANNEL))
    );
    assert!(one.heard().is_empty(), "not before it is stored");
    scene.send(&one, "m-1", "Request lagu");
    assert!(scene.said().is_empty(), "it is under way");

    scene.acked(&one, "m-1", 1);
    scene.heard_said(Some(one.member), line(1, "livechat/v1", "Request lagu"));

    assert_eq!(one.heard(), [Told::Acked { id: "m-1".to_owned(), number: 1, at: 1001 }]);
    assert_eq!(texts(&other.heard()), ["Request lagu"]);
    scene.heard_said(None, line(2, "penyiar-1", "Segera!"));
    assert_eq!(
        (texts(&one.heard()), texts(&other.heard())),
        (vec!["Segera!".to_owned()], vec!["Segera!".to_owned()])
    );
}

#[test]
fn visitors_hear_of_their_own_channel_alone() {
    let mut scene = Scene::new();
    let mut one = scene.tab(&[]);
    scene.event(chat(CHANNEL + 1, ChatEvent::Said { member: None, said: line(1, "admin", "secret") }));
    scene.event(chat(CHANNEL + 1, typing("admin", "A")));
    assert!(one.heard().is_empty());
    scene.event(chat(CHANNEL, typing("livechat/v1", "B")));
    assert!(one.heard().is_empty(), "its own typing");
    scene.event(chat(CHANNEL, typing("admin", "A")));
    assert_eq!(one.heard(), [Told::Typing { name: "A".into() }]);
}

#[test]
fn what_is_said_while_the_history_is_read_comes_after_it_and_once() {
    let mut scene = Scene::new();
    let (mut answer, mut told) = scene.knock(None);
    let attach = scene.only("attach");
    scene.event(TrunkEvent::Attached { request: request(&attach), who: who("v1"), expires: 9 });
    let join = scene.only("join");
    scene.event(joined(request(&join), CHANNEL));
    let history = scene.only("chat_history");
    scene.heard_said(None, line(2, "admin", "two"));
    scene.heard_said(None, line(3, "admin", "three"));
    scene.page(&history, &[line(1, "admin", "one"), line(2, "admin", "two")]);
    let opened = answer.try_recv().unwrap().unwrap();
    let numbers: Vec<_> = opened.said.iter().map(|message| message.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(told.try_recv().is_err());
}

#[test]
fn one_who_comes_back_is_told_what_came_after() {
    let mut scene = Scene::new();
    let (mut answer, _told) = scene.knock(Some(7));
    let attach = scene.only("attach");
    scene.event(TrunkEvent::Attached { request: request(&attach), who: who("v1"), expires: 9 });
    let join = scene.only("join");
    scene.event(joined(request(&join), CHANNEL));
    let history = scene.only("chat_history");
    assert_eq!(history["after"], 7);
    scene.page(&history, &[line(8, "admin", "eight")]);
    assert_eq!(answer.try_recv().unwrap().unwrap().said.len(), 1);
}

#[test]
fn a_lost_trunk_costs_no_message_and_doubles_none() {
    let mut scene = Scene::new();
    let mut tab = scene.tab(&[line(1, "livechat/v1", "one")]);
    scene.send(&tab, "m-2", "two");
    scene.only("chat_send");
    scene.event(TrunkEvent::Down { reason: "lost".to_owned() });
    scene.send(&tab, "m-3", "three");
    assert!(scene.said().is_empty());
    assert!(tab.heard().is_empty(), "the connection stays");

    scene.event(TrunkEvent::Up(scene.record.link()));
    // What was sent before the loss was stored, and staff answered meanwhile.
    let back = scene.let_in("v1", &[line(2, "livechat/v1", "two"), line(3, "admin", "meanwhile")]);
    assert_eq!(back, tab.member);
    let ids: Vec<_> = scene.said().iter().map(|said| said["id"].clone()).collect();
    assert_eq!(ids, [json!("m-2"), json!("m-3")]);
    assert_eq!(
        texts(&tab.heard()),
        ["two", "meanwhile"],
        "what it had no answer to may be shown by its number"
    );
    scene.acked(&tab, "m-2", 2);
    scene.acked(&tab, "m-3", 4);
    scene.heard_said(Some(tab.member), line(4, "livechat/v1", "three"));
    assert_eq!(tab.heard().len(), 2);
}

#[test]
fn those_who_wait_to_be_let_in_are_told_when_the_trunk_is_lost() {
    let mut scene = Scene::new();
    let (mut answer, _told) = scene.knock(None);
    scene.event(TrunkEvent::Down { reason: "lost".to_owned() });
    assert_eq!(answer.try_recv().unwrap(), Err(Refusal::Unavailable));
    let (mut answer, _told) = scene.knock(None);
    assert_eq!(answer.try_recv().unwrap(), Err(Refusal::Unavailable), "nor later");
    assert!(scene.state.visitors.is_empty());
}

#[test]
fn more_than_a_conversation_is_not_kept_waiting() {
    let mut scene = Scene::new();
    let mut tab = scene.tab(&[]);
    for number in 0..=MAX_UNACKED {
        scene.send(&tab, &number.to_string(), "x");
    }
    let refused = Told::Refused { id: MAX_UNACKED.to_string(), code: ErrorCode::RateLimited };
    assert_eq!(tab.heard(), [refused]);
}

#[test]
fn a_refused_message_is_told_by_its_id_and_no_longer_waits() {
    let mut scene = Scene::new();
    let mut tab = scene.tab(&[]);
    scene.send(&tab, "m-1", "x");
    let (member, id) = (tab.member, "m-1".to_owned());
    scene.chat(ChatEvent::NotStored { member, id, code: ErrorCode::Unavailable });
    assert_eq!(tab.heard(), [Told::Refused { id: "m-1".to_owned(), code: ErrorCode::Unavailable }]);
    scene.said();
    scene.send(&tab, "m-1", "x");
    scene.only("chat_send");
}

#[test]
fn a_token_that_ends_ends_the_session() {
    let mut scene = Scene::new();
    let mut tab = scene.tab(&[]);
    scene.event(TrunkEvent::Detached { member: tab.member, code: CloseCode::TokenExpired });
    assert_eq!(tab.heard(), [Told::Expired]);
    assert!(scene.state.visitors.is_empty() && scene.state.channels.is_empty());
}

#[test]
fn one_that_does_not_read_is_ended_and_holds_nobody_up() {
    let mut scene = Scene::new();
    let (mut slow, mut other) = (scene.tab(&[]), scene.tab(&[]));
    for number in 1..=100 {
        scene.heard_said(None, line(number, "admin", "x"));
        other.heard();
    }
    assert_eq!(slow.heard().len(), 64);
    assert!(matches!(slow.told.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
    scene.heard_said(None, line(101, "admin", "y"));
    assert_eq!(texts(&other.heard()), ["y"]);
}

#[test]
fn going_detaches() {
    let mut scene = Scene::new();
    let tab = scene.tab(&[]);
    scene.order(Order::Close { member: tab.member });
    assert_eq!(scene.only("detach")["member"], tab.member.0);
    assert!(scene.state.channels.is_empty());
}

#[test]
fn a_session_is_asked_of_the_gateway() {
    let mut scene = Scene::new();
    let (reply, mut answer) = oneshot::channel();
    scene.order(Order::Mint { name: "Budi".to_owned(), reply });
    let asked = scene.only("visitor");
    assert_eq!(asked["name"], "Budi");
    scene.event(TrunkEvent::VisitorSession {
        request: request(&asked),
        session: "v1".to_owned(),
        token: "t".to_owned(),
        expires: 9,
    });
    assert_eq!(answer.try_recv().unwrap().unwrap().session, "v1");
    scene.event(TrunkEvent::Refused { request: request(&asked), code: ErrorCode::Other });
    let later = scene.now + Duration::from_secs(60);
    scene.state.tick(later);
}
