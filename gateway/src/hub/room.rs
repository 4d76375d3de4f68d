//! One channel's task: what is asked for goes in, what was decided goes out to sessions and to the voice path.

use std::collections::BTreeMap;
use std::sync::Arc;

use suara_channel::{Effect, Settings, Time};
use suara_cluster::Replica;
use suara_proto::floor::FloorDatagram;
use suara_proto::{LeaveReason, TalkerNumber};
use tokio::sync::mpsc;

use super::alert::Alerts;
use super::chat::Line;
use super::command::Command;
use super::patch::{Patches, PeerWord};
use super::patched::FarPatches;
use super::remote::Abroad;
use super::seats::{Present, Seat};
use super::submit::{Answer, Then};
use super::view::{View, addressee};
use super::{Hub, PATIENCE, RoomHandle};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::session::SessionId;
use crate::voice::{Ahead, Ear, EarlyFrame, Listeners, Relay, Speaker};

/// Commands taken before the decisions go out: what a storm of joins has in common is then said once.
const BATCH: usize = 64;

pub(super) struct Room {
    pub(super) handle: RoomHandle,
    /// The channel's state, and this node's part in it.
    pub(super) replica: Replica,
    /// What follows from operations that are under way.
    pub(super) then: BTreeMap<u64, Then>,
    /// What is answered when all is told.
    pub(super) answers: Vec<Answer>,
    /// The way to the channel's other nodes, where there may be any.
    pub(super) abroad: Option<Abroad>,
    /// Members that are on their way in.
    pub(super) entering: usize,
    pub(super) seats: BTreeMap<TalkerNumber, Seat>,
    pub(super) present: BTreeMap<SessionId, Present>,
    pub(super) speakers: Arc<[Speaker]>,
    pub(super) listeners: Arc<Listeners>,
    pub(super) route_changed: bool,
    pub(super) audience_changed: bool,
    pub(super) ahead: Ahead,
    /// Who hears a session's held voice: everybody but itself. Made when it is needed.
    pub(super) others: Option<(SessionId, Arc<Listeners>)>,
    /// Since it was looked at last.
    pub(super) somebody_left: bool,
    pub(super) alerts: Alerts,
    pub(super) patches: Patches,
    pub(super) far_patches: FarPatches,
    pub(super) line: Line,
    /// As they were published last.
    pub(super) relays: Arc<[Relay]>,
    pub(super) hub: Hub,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
}

impl Room {
    pub(super) fn new(
        handle: RoomHandle,
        settings: Settings,
        hub: Hub,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        let (replica, abroad) = match hub.moor(&handle, &settings, clock.now()) {
            Some((replica, abroad)) => (replica, Some(abroad)),
            None => (Replica::alone(settings), None),
        };
        Self {
            handle,
            replica,
            then: BTreeMap::new(),
            answers: Vec::new(),
            abroad,
            entering: 0,
            seats: BTreeMap::new(),
            present: BTreeMap::new(),
            speakers: Arc::default(),
            listeners: Arc::default(),
            route_changed: false,
            audience_changed: false,
            ahead: Ahead::default(),
            others: None,
            somebody_left: false,
            alerts: Alerts::default(),
            patches: Patches::default(),
            far_patches: FarPatches::default(),
            line: Line::default(),
            relays: Arc::default(),
            hub,
            clock,
            metrics,
        }
    }

    /// Serves until nobody is here.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Command>,
        mut early: mpsc::Receiver<EarlyFrame>,
        mut peers: mpsc::UnboundedReceiver<PeerWord>,
    ) {
        let (mut batch, mut frames) = (Vec::with_capacity(BATCH), Vec::new());
        // Whoever it was opened for may be gone before it asks to come in.
        let mut unused = Some(self.clock.now() + PATIENCE);
        // A word from elsewhere may be the first to come.
        self.decide();
        loop {
            let wake = [self.poll_timeout(), unused.take()].into_iter().flatten().min();
            let wake = wake.map(|time| self.clock.instant(time).into());
            tokio::select! {
                count = inbox.recv_many(&mut batch, BATCH) => if count == 0 { break },
                _ = early.recv_many(&mut frames, BATCH) => {}
                word = peers.recv() => word.into_iter().for_each(|word| self.peer_word(word)),
                heard = Abroad::next(&mut self.abroad) => self.hear(heard),
                () = async { match wake {
                    Some(wake) => tokio::time::sleep_until(wake).await,
                    None => std::future::pending().await,
                } } => {}
            }
            self.hold(&mut frames);
            self.turn(&mut batch);
            if self.is_deserted_call() {
                self.end(LeaveReason::Ended);
                self.decide();
            }
            self.somebody_left = false;
            self.let_out();
            if self.is_deserted() {
                break;
            }
        }
        self.unpatch_all();
        self.cast_off();
        self.hub.retire(&self.handle);
    }

    fn poll_timeout(&self) -> Option<Time> {
        let abroad = self.abroad.as_ref().and_then(Abroad::poll_timeout);
        let (replica, ahead) = (self.replica.poll_timeout(), self.ahead.poll_timeout());
        [replica, ahead, self.line.poll_timeout(), abroad].into_iter().flatten().min()
    }

    /// Takes a batch of commands and all that time has brought, then lets the decisions out.
    fn turn(&mut self, batch: &mut Vec<Command>) {
        for speaker in self.speakers.iter().filter(|speaker| speaker.was_heard()) {
            self.replica.media(speaker.grant, speaker.last_media());
        }
        // What was due comes before what came in after it.
        self.replica.handle_timeout(self.clock.now());
        for command in batch.drain(..) {
            self.command(command);
        }
        self.go_on();
        self.decide();
    }

    pub(super) fn carry_out(&mut self, effect: &Effect) {
        self.decide_early(effect);
        self.decide_patches(effect);
        self.count(effect);
        match effect {
            Effect::Speakers(speakers) => {
                self.let_speak(speakers);
                return;
            }
            Effect::Gone { talker } => {
                self.forget(*talker);
                return;
            }
            Effect::Inactive => {
                self.end(LeaveReason::Ended);
                return;
            }
            Effect::Taken(talking) => {
                let own = self.speakers.iter().filter(|speaker| speaker.grant == talking.grant);
                own.for_each(|speaker| speaker.tape.names(talking));
            }
            Effect::Roster(delta) => self.heed(delta),
            _ => {}
        }
        self.tell(effect);
    }

    fn send(&self, ear: &Ear, datagram: &FloorDatagram) {
        self.hub.send(ear, &datagram.encode());
    }

    /// Sends an effect to the member or to everybody whom it concerns.
    fn tell(&self, effect: &Effect) {
        let view = self.view();
        if let Some(talker) = addressee(effect) {
            // Who left in the same batch has nobody to be told.
            let Some(seat) = self.seats.get(&talker) else { return };
            // Who is unreachable is told when it is back.
            let Some(port) = &seat.port else { return };
            if let Some(datagram) = view.datagram(effect).filter(|_| seat.datagrams) {
                self.send(&port.ear, &datagram);
            }
            if let Some(message) = view.personal(effect, seat.member) {
                port.outbox.say(&message);
            }
        } else if let Some(message) = view.common(effect) {
            let framed = suara_proto::message::encode(&message);
            for present in self.present.values() {
                present.port.outbox.send(framed.clone());
            }
        }
    }

    pub(super) fn view(&self) -> View<'_> {
        let RoomHandle { number, name, call, newest, .. } = &self.handle;
        View {
            number: *number,
            name,
            channel: self.channel(),
            call: call.as_deref(),
            last_message: newest.get(),
        }
    }
}
