//! Scenarios of the desk: clients that log in, a trunk that comes and goes.

mod renumbered;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socketioxide::socket::Sid;
use suara_proto::message::Right;
use suara_proto::{CloseCode, ErrorCode, RequestId, TalkerNumber};

use super::state::State;
use super::*;
use crate::audio::{Format, Rate};
use crate::channel::{Room, Seat, Sender};
use crate::edge::Lines;
use crate::trunk::recorded::Record;
use crate::trunk::{Called, Joined};

struct Deaf;

impl Outlet for Deaf {
    fn enter(&self, _: Seat, _: &Room) {}
    fn leave(&self, _: Seat, _: &Room) {}
    fn voice(&self, _: &Room, _: &[Seat], _: &Bytes, _: &Sender<'_>) -> usize {
        0
    }
    fn announce(&self, _: &Room, _: &'static str, _: &Value) {}
    fn tell(&self, _: Seat, _: &'static str, _: &Value) {}
}

type Answer<T, E> = oneshot::Receiver<Result<T, E>>;

struct Scene {
    state: State,
    record: Record,
    trouble: watch::Receiver<Option<String>>,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let (trouble, watched) = watch::channel(Some("starting".to_owned()));
        let state = State::new(Routes::default(), Arc::new(Deaf), Metrics::default(), trouble);
        Self { state, record: Record::default(), trouble: watched, now: Instant::now() }
    }

    fn up(&mut self) -> &mut Self {
        self.event(TrunkEvent::Up(self.record.link()));
        self
    }

    fn event(&mut self, event: TrunkEvent) {
        self.state.event(self.now, event);
    }

    fn attach(&mut self) -> (Answer<(MemberRef, Who), AttachError>, mpsc::UnboundedReceiver<Notice>) {
        let ((notices, noticed), (reply, answer)) = (mpsc::unbounded_channel(), oneshot::channel());
        self.state.request(self.now, Request::Attach { token: Token::new("secret"), notices, reply });
        (answer, noticed)
    }

    /// The only message that was said.
    fn said(&mut self, kind: &str) -> (RequestId, Value) {
        let said = self.record.take_control();
        let [message] = &said[..] else { panic!("{said:?}") };
        assert_eq!(message["type"], kind);
        (RequestId(message["request"].as_u64().unwrap_or(0) as u32), message.clone())
    }

    fn logged_in(&mut self) -> (MemberRef, mpsc::UnboundedReceiver<Notice>) {
        let (mut answer, notices) = self.attach();
        let (request, _) = self.said("attach");
        self.event(TrunkEvent::Attached { request, who: who(), expires: 0 });
        (answer.try_recv().unwrap().unwrap().0, notices)
    }

    fn join(&mut self, member: MemberRef) -> Answer<Seated, JoinError> {
        let (reply, answer) = oneshot::channel();
        let lines = Lines::default();
        let handshake = axum::http::Request::new(()).into_parts().0;
        let sid = Sid::new();
        let line = Arc::clone(lines.hold(sid, &handshake, || false).line());
        let format = Format::Pcm16(Rate::new(16_000).unwrap());
        let listener = Listener { seat: Seat { space: "/", sid }, line, format, spelling: json!("gate") };
        self.state.request(self.now, Request::Join { member, channel: "gate".to_owned(), listener, reply });
        answer
    }

    fn joined(&mut self, request: RequestId, number: u32) {
        let (channel, talker) = (ChannelNumber(number), TalkerNumber(1));
        let joined = Joined::plain(request, channel, talker);
        self.event(TrunkEvent::Joined(joined));
    }
}

fn who() -> Who {
    Who { user: "alice".into(), name: "Alice".into(), role: "guard".into() }
}

fn lost() -> TrunkEvent {
    TrunkEvent::Down { reason: "lost".to_owned() }
}

#[tokio::test]
async fn the_gateway_decides_who_logs_in() {
    let mut scene = Scene::new();
    let (mut answer, _notices) = scene.attach();
    assert_eq!(answer.try_recv().unwrap().unwrap_err(), AttachError::Unavailable, "no trunk yet");
    assert!(scene.trouble.borrow().is_some());
    scene.up();
    assert!(scene.trouble.borrow().is_none());
    for (code, error) in [
        (ErrorCode::Unauthenticated, AttachError::Refused),
        (ErrorCode::Unavailable, AttachError::Unavailable),
        (ErrorCode::TooManyMembers, AttachError::Unavailable),
    ] {
        let (mut answer, _notices) = scene.attach();
        let (request, message) = scene.said("attach");
        assert_eq!(message["token"], "secret");
        scene.event(TrunkEvent::Refused { request, code });
        assert_eq!(answer.try_recv().unwrap().unwrap_err(), error);
    }
}

#[tokio::test]
async fn after_the_trunk_was_lost_everybody_is_brought_back_to_where_they_were() {
    let mut scene = Scene::new();
    let (member, mut notices) = scene.up().logged_in();
    let mut answer = scene.join(member);
    let (request, message) = scene.said("join");
    assert_eq!((&message["channel"], &message["member"]), (&json!("gate"), &json!(member.0)));
    scene.joined(request, 17);
    answer.try_recv().unwrap().unwrap();

    scene.event(lost());
    assert!(scene.trouble.borrow().is_some());
    let mut refused = scene.join(MemberRef(99));
    assert!(matches!(refused.try_recv().unwrap(), Err(JoinError::Unavailable)));

    scene.up();
    let (request, message) = scene.said("attach");
    assert_eq!(message["member"], member.0);
    scene.event(TrunkEvent::Attached { request, who: who(), expires: 0 });
    let (request, _) = scene.said("join");
    scene.joined(request, 4);
    assert!(scene.state.routes.write().contains_key(&ChannelNumber(4)));
    assert!(!scene.state.routes.write().contains_key(&ChannelNumber(17)));
    assert!(notices.try_recv().is_err(), "the client noticed nothing");
}

#[tokio::test]
async fn one_who_may_do_less_than_before_is_told_so() {
    let mut scene = Scene::new();
    let (member, mut notices) = scene.up().logged_in();
    let mut answer = scene.join(member);
    let (request, _) = scene.said("join");
    scene.joined(request, 17);
    let Seated { rights, mode, .. } = answer.try_recv().unwrap().unwrap();
    assert_eq!((rights, mode), (Rights::all(), ChannelMode::Ptt));
    let listen = Rights::from_iter([Right::Listen]);
    for (now, told) in [(listen, true), (listen, false), (Rights::all(), true)] {
        scene.event(lost());
        scene.up();
        let (request, _) = scene.said("attach");
        scene.event(TrunkEvent::Attached { request, who: who(), expires: 0 });
        let (request, _) = scene.said("join");
        let joined = Joined::plain(request, ChannelNumber(17), TalkerNumber(1));
        scene.event(TrunkEvent::Joined(Joined { rights: now, ..joined }));
        let notice = Notice::Rights { channel: "gate".to_owned(), rights: now };
        assert_eq!(notices.try_recv().ok(), told.then_some(notice));
    }
    let mut again = scene.join(member);
    assert_eq!(again.try_recv().unwrap().unwrap().rights, Rights::all());
}

#[tokio::test]
async fn one_whose_token_ended_meanwhile_is_told_so() {
    let mut scene = Scene::new();
    let (_, mut notices) = scene.up().logged_in();
    scene.event(lost());
    scene.up();
    let (request, _) = scene.said("attach");
    scene.event(TrunkEvent::Refused { request, code: ErrorCode::Unauthenticated });
    assert_eq!(notices.try_recv().unwrap(), Notice::Expired);
}

#[tokio::test]
async fn a_return_that_cannot_be_decided_is_asked_for_again() {
    let mut scene = Scene::new();
    let (member, mut notices) = scene.up().logged_in();
    scene.event(lost());
    scene.up();
    let (request, _) = scene.said("attach");
    scene.event(TrunkEvent::Refused { request, code: ErrorCode::Unavailable });
    scene.now += Duration::from_millis(2000);
    scene.state.tick(scene.now);
    assert_eq!(scene.said("attach").1["member"], member.0);
    assert!(notices.try_recv().is_err());
}

#[tokio::test]
async fn a_format_that_was_asked_for_during_the_return_stays() {
    let mut scene = Scene::new();
    let (member, _notices) = scene.up().logged_in();
    let _answer = scene.join(member);
    let (request, _) = scene.said("join");
    scene.joined(request, 17);
    scene.event(lost());
    scene.up();
    let (request, _) = scene.said("attach");
    scene.event(TrunkEvent::Attached { request, who: who(), expires: 0 });
    let (request, _) = scene.said("join");

    let mut again = scene.join(member);
    assert!(again.try_recv().unwrap().is_ok());
    let newer = scene.state.members[&member].channels["gate"].listener.seat;
    scene.joined(request, 4);
    assert_eq!(scene.state.members[&member].channels["gate"].listener.seat, newer);
}

#[tokio::test]
async fn an_answer_that_came_too_late_is_undone() {
    let mut scene = Scene::new();
    scene.up();
    let (mut answer, _notices) = scene.attach();
    let (request, message) = scene.said("attach");
    scene.now += Duration::from_secs(5);
    scene.state.tick(scene.now);
    assert_eq!(answer.try_recv().unwrap().unwrap_err(), AttachError::Unavailable);
    scene.event(TrunkEvent::Attached { request, who: who(), expires: 0 });
    assert_eq!(scene.said("detach").1["member"], message["member"]);

    let (member, _notices) = scene.logged_in();
    let mut answer = scene.join(member);
    let (request, _) = scene.said("join");
    scene.now += Duration::from_secs(5);
    scene.state.tick(scene.now);
    assert!(matches!(answer.try_recv().unwrap(), Err(JoinError::Unavailable)));
    scene.joined(request, 17);
    assert_eq!(scene.said("leave").1["channel"], 17);
}

#[tokio::test]
async fn while_the_trunk_is_busy_nothing_is_begun_but_what_was_begun_ends() {
    let mut scene = Scene::new();
    let (member, _notices) = scene.up().logged_in();
    let _joined = scene.join(member);
    let (request, _) = scene.said("join");
    scene.joined(request, 17);
    let (other, _notices) = scene.logged_in();

    scene.record.set_busy(true);
    let (mut answer, _notices) = scene.attach();
    assert_eq!(answer.try_recv().unwrap().unwrap_err(), AttachError::Unavailable);
    let mut answer = scene.join(other);
    assert!(matches!(answer.try_recv().unwrap(), Err(JoinError::Unavailable)));
    assert!(scene.record.take().is_empty());
    scene.state.request(scene.now, Request::Leave { member, channel: "gate".to_owned() });
    scene.said("leave");
    scene.state.request(scene.now, Request::Detach { member });
    assert_eq!(scene.said("detach").1["member"], member.0);
}

#[tokio::test]
async fn a_client_that_goes_while_it_logs_in_is_detached() {
    let mut scene = Scene::new();
    scene.up();
    let (answer, _notices) = scene.attach();
    let (request, _) = scene.said("attach");
    drop(answer);
    scene.event(TrunkEvent::Attached { request, who: who(), expires: 0 });
    scene.said("detach");
}

#[tokio::test]
async fn joining_again_asks_nobody_and_the_last_to_leave_closes_the_channel() {
    let mut scene = Scene::new();
    let (member, _notices) = scene.up().logged_in();
    let _first = scene.join(member);
    let (request, _) = scene.said("join");
    scene.joined(request, 17);
    let mut again = scene.join(member);
    assert!(again.try_recv().unwrap().is_ok());
    assert!(scene.record.take().is_empty());
    scene.state.request(scene.now, Request::Leave { member, channel: "gate".to_owned() });
    assert_eq!(scene.said("leave").1["channel"], 17);
    assert!(scene.state.routes.write().is_empty());
}

#[tokio::test]
async fn the_gateway_takes_members_out() {
    let mut scene = Scene::new();
    let (member, mut notices) = scene.up().logged_in();
    let _answer = scene.join(member);
    let (request, _) = scene.said("join");
    scene.joined(request, 17);
    scene.event(TrunkEvent::Left { member, channel: ChannelNumber(17), reason: LeaveReason::Kicked });
    let left = Notice::Left { channel: "gate".to_owned(), reason: LeaveReason::Kicked };
    assert_eq!(notices.try_recv().unwrap(), left);
    scene.event(TrunkEvent::Detached { member, code: CloseCode::TokenExpired });
    assert_eq!(notices.try_recv().unwrap(), Notice::Expired);
}

#[tokio::test]
async fn a_call_is_picked_up_without_asking_and_a_lost_one_is_not() {
    let mut scene = Scene::new();
    let (member, mut notices) = scene.up().logged_in();
    let called = |request, number| {
        let (channel, talker) = (ChannelNumber(number), TalkerNumber(2));
        let joined = Joined::plain(request, channel, talker);
        let (channel, users) = ("gate".to_owned(), vec!["bob".to_owned(), "alice".to_owned()]);
        TrunkEvent::Called(Called { member, channel, by: who(), users, joined })
    };
    let ended = |number| {
        let channel = ChannelNumber(number);
        TrunkEvent::Left { member, channel, reason: LeaveReason::Ended }
    };

    scene.event(called(RequestId(0), 19));
    assert!(matches!(notices.try_recv().unwrap(), Notice::Called { channel, .. } if channel == "gate"));
    let mut answer = scene.join(member);
    assert!(answer.try_recv().unwrap().is_ok());
    assert!(scene.record.take().iter().all(|said| !format!("{said:?}").contains("\"join\"")));
    scene.event(ended(19));
    let left = Notice::Left { channel: "gate".to_owned(), reason: LeaveReason::Ended };
    assert_eq!(notices.try_recv().unwrap(), left);

    scene.event(called(RequestId(0), 20));
    scene.event(ended(20));
    let _answer = scene.join(member);
    scene.said("join");
}

#[tokio::test]
async fn who_raises_an_emergency_is_in_its_channel_and_what_is_told_there_waits_for_it() {
    let mut scene = Scene::new();
    let (member, mut notices) = scene.up().logged_in();
    let raise = |scene: &mut Scene| {
        let (reply, answer) = oneshot::channel();
        let what = Box::new(Emergency { location: None, text: Some("Man down".to_owned()) });
        scene.state.request(scene.now, Request::Emergency { member, what, reply });
        answer
    };
    let mut answer = raise(&mut scene);
    let (request, message) = scene.said("emergency");
    assert_eq!((&message["member"], &message["text"]), (&json!(member.0), &json!("Man down")));
    let number = ChannelNumber(20);
    let (channel, talker) = ("gate".to_owned(), TalkerNumber(1));
    let joined = Joined::plain(RequestId(0), number, talker);
    scene.event(TrunkEvent::Brought { member, channel, joined });
    scene.event(TrunkEvent::Alert { channel: number, user: "alice".to_owned(), alert: Some(json!({})) });
    scene.event(TrunkEvent::Raised { request, channel: number, microphone_ms: 10_000 });
    let raised = Raised { channel: "gate".to_owned(), microphone: Duration::from_secs(10) };
    assert_eq!(answer.try_recv().unwrap(), Ok(raised));
    assert!(notices.try_recv().is_err(), "the session knows by its answer");
    assert_eq!(scene.state.early_alerts.len(), 1);
    let mut picked_up = scene.join(member);
    assert!(picked_up.try_recv().unwrap().is_ok());
    assert!(scene.state.early_alerts.is_empty());

    let user = Some("bob".to_owned());
    scene.record.take();
    scene.state.request(scene.now, Request::EndEmergency { member, channel: "gate".to_owned(), user });
    let (_, message) = scene.said("emergency_cancel");
    assert_eq!((&message["channel"], &message["user"]), (&json!(20), &json!("bob")));

    let mut answer = raise(&mut scene);
    let (request, _) = scene.said("emergency");
    scene.event(TrunkEvent::Refused { request, code: ErrorCode::RateLimited });
    assert_eq!(answer.try_recv().unwrap(), Err(JoinError::TooFast));
    let mut answer = raise(&mut scene);
    scene.event(lost());
    assert_eq!(answer.try_recv().unwrap(), Err(JoinError::Unavailable));
}

#[tokio::test]
async fn a_call_that_a_client_cannot_play_is_left_at_once() {
    let mut scene = Scene::new();
    let (member, mut notices) = scene.up().logged_in();
    let joined = Joined::plain(RequestId(0), ChannelNumber(19), TalkerNumber(2));
    let channel = "gate".to_owned();
    let called = Called { member, channel: channel.clone(), by: who(), users: Vec::new(), joined };
    scene.event(TrunkEvent::Called(called));
    assert!(matches!(notices.try_recv().unwrap(), Notice::Called { .. }));
    scene.state.request(scene.now, Request::Leave { member, channel });
    let (_, left) = scene.said("leave");
    assert_eq!((&left["channel"], &left["member"]), (&json!(19), &json!(member.0)));
    let _answer = scene.join(member);
    scene.said("join");
}

#[test]
fn a_token_cannot_be_logged() {
    assert_eq!(format!("{:?}", Token::new("secret")), "Token(…)");
}

#[tokio::test]
async fn the_gateway_says_what_a_member_may_do() {
    let mut scene = Scene::new();
    let (member, _notices) = scene.up().logged_in();
    let ask = |scene: &mut Scene| {
        let (reply, answer) = oneshot::channel();
        scene.state.request(scene.now, Request::May { member, channel: "yard".to_owned(), reply });
        answer
    };
    let mut answer = ask(&mut scene);
    let (request, message) = scene.said("may");
    assert_eq!((&message["channel"], &message["member"]), (&json!("yard"), &json!(member.0)));
    scene.event(TrunkEvent::Rights { request, rights: Rights::all() });
    assert_eq!(answer.try_recv().unwrap(), Ok(Rights::all()));

    let mut answer = ask(&mut scene);
    let (request, _) = scene.said("may");
    scene.event(TrunkEvent::Refused { request, code: ErrorCode::BadField });
    assert_eq!(answer.try_recv().unwrap(), Err(JoinError::Name));
    let mut answer = ask(&mut scene);
    scene.event(lost());
    assert_eq!(answer.try_recv().unwrap(), Err(JoinError::Unavailable));
}

#[tokio::test]
async fn the_gateway_says_whose_a_token_is_and_what_became_of_a_broadcast() {
    let mut scene = Scene::new();
    scene.up();
    let (reply, mut answer) = oneshot::channel();
    scene.state.request(scene.now, Request::Verify { token: Token::new("secret"), reply });
    let (request, message) = scene.said("verify");
    assert_eq!(message["token"], "secret");
    let bearer = Bearer { user: "billing".into(), is_service: true, expires: 1 };
    scene.event(TrunkEvent::Verified { request, bearer: bearer.clone() });
    assert_eq!(answer.try_recv().unwrap(), Ok(bearer));

    let broadcast = || serde_json::from_str::<Broadcast<'_>>(r#"{"event":"n","user":"alice"}"#).unwrap();
    let (reply, mut answer) = oneshot::channel();
    scene.state.request(scene.now, Request::Notify { broadcast: Box::new(broadcast()), reply });
    let (request, message) = scene.said("notify");
    assert_eq!((&message["event"], &message["user"]), (&json!("n"), &json!("alice")));
    scene.event(TrunkEvent::Notified { request, kept: true });
    assert_eq!(answer.try_recv().unwrap(), Ok(true));

    let (reply, mut answer) = oneshot::channel();
    scene.state.request(scene.now, Request::Notify { broadcast: Box::new(broadcast()), reply });
    scene.event(lost());
    assert_eq!(answer.try_recv().unwrap(), Err(AttachError::Unavailable));
}

#[tokio::test]
async fn what_was_kept_for_a_member_is_told_to_it() {
    let mut scene = Scene::new();
    let (member, mut notices) = scene.up().logged_in();
    scene.event(TrunkEvent::Notification { member, event: "n".to_owned(), payload: json!(1) });
    assert_eq!(notices.try_recv().unwrap(), Notice::Told { event: "n".to_owned(), payload: json!(1) });
}

#[tokio::test]
async fn one_without_a_token_is_a_guest_where_the_gateway_admits_such() {
    let mut scene = Scene::new();
    scene.up();
    let ask = |scene: &mut Scene| {
        let (reply, answer) = oneshot::channel();
        scene.state.request(scene.now, Request::Guest { reply });
        answer
    };
    let mut answer = ask(&mut scene);
    let (request, _) = scene.said("guest");
    scene.event(TrunkEvent::Refused { request, code: ErrorCode::Forbidden });
    assert_eq!(answer.try_recv().unwrap().unwrap_err(), AttachError::NoGuests);

    let mut answer = ask(&mut scene);
    let (request, _) = scene.said("guest");
    scene.event(TrunkEvent::GuestSession { request, token: "guest's".to_owned() });
    let token = answer.try_recv().unwrap().unwrap();
    let ((notices, mut noticed), (reply, _answer)) = (mpsc::unbounded_channel(), oneshot::channel());
    scene.state.request(scene.now, Request::Attach { token, notices, reply });
    let (request, message) = scene.said("attach");
    assert_eq!((&message["token"], &message["scope"]), (&json!("guest's"), &json!("guest")));
    scene.event(TrunkEvent::Attached { request, who: who(), expires: 0 });
    // The gateway that comes back admits none any more.
    scene.event(lost());
    scene.up();
    let (request, message) = scene.said("attach");
    assert_eq!(message["scope"], "guest");
    scene.event(TrunkEvent::Refused { request, code: ErrorCode::Forbidden });
    assert_eq!(noticed.try_recv().unwrap(), Notice::Expired);
}
