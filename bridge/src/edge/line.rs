//! The road to one client: which connection it is on, and when it last polled.
//!
//! A WebSocket client has one connection, and that one tells whether it is stalled. A polling client has a new request
//! for each batch; what can be known of it is since when no poll of its waits.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use socketioxide::socket::Sid;
use suara_tcp::{Peer, StallHandle};
use tokio_util::sync::CancellationToken;

use crate::leaving::{Departures, Leaving};

/// Voice for a WebSocket client that has been stalled for longer is dropped: the protocol's bound on old voice.
const STALL_LIMIT: Duration = Duration::from_millis(120);

/// Voice for a polling client whose next poll has been awaited for longer is dropped. A round trip and the client's
/// own work lie between two polls: less would cut voice to phones on slow roads, more would bring them older voice.
const POLL_LIMIT: Duration = Duration::from_millis(1000);

/// An upgrade may come before its client has logged in, and is remembered for so long: the library's own limit.
const UPGRADE_MEMORY: Duration = Duration::from_secs(15);

/// Upgrades that are remembered at a time. Anybody can ask for one, with an invented session.
const MAX_UPGRADES: usize = 4096;

/// A session that was broken off gets no more answers for so long. Without its pongs the library ends it well before
/// then, at the settings' ping interval and timeout.
const SEVERED_MEMORY: Duration = Duration::from_secs(120);

/// Such sessions that are remembered at a time.
const MAX_SEVERED: usize = 16 * 1024;

/// The road to one client.
pub(crate) struct Line {
    road: Mutex<Road>,
    /// Ends the poll that waits.
    severed: CancellationToken,
    /// Says when the client goes, for the node that its connection leads through stops.
    leaving: Leaving,
    /// Whether the client is on a WebSocket by now.
    upgraded: Box<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Line").field(&*self.road()).finish()
    }
}

/// Ends a client's polls as the server does that ends: the client reconnects by itself.
const CLOSE: &str = "1";

#[derive(Debug)]
enum Road {
    /// Polls; `since` when none waits, or `None` while one does.
    Polling { since: Option<Instant> },
    /// One connection for everything. Without a handle it came by a listener that knows nothing of stalls.
    WebSocket(Option<StallHandle>),
    /// Broken off.
    Severed,
}

impl Line {
    /// Of a client whose transport drops by itself what gets old.
    pub(crate) fn by_datagram() -> Self {
        Self::new(Road::WebSocket(None), || true)
    }

    fn new(road: Road, upgraded: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let (severed, leaving) = (CancellationToken::new(), Leaving::default());
        Self { road: Mutex::new(road), severed, leaving, upgraded: Box::new(upgraded) }
    }

    fn road(&self) -> std::sync::MutexGuard<'_, Road> {
        self.road.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether voice for this client would come too late.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        let mut road = self.road();
        match &*road {
            Road::Polling { since } => {
                let late = since.is_some_and(|at| now.saturating_duration_since(at) > POLL_LIMIT);
                if late && (self.upgraded)() {
                    // Its upgrade was forgotten: there is no handle, but no poll to wait for either.
                    *road = Road::WebSocket(None);
                    return false;
                }
                late
            }
            Road::WebSocket(stall) => {
                stall.as_ref().and_then(|stall| stall.stalled_for(now)).is_some_and(|age| age > STALL_LIMIT)
            }
            Road::Severed => true,
        }
    }

    fn sever(&self) -> bool {
        match std::mem::replace(&mut *self.road(), Road::Severed) {
            Road::WebSocket(Some(stall)) => stall.sever(),
            Road::WebSocket(None) => return false,
            Road::Polling { .. } | Road::Severed => {}
        }
        self.severed.cancel();
        true
    }
}

/// The roads to all clients that are logged in, by Engine.IO session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<Sid, Entry>,
    /// Upgrades of sessions that haven't logged in yet, oldest first.
    upgrades: VecDeque<(Instant, Sid, StallHandle)>,
    /// Sessions that were broken off while the library may still know them, and the same, oldest first.
    severed: HashSet<Sid>,
    severances: VecDeque<(Instant, Sid)>,
}

#[derive(Debug)]
struct Entry {
    line: Arc<Line>,
    /// A session is in several namespaces at a time, each with a hold on the line.
    holds: usize,
}

/// Keeps a client's line; the last one lets go of it.
#[derive(Debug)]
pub(crate) struct Hold {
    lines: Lines,
    sid: Sid,
    line: Arc<Line>,
}

impl Hold {
    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// When its client goes: as all others do, by the node's `leaving`, or because its way ends.
    pub(crate) fn departures(&self, leaving: &Leaving) -> Departures {
        leaving.departure().or(self.line.leaving.departure())
    }

    /// Breaks the road off, as if the network had: the client reconnects by itself. `false` where this can't be done.
    pub(crate) fn sever(&self) -> bool {
        let done = self.line.sever();
        if done {
            self.lines.lock().remember_severed(Instant::now(), self.sid);
        }
        done
    }
}

