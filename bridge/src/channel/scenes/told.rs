//! What clients are told of the floor, of each other and of an emergency.

use super::*;

#[test]
fn the_floors_events_reach_those_whom_they_concern() {
    let mut scene = Scene::new();
    let talker = scene.enter(1, pcm(16_000), json!(5));
    let other = scene.enter(2, pcm(16_000), json!("5"));
    scene.handle(Input::Press { member: MemberRef(1), wish: Wish::default() });
    scene.grant(1);
    let person = Person { talker: TalkerNumber(1), who: who("user1"), listen_only: false, muted: false };
    for _ in 0..3 {
        let talking =
            Talking { person: person.clone(), grant: GRANT, remaining_ms: 30_000, level: Level::Normal };
        scene.handle(Input::Floor(FloorEvent::Taken(talking)));
    }
    scene.handle(Input::Release { member: MemberRef(1) });
    scene.handle(Input::Floor(FloorEvent::Idle { grant: GRANT }));
    let names = |heard: Vec<Heard>| -> Vec<&'static str> {
        heard
            .into_iter()
            .map(|heard| if let Heard::Event(name, _) = heard { name } else { panic!() })
            .collect()
    };
    assert_eq!(names(scene.ears.of(talker)), ["floor_granted", "floor_taken", "floor_idle"]);
    assert_eq!(scene.ears.of(other).last(), Some(&Heard::Event("floor_idle", json!({"channel_id": "5"}))));
}

#[test]
fn a_place_in_the_queue_a_warning_and_a_raised_level_are_told() {
    let mut scene = Scene::new();
    let talker = scene.enter(1, pcm(16_000), json!(5));
    let wish = Wish { level: Level::Emergency, priority: Some(9), queue: true };
    scene.handle(Input::Press { member: MemberRef(1), wish });
    let asked = scene.record.take_control().pop().unwrap();
    assert_eq!(
        (&asked["level"], &asked["priority"], &asked["queue"]),
        (&json!("emergency"), &json!(9), &json!(true))
    );
    let request = RequestId(asked["request"].as_u64().unwrap() as u32);
    let member = MemberRef(1);
    scene.handle(Input::Floor(FloorEvent::Queued { member, request, position: 1, size: 3 }));
    let grant = GRANT;
    scene.handle(Input::Floor(FloorEvent::Granted { member, request, grant, duration_ms: 30_000 }));
    scene.handle(Input::Floor(FloorEvent::Warning { member, grant, remaining_ms: 5000 }));
    for level in [Level::Normal, Level::Emergency, Level::Emergency] {
        let person = Person { talker: TalkerNumber(1), who: who("user1"), listen_only: false, muted: false };
        scene.handle(Input::Floor(FloorEvent::Taken(Talking { person, grant, remaining_ms: 7, level })));
    }
    let event = |name, payload| Heard::Event(name, payload);
    let taken = json!({"channel_id": 5, "user_id": "user1", "name": "USER1", "remaining_ms": 7});
    let mut raised = taken.clone();
    raised["level"] = json!("emergency");
    assert_eq!(
        scene.ears.of(talker),
        [
            event("floor_queued", json!({"channel_id": 5, "position": 1, "size": 3})),
            event("floor_granted", json!({"channel_id": 5, "duration_ms": 30_000})),
            event("floor_warning", json!({"channel_id": 5, "remaining_ms": 5000})),
            event("floor_taken", taken),
            event("floor_taken", raised),
        ]
    );
}

#[test]
fn one_whom_a_dispatcher_mutes_is_told_and_nobody_else() {
    let mut scene = Scene::new();
    let muted = scene.enter(1, pcm(16_000), json!(5));
    let other = scene.enter(2, pcm(16_000), json!(5));
    for (version, mute) in [(2, true), (3, true), (4, false)] {
        scene.handle(Input::Roster(RosterEvent {
            since: Some(version - 1),
            version,
            members: None,
            joined: Vec::new(),
            left: Vec::new(),
            changed: vec![Person {
                talker: TalkerNumber(1),
                who: who("user1"),
                listen_only: false,
                muted: mute,
            }],
        }));
    }
    let told = |muted: bool| Heard::Event("floor_muted", json!({"channel_id": 5, "muted": muted}));
    assert_eq!(scene.ears.of(muted), [told(true), told(false)]);
    assert_eq!(scene.ears.of(other), []);
}

#[test]
fn a_request_that_is_taken_back_goes_to_the_gateway_behind_it() {
    let mut scene = Scene::new();
    scene.enter(1, pcm(16_000), json!(5));
    scene.handle(Input::Press { member: MemberRef(1), wish: Wish::default() });
    scene.handle(Input::Release { member: MemberRef(1) });
    let said = scene.record.take_control();
    let types: Vec<_> = said.iter().map(|message| &message["type"]).collect();
    assert_eq!(types, ["floor_request", "floor_cancel"]);
    assert_eq!(said[0]["request"], said[1]["request"]);
    assert_eq!((&said[1]["member"], &said[1]["channel"]), (&json!(1), &json!(17)));
}

#[test]
fn an_emergency_is_told_to_all_and_to_who_comes_while_it_lasts() {
    let mut scene = Scene::new();
    let pcm = Format::Pcm16(Rate::new(16_000).unwrap());
    let first = scene.enter(1, pcm, json!("gate"));
    let alert = |alert| Input::Alert { user: "alice".to_owned(), alert };
    let told = Heard::Event(
        "emergency_alert",
        json!({"user_id": "alice", "text": "Man down", "channel_id": "gate"}),
    );

    scene.state.handle(scene.now, alert(Some(json!({"user_id": "alice", "text": "Man down"}))));
    let late = scene.enter(2, pcm, json!("gate"));
    assert_eq!((scene.ears.of(first), scene.ears.of(late)), (vec![told.clone()], vec![told]));
    scene.state.handle(scene.now, alert(None));
    scene.state.handle(scene.now, alert(None));
    let over = Heard::Event("emergency_over", json!({"user_id": "alice", "channel_id": "gate"}));
    assert_eq!(scene.ears.of(late), [over], "once");
    let last = scene.enter(3, pcm, json!("gate"));
    assert!(scene.ears.of(last).is_empty());
}
