//! A member gets another talker number in a channel that it stays in.

use suara_proto::RevokeCause;

use super::*;

fn roster(version: u64, people: &[(u16, &str, bool)]) -> Input {
    let person = |(talker, user, muted): &(u16, &str, bool)| Person {
        talker: TalkerNumber(*talker),
        who: who(user),
        listen_only: false,
        muted: *muted,
    };
    let members = Some(people.iter().map(person).collect());
    let (since, joined, left, changed) = (None, Vec::new(), Vec::new(), Vec::new());
    Input::Roster(RosterEvent { since, version, members, joined, left, changed })
}

fn renumber(scene: &mut Scene, number: u32, talker: u16) {
    scene.handle(Input::Renumber { member: MemberRef(number), talker: TalkerNumber(talker) });
}

fn talkers(scene: &Scene) -> Vec<u16> {
    scene.datagrams().iter().map(|bytes| VoiceFrame::decode(bytes).unwrap().header.talker.0).collect()
}

#[test]
fn what_it_says_goes_under_its_new_number_and_nobody_on_this_side_is_told() {
    let mut scene = Scene::new();
    let sid = scene.enter(1, pcm(16_000), json!(5));
    let listener = scene.enter(2, pcm(16_000), json!(5));
    scene.voice(1, &[1; 640]);
    scene.grant(1);
    scene.voice(1, &[2; 640]);
    scene.pass(20);
    assert!(talkers(&scene).iter().all(|talker| *talker == 1));
    let told = scene.ears.of(sid).len();

    renumber(&mut scene, 1, 7);
    scene.voice(1, &[3; 640]);
    scene.pass(700);

    let said = scene.record.take();
    let is_release = |said: &Said| matches!(said, Said::Control(json) if json["type"] == "floor_release");
    assert!(said.iter().any(is_release), "its burst ends as any");
    let frames = said.iter().filter_map(|said| match said {
        Said::Voice(bytes) => Some(VoiceFrame::decode(bytes).unwrap().header.talker.0),
        _ => None,
    });
    assert_eq!(frames.last(), Some(7));
    assert_eq!(told, 1, "its grant");
    assert_eq!(scene.ears.of(sid), []);
    assert_eq!(chunks(&scene.ears.of(listener)).len(), 3, "it hears on");
}

#[test]
fn who_lost_the_floor_in_the_other_part_asks_again_and_talks_under_its_new_number() {
    let mut scene = Scene::new();
    scene.enter(1, pcm(16_000), json!(5));
    scene.voice(1, &[1; 640]);
    scene.grant(1);
    let member = MemberRef(1);
    let cause = RevokeCause::Other;
    scene.handle(Input::Floor(FloorEvent::Revoked { member, grant: GRANT, cause, grace_ms: 0 }));
    scene.handle(Input::Floor(FloorEvent::Idle { grant: GRANT }));
    renumber(&mut scene, 1, 7);
    scene.pass(2_000);
    scene.record.take();

    scene.voice(1, &[2; 640]);
    let requests = scene.record.take_control();
    let request = RequestId(requests[0]["request"].as_u64().unwrap() as u32);
    let grant = Grant(GRANT.0 + 65_536);
    scene.handle(Input::Floor(FloorEvent::Granted { member, request, grant, duration_ms: 30_000 }));
    scene.voice(1, &[2; 640]);
    scene.pass(100);
    let talkers = talkers(&scene);
    assert!(!talkers.is_empty() && talkers.iter().all(|talker| *talker == 7), "{talkers:?}");
}

#[test]
fn a_mute_goes_with_the_member_and_not_with_the_number() {
    let mut scene = Scene::new();
    let sid = scene.enter(1, pcm(16_000), json!(5));
    // In the other part the number 1 is eve's, whom a dispatcher has muted there.
    renumber(&mut scene, 1, 7);
    scene.handle(roster(9, &[(1, "eve", true), (7, "user1", false)]));
    assert_eq!(scene.ears.of(sid), []);
    scene.handle(roster(10, &[(1, "eve", false), (7, "user1", true)]));
    let muted = Heard::Event("floor_muted", json!({"channel_id": 5, "muted": true}));
    assert_eq!(scene.ears.of(sid), [muted]);
    // And eve is heard by her own name.
    scene.handle(Input::Datagram(frame_of(TalkerNumber(1), GRANT, 0, Flags::default(), &[])));
    assert!(scene.state.early.is_empty());
}