impl Table {
    fn remember_severed(&mut self, now: Instant, sid: Sid) {
        let is_old = |at: Instant| now.saturating_duration_since(at) > SEVERED_MEMORY;
        while let Some((at, oldest)) = self.severances.front().copied()
            && (is_old(at) || self.severances.len() >= MAX_SEVERED)
        {
            self.severances.pop_front();
            self.severed.remove(&oldest);
        }
        if self.severed.insert(sid) {
            self.severances.push_back((now, sid));
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let entries = &mut self.lines.lock().entries;
        if let Some(entry) = entries.get_mut(&self.sid) {
            entry.holds -= 1;
            if entry.holds == 0 {
                entries.remove(&self.sid);
            }
        }
    }
}

impl Lines {
    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of a client that logs in; `handshake` is its first request, and `upgraded` tells whether it is on a
    /// WebSocket, now and later.
    pub(crate) fn hold(
        &self,
        sid: Sid,
        handshake: &axum::http::request::Parts,
        upgraded: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Hold {
        let mut table = self.lock();
        let Table { entries, upgrades, .. } = &mut *table;
        let entry = entries.entry(sid).or_insert_with(|| {
            let upgrade =
                upgrades.iter().position(|(_, of, _)| *of == sid).and_then(|at| upgrades.remove(at));
            let road = if let Some((_, _, stall)) = upgrade {
                Road::websocket(Some(stall))
            } else if !is_polling(handshake) {
                Road::websocket(
                    handshake.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.stall.clone()),
                )
            } else {
                Road::Polling { since: Some(Instant::now()) }
            };
            Entry { line: Arc::new(Line::new(road, upgraded)), holds: 0 }
        });
        entry.holds += 1;
        Hold { lines: self.clone(), sid, line: Arc::clone(&entry.line) }
    }

    fn get(&self, sid: Sid) -> Option<Arc<Line>> {
        self.lock().entries.get(&sid).map(|entry| Arc::clone(&entry.line))
    }

    /// The way of a client's connection ends: it goes in its next pause, after `patience` at the latest. Whether it is here at
    /// all.
    pub(crate) fn hurry(&self, sid: Sid, patience: Duration) -> bool {
        self.get(sid).map(|line| line.leaving.hurry(patience)).is_some()
    }

    fn is_severed(&self, sid: Sid) -> bool {
        self.lock().severed.contains(&sid)
    }

    /// A client moves to the WebSocket on this connection.
    fn upgrade(&self, now: Instant, sid: Sid, stall: Option<StallHandle>) {
        if let Some(line) = self.get(sid) {
            *line.road() = Road::websocket(stall);
        } else if let Some(stall) = stall {
            let upgrades = &mut self.lock().upgrades;
            let is_old = |at: Instant| now.saturating_duration_since(at) > UPGRADE_MEMORY;
            while upgrades.front().is_some_and(|(at, ..)| is_old(*at)) || upgrades.len() >= MAX_UPGRADES {
                upgrades.pop_front();
            }
            upgrades.push_back((now, sid, stall));
        }
    }
}

fn is_polling(handshake: &axum::http::request::Parts) -> bool {
    !handshake.headers.contains_key(header::UPGRADE)
}

impl Road {
    fn websocket(stall: Option<StallHandle>) -> Self {
        if let Some(stall) = &stall {
            stall.carry_voice();
        }
        Self::WebSocket(stall)
    }
}

/// Notes by which connection a client's requests come, and when its polls begin and end.
pub(crate) async fn watch_requests(State(lines): State<Lines>, request: Request, next: Next) -> Response {
    let Some(sid) = sid_of(&request) else { return next.run(request).await };
    let is_poll = request.method() == Method::GET && !request.headers().contains_key(header::UPGRADE);
    if lines.is_severed(sid) {
        return if is_poll { close(&request) } else { StatusCode::BAD_REQUEST.into_response() };
    }
    if request.headers().contains_key(header::UPGRADE) {
        let stall = request.extensions().get::<ConnectInfo<Peer>>().map(|info| info.0.stall.clone());
        let response = next.run(request).await;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            lines.upgrade(Instant::now(), sid, stall);
        }
        return response;
    }
    let Some(line) = lines.get(sid) else { return next.run(request).await };
    if !is_poll {
        return next.run(request).await;
    }
    let (severed, closed) = (line.severed.clone(), close(&request));
    let _waiting = Poll::begin(line);
    tokio::select! {
        biased;
        () = severed.cancelled() => closed,
        answer = next.run(request) => answer,
    }
}

/// A poll's answer that says that the session is over (Engine.IO, `close`).
fn close(poll: &Request) -> Response {
    let is_framed = poll.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "EIO=3"));
    let body = if is_framed { format!("{}:{CLOSE}", CLOSE.len()) } else { CLOSE.to_owned() };
    ([(header::CONTENT_TYPE, "text/plain; charset=UTF-8")], body).into_response()
}

/// A poll that waits; its end, by an answer or by the client's hanging up, starts the clock.
struct Poll(Arc<Line>);

impl Poll {
    fn begin(line: Arc<Line>) -> Self {
        if let Road::Polling { since } = &mut *line.road() {
            *since = None;
        }
        Self(line)
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        if let Road::Polling { since } = &mut *self.0.road() {
            *since = Some(Instant::now());
        }
    }
}

fn sid_of(request: &Request) -> Option<Sid> {
    request.uri().query()?.split('&').find_map(|pair| pair.strip_prefix("sid="))?.parse().ok()
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
