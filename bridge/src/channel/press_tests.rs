//! Scenarios of one press.

use suara_proto::message::Level;

use super::*;

const G1: Grant = Grant(65_537);
const G2: Grant = Grant(65_538);

/// A press with a clock and a counter of requests.
struct Scene {
    press: Press,
    start: Instant,
    now: Instant,
    requests: u32,
}

impl Scene {
    fn new() -> Self {
        let start = Instant::now();
        Self { press: Press::default(), start, now: start, requests: 0 }
    }

    fn at(&mut self, ms: u64) -> &mut Self {
        self.now = self.start + Duration::from_millis(ms);
        self
    }

    fn next(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    fn chunk(&mut self, byte: u8) -> Vec<Act> {
        let request = self.next();
        self.press.chunk(self.now, Bytes::from(vec![byte]), request)
    }

    fn tick(&mut self) -> Vec<Act> {
        let request = self.next();
        self.press.tick(self.now, request)
    }

    fn idle(&mut self, grant: Grant) -> Vec<Act> {
        let request = self.next();
        self.press.floor_idle(self.now, grant, request)
    }

    fn press(&mut self) -> Vec<Act> {
        let request = self.next();
        self.press.request(self.now, Wish::default(), request)
    }

    fn asked(acts: &[Act]) -> RequestId {
        acts.iter()
            .find_map(|act| if let Act::Request(request, _) = act { Some(*request) } else { None })
            .expect("a request")
    }
}

fn voice(byte: u8) -> Act {
    Act::Voice(Bytes::from(vec![byte]))
}

const GRANTED: Act = Act::Granted { duration_ms: 30_000 };

#[test]
fn what_is_said_before_the_grant_is_heard_in_order_after_it() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    assert_eq!(scene.at(20).chunk(2), []);
    assert_eq!(scene.at(40).chunk(3), []);
    assert_eq!(
        scene.press.granted(request, G1, 30_000),
        [GRANTED, Act::Begin(G1), voice(1), voice(2), voice(3)]
    );
    assert_eq!(scene.at(60).chunk(4), [voice(4)]);
}

#[test]
fn silence_of_600_ms_ends_a_press_and_the_next_chunk_asks_again() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.granted(request, G1, 30_000);
    assert_eq!(scene.press.deadline(), Some(scene.start + SILENCE));
    assert_eq!(scene.at(599).tick(), []);
    assert_eq!(scene.at(600).tick(), [Act::End(G1)]);
    assert_eq!(scene.press.deadline(), None);
    assert_ne!(Scene::asked(&scene.at(700).chunk(2)), request);
}

#[test]
fn a_chunk_after_silence_ends_the_old_press_before_it_begins_another() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.granted(request, G1, 30_000);
    let acts = scene.at(1000).chunk(2);
    assert_eq!(acts[0], Act::End(G1));
    assert!(matches!(acts[1], Act::Request(..)));
}

#[test]
fn before_the_grant_only_the_newest_300_ms_are_kept() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(0));
    let mut gone = 0;
    for step in 1..30_u8 {
        for act in scene.at(u64::from(step) * 20).chunk(step) {
            let Act::Drop(DropReason::NoFloor, count) = act else { panic!("{act:?}") };
            gone += count;
        }
    }
    let heard = scene.press.granted(request, G1, 30_000);
    assert_eq!(heard.len() - 2 + gone, 30, "each chunk is heard or counted");
    assert_eq!(heard.last(), Some(&voice(29)));
    assert_eq!(heard[2], voice(14));
}

#[test]
fn a_client_that_floods_before_its_grant_is_bounded_in_bytes() {
    let mut scene = Scene::new();
    let request = scene.next();
    let mut gone = 0;
    for _ in 0..20 {
        for act in scene.press.chunk(scene.now, Bytes::from(vec![0; 16 * 1024]), request) {
            if let Act::Drop(_, count) = act {
                gone += count;
            }
        }
    }
    assert_eq!(gone, 12);
}

#[test]
fn a_denial_is_told_once_and_the_floor_is_asked_for_again_when_it_is_idle() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    let busy = DenyCause::AnotherHasPermission;
    assert_eq!(scene.press.denied(scene.now, request, busy), [Act::Denied(busy)]);
    scene.at(200).chunk(2);
    scene.at(400).chunk(3);
    assert_eq!(scene.at(410).idle(G1), []);
    let again = Scene::asked(&scene.at(420).chunk(4));
    assert_eq!(scene.press.denied(scene.now, again, busy), [], "told already");
    assert_eq!(scene.at(600).idle(G2), []);
    let third = Scene::asked(&scene.at(610).chunk(5));
    let acts = scene.press.granted(third, Grant(9), 30_000);
    assert_eq!(acts, [GRANTED, Act::Begin(Grant(9)), voice(3), voice(4), voice(5)]);
}

