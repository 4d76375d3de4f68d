//! One connection: QUIC's events, its session, its voice. Streams are in [`streams`](super::streams).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use quinn_proto::{ConnectionError, ConnectionEvent, Dir, Endpoint, Event, StreamEvent, StreamId};
use web_transport_proto::VarInt;

use super::streams::Role;
use super::{Bounds, Inbox};
use crate::application::{Application, Fanout, Peer};
use crate::breaker::{Breaker, Report};
use crate::h3::{Closing, Violation, close_session, code, settings};
use crate::session::{Closed, SessionShared};
use crate::stream::StreamError;
use crate::voice::{Cast, Handle, Seat, VoiceQueue};

/// From a connection's first packet to its session; one without a session has nothing to do here.
const OPENING: Duration = Duration::from_secs(10);
/// A client that was told that its session is over has this long to say that it heard it.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// One connection.
pub(super) struct Connection<P> {
    pub(super) seat: Seat,
    pub(super) handle: Handle,
    /// Among those that have something to do.
    pub(super) marked: bool,
    /// Has got something small, and is looked at when it has something to do, or a little later.
    pub(super) resting: bool,
    /// A small packet that was put aside: read with the next thing that happens here, when all that it touches is at
    /// hand anyway.
    aside: Option<(u8, ConnectionEvent)>,
    /// Small packets that are read at once, since they may let stream data go, or bring it back.
    pub(super) alert: u8,
    /// Nothing is about to be sent, to end or to recover.
    calm: bool,
    /// The address, by number, that its packets come to and are sent from.
    pub(super) socket: u8,
    pub(super) quic: quinn_proto::Connection,
    pub(super) voice: VoiceQueue,
    pub(super) breaker: Breaker,
    /// Earlier frames that each frame of voice is sent with.
    pub(super) earlier: u8,
    /// Frames that others may ride along with and that it was sent, as far as can be counted.
    pub(super) tried: u8,
    /// Streams that are open, with what they are; a handful.
    pub(super) streams: Vec<(StreamId, Role)>,
    pub(super) session: Option<OpenSession<P>>,
    /// The request of the one session that a connection has, once there was one.
    pub(super) connect: Option<StreamId>,
    /// The client has a control stream.
    pub(super) has_control: bool,
    established: bool,
    limit: Option<Instant>,
}

/// A session while it lasts.
pub(super) struct OpenSession<P> {
    pub(super) peer: P,
    pub(super) shared: Arc<SessionShared>,
    pub(super) quarter: VarInt,
}

/// What a connection needs to carry out its events.
pub(super) struct Turn<'a, A> {
    pub(super) now: Instant,
    pub(super) application: &'a A,
    pub(super) inbox: &'a Arc<Inbox>,
    pub(super) casts: &'a mut Vec<Cast>,
}

