//! Who is told of what, and that nothing is left of those who went.

use super::*;
use crate::notify::rooms_of;

struct Client {
    presence: Presence,
    queue: mpsc::Receiver<Message>,
}

impl Client {
    fn enter(peers: &Peers, number: u32, room: &str) -> Self {
        let (outbox, queue) = Outbox::new();
        let who =
            Who { user: format!("u{number}").into(), name: format!("U{number}").into(), role: "".into() };
        let addresses = rooms_of(&who.user, "guard");
        let presence = peers.enter(Sid::new(), room.into(), MemberRef(number), who, outbox, addresses);
        Self { presence, queue }
    }

    fn heard(&mut self) -> Vec<Value> {
        let texts = std::iter::from_fn(|| self.queue.try_recv().ok());
        texts.map(|text| serde_json::from_str(text.to_text().unwrap()).unwrap()).collect()
    }
}

fn kinds(heard: &[Value]) -> Vec<&str> {
    heard.iter().filter_map(|frame| frame["type"].as_str()).collect()
}

#[test]
fn producers_are_listed_or_announced_and_never_both() {
    let peers = Peers::default();
    let early = Client::enter(&peers, 1, "a");
    let mut late = Client::enter(&peers, 2, "a");
    let mut elsewhere = Client::enter(&peers, 3, "b");
    assert!(early.presence.welcome().is_empty());
    assert!(elsewhere.presence.welcome().is_empty());
    late.presence.produce("p2".to_owned());
    early.presence.produce("p1".to_owned());
    assert_eq!(late.heard(), Vec::<Value>::new(), "it isn't welcome yet");
    assert_eq!(late.presence.welcome()[0]["producerId"], "p1");
    assert_eq!(late.presence.producer("p1"), Some(Listens::Member(MemberRef(1))));
    assert_eq!(elsewhere.presence.producer("p1"), None, "another channel's");
    drop(early.presence);
    assert_eq!(kinds(&late.heard()), ["producer-closed"]);
    let mut seen = early.queue;
    assert!(seen.try_recv().unwrap().to_text().unwrap().contains("new-producer"));
    assert!(elsewhere.heard().is_empty());
}

#[test]
fn a_broadcast_reaches_the_channels_others_as_it_was() {
    let peers = Peers::default();
    let mut all = [1, 2, 3].map(|number| Client::enter(&peers, number, if number < 3 { "a" } else { "b" }));
    all[0].presence.broadcast(&json!({"text": "hi"}));
    let [own, other, elsewhere] = &mut all;
    assert!(own.heard().is_empty() && elsewhere.heard().is_empty());
    assert_eq!(other.heard()[0]["data"], json!({"text": "hi"}));
}

#[test]
fn nothing_is_left_of_those_who_went() {
    let peers = Peers::default();
    let clients: Vec<_> = (0..10).map(|number| Client::enter(&peers, number, "a")).collect();
    assert_eq!(peers.len(), 10);
    drop(clients);
    assert_eq!(peers.len(), 0);
    assert!(peers.lock().rooms.is_empty() && peers.lock().addressed.is_empty());
}

#[test]
fn one_who_does_not_read_is_found_out() {
    let peers = Peers::default();
    let client = Client::enter(&peers, 1, "a");
    let outbox = peers.lock().peers[&client.presence.sid].outbox.clone();
    for _ in 0..MAX_WAITING {
        peers.announce("a", "floor_idle", &Value::Null);
    }
    assert!(!outbox.full.is_cancelled());
    peers.announce("a", "floor_idle", &Value::Null);
    assert!(outbox.full.is_cancelled());
}

#[test]
fn a_channels_other_members_are_listed_or_announced_and_closed() {
    let peers = Peers::default();
    let mut early = Client::enter(&peers, 1, "a");
    early.presence.welcome();
    let who = |user: &str| Who { user: user.into(), name: user.into(), role: "".into() };
    assert!(peers.cast("b", &[(TalkerNumber(7), who("bob"))]).is_empty(), "nobody is there");
    assert!(peers.cast("a", &[(TalkerNumber(7), who("bob")), (TalkerNumber(8), who("eve"))]).is_empty());
    assert_eq!(kinds(&early.heard()), ["new-producer", "new-producer"]);
    let late = Client::enter(&peers, 2, "a");
    let listed = late.presence.welcome();
    assert_eq!((listed.len(), &listed[0]["userId"]), (2, &json!("bob")));
    let id = listed[0]["producerId"].as_str().unwrap();
    assert_eq!(late.presence.producer(id), Some(Listens::Talker(TalkerNumber(7))));
    assert_eq!(peers.cast("a", &[(TalkerNumber(8), who("eve"))]), [TalkerNumber(7)]);
    let closed = early.heard();
    assert_eq!((kinds(&closed), &closed[0]["data"]["producerId"]), (vec!["producer-closed"], &json!(id)));
    assert_eq!(late.presence.producer(id), None);
}

#[test]
fn back_ends_reach_users_and_roles_once_and_spare_whom_they_except() {
    let peers = Peers::default();
    let mut all = [1, 2, 3].map(|number| Client::enter(&peers, number, "a"));
    let text = Utf8Bytes::from("{}");
    let to = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    peers.spread(&to(&["user:u1", "role:guard", "user:nobody"]), &to(&["user:u2"]), &text);
    assert_eq!(all.each_mut().map(|client| client.heard().len()), [1, 0, 1]);
    peers.spread(&to(&["user:u2"]), &[], &text);
    assert_eq!(all.each_mut().map(|client| client.heard().len()), [0, 1, 0]);
}