#[test]
fn one_who_stopped_just_before_the_floor_went_idle_does_not_take_it() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.denied(scene.now, request, DenyCause::AnotherHasPermission);
    assert_eq!(scene.at(100).idle(G1), []);
    assert_eq!(scene.at(600).tick(), [Act::Drop(DropReason::NoFloor, 1)]);
}

#[test]
fn a_denied_request_in_so_many_words_is_over() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.press());
    let busy = DenyCause::AnotherHasPermission;
    assert_eq!(scene.press.denied(scene.now, request, busy), [Act::Denied(busy)]);
    assert_eq!(scene.at(100).idle(G1), []);
    assert_eq!(scene.at(600).tick(), []);
    assert!(scene.press.is_idle());
}

#[test]
fn a_denied_request_of_one_whose_microphone_goes_on_is_over_until_it_asks_again() {
    let mut scene = Scene::new();
    scene.press = Press::streaming(Duration::from_secs(4));
    let request = Scene::asked(&scene.press());
    let busy = DenyCause::AnotherHasPermission;
    assert_eq!(scene.press.denied(scene.now, request, busy), [Act::Denied(busy)]);
    assert_eq!(scene.at(100).idle(G1), []);
    for ms in [120, 2000, 5000] {
        assert_eq!(scene.at(ms).chunk(1), [Act::Drop(DropReason::Blocked, 1)], "it asks for nothing");
    }
    Scene::asked(&scene.press());
}

#[test]
fn one_who_asked_was_denied_and_speaks_all_the_same_is_told_once() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.press());
    assert_eq!(
        scene.press.denied(scene.now, request, DenyCause::ReceiveOnly),
        [Act::Denied(DenyCause::ReceiveOnly)]
    );
    for ms in [20, 400, 900] {
        assert_eq!(scene.at(ms).chunk(1), [Act::Drop(DropReason::Blocked, 1)]);
    }
}

#[test]
fn one_who_fell_silent_while_denied_does_not_ask_again() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.denied(scene.now, request, DenyCause::AnotherHasPermission);
    assert_eq!(scene.at(700).idle(G1), [Act::Drop(DropReason::NoFloor, 1)]);
    assert_eq!(scene.press.deadline(), None);
}

#[test]
fn a_denial_for_want_of_resources_is_retried_after_a_second() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.denied(scene.now, request, DenyCause::NoResources);
    scene.at(500).chunk(2);
    assert_eq!(scene.at(990).chunk(3), [Act::Drop(DropReason::NoFloor, 1)]);
    assert_eq!(scene.press.deadline(), Some(scene.now + SILENCE));
    assert!(matches!(scene.at(1000).chunk(4)[..], [Act::Request(..)]));
}

#[test]
fn one_who_may_only_listen_is_told_so_and_never_asks_again_in_this_press() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    let acts = scene.press.denied(scene.now, request, DenyCause::ReceiveOnly);
    assert_eq!(acts, [Act::Drop(DropReason::NoFloor, 1), Act::Denied(DenyCause::ReceiveOnly)]);
    assert_eq!(scene.at(100).chunk(2), [Act::Drop(DropReason::Blocked, 1)]);
    assert_eq!(scene.at(200).idle(G1), []);
    assert!(matches!(scene.at(900).chunk(3)[..], [Act::Request(..)]), "a new press");
}

#[test]
fn after_a_revoke_it_is_blocked_until_it_has_been_silent() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.granted(request, G1, 30_000);
    let cause = RevokeCause::MediaBurstTooLong;
    assert_eq!(
        scene.press.revoked(scene.now, G1, cause, 3000),
        [Act::Revoked { cause, grace_ms: 3000 }, Act::End(G1)]
    );
    for ms in [100, 600, 1100, 1600] {
        assert_eq!(scene.at(ms).chunk(2), [Act::Drop(DropReason::Blocked, 1)]);
    }
    assert!(matches!(scene.at(2200).chunk(3)[..], [Act::Request(..)]));
}

#[test]
fn a_revoke_of_an_old_grant_is_out_of_date() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.granted(request, G2, 30_000);
    assert_eq!(scene.press.revoked(scene.now, G1, RevokeCause::PreEmpted, 0), []);
    assert_eq!(scene.at(20).chunk(2), [voice(2)]);
}

#[test]
fn a_grant_that_comes_too_late_is_given_back() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    assert_eq!(scene.at(600).tick(), [Act::Drop(DropReason::NoFloor, 1), Act::Cancel(request)]);
    assert_eq!(scene.press.granted(request, G1, 30_000), [Act::Release(G1)]);
}

