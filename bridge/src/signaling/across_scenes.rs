//! Scenarios of signaling between bridges: what is said is delivered when the scene says so, or lost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketioxide::socket::Sid;

use super::super::scenes::{Post, Told, card, join};
use super::super::{Identity, Peer};
use super::*;
use crate::metrics::Metrics;

/// What was said by all, in order.
type Air = Arc<Mutex<VecDeque<Vec<u8>>>>;

struct Mouth(Air);

impl Speak for Mouth {
    fn speak(&self, bytes: Vec<u8>) -> bool {
        self.0.lock().unwrap().push_back(bytes);
        true
    }
}

/// A bridge, by whom all others live, or nobody does, or it can't be known.
#[derive(Clone)]
struct Eyes {
    me: NodeId,
    see: Arc<Mutex<Option<bool>>>,
}

impl Living for Eyes {
    fn me(&self) -> NodeId {
        self.me
    }

    fn lives(&self, _: NodeId) -> Option<bool> {
        *self.see.lock().unwrap()
    }
}

struct Bridge {
    board: Board,
    post: Post,
    eyes: Eyes,
}

impl Bridge {
    fn new(air: &Air) -> Self {
        let post = Post::default();
        let board = Board::new(post.clone(), Metrics::default());
        let eyes = Eyes { me: NodeId::random(), see: Arc::new(Mutex::new(Some(true))) };
        board.speaks_by(Mouth(air.clone()), eyes.clone());
        Self { board, post, eyes }
    }

    fn sees(&self, lives: Option<bool>) {
        *self.eyes.see.lock().unwrap() = lives;
    }

    fn peer(&self, user: &str) -> Peer {
        let identity = Identity { user: user.into(), role: "guard".into() };
        self.board.peer(Seat { space: "/", sid: Sid::new() }, identity)
    }

    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut *self.post.0.lock().unwrap())
    }
}

struct Scene {
    air: Air,
    one: Bridge,
    other: Bridge,
}

impl Scene {
    fn new() -> Self {
        let air = Air::default();
        let scene = Self { one: Bridge::new(&air), other: Bridge::new(&air), air };
        scene.one.board.up();
        scene.other.board.up();
        scene.settle();
        scene
    }

    /// Everybody hears all that was said, and what is said to that.
    fn settle(&self) {
        loop {
            let said = self.air.lock().unwrap().pop_front();
            let Some(said) = said else { return };
            self.one.board.heard(&said);
            self.other.board.heard(&said);
        }
    }

    fn lose(&self) {
        self.air.lock().unwrap().clear();
    }

    fn silence(&self) {
        self.one.told();
        self.other.told();
    }
}

#[test]
fn peers_of_two_bridges_find_each_other_and_one_makes_the_offers() {
    let scene = Scene::new();
    let (mut alice, mut bob) = (scene.one.peer("alice"), scene.other.peer("bob"));
    join(&mut alice, "yard").unwrap();
    scene.settle();
    assert_eq!(join(&mut bob, "yard"), Ok(json!([card(&alice)])));
    scene.settle();
    assert_eq!(scene.other.told(), [(bob.seat.sid, "existing_peers", json!([card(&alice)]))]);
    let expected = [(alice.seat.sid, "existing_peers", json!([])), (alice.seat.sid, "new_peer", card(&bob))];
    assert_eq!(scene.one.told(), expected);

    let offer = json!({ "type": "offer", "sdp": "v=0\r\n" });
    let to = |peer: &Peer| json!({ "targetId": peer.seat.sid, "signal": offer });
    assert_eq!(bob.signal(&to(&alice)), Ok(()));
    assert_eq!(alice.signal(&to(&bob)), Ok(()));
    scene.settle();
    let from = |peer: &Peer| json!({ "fromId": peer.seat.sid, "signal": offer });
    assert_eq!(scene.one.told(), [(alice.seat.sid, "signal", from(&bob))]);
    assert_eq!(scene.other.told(), [(bob.seat.sid, "signal", from(&alice))]);
    let mut eve = scene.other.peer("eve");
    join(&mut eve, "gate").unwrap();
    assert_eq!(eve.signal(&to(&alice)), Err(super::super::Fault::NoPeer));
}

