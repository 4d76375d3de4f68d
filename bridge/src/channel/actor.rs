//! The actor: takes one input after the other, and does what the presses say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};
use suara_proto::message::ClientMessage;
use suara_proto::opus::ticks;
use suara_proto::{ChannelNumber, MemberRef, RequestId, TalkerNumber};
use tokio::sync::mpsc;

use super::audience::{Audience, Listener, RTC};
use super::cast::Cast;
use super::chat::Waiting;
use super::hearing::Hearing;
use super::pace::Pace;
use super::press::{Act, Press};
use super::roster::{Change, Roster};
use super::stage::{Place, Present, Stage, taken};
use super::talkers::Talkers;
use super::{Calm, Chunk, Enter, Input, Outlet};
use crate::audio::Format;
use crate::metrics::{DropReason, Metrics};
use crate::trunk::Link;

/// Floor requests of all channels; the desk's requests are below.
const FIRST_REQUEST: u32 = 1 << 31;

pub(super) async fn run(
    mut state: State,
    mut inputs: mpsc::UnboundedReceiver<Input>,
    backlog: Arc<AtomicUsize>,
    calm: Calm,
) {
    let mut was_calm = true;
    loop {
        let deadline = state.deadline(Instant::now());
        tokio::select! {
            input = inputs.recv() => {
                let Some(input) = input else { return };
                if matches!(input, Input::Voice { .. } | Input::Datagram(_)) {
                    backlog.fetch_sub(1, Ordering::Relaxed);
                }
                state.handle(Instant::now(), input);
            }
            () = sleep_until(deadline) => state.tick(Instant::now()),
        }
        if state.is_calm() != was_calm {
            was_calm = !was_calm;
            calm.set(was_calm.then(Instant::now));
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Where it is refused the next change of the roster asks again.
fn ask_for_roster(link: &Link, channel: ChannelNumber) {
    if !link.ask(&ClientMessage::RosterRequest { channel }) {
        tracing::debug!("a roster was not asked for: the trunk is busy");
    }
}

/// Everything that the actor knows.
pub(super) struct State {
    pub(super) metrics: Metrics,
    pub(super) audience: Audience,
    pub(super) members: BTreeMap<MemberRef, Present>,
    /// Those with a press, or with something to send at a later time.
    pub(super) busy: BTreeSet<MemberRef>,
    /// `None` while there is no trunk.
    pub(super) place: Option<Place>,
    pub(super) chat: Waiting,
    pub(super) roster: Roster,
    pub(super) talkers: Talkers,
    pub(super) hearing: Hearing,
    pub(super) early: Vec<Bytes>,
    pub(super) cast: Cast,
    /// Emergencies in force, by user.
    alerts: BTreeMap<String, Value>,
    requests: u32,
}

impl State {
    pub(super) fn new(outlet: Arc<dyn Outlet>, metrics: Metrics) -> Self {
        Self {
            audience: Audience::new(outlet, metrics.clone()),
            metrics,
            members: BTreeMap::new(),
            busy: BTreeSet::new(),
            place: None,
            chat: Waiting::default(),
            roster: Roster::default(),
            talkers: Talkers::default(),
            hearing: Hearing::default(),
            early: Vec::new(),
            cast: Cast::default(),
            alerts: BTreeMap::new(),
            requests: FIRST_REQUEST,
        }
    }

    pub(super) fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Enter(enter) => self.enter(*enter),
            Input::Change { member, listener } => self.change(now, member, listener),
            Input::Renumber { member, talker } => self.renumber(member, talker),
            Input::Exit { member } => self.exit(member),
            Input::Voice { member, at, chunk } => self.voice(now, member, at, chunk),
            Input::Press { member, wish } => {
                self.press(now, member, |press, request| press.request(now, wish, request));
            }
            Input::Release { member } => self.press(now, member, |press, _| press.release()),
            Input::Floor(floor) => self.floor(now, floor),
            Input::Roster(roster) => {
                if self.roster.apply(roster) == Change::Gap
                    && let Some(Place { link, channel }) = &self.place
                {
                    ask_for_roster(link, *channel);
                }
                self.tell_muted();
                self.recast();
                self.replay_early(now);
            }
            Input::ChatWish { member, wish } => self.chat_wish(member, wish),
            Input::Chat(chat) => self.chat_event(chat),
            Input::Alert { user, alert } => self.alert(user, alert),
            Input::Datagram(datagram) => self.datagram(now, datagram),
            Input::CutOff => self.cut_off(now),
        }
    }

    /// Whether nobody talks, and no member that the bridge brought is about to.
    fn is_calm(&self) -> bool {
        self.talkers.all().next().is_none() && self.busy.is_empty()
    }

    /// When [`tick`](Self::tick) has something to do next.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let of = |present: &Present| [present.press.deadline(), present.pace.deadline(now)];
        self.busy.iter().filter_map(|member| self.members.get(member)).flat_map(of).flatten().min()
    }

    pub(super) fn tick(&mut self, now: Instant) {
        for member in self.busy.clone() {
            self.press(now, member, |press, request| press.tick(now, request));
        }
    }

    fn enter(&mut self, enter: Enter) {
        let Enter { member, who, listener, link, channel, talker, mode, version, members, talking } = enter;
        match members {
            Some(members) => self.roster.replace(version, members),
            // The member who had the roster left while this one came.
            None if self.roster.is_unknown() => ask_for_roster(&link, channel),
            None => {}
        }
        self.place = Some(Place { link, channel });
        self.exit(member);
        self.audience.enter(member, &listener);
        self.talkers.enter(mode, talking);
        for talking in self.talkers.all() {
            self.audience.tell(&listener, "floor_taken", &taken(talking));
        }
        for alert in self.alerts.values() {
            self.audience.tell(&listener, "emergency_alert", alert);
        }
        let (press, pace) = (listener.press(), Pace::default());
        let (muted, talk, spoken) = (false, None, None);
        self.members.insert(member, Present { who, listener, talker, muted, press, talk, pace, spoken });
        self.tell_muted();
        self.recast();
        self.tell_cast();
    }

    /// Tells those of this bridge whom a dispatcher muted, or lets talk again. Nobody is told of others: a thousand
    /// clients would be told of a thousand.
    fn tell_muted(&mut self) {
        if !self.roster.has_muted() && !self.members.values().any(|present| present.muted) {
            return;
        }
        for present in self.members.values_mut() {
            let muted = self.roster.is_muted(present.talker);
            if present.muted != muted {
                present.muted = muted;
                self.audience.tell(&present.listener, "floor_muted", &json!({ "muted": muted }));
            }
        }
    }

    fn change(&mut self, now: Instant, member: MemberRef, listener: Listener) {
        self.press(now, member, |press, _| press.release());
        if let Some(present) = self.members.get_mut(&member) {
            self.audience.leave(member, &present.listener);
            self.audience.enter(member, &listener);
            present.listener = listener;
        }
    }

    /// What it is saying goes on under its new number.
    fn renumber(&mut self, member: MemberRef, talker: TalkerNumber) {
        let Some(present) = self.members.get_mut(&member).filter(|present| present.talker != talker) else {
            return;
        };
        present.talker = talker;
        if let Some(talk) = &mut present.talk {
            talk.renumber(talker);
        }
        self.tell_muted();
        self.recast();
    }

    fn exit(&mut self, member: MemberRef) {
        self.busy.remove(&member);
        if let Some(present) = self.members.remove(&member) {
            self.audience.leave(member, &present.listener);
            // One that is gone by RTC is in the roster until the gateway says so: it isn't to be cast meanwhile.
            if present.listener.seat.space == RTC {
                self.roster.silence(present.talker);
            }
        }
    }

    fn cut_off(&mut self, now: Instant) {
        for member in self.members.keys().copied().collect::<Vec<_>>() {
            self.press(now, member, |press, _| press.cut_off());
            if let Some(present) = self.members.get_mut(&member) {
                present.talk = None;
                self.metrics.dropped(DropReason::TrunkDown, present.pace.clear());
            }
        }
        self.place = None;
        self.cut_off_chat();
        self.busy.clear();
        if self.talkers.clear() {
            self.audience.announce("floor_idle", &Value::Null);
        }
        self.roster = Roster::default();
        self.hearing = Hearing::default();
        self.early.clear();
        if self.cast.clear() {
            self.tell_cast();
        }
        self.alerts.clear();
    }

    fn alert(&mut self, user: String, alert: Option<Value>) {
        match alert {
            Some(alert) => {
                self.audience.announce("emergency_alert", &alert);
                self.alerts.insert(user, alert);
            }
            None if self.alerts.remove(&user).is_some() => {
                self.audience.announce("emergency_over", &json!({ "user_id": user }));
            }
            None => {}
        }
    }

    fn voice(&mut self, now: Instant, member: MemberRef, at: Instant, chunk: Chunk) {
        let Some(present) = self.members.get(&member) else {
            return self.metrics.dropped(DropReason::NotJoined, 1);
        };
        if self.place.is_none() {
            return self.metrics.dropped(DropReason::TrunkDown, 1);
        }
        if present.listener.format == Format::Opus && ticks(&chunk.bytes).is_err() {
            self.metrics.bad_input("opus");
            return self.metrics.dropped(DropReason::Malformed, 1);
        }
        self.press(now, member, |press, request| press.chunk(at, chunk, request));
    }

    /// Moves one member's press on, and does what it says.
    pub(super) fn press(
        &mut self,
        now: Instant,
        member: MemberRef,
        step: impl FnOnce(&mut Press<Chunk>, RequestId) -> Vec<Act<Chunk>>,
    ) {
        let Some(present) = self.members.get_mut(&member) else { return };
        let request = RequestId(self.requests);
        let acts = step(&mut present.press, request);
        if acts.iter().any(|act| matches!(act, Act::Request(asked, _) if *asked == request)) {
            self.requests = self.requests.wrapping_add(1).max(FIRST_REQUEST);
        }
        let Some(place) = &self.place else { return };
        let mut stage = Stage { now, member, place, audience: &self.audience, metrics: &self.metrics };
        for act in acts {
            stage.perform(present, act);
        }
        stage.send(present);
        if !present.press.is_idle() || present.pace.deadline(now).is_some() {
            self.busy.insert(member);
        } else {
            self.busy.remove(&member);
        }
    }
}
