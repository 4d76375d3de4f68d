//! The loop that runs all sessions of a thread: receive a batch, tell the connections, let the sessions act, send.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use quinn_proto::{ConnectionHandle, DatagramEvent, Endpoint, EndpointConfig, EndpointEvent};
use url::Url;
use web_transport_proto::ConnectRequest;

use super::lane::{Lane, Receiver};
use super::link::{Event, Link};
use super::quic::{Acks, MAX_ACK_DELAY, Quic};
use super::session::{Act, Context, Exit, Plan, Role, Session, Todo, Voice};
use super::shared::Shared;
use super::timers::Timers;
use crate::LoadError;
use crate::error::Tried;
use crate::measure::{Tally, dropped_packets};

/// The loop looks at what other threads say at least this often.
const LOOK: Duration = Duration::from_millis(20);
/// Sockets whose readiness is learnt at once.
const READY: usize = 256;
/// A connection index that leads to no session.
const NOBODY: usize = usize::MAX;

/// One thread's sessions and what they need.
pub struct Fleet {
    /// Where packets go: the gateway itself, or an impaired path to it.
    pub remote: SocketAddr,
    /// Where the session is asked for.
    pub url: Url,
    /// QUIC's settings.
    pub quic: Quic,
    /// Who connects when, to do what.
    pub plans: Vec<Plan>,
    /// Sockets that the sessions are spread over.
    pub sockets: usize,
    /// What talkers send.
    pub voice: Voice,
    /// What the run's threads share.
    pub shared: Arc<Shared>,
}

/// Runs a thread's sessions until the run is stopped, and returns what they counted.
///
/// # Errors
/// When no socket can be had.
pub fn run(fleet: Fleet) -> Result<Tally, LoadError> {
    let mut driver = Driver::new(fleet)?;
    while !driver.fleet.shared.stopped() {
        driver.turn()?;
    }
    Ok(driver.finish())
}

struct Driver {
    fleet: Fleet,
    endpoint: Endpoint,
    epoll: Epoll,
    lanes: Vec<Lane>,
    receiver: Receiver,
    sessions: Vec<Session>,
    by_handle: Vec<usize>,
    timers: Timers,
    todo: Todo,
    dirty: Vec<usize>,
    is_dirty: Vec<bool>,
    /// Voice came since the last transmission.
    unacknowledged: Vec<bool>,
    events: Vec<Event>,
    tally: Tally,
    talking: bool,
    told: u64,
}

