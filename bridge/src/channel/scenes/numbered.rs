//! Talkers whose packets have numbers of their own: clients of RTC.

use super::*;

/// An RTC client in the channel.
fn enter(scene: &mut Scene, number: u32) -> Sid {
    let bob = Person { talker: TalkerNumber(99), who: who("bob"), listen_only: false, muted: false };
    enter_in(scene, number, ChannelMode::Ptt, Some(vec![bob]))
}

/// An RTC client in a channel of that mode.
pub(super) fn enter_in(
    scene: &mut Scene,
    number: u32,
    mode: ChannelMode,
    members: Option<Vec<Person>>,
) -> Sid {
    let sid = Sid::new();
    let line = Arc::new(crate::edge::Line::by_datagram());
    let seat = Seat { space: RTC, sid };
    let enter = Enter {
        member: MemberRef(number),
        who: who(&format!("user{number}")),
        listener: Listener { seat, line, format: Format::Opus, spelling: json!("5") },
        link: scene.record.link(),
        channel: GATE,
        talker: TalkerNumber(number as u16),
        mode,
        version: 1,
        members,
        talking: Vec::new(),
    };
    scene.handle(Input::Enter(Box::new(enter)));
    sid
}

pub(super) fn say(scene: &mut Scene, number: u32, sequence: u16, timestamp: u32, packet: &[u8]) {
    let (at, bytes) = (scene.now, Bytes::copy_from_slice(packet));
    let chunk = Chunk { bytes, stamp: Some(Stamp { sequence, timestamp }) };
    scene.handle(Input::Voice { member: MemberRef(number), at, chunk });
}

pub(super) fn packets() -> Vec<Bytes> {
    let mut encoder = Encoder::new(Rate::new(48_000).unwrap()).unwrap();
    let tone = |n: i32| ((f64::from(n) * 0.05).sin() * 12_000.0) as i16;
    (0..6)
        .map(|frame| encoder.encode(&(0..960).map(|n| tone(frame * 960 + n)).collect::<Vec<_>>()).unwrap())
        .collect()
}

#[test]
fn loss_and_silence_reach_the_gateway_as_they_came() {
    let mut scene = Scene::new();
    enter(&mut scene, 1);
    let packets = packets();
    // One is lost, then 400 ms are silent.
    let stamps = [(65_535, 0), (0, 960), (2, 2880), (3, 2880 + 19_200)];
    for ((sequence, timestamp), packet) in stamps.into_iter().zip(&packets) {
        say(&mut scene, 1, sequence, timestamp, packet);
        if sequence == 65_535 {
            scene.grant(1);
        }
        scene.pass(20);
    }
    let sent = scene.datagrams();
    let headers: Vec<_> = sent.iter().map(|datagram| VoiceFrame::decode(datagram).unwrap().header).collect();
    let first = headers[0];
    let steps: Vec<_> = headers
        .iter()
        .map(|header| {
            (header.sequence.wrapping_sub(first.sequence), header.timestamp.wrapping_sub(first.timestamp))
        })
        .collect();
    assert_eq!(steps, [(0, 0), (1, 960), (3, 2880), (4, 22_080)]);
    assert_eq!(
        headers.iter().map(|header| header.flags.start).collect::<Vec<_>>(),
        [true, false, false, false]
    );
    assert_eq!(VoiceFrame::decode(&sent[2]).unwrap().packet, &packets[2][..], "not a byte is changed");
}

