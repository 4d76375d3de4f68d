//! One member of a channel: hello, join, the floor, voice, heartbeats; and guests, who come and go.

mod voice;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use quinn_proto::ConnectionHandle;
use serde::Deserialize;
use suara_proto::frame::STREAM_CONTROL;
use suara_proto::limits::HEARTBEAT;
use suara_proto::message::{ClientMessage, encode};
use suara_proto::{ChannelNumber, Grant, RequestId, TalkerNumber};

use super::link::{Event, Link};
use super::shared::Shared;
use crate::measure::{Seen, Tally};

/// A denied talker asks again after this.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// What a talker's voice is like.
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    /// From one frame to the next.
    pub period: Duration,
    /// Bytes of each Opus packet.
    pub size: usize,
}

/// What a session does once it is in its channel.
#[derive(Debug, Clone, Copy)]
pub enum Role {
    /// Stays and listens.
    Listener,
    /// Stays, asks for the floor and talks.
    Talker {
        /// Names it in the stamps of its frames.
        source: u16,
        /// Shifts its frames against those of other talkers.
        offset: Duration,
    },
    /// Stays for a while, leaves in one of three ways, and comes back.
    Guest {
        /// How long it stays, and how long it is away.
        stay: Duration,
    },
}

/// A session to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Who it is.
    pub token: String,
    /// Where it goes.
    pub channel: String,
    /// The same by number within the run.
    pub index: usize,
    /// What it does there.
    pub role: Role,
    /// When it connects, from the run's start.
    pub at: Duration,
}

/// Something that a session does at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Open,
    Beat,
    Ask,
    Talk,
    Leave,
    Join,
}

/// What is to be done when, and by which session.
pub(crate) type Todo = BinaryHeap<Reverse<(Instant, usize, Act)>>;

/// What a session needs of its thread.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) shared: &'a Shared,
    pub(crate) voice: &'a Voice,
    pub(crate) tally: &'a mut Tally,
    pub(crate) todo: &'a mut Todo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Coming,
    In,
    Away,
}

/// How a guest has to be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It only left the channel.
    Stays,
    /// It closes its connection.
    Close,
    /// Its connection is never heard of again.
    Vanish,
}

/// The fields of any message that a load test looks at.
#[derive(Deserialize)]
struct Heard<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    channel: Option<u32>,
    talker: Option<u16>,
    grant: Option<u32>,
    code: Option<Cow<'a, str>>,
}

pub(crate) struct Session {
    pub(crate) plan: Plan,
    pub(crate) link: Option<Link>,
    pub(crate) handle: Option<ConnectionHandle>,
    pub(crate) lane: usize,
    me: usize,
    state: State,
    /// How long what came last lay at its socket.
    pub(crate) waited: Duration,
    began: Instant,
    channel: ChannelNumber,
    talker: TalkerNumber,
    grant: Option<Grant>,
    start: bool,
    request: u32,
    frame: u32,
    exits: u32,
    /// Sequence number of a legacy talker's first frame.
    first: Option<u16>,
    seen: Seen,
}

impl Session {
    pub(crate) fn new(me: usize, lane: usize, plan: Plan, now: Instant) -> Self {
        Self {
            plan,
            link: None,
            handle: None,
            lane,
            me,
            state: State::Away,
            waited: Duration::ZERO,
            began: now,
            channel: ChannelNumber(0),
            talker: TalkerNumber(0),
            grant: None,
            start: true,
            request: 0,
            frame: 0,
            exits: me as u32,
            first: None,
            seen: Seen::default(),
        }
    }

    /// A connection was opened for it.
    pub(crate) fn opened(&mut self, link: Link, handle: ConnectionHandle, now: Instant) {
        self.link = Some(link);
        self.handle = Some(handle);
        self.state = State::Coming;
        self.began = now;
    }

    pub(crate) fn talks(&self) -> bool {
        matches!(self.plan.role, Role::Talker { .. })
    }

    fn is_guest(&self) -> bool {
        matches!(self.plan.role, Role::Guest { .. })
    }

    pub(crate) fn handle(&mut self, event: Event, context: &mut Context<'_>) {
        match event {
            Event::Open => self.hello(),
            Event::Message(message) => self.message(&message, context),
            Event::Datagram(datagram) => self.datagram(&datagram, context),
            Event::Ended(why) => self.ended(why, context),
        }
    }

    /// Does something at its time; only a guest's leaving needs the thread's help.
    pub(crate) fn act(&mut self, act: Act, context: &mut Context<'_>) -> Exit {
        match act {
            Act::Beat if self.state != State::Away => {
                self.say(&ClientMessage::Ping { nonce: self.request });
                self.later(HEARTBEAT, Act::Beat, context);
            }
            Act::Ask => self.ask(),
            Act::Talk => self.talk(context),
            Act::Join => self.join(),
            Act::Leave => return self.leave(context),
            Act::Beat | Act::Open => {}
        }
        Exit::Stays
    }

