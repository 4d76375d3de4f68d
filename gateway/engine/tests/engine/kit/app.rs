//! An application of one room: everybody hears everybody. What a stream's first byte asks for is done with it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use suara_engine::{
    Application, Audience, Closed, Earlier, Fanout, Frame, Handle, Peer, Request, Session, Stream, Tally,
};
use tokio::sync::mpsc;

/// What has happened to sessions.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    Opened(Option<String>, String),
    Closed(Closed),
}

pub(crate) struct App {
    room: Arc<Mutex<Room>>,
    runtime: tokio::runtime::Handle,
    events: mpsc::UnboundedSender<Event>,
    pub(crate) heard: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    totals: Mutex<Totals>,
}

#[derive(Default)]
struct Room {
    members: Vec<Handle>,
    said: Earlier,
    audience: Arc<Audience>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Totals {
    pub(crate) frames: u64,
    pub(crate) with_earlier: [u64; 2],
    pub(crate) stale: u64,
    pub(crate) overflow: u64,
    pub(crate) oldest: Duration,
}

impl App {
    pub(crate) fn new() -> Self {
        let (events, heard) = mpsc::unbounded_channel();
        let (room, totals) = (Arc::default(), Mutex::default());
        let runtime = tokio::runtime::Handle::current();
        Self { room, runtime, events, heard: heard.into(), totals }
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals.lock().unwrap().clone()
    }

    pub(crate) async fn event(&self) -> Event {
        super::soon("an event", async { self.heard.lock().await.recv().await.unwrap() }).await
    }
}

fn change(room: &Mutex<Room>, change: impl FnOnce(&mut Vec<Handle>)) {
    let mut room = room.lock().unwrap();
    change(&mut room.members);
    room.audience = Arc::new(Audience::new(room.members.iter().copied()));
}

impl Application for App {
    type Peer = Member;

    fn admit(&self, request: &Request, _: SocketAddr) -> Result<(), u16> {
        if request.path == "/room" { Ok(()) } else { Err(404) }
    }

    fn open(&self, request: Request, session: Session) -> Member {
        let (handle, room, events) = (session.handle(), self.room.clone(), self.events.clone());
        change(&room, |members| members.push(handle));
        events.send(Event::Opened(request.origin, request.authority)).unwrap();
        self.runtime.spawn(async move {
            serve(session, &events).await;
            change(&room, |members| members.retain(|member| *member != handle));
        });
        Member(self.room.clone())
    }

    /// All in a line, the oldest first.
    fn with_earlier(&self, frame: &Frame, earlier: &[&Frame]) -> Option<Frame> {
        let all: Vec<_> = earlier.iter().rev().chain([&frame]).map(|frame| frame.payload()).collect();
        Some(Frame::new(&all.concat())).filter(|frame| frame.payload().len() <= 1000)
    }

    fn tally(&self, tally: &Tally) {
        let mut totals = self.totals.lock().unwrap();
        totals.frames += tally.frames;
        totals.with_earlier = [0, 1].map(|at| totals.with_earlier[at] + tally.with_earlier[at]);
        totals.stale += tally.stale;
        totals.overflow += tally.overflow;
        totals.oldest = tally.ages.iter().map(|(age, _)| *age).fold(totals.oldest, Duration::max);
    }
}

pub(crate) struct Member(Arc<Mutex<Room>>);

impl Peer for Member {
    fn datagram(&mut self, _: Instant, payload: &[u8], out: &mut Fanout<'_>) {
        // Whoever says this gets so many earlier ones from now on, and hears that it does.
        if let [b'E', count] = *payload {
            out.set_earlier(count);
            return out.answer(Frame::new(b"E"));
        }
        let mut room = self.0.lock().unwrap();
        // From now on everybody gets so many, and who is new so often one.
        if let [b'L', least, trial] = *payload {
            (room.said.least, room.said.trial) = (least, trial);
            return;
        }
        let frame = Frame::new(payload);
        out.send(&room.audience.clone(), &frame, room.said.clone());
        let [before, _] = std::mem::take(&mut room.said.frames);
        room.said.frames = [Some(frame), before];
    }
}

async fn serve(session: Session, events: &mpsc::UnboundedSender<Event>) {
    let mut kept = Vec::new();
    while let Some(mut stream) = session.accept().await {
        let Ok(Some(first)) = stream.receive.next().await else { continue };
        match first[0] {
            b'e' => drop(tokio::spawn(echo(stream, first.slice(1..)))),
            b'f' => drop(tokio::spawn(flood(stream))),
            b'c' => return session.close(7, "because"),
            b'r' => stream.send.reset(5),
            // Neither read nor written.
            _ => kept.push(stream),
        }
    }
    // Nobody hears, at a test's end.
    events.send(Event::Closed(session.closed().await)).unwrap_or_default();
}

async fn echo(mut stream: Stream, first: Bytes) {
    let mut chunk = Some(first);
    while let Some(bytes) = chunk {
        if stream.send.write(bytes).await.is_err() {
            return;
        }
        chunk = stream.receive.next().await.unwrap_or_default();
    }
    stream.send.finish().await.unwrap_or_default();
}

/// Writes for as long as the client takes it.
async fn flood(mut stream: Stream) {
    let bytes = Bytes::from(vec![b'x'; 16 * 1024]);
    while stream.send.write(bytes.clone()).await.is_ok() {}
}