#[test]
fn listeners_who_cannot_conceal_get_the_hole_filled_and_nothing_late() {
    let mut scene = Scene::new();
    enter(&mut scene, 1);
    let (other, guard) = (enter(&mut scene, 2), scene.enter(3, pcm(16_000), json!(5)));
    let packets = packets();
    say(&mut scene, 1, 10, 0, &packets[0]);
    scene.grant(1);
    for (sequence, at) in [(11_u16, 1), (13, 3), (12, 2), (14, 4)] {
        say(&mut scene, 1, sequence, u32::from(sequence - 10) * 960, &packets[at]);
    }
    let pcm = chunks(&scene.ears.of(guard));
    assert_eq!(pcm.iter().map(Bytes::len).collect::<Vec<_>>(), [640; 5]);
    let heard = scene.ears.of(other);
    assert_eq!(chunks(&heard), [0, 1, 3, 4].map(|at| packets[at].clone()));
    let numbers = heard.iter().filter_map(|heard| match heard {
        Heard::Voice { seq, .. } => Some(*seq as u16),
        Heard::Event(..) => None,
    });
    let numbers: Vec<_> = numbers.collect();
    assert_eq!(numbers.iter().map(|seq| seq.wrapping_sub(numbers[0])).collect::<Vec<_>>(), [0, 1, 3, 4]);
}

#[test]
fn a_silent_talker_keeps_the_floor_until_its_road_is_given_up() {
    let mut scene = Scene::new();
    enter(&mut scene, 1);
    say(&mut scene, 1, 1, 0, &packets()[0]);
    scene.grant(1);
    scene.pass(3_900);
    let released =
        |scene: &Scene| scene.record.take_control().iter().any(|json| json["type"] == "floor_release");
    assert!(!released(&scene));
    scene.pass(300);
    assert!(released(&scene));
}

#[test]
fn what_waited_in_the_queue_is_heard_with_the_numbers_it_came_with() {
    let mut scene = Scene::new();
    let talker = enter(&mut scene, 1);
    let packets = packets();
    say(&mut scene, 1, 7, 0, &packets[0]);
    let asked = scene.record.take_control();
    let request = RequestId(asked[0]["request"].as_u64().unwrap() as u32);
    let member = MemberRef(1);
    scene.handle(Input::Floor(FloorEvent::Queued { member, request, position: 1, size: 1 }));
    scene.pass(200);
    // One is lost while it waits.
    say(&mut scene, 1, 9, 1920, &packets[2]);
    let events = scene.ears.of(talker).into_iter().filter_map(|heard| match heard {
        Heard::Event(event, _) => Some(event),
        Heard::Voice { .. } => None,
    });
    assert_eq!(events.collect::<Vec<_>>(), ["floor_denied", "floor_queued"]);
    scene.handle(Input::Floor(FloorEvent::Granted { member, request, grant: GRANT, duration_ms: 30_000 }));
    scene.pass(20);
    let sent = scene.datagrams();
    let headers: Vec<_> = sent.iter().map(|datagram| VoiceFrame::decode(datagram).unwrap().header).collect();
    let steps = headers.iter().map(|header| {
        let first = headers[0];
        (header.sequence.wrapping_sub(first.sequence), header.timestamp.wrapping_sub(first.timestamp))
    });
    assert_eq!(steps.collect::<Vec<_>>(), [(0, 0), (2, 1920)]);
}

#[test]
fn what_comes_in_chunks_is_heard_by_rtc_frame_by_frame_as_it_was_spoken() {
    let mut scene = Scene::new();
    scene.enter(1, pcm(16_000), json!("5"));
    let listener = enter(&mut scene, 2);
    let socket = scene.enter(3, Format::Opus, json!(5));
    scene.voice(1, &[1; 3584]);
    scene.grant(1);
    let mut counts = Vec::new();
    for chunk in 0..4 {
        if chunk > 0 {
            scene.voice(1, &[1; 3584]);
        }
        for _ in 0..7 {
            scene.pass(16);
            counts.push(chunks(&scene.ears.of(listener)).len());
        }
    }
    assert!(counts.iter().all(|count| *count <= 2), "{counts:?} each 16 ms");
    // Five frames and a part of one are in each chunk.
    assert!(counts.split(|count| *count > 0).all(|pause| pause.len() < 4), "{counts:?}");
    scene.handle(Input::Release { member: MemberRef(1) });
    scene.pass(500);
    let all = counts.iter().sum::<usize>() + chunks(&scene.ears.of(listener)).len();
    // 448 ms are 23 frames with the encoder's rest, and the last one's two repeats, which have its number.
    assert_eq!(all, chunks(&scene.ears.of(socket)).len() + 2);
}