#[test]
fn who_goes_is_told_to_the_other_bridges_peers_once() {
    let scene = Scene::new();
    let (mut alice, mut bob) = (scene.one.peer("alice"), scene.other.peer("bob"));
    for room in ["yard", "gate"] {
        join(&mut alice, room).unwrap();
        join(&mut bob, room).unwrap();
    }
    scene.settle();
    scene.silence();
    let (gone, seat) = (json!({ "peerId": alice.seat.sid }), bob.seat.sid);
    drop(alice);
    scene.settle();
    assert_eq!(scene.other.told(), [(seat, "peer_disconnected", gone)]);
    assert_eq!(join(&mut bob, "yard"), Ok(json!([])));
}

#[test]
fn of_two_that_come_at_a_time_one_was_there() {
    for _ in 0..20 {
        let scene = Scene::new();
        let (mut alice, mut bob) = (scene.one.peer("alice"), scene.other.peer("bob"));
        assert_eq!(join(&mut alice, "yard"), Ok(json!([])));
        assert_eq!(join(&mut bob, "yard"), Ok(json!([])));
        scene.silence();
        scene.settle();
        let (ones, others) = (scene.one.told(), scene.other.told());
        let (offering, offered) = match (&ones[..], &others[..]) {
            ([(_, "existing_peers", list)], [(_, "new_peer", new)])
            | ([(_, "new_peer", new)], [(_, "existing_peers", list)]) => (list.clone(), new.clone()),
            told => panic!("{told:?}"),
        };
        let cards = [card(&alice), card(&bob)];
        assert!(cards.contains(&offering[0]) && cards.contains(&offered) && offering[0] != offered);
    }
}

#[test]
fn what_was_lost_is_mended_with_the_next_beat_and_nothing_is_told_twice() {
    let scene = Scene::new();
    let (mut alice, mut bob, mut carl) =
        (scene.one.peer("alice"), scene.other.peer("bob"), scene.one.peer("carl"));
    join(&mut bob, "yard").unwrap();
    join(&mut carl, "yard").unwrap();
    scene.settle();
    scene.silence();
    join(&mut alice, "yard").unwrap();
    carl.leave(&Value::Null).unwrap();
    scene.lose();
    assert!(scene.other.told().is_empty());
    scene.one.board.beat();
    scene.settle();
    let mut told = scene.other.told();
    told.sort_by_key(|(_, event, _)| *event);
    let gone = json!({ "peerId": carl.seat.sid });
    let expected = [(bob.seat.sid, "new_peer", card(&alice)), (bob.seat.sid, "peer_disconnected", gone)];
    assert_eq!(told, expected);
    scene.one.board.beat();
    scene.one.board.up();
    scene.other.board.up();
    scene.settle();
    assert!(scene.other.told().is_empty());
}

#[test]
fn a_bridge_that_is_dead_is_gone_with_its_peers_and_back_with_them() {
    let scene = Scene::new();
    let (mut alice, mut bob) = (scene.one.peer("alice"), scene.other.peer("bob"));
    join(&mut alice, "yard").unwrap();
    scene.settle();
    join(&mut bob, "yard").unwrap();
    scene.settle();
    scene.silence();
    let later = Instant::now() + Duration::from_secs(60);
    for unmoved in [Some(true), None] {
        scene.other.sees(unmoved);
        scene.other.board.bury(later);
        assert_eq!(scene.other.told(), []);
    }
    scene.other.sees(Some(false));
    scene.other.board.bury(later);
    assert_eq!(
        scene.other.told(),
        [(bob.seat.sid, "peer_disconnected", json!({ "peerId": alice.seat.sid }))]
    );
    let to = json!({ "targetId": alice.seat.sid, "signal": 1 });
    assert_eq!(bob.signal(&to), Err(super::super::Fault::NoPeer));
    scene.one.board.beat();
    scene.settle();
    // It found her there, so it is the one to offer again.
    assert_eq!(scene.other.told(), [(bob.seat.sid, "existing_peers", json!([card(&alice)]))]);
    assert_eq!(bob.signal(&to), Ok(()));
}

#[test]
fn no_word_makes_it_fail() {
    let scene = Scene::new();
    let mut alice = scene.one.peer("alice");
    join(&mut alice, "yard").unwrap();
    let said = scene.air.lock().unwrap().pop_front().unwrap();
    for at in 0..said.len() {
        for byte in [0, b'0', b'"', b'{', 0xff] {
            let mut bent = said.clone();
            bent[at] = byte;
            scene.other.board.heard(&bent);
        }
        scene.other.board.heard(&said[..at]);
    }
}
