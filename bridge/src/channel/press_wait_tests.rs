//! Scenarios of a press that waits in the queue.

use super::*;

#[test]
fn one_that_waits_hears_of_its_place_and_keeps_what_it_says_last() {
    let mut scene = Scene::new();
    let acts = wish(&mut scene, URGENT);
    let request = Scene::asked(&acts);
    assert_eq!(acts, [Act::Request(request, URGENT)]);
    assert_eq!(scene.press.queued(request, 2, 2), [Act::Queued { position: 2, size: 2 }]);
    assert_eq!(scene.at(100).chunk(1), []);
    assert_eq!(scene.press.queued(request, 1, 1), [Act::Queued { position: 1, size: 1 }]);
    assert_eq!(scene.at(5000).tick(), [], "it isn't asked for again, nor ended by silence");
    assert_eq!(scene.at(5010).chunk(2), [Act::Drop(DropReason::NoFloor, 1)]);
    assert_eq!(scene.press.granted(request, G1, 30_000), [GRANTED, Act::Begin(G1), voice(2)]);
}

#[test]
fn one_that_stops_waiting_takes_its_request_back() {
    let mut scene = Scene::new();
    let request = Scene::asked(&wish(&mut scene, URGENT));
    scene.press.queued(request, 1, 1);
    assert_eq!(scene.press.release(), [Act::Cancel(request)]);
    assert!(scene.press.is_idle());
}

#[test]
fn a_client_that_knows_no_floor_and_falls_silent_in_the_queue_leaves_it() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.queued(request, 1, 1);
    assert_eq!(scene.at(300).chunk(2), []);
    assert_eq!(scene.press.deadline(), Some(scene.now + SILENCE));
    assert_eq!(scene.at(899).tick(), []);
    assert_eq!(scene.at(900).tick(), [Act::Drop(DropReason::NoFloor, 2), Act::Cancel(request)]);
    assert_eq!(scene.press.granted(request, G1, 30_000), [Act::Release(G1)], "granted meanwhile");
}

#[test]
fn a_denial_ends_a_wait_in_the_queue() {
    let mut scene = Scene::new();
    let request = Scene::asked(&wish(&mut scene, URGENT));
    scene.press.queued(request, 1, 1);
    let other = DenyCause::Other;
    assert_eq!(scene.press.denied(scene.now, request, other), [Act::Denied(other)]);
    assert_eq!(scene.at(600).tick(), []);
    assert!(scene.press.is_idle());
}

#[test]
fn a_client_that_knows_no_floor_would_rather_wait_than_be_denied() {
    let mut scene = Scene::new();
    let acts = scene.chunk(1);
    let request = Scene::asked(&acts);
    assert_eq!(acts, [Act::Request(request, Wish { queue: true, ..Wish::default() })]);
}

#[test]
fn a_client_that_knows_no_floor_is_told_once_that_another_talks_and_is_heard_when_its_turn_comes() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    let denied = Act::Denied(DenyCause::AnotherHasPermission);
    assert_eq!(scene.press.queued(request, 2, 2), [denied, Act::Queued { position: 2, size: 2 }]);
    assert!(scene.press.has_waited());
    assert_eq!(scene.at(200).chunk(2), []);
    assert_eq!(scene.at(210).idle(G1), [], "the queue knows whose turn it is");
    assert_eq!(scene.press.queued(request, 1, 1), [Act::Queued { position: 1, size: 1 }]);
    assert_eq!(scene.at(400).chunk(3), [Act::Drop(DropReason::NoFloor, 1)]);
    let heard = [GRANTED, Act::Begin(G2), voice(2), voice(3)];
    assert_eq!(scene.press.granted(request, G2, 30_000), heard);
}

#[test]
fn one_for_whom_there_is_no_room_any_more_asks_again_when_the_floor_is_idle_and_is_not_told_twice() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.queued(request, 1, 1);
    assert_eq!(scene.press.denied(scene.now, request, DenyCause::QueueFull), []);
    assert_eq!(scene.at(200).chunk(2), []);
    scene.idle(G1);
    let acts = scene.at(220).chunk(3);
    let again = Scene::asked(&acts);
    assert_eq!(acts, [Act::Request(again, Wish { queue: true, ..Wish::default() })]);
    let queued = Act::Queued { position: 1, size: 1 };
    assert_eq!(scene.press.queued(again, 1, 1), [queued], "told already");
}

#[test]
fn a_new_press_is_told_anew() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.queued(request, 1, 1);
    let again = Scene::asked(&scene.at(700).chunk(2));
    let denied = Act::Denied(DenyCause::AnotherHasPermission);
    assert_eq!(scene.press.queued(again, 1, 1), [denied, Act::Queued { position: 1, size: 1 }]);
}

#[test]
fn one_who_asked_to_wait_is_not_told_that_it_is_denied() {
    let mut scene = Scene::new();
    let unsaid = Scene::asked(&scene.chunk(1));
    scene.press.queued(unsaid, 1, 1);
    let asked = Scene::asked(&wish(&mut scene, URGENT));
    assert_eq!(scene.press.queued(asked, 1, 1), [Act::Queued { position: 1, size: 1 }]);
    assert_eq!(scene.at(900).tick(), [], "nor does silence end its wait");
}

#[test]
fn a_client_that_says_when_it_stops_may_be_silent_for_longer_in_the_queue_and_when_it_talks() {
    let mut scene = Scene::new();
    let patience = Duration::from_secs(4);
    scene.press = Press::streaming(patience);
    let request = Scene::asked(&scene.chunk(1));
    scene.press.queued(request, 1, 1);
    assert_eq!(scene.press.deadline(), Some(scene.start + patience));
    assert_eq!(scene.at(3900).tick(), [], "still in the queue");
    let heard = [GRANTED, Act::Begin(G1), voice(1)];
    assert_eq!(scene.press.granted(request, G1, 30_000), heard);
    assert_eq!(scene.at(4000).tick(), [Act::End(G1)]);
    let again = Scene::asked(&scene.at(4100).chunk(2));
    scene.press.granted(again, G2, 30_000);
    assert_eq!(scene.at(8000).tick(), [], "the next press is as patient");
}

#[test]
fn patience_is_for_those_who_did_not_ask_in_so_many_words() {
    let mut scene = Scene::new();
    scene.press = Press::streaming(Duration::from_secs(4));
    let request = Scene::asked(&wish(&mut scene, URGENT));
    scene.press.granted(request, G1, 30_000);
    assert_eq!(scene.at(20).chunk(1), [voice(1)]);
    assert_eq!(scene.press.deadline(), None, "it says when it is done");
    assert_eq!(scene.at(9000).tick(), []);
}