    fn say(&mut self, message: &ClientMessage<'_>) {
        if let Some(link) = &mut self.link {
            link.say(&encode(message));
        }
    }

    fn later(&self, wait: Duration, act: Act, context: &mut Context<'_>) {
        context.todo.push(Reverse((context.now + wait, self.me, act)));
    }

    fn hello(&mut self) {
        let token = Cow::Borrowed(self.plan.token.as_str());
        let hello = encode(&ClientMessage::Hello {
            version: 1,
            token,
            client: Some("suara-loadtest".into()),
            resume: None,
            calls: false,
        });
        let mut bytes = BytesMut::from(&[STREAM_CONTROL][..]);
        bytes.extend_from_slice(&hello);
        if let Some(link) = &mut self.link {
            link.open_stream(&bytes);
        }
    }

    fn join(&mut self) {
        if self.state == State::Away {
            self.state = State::Coming;
        }
        self.request += 1;
        let channel = Cow::Owned(self.plan.channel.clone());
        self.say(&ClientMessage::Join { request: RequestId(self.request), channel, member: None });
    }

    fn ask(&mut self) {
        if self.grant.is_none() && self.state == State::In {
            self.request += 1;
            let request = RequestId(self.request);
            self.say(&ClientMessage::floor_request(request, self.channel, None));
        }
    }

    fn message(&mut self, message: &Bytes, context: &mut Context<'_>) {
        // The roster is most of what is said in a large channel, and nothing that we need.
        if message.starts_with(br#"{"type":"roster""#) {
            return;
        }
        let Ok(heard) = serde_json::from_slice::<Heard<'_>>(message) else { return };
        let grant = heard.grant.map(Grant);
        match &*heard.kind {
            "welcome" => self.join(),
            "joined" => self.joined(heard.channel, heard.talker, context),
            "floor_granted" => {
                self.start = true;
                self.grant = grant;
            }
            "floor_deny" => self.later(ASK_AGAIN, Act::Ask, context),
            "floor_revoke" => self.revoked(context),
            "floor_idle" if self.grant.is_some() && self.grant == grant => {
                self.grant = None;
                self.ask();
            }
            "error" | "closing" => {
                let code = heard.code.unwrap_or_default();
                context.tally.fault(|| format!("the gateway says {}: {code}", heard.kind));
                if heard.kind == "error" && self.state == State::Coming {
                    context.shared.failed.fetch_add(1, Ordering::Relaxed);
                }
            }
            _ => {}
        }
    }

    fn joined(&mut self, channel: Option<u32>, talker: Option<u16>, context: &mut Context<'_>) {
        let (Some(channel), Some(talker)) = (channel, talker) else { return };
        self.channel = ChannelNumber(channel);
        self.talker = TalkerNumber(talker);
        if self.state == State::Coming {
            self.state = State::In;
            let took = context.now.saturating_duration_since(self.began);
            context.tally.handshake.saturating_record(took.as_micros() as u64);
            context.tally.sessions += 1;
            self.later(HEARTBEAT, Act::Beat, context);
            match self.plan.role {
                Role::Guest { stay } => self.later(stay, Act::Leave, context),
                Role::Listener | Role::Talker { .. } => context.shared.came(self.plan.index),
            }
        }
    }

    fn revoked(&mut self, context: &mut Context<'_>) {
        if let Some(grant) = self.grant.take() {
            self.say(&ClientMessage::FloorRelease { channel: self.channel, grant, member: None });
            // The floor is idle once the release is there; a request right behind it finds it so.
            self.later(Duration::from_millis(1), Act::Ask, context);
        }
    }

    /// Guests take turns: leave the channel, close the connection, vanish.
    fn leave(&mut self, context: &mut Context<'_>) -> Exit {
        let Role::Guest { stay } = self.plan.role else { return Exit::Stays };
        if self.state == State::Away {
            return Exit::Stays;
        }
        self.state = State::Away;
        self.began = context.now + stay / 2;
        self.exits += 1;
        match self.exits % 3 {
            0 => {
                self.say(&ClientMessage::Leave { channel: self.channel, member: None });
                self.later(stay / 2, Act::Join, context);
                Exit::Stays
            }
            way => {
                self.later(stay / 2, Act::Open, context);
                if way == 1 { Exit::Close } else { Exit::Vanish }
            }
        }
    }

    fn ended(&mut self, why: String, context: &mut Context<'_>) {
        self.grant = None;
        let was = std::mem::replace(&mut self.state, State::Away);
        if context.shared.stopped() || was == State::Away {
            return;
        }
        if was == State::In {
            context.tally.dropped += 1;
        } else {
            context.shared.failed.fetch_add(1, Ordering::Relaxed);
        }
        context.tally.fault(|| why);
    }
}
