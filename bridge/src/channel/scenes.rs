//! Scenarios of a channel: legacy clients of several formats, a gateway whose words are given, and what is heard.

mod heard;
mod numbered;
mod queue;
mod renumbered;
mod reported;
mod several;
mod told;

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
