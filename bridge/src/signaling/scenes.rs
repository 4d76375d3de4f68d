//! Scenarios of signaling: peers that come, speak to each other and go.

use socketioxide::socket::Sid;

use super::*;

pub(super) type Told = (Sid, &'static str, Value);

#[derive(Clone, Default)]
pub(super) struct Post(pub(super) Arc<Mutex<Vec<Told>>>);

impl Wire for Post {
    fn deliver(&self, seat: Seat, event: &'static str, payload: &Value) -> bool {
        self.0.lock().unwrap().push((seat.sid, event, payload.clone()));
        true
    }
}

struct Scene {
    board: Board,
    post: Post,
}

impl Scene {
    fn new() -> Self {
        let post = Post::default();
        Self { board: Board::new(post.clone(), Metrics::default()), post }
    }

    fn peer(&self, user: &str) -> Peer {
        let identity = Identity { user: user.into(), role: "guard".into() };
        self.board.peer(Seat { space: "/", sid: Sid::new() }, identity)
    }

    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut *self.post.0.lock().unwrap())
    }
}

pub(super) fn join(peer: &mut Peer, room: &str) -> Result<Value, Fault> {
    let mut answer = Value::Null;
    peer.enter(&enter(&json!({ "room": room })).unwrap(), |cards| answer = cards.clone())?;
    Ok(answer)
}

pub(super) fn card(peer: &Peer) -> Value {
    json!({ "peerId": peer.seat.sid, "role": "guard", "userId": &*peer.identity.user })
}

#[test]
fn a_newcomer_is_told_who_is_there_and_they_of_it() {
    let scene = Scene::new();
    let (mut alice, mut bob) = (scene.peer("alice"), scene.peer("bob"));
    assert_eq!(join(&mut alice, "yard"), Ok(json!([])));
    assert_eq!(scene.told(), [(alice.seat.sid, "existing_peers", json!([]))]);
    assert_eq!(join(&mut bob, "yard"), Ok(json!([card(&alice)])));
    let expected =
        [(bob.seat.sid, "existing_peers", json!([card(&alice)])), (alice.seat.sid, "new_peer", card(&bob))];
    assert_eq!(scene.told(), expected);
    assert_eq!(join(&mut bob, "yard"), Ok(json!([card(&alice)])), "again: the list");
    assert_eq!(scene.told().len(), 1, "and nobody else is told");
}

#[test]
fn a_signal_reaches_its_target_in_the_same_room_untouched_and_nobody_else() {
    let scene = Scene::new();
    let (mut alice, mut bob, mut eve) = (scene.peer("alice"), scene.peer("bob"), scene.peer("eve"));
    join(&mut alice, "yard").unwrap();
    join(&mut bob, "yard").unwrap();
    join(&mut eve, "gate").unwrap();
    scene.told();
    let signal = json!({ "type": "offer", "sdp": "v=0\r\n", "deep": [[{ "x": null }]] });
    let to = |peer: &Peer| json!({ "targetId": peer.seat.sid, "signal": signal });
    assert_eq!(alice.signal(&to(&bob)), Ok(()));
    assert_eq!(
        scene.told(),
        [(bob.seat.sid, "signal", json!({ "fromId": alice.seat.sid, "signal": signal }))]
    );
    assert_eq!(eve.signal(&to(&bob)), Err(Fault::NoPeer));
    assert_eq!(alice.signal(&to(&eve)), Err(Fault::NoPeer));
    assert_eq!(alice.signal(&to(&alice)), Err(Fault::NoPeer));
    assert!(scene.told().is_empty());
}

#[test]
fn who_goes_is_told_once_to_each_of_its_rooms() {
    let scene = Scene::new();
    let (mut alice, mut bob) = (scene.peer("alice"), scene.peer("bob"));
    for room in ["yard", "gate", "dock"] {
        join(&mut alice, room).unwrap();
        join(&mut bob, room).unwrap();
    }
    scene.told();
    let gone = json!({ "peerId": alice.seat.sid });
    assert_eq!(alice.leave(&json!({ "room": "dock" })), Ok(()));
    assert_eq!(alice.leave(&json!({ "room": "dock" })), Err(Fault::NotInRoom));
    assert_eq!(scene.told(), [(bob.seat.sid, "peer_disconnected", gone.clone())]);
    drop(alice);
    assert_eq!(scene.told(), [(bob.seat.sid, "peer_disconnected", gone)]);
    assert_eq!(join(&mut bob, "yard"), Ok(json!([])), "it is not there any more");
}

#[test]
fn a_socket_is_in_so_many_rooms_and_asks_no_faster_than_it_may() {
    let scene = Scene::new();
    let mut alice = scene.peer("alice");
    for room in 0..MAX_ROOMS {
        join(&mut alice, &room.to_string()).unwrap();
    }
    assert_eq!(join(&mut alice, "one more"), Err(Fault::TooMany));
    join(&mut alice, "0").unwrap();
    alice.leave(&Value::Null).unwrap();
    assert!(alice.rooms.is_empty(), "without a name: all of them");
    let passed = (0..100).filter(|_| alice.affords(Ask::Enter).is_ok()).count();
    assert!((20..23).contains(&passed), "{passed}");
    assert_eq!(alice.affords(Ask::Signal), Ok(()), "signals have a rate of their own");
}