impl<P> Connection<P> {
    pub(super) fn new(now: Instant, handle: Handle, socket: u8, quic: quinn_proto::Connection) -> Self {
        Self {
            seat: handle.seat,
            handle,
            marked: false,
            resting: false,
            aside: None,
            alert: 0,
            calm: false,
            socket,
            quic,
            voice: VoiceQueue::default(),
            breaker: Breaker::default(),
            earlier: 0,
            tried: 0,
            streams: Vec::new(),
            session: None,
            connect: None,
            has_control: false,
            established: false,
            limit: Some(now + OPENING),
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        !self.established
    }

    /// What is put before the session's datagrams; `None` while there is no session.
    pub(super) fn quarter(&self) -> Option<VarInt> {
        self.session.as_ref().map(|session| session.quarter)
    }

    /// A packet has come for it.
    pub(super) fn packet(&mut self, now: Instant, socket: u8, event: ConnectionEvent) {
        self.catch_up(now);
        self.take(now, socket, event);
    }

    fn take(&mut self, now: Instant, socket: u8, event: ConnectionEvent) {
        self.socket = socket;
        self.quic.handle_event(event);
        if self.breaker.is_open() {
            self.breaker.heard(now, &report(&self.quic));
        }
    }

    /// Whether a small packet can wait.
    pub(super) fn is_patient(&mut self) -> bool {
        if !self.calm || self.marked || self.aside.is_some() {
            return false;
        }
        let alert = self.alert > 0;
        self.alert = self.alert.saturating_sub(1);
        !alert
    }

    /// Puts a packet aside. It says itself when it came, so the round trip is measured as if it were read now.
    pub(super) fn put_aside(&mut self, socket: u8, event: ConnectionEvent) {
        self.aside = Some((socket, event));
    }

    /// Reads what was put aside, before anything else happens here.
    pub(super) fn catch_up(&mut self, now: Instant) {
        if let Some((socket, event)) = self.aside.take() {
            self.take(now, socket, event);
        }
    }

    /// Notes whether the next small packet can wait.
    pub(super) fn settled(&mut self, bounds: &Bounds) {
        (self.marked, self.resting) = (false, false);
        self.calm = self.session.is_some()
            && !self.breaker.is_open()
            && self.voice.is_empty()
            && self.sends_at_once(bounds);
    }

    /// Whether QUIC has nothing more after a packet that had room for more.
    pub(super) fn has_sent_all(&mut self, bounds: &Bounds) -> bool {
        self.established && self.voice.is_empty() && self.sends_at_once(bounds)
    }

    /// Lets QUIC's connection and endpoint talk to each other.
    pub(super) fn exchange_events(&mut self, endpoint: &mut Endpoint) {
        let handle = quinn_proto::ConnectionHandle(self.seat.slot as usize);
        while let Some(event) = self.quic.poll_endpoint_events() {
            if let Some(event) = endpoint.handle_event(handle, event) {
                self.quic.handle_event(event);
            }
        }
    }

    /// When it next wants to be looked at.
    pub(super) fn next_deadline(&mut self, max_age: Duration) -> Option<Instant> {
        [self.quic.poll_timeout(), self.limit, self.voice.deadline(max_age)].into_iter().flatten().min()
    }

    pub(super) fn deadline_passed(&mut self, now: Instant) {
        if self.quic.poll_timeout().is_some_and(|timeout| timeout <= now) {
            self.quic.handle_timeout(now);
        }
        if self.limit.is_some_and(|limit| limit <= now) {
            self.limit = None;
            self.quic.close(now, code::NO_ERROR.into(), Bytes::new());
        }
    }

    /// Ends the connection for what its client did.
    pub(super) fn violated(&mut self, now: Instant, Violation { code, reason }: Violation) {
        tracing::debug!(code, reason, "protocol violation");
        self.quic.close(now, code.into(), Bytes::from_static(reason.as_bytes()));
        self.over(&Closed::Lost(reason.to_owned()));
    }

    /// Tells the client how its session ends, and waits a little for it to say that it heard.
    pub(super) fn close_session(&mut self, now: Instant, closing: &Closing) {
        let Some(connect) = self.connect.filter(|_| self.session.is_some()) else { return };
        self.over(&Closed::Here);
        let capsule = close_session(closing.code, &closing.reason);
        let mut send = self.quic.send_stream(connect);
        // It is the first thing that is written there after the answer: it fits, or the client is beyond hope.
        if send.write(&capsule).is_ok_and(|written| written == capsule.len()) {
            send.finish().unwrap_or_default();
        }
        self.limit = Some(now + LAST_WORDS);
    }

    /// The client has closed the session, or answered that it was closed: nothing is left to be said.
    pub(super) fn session_closed(&mut self, now: Instant, closing: Closing) {
        self.over(&Closed::ByClient { code: closing.code, reason: closing.reason });
        self.limit = None;
        self.quic.close(now, code::NO_ERROR.into(), Bytes::new());
    }

    /// The engine ends.
    pub(super) fn shut_down(&mut self, now: Instant) {
        if self.connect.is_some() && self.session.is_none() {
            // Its client is being told why its session ended, and answers soon.
            return;
        }
        self.over(&Closed::Here);
        self.quic.close(now, code::NO_ERROR.into(), Bytes::from_static(b"the server stops"));
    }

    /// Tells everybody who holds a part of the session that it is over.
    fn over(&mut self, closed: &Closed) {
        if let Some(session) = self.session.take() {
            session.shared.closed(closed.clone());
        }
        for (_, role) in &self.streams {
            if let Role::Session(pipe) = role {
                pipe.receive_ended(Err(StreamError::SessionOver));
                pipe.send_ended(Err(StreamError::SessionOver));
            }
        }
        self.voice = VoiceQueue::default();
    }

    fn established(&mut self) {
        self.established = true;
        // HTTP/3's control stream (RFC 9114, section 6.2.1). A client that grants not even one can't speak it.
        if let Some(id) = self.quic.streams().open(Dir::Uni) {
            let bytes = settings();
            self.quic.send_stream(id).write(&bytes).unwrap_or_default();
        }
    }

    fn lost(&mut self, reason: &ConnectionError) {
        tracing::debug!(%reason, "connection lost");
        self.over(&Closed::Lost(reason.to_string()));
        (self.limit, self.streams) = (None, Vec::new());
    }
}

impl<P: Peer> Connection<P> {
    /// Carries out what has happened.
    pub(super) fn events<A: Application<Peer = P>>(&mut self, mut turn: Turn<'_, A>) {
        while let Some(event) = self.quic.poll() {
            match event {
                Event::Connected => self.established(),
                Event::ConnectionLost { reason } => self.lost(&reason),
                Event::DatagramReceived => self.datagrams(&mut turn),
                Event::Stream(StreamEvent::Opened { dir }) => self.opened(dir, &turn),
                Event::Stream(StreamEvent::Readable { id }) => self.readable(id, &turn),
                Event::Stream(StreamEvent::Writable { id }) => self.write(id),
                Event::Stream(StreamEvent::Finished { id }) => self.finished(id),
                Event::Stream(StreamEvent::Stopped { id, error_code }) => self.stopped(id, error_code),
                Event::Stream(StreamEvent::Available { .. })
                | Event::HandshakeDataReady
                | Event::DatagramsUnblocked => {}
            }
        }
    }

    fn datagrams<A: Application<Peer = P>>(&mut self, turn: &mut Turn<'_, A>) {
        while let Some(mut datagram) = self.quic.datagrams().recv() {
            let Ok(quarter) = VarInt::decode(&mut datagram) else {
                return self
                    .violated(turn.now, Violation::new(code::DATAGRAM_ERROR, "a datagram of no session"));
            };
            // Those of a session that isn't open yet, or any more, are lost like any others.
            if let Some(session) = self.session.as_mut().filter(|session| session.quarter == quarter) {
                let (sender, earlier) = (self.handle, &mut self.earlier);
                let mut out = Fanout { casts: turn.casts, sender, now: turn.now, earlier };
                session.peer.datagram(turn.now, datagram.chunk(), &mut out);
            }
        }
    }

    /// Opens the connection's session.
    pub(super) fn open_session(&mut self, connect: StreamId, session: OpenSession<P>) {
        self.connect = Some(connect);
        self.session = Some(session);
        self.limit = None;
    }
}

/// What the breaker wants to know of a path.
pub(super) fn report(quic: &quinn_proto::Connection) -> Report {
    let stats = quic.stats();
    Report {
        acks: stats.frame_rx.acks,
        sent: stats.path.sent_packets,
        lost: stats.path.lost_packets,
        rtt: stats.path.rtt,
    }
}
