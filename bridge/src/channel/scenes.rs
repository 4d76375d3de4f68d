//! Scenarios of a channel: legacy clients of several formats, a gateway whose words are given, and what is heard.

mod numbered;
mod queue;
mod renumbered;
mod several;

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use socketioxide::socket::Sid;
use suara_proto::message::{ChannelMode, Level};
use suara_proto::voice::{Flags, Header, Redundant, VoiceFrame};
use suara_proto::{Grant, RequestId};

use super::actor::State;
use super::*;
use crate::audio::{Encoder, Format, Rate};
use crate::edge::{Hold, Lines};
use crate::trunk::recorded::{Record, Said};

const GATE: ChannelNumber = ChannelNumber(17);
const GRANT: Grant = Grant(65_537);

/// What a client was sent.
#[derive(Debug, Clone, PartialEq)]
enum Heard {
    Voice { chunk: Bytes, user: String, seq: u64, channel: Value },
    Event(&'static str, Value),
}

/// Who is in which room, and what everybody heard.
#[derive(Clone, Default)]
struct Ears {
    rooms: Arc<Mutex<Vec<(Sid, Room)>>>,
    heard: Arc<Mutex<Vec<(Sid, Heard)>>>,
    casts: Arc<Mutex<Vec<Vec<u16>>>>,
}

impl Ears {
    fn everybody(&self, room: &Room) -> Vec<Sid> {
        let rooms = self.rooms.lock().unwrap();
        rooms.iter().filter(|(_, there)| there == room).map(|(sid, _)| *sid).collect()
    }

    fn note(&self, sid: Sid, heard: Heard) {
        self.heard.lock().unwrap().push((sid, heard));
    }

    fn of(&self, sid: Sid) -> Vec<Heard> {
        let mut all = self.heard.lock().unwrap();
        let (mine, others): (Vec<_>, Vec<_>) = all.drain(..).partition(|(to, _)| *to == sid);
        *all = others;
        mine.into_iter().map(|(_, heard)| heard).collect()
    }
}

impl Outlet for Ears {
    fn enter(&self, seat: Seat, room: &Room) {
        self.rooms.lock().unwrap().push((seat.sid, room.clone()));
    }

    fn leave(&self, seat: Seat, room: &Room) {
        self.rooms.lock().unwrap().retain(|(sid, there)| !(*sid == seat.sid && there == room));
    }

    fn voice(&self, room: &Room, except: &[Seat], chunk: &Bytes, sender: &Sender<'_>) -> usize {
        for sid in self.everybody(room) {
            if !except.iter().any(|seat| seat.sid == sid) {
                let (chunk, user) = (chunk.clone(), sender.user_id.to_owned());
                let channel = sender.channel_id.clone();
                self.note(sid, Heard::Voice { chunk, user, seq: sender.seq, channel });
            }
        }
        0
    }

    fn announce(&self, room: &Room, event: &'static str, payload: &Value) {
        for sid in self.everybody(room) {
            self.note(sid, Heard::Event(event, payload.clone()));
        }
    }

    fn cast(&self, room: &Room, cast: &[(TalkerNumber, Who)]) {
        assert_eq!(room.space, RTC);
        self.casts.lock().unwrap().push(cast.iter().map(|(talker, _)| talker.0).collect());
    }

    fn tell(&self, seat: Seat, event: &'static str, payload: &Value) {
        self.note(seat.sid, Heard::Event(event, payload.clone()));
    }
}

struct Scene {
    state: State,
    ears: Ears,
    record: Record,
    lines: Lines,
    holds: Vec<Hold>,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let ears = Ears::default();
        let state = State::new(Arc::new(ears.clone()), Metrics::default());
        let (record, lines) = (Record::default(), Lines::default());
        Self { state, ears, record, lines, holds: Vec::new(), now: Instant::now() }
    }

    fn enter(&mut self, number: u32, format: Format, spelling: Value) -> Sid {
        self.enter_as(number, Sid::new(), format, spelling)
    }