#[test]
fn an_explicit_request_waits_for_voice_as_long_as_the_gateway_does() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.press());
    assert_eq!(scene.press.granted(request, G1, 30_000), [GRANTED, Act::Begin(G1)]);
    assert_eq!(scene.press.deadline(), None);
    assert_eq!(scene.at(2000).chunk(1), [voice(1)]);
    assert_eq!(scene.at(2100).press.release(), [Act::End(G1)]);
}

#[test]
fn a_release_before_the_answer_gives_the_grant_back() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.press());
    assert_eq!(scene.press.release(), [Act::Cancel(request)]);
    assert_eq!(scene.press.granted(request, G1, 30_000), [Act::Release(G1)]);
}

#[test]
fn an_explicit_request_overrides_a_block() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.granted(request, G1, 30_000);
    scene.press.revoked(scene.now, G1, RevokeCause::PreEmpted, 0);
    assert!(matches!(scene.at(100).press()[..], [Act::Request(..)]));
}

#[test]
fn when_the_trunk_is_lost_the_next_chunk_begins_anew() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    assert_eq!(scene.press.cut_off(), [Act::Drop(DropReason::NoFloor, 1)]);
    assert_eq!(scene.press.granted(request, G1, 30_000), [Act::Release(G1)]);
    assert!(matches!(scene.at(20).chunk(2)[..], [Act::Request(..)]));
}

#[test]
fn a_floor_that_went_idle_under_the_talker_is_asked_for_anew() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.granted(request, G1, 30_000);
    assert_eq!(scene.at(20).idle(G1), []);
    assert!(matches!(scene.at(40).chunk(2)[..], [Act::Request(..)]));
}

#[test]
fn a_request_without_an_answer_is_asked_again() {
    let mut scene = Scene::new();
    let first = Scene::asked(&scene.press());
    assert_eq!(scene.at(1990).tick(), []);
    let second = Scene::asked(&scene.at(2000).tick());
    assert_ne!(first, second);
    assert_eq!(
        scene.press.granted(first, G1, 30_000),
        [GRANTED, Act::Begin(G1)],
        "the answer to the old one"
    );
    assert_eq!(scene.press.granted(second, G1, 29_000), [Act::Granted { duration_ms: 29_000 }]);
}

#[test]
fn a_newer_grant_of_anothers_ends_this_one() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.granted(request, G1, 30_000);
    scene.press.floor_taken(G1);
    assert_eq!(scene.at(20).chunk(2), [voice(2)], "its own");
    scene.press.floor_taken(G2);
    assert!(matches!(scene.at(40).chunk(3)[..], [Act::Request(..)]));
}

const URGENT: Wish = Wish { level: Level::Emergency, priority: None, queue: true };

fn wish(scene: &mut Scene, wish: Wish) -> Vec<Act> {
    let request = scene.next();
    scene.press.request(scene.now, wish, request)
}

#[test]
fn who_asked_in_so_many_words_keeps_the_floor_through_silence_until_it_gives_it_back() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.press());
    scene.press.granted(request, G1, 30_000);
    assert_eq!(scene.at(100).chunk(1), [voice(1)]);
    assert_eq!(scene.press.deadline(), None);
    assert_eq!(scene.at(3000).tick(), []);
    assert_eq!(scene.at(3100).chunk(2), [voice(2)], "the same grant");
    assert_eq!(scene.press.release(), [Act::End(G1)]);
}

#[test]
fn a_talker_that_asks_again_keeps_its_grant_and_is_told_of_it() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    scene.press.granted(request, G1, 30_000);
    let acts = wish(&mut scene, URGENT);
    let again = Scene::asked(&acts);
    assert_eq!(acts, [Act::Request(again, URGENT)]);
    let told = [Act::Granted { duration_ms: 3_600_000 }];
    assert_eq!(scene.press.granted(again, G1, 3_600_000), told);
    assert_eq!(scene.at(1000).chunk(2), [voice(2)], "silence ends it no more");
}

#[test]
fn a_warning_is_told_to_who_talks_by_that_grant() {
    let mut scene = Scene::new();
    let request = Scene::asked(&scene.chunk(1));
    assert_eq!(scene.press.warned(G1, 5000), []);
    scene.press.granted(request, G1, 30_000);
    assert_eq!(scene.press.warned(G2, 5000), []);
    assert_eq!(scene.press.warned(G1, 5000), [Act::Warned { remaining_ms: 5000 }]);
}

#[path = "press_wait_tests.rs"]
mod waits;
