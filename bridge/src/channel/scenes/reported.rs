//! What of a burst is reported to the gateway.

use super::*;

#[test]
fn a_burst_of_a_members_is_reported_behind_its_release() {
    let mut scene = Scene::new();
    let began = scene.now;
    scene.enter(1, pcm(16_000), json!(5));
    scene.record.set_clock(began);
    scene.pass(1000);
    scene.voice(1, &[1; 640]);
    scene.pass(60);
    scene.grant(1);
    let frames = scene.datagrams();
    let first = VoiceFrame::decode(&frames[0]).unwrap().header.timestamp;
    scene.pass(700);
    let control = scene.record.take_control();
    let [release, report] = &control[..] else { panic!("{control:?}") };
    assert_eq!(release["type"], "floor_release");
    let expected = json!({"type": "burst_report", "channel": 17, "grant": 65_537, "member": 1,
        "said": {"pressed_us": 1_000_000, "granted_us": 1_060_000, "at_us": 1_000_000, "timestamp": first}});
    assert_eq!(*report, expected);
}

#[test]
fn a_burst_that_was_passed_on_from_its_start_is_reported_once_in_one_listeners_name() {
    let mut scene = Scene::new();
    scene.record.set_clock(scene.now);
    scene.enter(4, pcm(16_000), json!(5));
    scene.enter(5, pcm(16_000), json!(5));
    let packet = Encoder::new(Rate::new(16_000).unwrap()).unwrap().encode(&[0; 320]).unwrap();
    let start = Flags { start: true, ..Flags::default() };
    scene.pass(250);
    scene.handle(Input::Datagram(frame(1, start, &packet)));
    scene.pass(20);
    scene.handle(Input::Datagram(frame(2, Flags::default(), &packet)));
    scene.record.take();
    scene.handle(Input::Floor(FloorEvent::Idle { grant: GRANT }));
    scene.handle(Input::Floor(FloorEvent::Idle { grant: GRANT }));
    let expected = json!({"type": "burst_report", "channel": 17, "grant": 65_537, "member": 4,
        "heard": {"at_us": 250_000, "timestamp": 0}});
    assert_eq!(scene.record.take_control(), [expected]);
}
