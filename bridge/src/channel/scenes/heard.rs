//! What is heard of whom, in which format.

use super::*;

#[test]
fn clients_of_one_format_hear_the_very_same_chunks_and_the_talker_hears_nothing() {
    let mut scene = Scene::new();
    let talker = scene.enter(1, pcm(16_000), json!(5));
    let number = scene.enter(2, pcm(16_000), json!(5));
    let string = scene.enter(3, pcm(16_000), json!("5"));
    let sent: Vec<Vec<u8>> = [7, 641, 3584, 640].map(|size| vec![size as u8; size]).to_vec();
    scene.voice(1, &sent[0]);
    scene.voice(1, &sent[1]);
    assert_eq!(scene.ears.of(number), [], "not before the grant");
    scene.grant(1);
    scene.voice(1, &sent[2]);
    scene.voice(1, &sent[3]);
    for (sid, spelling) in [(number, json!(5)), (string, json!("5"))] {
        let heard = scene.ears.of(sid);
        assert_eq!(chunks(&heard), sent);
        for (index, heard) in heard.into_iter().enumerate() {
            let Heard::Voice { user, seq, channel, .. } = heard else { panic!("{heard:?}") };
            assert_eq!((user.as_str(), seq, channel), ("user1", index as u64, spelling.clone()));
        }
    }
    assert!(chunks(&scene.ears.of(talker)).is_empty());
}

#[test]
fn the_gateway_gets_whole_frames_a_marked_end_and_the_release_behind_it() {
    let mut scene = Scene::new();
    scene.enter(1, pcm(16_000), json!(5));
    scene.voice(1, &vec![1; 3584]);
    scene.grant(1);
    scene.pass(700);
    let said = scene.record.take();
    let Some((Said::Control(release), voice)) = said.split_last() else { panic!("{said:?}") };
    assert_eq!((&release["type"], &release["grant"]), (&json!("floor_release"), &json!(65_537)));
    let frames: Vec<VoiceFrame<'_>> =
        voice
            .iter()
            .map(|said| {
                if let Said::Voice(datagram) = said {
                    VoiceFrame::decode(datagram).unwrap()
                } else {
                    panic!()
                }
            })
            .collect();
    // 3 584 bytes are five frames and 192 samples; the last one holds these and what the encoder kept back.
    assert_eq!(frames.len(), 5 + 3);
    for (index, frame) in frames.iter().enumerate() {
        let expected = frames[0].header.sequence.wrapping_add(index.min(5) as u16);
        assert_eq!(frame.header.sequence, expected);
        let ticks = frame.header.timestamp.wrapping_sub(frames[0].header.timestamp);
        assert_eq!(ticks, 960 * index.min(5) as u32);
        assert_eq!(frame.header.flags.start, index == 0);
        assert_eq!(frame.header.flags.end, index >= 5);
        assert_eq!(
            (frame.header.channel, frame.header.talker, frame.header.grant),
            (GATE, TalkerNumber(1), GRANT)
        );
    }
    assert_eq!(voice[5], voice[7]);
}

#[test]
fn a_long_chunk_goes_to_the_gateway_nearly_as_slow_as_it_was_spoken() {
    let mut scene = Scene::new();
    scene.enter(1, pcm(16_000), json!(5));
    scene.voice(1, &vec![1; 6400]);
    scene.grant(1);
    assert_eq!(scene.datagrams().len(), 1);
    scene.pass(18);
    assert_eq!(scene.datagrams().len(), 1);
    scene.pass(90);
    assert_eq!(scene.datagrams().len(), 5);
}

#[test]
fn other_formats_get_it_decoded_at_their_own_rate() {
    let mut scene = Scene::new();
    scene.enter(1, pcm(16_000), json!(5));
    let wide = scene.enter(2, pcm(48_000), json!(5));
    let packets = scene.enter(3, Format::Opus, json!(5));
    scene.voice(1, &vec![1; 640]);
    scene.grant(1);
    scene.voice(1, &vec![1; 640]);
    scene.pass(700);
    let heard = chunks(&scene.ears.of(wide));
    assert_eq!(heard.len(), 3, "two frames and the end");
    assert!(heard.iter().all(|chunk| chunk.len() == 1920));
    assert_eq!(chunks(&scene.ears.of(packets)).len(), 3);
}

#[test]
fn an_opus_client_is_passed_on_as_it_is_and_nonsense_is_dropped() {
    let mut scene = Scene::new();
    scene.enter(1, Format::Opus, json!(5));
    let narrow = scene.enter(2, pcm(8_000), json!(5));
    let mut encoder = Encoder::new(Rate::new(48_000).unwrap()).unwrap();
    let packet = encoder.encode(&[0; 960]).unwrap();
    scene.voice(1, &packet);
    scene.grant(1);
    scene.voice(1, &[0x4b, 0]);
    scene.pass(700);
    assert_eq!(chunks(&scene.ears.of(narrow)).iter().map(Bytes::len).collect::<Vec<_>>(), [320]);
    let datagrams = scene.datagrams();
    assert_eq!(VoiceFrame::decode(&datagrams[0]).unwrap().packet, packet);
    let last = VoiceFrame::decode(&datagrams[3]).unwrap();
    assert!(last.header.flags.end && last.packet.is_empty());
    assert_eq!(datagrams.len(), 4);
}