    fn enter_as(&mut self, number: u32, sid: Sid, format: Format, spelling: Value) -> Sid {
        let handshake = axum::http::Request::new(()).into_parts().0;
        let hold = self.lines.hold(sid, &handshake, || false);
        let line = Arc::clone(hold.line());
        self.holds.push(hold);
        let enter = Enter {
            member: MemberRef(number),
            who: who(&format!("user{number}")),
            listener: Listener { seat: Seat { space: "/", sid }, line, format, spelling },
            link: self.record.link(),
            channel: GATE,
            talker: TalkerNumber(number as u16),
            mode: ChannelMode::Ptt,
            version: 1,
            members: Some(vec![Person {
                talker: TalkerNumber(99),
                who: who("bob"),
                listen_only: false,
                muted: false,
            }]),
            talking: Vec::new(),
        };
        self.handle(Input::Enter(Box::new(enter)));
        sid
    }

    /// A client of Socket.IO in a channel of that mode, whose roster is known.
    fn enter_in(&mut self, number: u32, mode: ChannelMode) -> Sid {
        let sid = Sid::new();
        let line = Arc::new(crate::edge::Line::by_datagram());
        let (seat, format, spelling) = (Seat { space: "/", sid }, pcm(16_000), json!(5));
        let enter = Enter {
            member: MemberRef(number),
            who: who(&format!("user{number}")),
            listener: Listener { seat, line, format, spelling },
            link: self.record.link(),
            channel: GATE,
            talker: TalkerNumber(number as u16),
            mode,
            version: 1,
            members: None,
            talking: Vec::new(),
        };
        self.handle(Input::Enter(Box::new(enter)));
        sid
    }

    fn handle(&mut self, input: Input) {
        self.state.handle(self.now, input);
    }

    fn voice(&mut self, number: u32, chunk: &[u8]) {
        let (at, chunk) = (self.now, Bytes::copy_from_slice(chunk).into());
        self.handle(Input::Voice { member: MemberRef(number), at, chunk });
    }

    /// Lets time pass, with everything that is due in it.
    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.state.deadline(self.now).filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.state.tick(self.now);
        }
        self.now = end;
    }

    fn grant(&mut self, number: u32) {
        let requests = self.record.take_control();
        let request = requests.iter().find(|json| json["type"] == "floor_request").expect("a request");
        assert_eq!(request["channel"], 17);
        assert_eq!(request["member"], number);
        let request = RequestId(request["request"].as_u64().unwrap() as u32);
        let member = MemberRef(number);
        self.handle(Input::Floor(FloorEvent::Granted { member, request, grant: GRANT, duration_ms: 30_000 }));
    }

    fn datagrams(&self) -> Vec<Bytes> {
        let voice = |said| if let Said::Voice(datagram) = said { Some(datagram) } else { None };
        self.record.take().into_iter().filter_map(voice).collect()
    }
}

fn who(user: &str) -> Who {
    Who { user: user.into(), name: user.to_uppercase().into(), role: "".into() }
}

fn pcm(hz: u32) -> Format {
    Format::Pcm16(Rate::new(hz).unwrap())
}

fn chunks(heard: &[Heard]) -> Vec<Bytes> {
    heard
        .iter()
        .filter_map(|heard| if let Heard::Voice { chunk, .. } = heard { Some(chunk.clone()) } else { None })
        .collect()
}

fn frame(sequence: u16, flags: Flags, packet: &[u8]) -> Bytes {
    frame_of(TalkerNumber(99), GRANT, sequence, flags, packet)
}

fn frame_of(talker: TalkerNumber, grant: Grant, sequence: u16, flags: Flags, packet: &[u8]) -> Bytes {
    let header = Header { flags, sequence, timestamp: 0, channel: GATE, talker, grant };
    let frame = VoiceFrame { header, redundant: Redundant::default(), packet };
    let mut buffer = [0; 1000];
    let length = frame.encode(&mut buffer).unwrap();
    Bytes::copy_from_slice(&buffer[..length])
}

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
