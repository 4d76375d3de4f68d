//! Channels of mode `open` and `dual`: several talk at a time, and are heard by everybody.

use super::numbered::{enter_in, packets, say};
use super::*;

fn person(number: u16) -> Person {
    let who = who(&format!("user{number}"));
    Person { talker: TalkerNumber(number), who, listen_only: false, muted: false }
}

fn talking(number: u16, grant: u32) -> FloorEvent {
    let (person, grant) = (person(number), Grant(grant));
    FloorEvent::Taken(Talking { person, grant, remaining_ms: 30_000, level: Level::Normal })
}

fn users(heard: &[Heard]) -> Vec<&str> {
    let voices = heard.iter().filter_map(|heard| match heard {
        Heard::Voice { user, .. } => Some(user.as_str()),
        Heard::Event(..) => None,
    });
    voices.collect()
}

fn casts(scene: &Scene) -> Vec<Vec<u16>> {
    std::mem::take(&mut *scene.ears.casts.lock().unwrap())
}

/// An open channel with a client of RTC (1), one of Socket.IO (2) and two of elsewhere (7, 8).
fn open() -> (Scene, Sid, Sid) {
    let mut scene = Scene::new();
    let members = [1, 2, 7, 8].map(person).to_vec();
    let rtc = enter_in(&mut scene, 1, ChannelMode::Open, Some(members));
    let socket = scene.enter_in(2, ChannelMode::Open);
    (scene, rtc, socket)
}

#[test]
fn talkers_of_elsewhere_are_heard_side_by_side_and_whole() {
    let (mut scene, rtc, socket) = open();
    for (number, grant) in [(7, 1), (8, 2)] {
        scene.handle(Input::Floor(talking(number, grant)));
    }
    for (sequence, packet) in packets().iter().enumerate() {
        for (number, grant) in [(7, 1), (8, 2)] {
            let (talker, grant) = (TalkerNumber(number), Grant(grant));
            let frame = frame_of(talker, grant, sequence as u16, Flags::default(), packet);
            scene.handle(Input::Datagram(frame.clone()));
            scene.handle(Input::Datagram(frame));
        }
    }
    let expected = ["user7", "user8"].repeat(packets().len());
    let (by_rtc, by_socket) = (scene.ears.of(rtc), scene.ears.of(socket));
    assert_eq!((users(&by_rtc), users(&by_socket)), (expected.clone(), expected));
    // Two decoders: what either hears is as if it were alone.
    let own = |user: &str| -> Vec<&Bytes> {
        let voices = by_socket.iter().filter_map(|heard| match heard {
            Heard::Voice { chunk, user: of, .. } if of == user => Some(chunk),
            _ => None,
        });
        voices.collect()
    };
    assert_eq!(own("user7"), own("user8"));
}

#[test]
fn everybody_but_clients_of_rtc_is_a_producer_to_them() {
    let (mut scene, _, _) = open();
    assert_eq!(casts(&scene).last(), Some(&vec![2, 7, 8]), "who is one has its own");
    let roster = |since, version, joined, left: &[u16]| {
        let left = left.iter().copied().map(TalkerNumber).collect();
        let (members, changed) = (None, Vec::new());
        Input::Roster(RosterEvent { since: Some(since), version, members, joined, left, changed })
    };
    let mute = Person { listen_only: true, ..person(10) };
    scene.handle(roster(1, 2, vec![person(9), mute], &[7]));
    assert_eq!(casts(&scene), [[2, 8, 9]], "one that can only listen is none");
    scene.handle(Input::Floor(talking(8, 1)));
    assert_eq!(casts(&scene), [[0; 0]; 0], "nothing is new");
    scene.handle(Input::CutOff);
    assert_eq!(casts(&scene), [[0; 0]], "numbers mean nothing any more");
}

#[test]
fn a_channel_of_one_talker_has_the_floor_and_its_own_producers_alone() {
    let mut scene = Scene::new();
    enter_in(&mut scene, 1, ChannelMode::Ptt, Some([1, 2, 7].map(person).to_vec()));
    scene.handle(Input::Floor(talking(7, 1)));
    assert!(casts(&scene).iter().all(Vec::is_empty));
}

#[test]
fn one_talks_on_while_another_begins_and_the_floor_is_idle_when_all_are_done() {
    let (mut scene, rtc, socket) = open();
    let packets = packets();
    say(&mut scene, 1, 1, 0, &packets[0]);
    scene.grant(1);
    scene.handle(Input::Floor(talking(1, GRANT.0)));
    scene.handle(Input::Floor(talking(7, GRANT.0 + 1)));
    scene.datagrams();
    say(&mut scene, 1, 2, 960, &packets[1]);
    scene.pass(20);
    let sent = scene.datagrams();
    let header = VoiceFrame::decode(sent.last().unwrap()).unwrap().header;
    assert_eq!((header.grant, header.flags.start), (GRANT, false), "it is the same burst");
    assert_eq!(users(&scene.ears.of(socket)), ["user1", "user1"]);
    scene.ears.of(rtc);
    for grant in [GRANT, Grant(GRANT.0 + 1)] {
        scene.handle(Input::Floor(FloorEvent::Idle { grant }));
    }
    let events: Vec<_> = scene.ears.of(rtc).into_iter().map(|heard| format!("{heard:?}")).collect();
    assert!(events[0].contains("floor_taken") && events[0].contains("user7"), "{events:?}");
    assert!(events[1].contains("floor_idle") && events.len() == 2, "{events:?}");
}