#[test]
fn voice_from_the_gateway_is_heard_once_with_its_talkers_name() {
    let mut scene = Scene::new();
    let narrow = scene.enter(1, pcm(16_000), json!("pos"));
    let packets = scene.enter(2, Format::Opus, json!("pos"));
    let mut encoder = Encoder::new(Rate::new(48_000).unwrap()).unwrap();
    for sequence in [10, 11, 11, 13] {
        let packet = encoder.encode(&[100; 960]).unwrap();
        scene.handle(Input::Datagram(frame(sequence, Flags::default(), &packet)));
    }
    scene.handle(Input::Datagram(frame(13, Flags { end: true, ..Flags::default() }, &[])));
    let heard = scene.ears.of(narrow);
    let seqs: Vec<u64> = heard
        .iter()
        .map(|heard| {
            if let Heard::Voice { seq, user, .. } = heard {
                assert_eq!(user, "bob");
                *seq
            } else {
                panic!()
            }
        })
        .collect();
    assert_eq!(seqs, [10, 11, 12, 13], "the lost one is concealed, the repeated ones are not repeated");
    assert!(chunks(&heard).iter().all(|chunk| chunk.len() == 640));
    assert_eq!(chunks(&scene.ears.of(packets)).len(), 3, "no concealment in a format of packets");
}

#[test]
fn voice_that_overtakes_the_word_of_who_talks_waits_for_it() {
    let mut scene = Scene::new();
    let sid = scene.enter(1, Format::Opus, json!(5));
    scene.handle(Input::Roster(RosterEvent {
        since: Some(1),
        version: 2,
        members: None,
        joined: Vec::new(),
        left: vec![TalkerNumber(99)],
        changed: Vec::new(),
    }));
    let packet = Encoder::new(Rate::new(16_000).unwrap()).unwrap().encode(&[0; 320]).unwrap();
    scene.handle(Input::Datagram(frame(1, Flags::default(), &packet)));
    assert_eq!(scene.ears.of(sid), []);
    let person = Person { talker: TalkerNumber(99), who: who("eve"), listen_only: false, muted: false };
    scene.handle(Input::Floor(FloorEvent::Taken(Talking {
        person,
        grant: GRANT,
        remaining_ms: 30_000,
        level: Level::Normal,
    })));
    let heard = scene.ears.of(sid);
    assert_eq!(
        heard[0],
        Heard::Event(
            "floor_taken",
            json!({"channel_id": 5, "user_id": "eve", "name": "EVE", "remaining_ms": 30_000})
        )
    );
    assert!(matches!(&heard[1], Heard::Voice { user, .. } if user == "eve"));
}

#[test]
fn a_listener_who_stopped_polling_gets_no_voice_and_keeps_its_other_events() {
    let mut scene = Scene::new();
    scene.enter(1, pcm(16_000), json!(5));
    let late = scene.enter(2, pcm(16_000), json!(5));
    scene.now += Duration::from_secs(5);
    scene.voice(1, &[1; 640]);
    scene.grant(1);
    scene.handle(Input::Floor(FloorEvent::Idle { grant: GRANT }));
    let person = Person { talker: TalkerNumber(1), who: who("user1"), listen_only: false, muted: false };
    scene.handle(Input::Floor(FloorEvent::Taken(Talking {
        person,
        grant: Grant(65_538),
        remaining_ms: 1,
        level: Level::Normal,
    })));
    let heard = scene.ears.of(late);
    assert!(chunks(&heard).is_empty());
    assert!(matches!(heard[..], [Heard::Event("floor_taken", _)]));
}

#[test]
fn when_the_trunk_is_lost_talking_ends_and_begins_anew_after_it_is_back() {
    let mut scene = Scene::new();
    scene.enter(1, pcm(16_000), json!(5));
    let listener = scene.enter(2, pcm(16_000), json!(5));
    scene.voice(1, &[1; 640]);
    scene.grant(1);
    scene.handle(Input::CutOff);
    scene.voice(1, &[2; 640]);
    assert_eq!(chunks(&scene.ears.of(listener)).len(), 1);
    scene.record.take();
    scene.pass(100);
    let sid = scene.enter(1, pcm(16_000), json!(5));
    let again = scene.enter(2, pcm(16_000), json!(5));
    scene.voice(1, &[3; 640]);
    scene.grant(1);
    assert_eq!(chunks(&scene.ears.of(again)), [Bytes::from(vec![3; 640])]);
    assert!(chunks(&scene.ears.of(sid)).is_empty());
}

#[test]
fn one_who_comes_back_on_its_connection_hears_though_its_exit_comes_later() {
    let mut scene = Scene::new();
    let sid = scene.enter(1, pcm(16_000), json!(5));
    scene.enter_as(2, sid, pcm(16_000), json!(5));
    scene.handle(Input::Exit { member: MemberRef(1) });
    assert_eq!(scene.ears.rooms.lock().unwrap().iter().filter(|(there, _)| *there == sid).count(), 2);
    scene.handle(Input::Exit { member: MemberRef(2) });
    assert_eq!(scene.ears.rooms.lock().unwrap().len(), 0);
}

#[test]
fn one_who_changes_its_format_hears_in_the_new_one() {
    let mut scene = Scene::new();
    scene.enter(1, pcm(16_000), json!(5));
    let sid = scene.enter(2, pcm(16_000), json!(5));
    let line = Arc::clone(scene.holds[1].line());
    let listener = Listener { seat: Seat { space: "/", sid }, line, format: pcm(8_000), spelling: json!(5) };
    scene.handle(Input::Change { member: MemberRef(2), listener });
    scene.voice(1, &[1; 640]);
    scene.grant(1);
    assert_eq!(chunks(&scene.ears.of(sid)).iter().map(Bytes::len).collect::<Vec<_>>(), [320]);
}