impl Driver {
    fn new(mut fleet: Fleet) -> Result<Self, LoadError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).tried("no epoll")?;
        let lanes: Vec<Lane> =
            (0..fleet.sockets.max(1)).map(|_| Lane::open(fleet.remote)).collect::<Result<_, _>>()?;
        for (index, lane) in lanes.iter().enumerate() {
            let interest = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
            epoll.add(lane.socket(), interest).tried("a socket can't be watched")?;
        }
        let now = Instant::now();
        let mut todo = Todo::new();
        let mut sessions = Vec::with_capacity(fleet.plans.len());
        for (index, plan) in std::mem::take(&mut fleet.plans).into_iter().enumerate() {
            todo.push(Reverse((fleet.shared.clock.at(plan.at.as_nanos() as u64), index, Act::Open)));
            sessions.push(Session::new(index, index % lanes.len(), plan, now));
        }
        let endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None);
        Ok(Self {
            endpoint,
            epoll,
            lanes,
            receiver: Receiver::new(),
            by_handle: Vec::new(),
            timers: Timers::default(),
            todo,
            dirty: Vec::new(),
            is_dirty: vec![false; sessions.len()],
            unacknowledged: vec![false; sessions.len()],
            sessions,
            events: Vec::new(),
            tally: Tally::default(),
            talking: false,
            told: 0,
            fleet,
        })
    }

    fn turn(&mut self) -> Result<(), LoadError> {
        self.wait()?;
        self.receive()?;
        let now = Instant::now();
        self.begin_to_talk(now);
        self.act(now)?;
        while let Some(index) = self.timers.due(now) {
            if let Some(link) = &mut self.sessions[index].link {
                link.quic.handle_timeout(now);
                self.mark(index);
            }
        }
        self.settle(now);
        let heard = self.tally.delivered;
        self.fleet.shared.heard.fetch_add(heard - self.told, Ordering::Relaxed);
        self.told = heard;
        Ok(())
    }

    /// Sleeps until something comes or is due. Precisely: a frame that leaves late is a latency of our own.
    fn wait(&self) -> Result<(), LoadError> {
        let now = Instant::now();
        let next = self.todo.peek().map(|Reverse((moment, ..))| *moment);
        let wake = next.into_iter().chain(self.timers.next()).min();
        let wait = wake.map_or(LOOK, |wake| wake.saturating_duration_since(now).min(LOOK));
        let mut descriptors = [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut descriptors, Some(wait.into()), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error).tried("waiting for packets failed"),
        }
    }

    fn receive(&mut self) -> Result<(), LoadError> {
        let mut ready = [EpollEvent::empty(); READY];
        let count = self.epoll.wait(&mut ready, EpollTimeout::ZERO).tried("waiting for packets failed")?;
        for event in &ready[..count] {
            let lane = event.data() as usize;
            loop {
                let count = self.receiver.read(&self.lanes[lane]);
                let now = Instant::now();
                if count > 0 {
                    self.tally.lag.saturating_record(self.receiver.waited(0).as_micros() as u64);
                }
                (0..count).for_each(|index| self.datagram(index, lane, now));
                self.settle(now);
                if !self.receiver.full() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn datagram(&mut self, index: usize, lane: usize, now: Instant) {
        let data = BytesMut::from(self.receiver.datagram(index));
        let slot = self.lanes[lane].slot();
        match self.endpoint.handle(now, self.fleet.remote, None, None, data, slot) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let session = self.by_handle.get(handle.0).copied().unwrap_or(NOBODY);
                let Some(heard) = self.sessions.get_mut(session) else { return };
                heard.waited = self.receiver.waited(index);
                if let Some(link) = heard.link.as_mut() {
                    link.quic.handle_event(event);
                    self.unacknowledged[session] = true;
                    self.mark(session);
                }
            }
            Some(DatagramEvent::Response(_)) => self.lanes[lane].push(),
            Some(DatagramEvent::NewConnection(incoming)) => self.endpoint.ignore(incoming),
            None => {}
        }
    }

    fn mark(&mut self, index: usize) {
        if !std::mem::replace(&mut self.is_dirty[index], true) {
            self.dirty.push(index);
        }
    }

    /// Once all sessions are there, each talker asks for the floor and sets its alarm.
    fn begin_to_talk(&mut self, now: Instant) {
        let Some(voice) = self.fleet.shared.phase.voice().filter(|_| !self.talking) else { return };
        self.talking = true;
        for (index, session) in self.sessions.iter().enumerate() {
            if let Role::Talker { offset, .. } = session.plan.role {
                let first = self.fleet.shared.clock.at(voice) + offset;
                self.todo.push(Reverse((now, index, Act::Ask)));
                self.todo.push(Reverse((first, index, Act::Talk)));
            }
        }
    }

    fn act(&mut self, now: Instant) -> Result<(), LoadError> {
        while let Some(&Reverse((moment, index, act))) = self.todo.peek() {
            if moment > now {
                break;
            }
            self.todo.pop();
            if act == Act::Open {
                self.open(index, now)?;
            } else {
                let Fleet { shared, voice, .. } = &self.fleet;
                let mut context =
                    Context { now, shared, voice, tally: &mut self.tally, todo: &mut self.todo };
                match self.sessions[index].act(act, &mut context) {
                    Exit::Stays => {}
                    Exit::Close => self.close(index, now),
                    Exit::Vanish => {
                        self.forget(index);
                    }
                }
            }
            self.mark(index);
        }
        Ok(())
    }

    fn open(&mut self, index: usize, now: Instant) -> Result<(), LoadError> {
        let name = self.fleet.url.host_str().unwrap_or("localhost").trim_matches(['[', ']']);
        let config = self.fleet.quic.config.clone();
        let (handle, quic) = self
            .endpoint
            .connect(now, config, self.fleet.remote, name)
            .map_err(|error| LoadError::Settings(error.to_string()))?;
        if self.by_handle.len() <= handle.0 {
            self.by_handle.resize(handle.0 + 1, NOBODY);
        }
        self.by_handle[handle.0] = index;
        let link = Link::new(quic, ConnectRequest::new(self.fleet.url.clone()));
        self.sessions[index].opened(link, handle, now);
        Ok(())
    }

    /// Lets sessions act on what came, and sends what they have to say.
    fn settle(&mut self, now: Instant) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for &index in &dirty {
            self.is_dirty[index] = false;
            self.inform(index, now);
            self.transmit(index, now);
        }
        dirty.clear();
        self.dirty = dirty;
        self.lanes.iter_mut().for_each(Lane::flush);
    }

    fn inform(&mut self, index: usize, now: Instant) {
        let session = &mut self.sessions[index];
        let (Some(link), Some(handle)) = (&mut session.link, session.handle) else { return };
        link.poll(&mut self.events);
        let Fleet { shared, voice, .. } = &self.fleet;
        let mut context = Context { now, shared, voice, tally: &mut self.tally, todo: &mut self.todo };
        for event in self.events.drain(..) {
            session.handle(event, &mut context);
        }
        let Some(link) = &mut session.link else { return };
        while let Some(event) = link.quic.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(handle, event) {
                link.quic.handle_event(event);
            }
        }
    }

    fn transmit(&mut self, index: usize, now: Instant) {
        let session = &mut self.sessions[index];
        let hurried = self.fleet.quic.acks == Acks::Chromium && !session.talks();
        let Some(link) = &mut session.link else { return };
        let unacknowledged = std::mem::take(&mut self.unacknowledged[index]);
        if hurried && unacknowledged && !link.quic.is_handshaking() {
            let soon = now + MAX_ACK_DELAY;
            if link.quic.poll_timeout().is_some_and(|timeout| timeout <= soon) {
                link.quic.handle_timeout(soon);
            }
        }
        let lane = &mut self.lanes[session.lane];
        while link.quic.poll_transmit(now, 1, lane.slot()).is_some() {
            lane.push();
        }
        self.timers.set(index, link.quic.poll_timeout());
    }

    /// Closes a session's connection with a word, and is done with it.
    fn close(&mut self, index: usize, now: Instant) {
        if let Some(link) = &mut self.sessions[index].link {
            link.close(now);
        }
        self.transmit(index, now);
        if let Some(handle) = self.forget(index) {
            self.endpoint.handle_event(handle, EndpointEvent::drained());
        }
    }

    /// Drops a session's connection without a word. The endpoint keeps its ids, so that what still comes for it is not
    /// answered by a reset.
    fn forget(&mut self, index: usize) -> Option<ConnectionHandle> {
        let session = &mut self.sessions[index];
        session.link = None;
        let handle = session.handle.take()?;
        self.by_handle[handle.0] = NOBODY;
        Some(handle)
    }

    fn finish(mut self) -> Tally {
        let now = Instant::now();
        for index in 0..self.sessions.len() {
            if let Some(link) = &self.sessions[index].link {
                let stats = link.quic.stats();
                // A session that heard nothing acknowledges keep-alives alone.
                if stats.frame_rx.datagram > 0 {
                    self.tally.acks.0 += stats.frame_tx.acks;
                    self.tally.acks.1 += stats.frame_rx.datagram;
                }
            }
            self.close(index, now);
            self.lanes.iter_mut().for_each(Lane::flush);
        }
        let ports: Vec<u16> = self.lanes.iter().filter_map(Lane::port).collect();
        self.tally.dropped_packets = dropped_packets(&ports);
        self.tally
    }
}
