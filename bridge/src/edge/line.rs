//! The road to one client: which connection it is on, and when it last polled.
//!
//! A WebSocket client has one connection, and that one tells whether it is stalled. A polling client has a new request
//! for each batch; what can be known of it is since when no poll of its waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use socketioxide::socket::Sid;

use super::{Peer, StallHandle};

/// Voice for a WebSocket client that has been stalled for longer is dropped: the protocol's bound on old voice.
const STALL_LIMIT: Duration = Duration::from_millis(120);

/// Voice for a polling client whose next poll has been awaited for longer is dropped. A round trip and the client's
/// own work lie between two polls: less would cut voice to phones on slow roads, more would bring them older voice.
const POLL_LIMIT: Duration = Duration::from_millis(1000);

/// The road to one client.
#[derive(Debug)]
pub(crate) struct Line(Mutex<Road>);

#[derive(Debug)]
enum Road {
    /// Polls; `since` when none waits, or `None` while one does.
    Polling { since: Option<Instant> },
    /// One connection for everything. Without a handle it came by a listener that knows nothing of stalls.
    WebSocket(Option<StallHandle>),
    /// Broken off: the next poll is refused.
    Severed,
}

impl Line {
    fn road(&self) -> std::sync::MutexGuard<'_, Road> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether voice for this client would come too late.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        match &*self.road() {
            Road::Polling { since } => since.is_some_and(|at| now.saturating_duration_since(at) > POLL_LIMIT),
            Road::WebSocket(stall) => {
                stall.as_ref().and_then(|stall| stall.stalled_for(now)).is_some_and(|age| age > STALL_LIMIT)
            }
            Road::Severed => true,
        }
    }

    /// Breaks the road off, as if the network had: the client reconnects by itself. `false` where this can't be done.
    pub(crate) fn sever(&self) -> bool {
        match std::mem::replace(&mut *self.road(), Road::Severed) {
            Road::WebSocket(Some(stall)) => stall.sever(),
            Road::WebSocket(None) => return false,
            Road::Polling { .. } | Road::Severed => {}
        }
        true
    }
}

/// The roads to all clients that are logged in, by Engine.IO session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<HashMap<Sid, Entry>>>);

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
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut lines = self.lines.lock();
        if let Some(entry) = lines.get_mut(&self.sid) {
            entry.holds -= 1;
            if entry.holds == 0 {
                lines.remove(&self.sid);
            }
        }
    }
}

impl Lines {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Sid, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of a client that logs in; `handshake` is its first request, `polling` whether it polls at this moment.
    pub(crate) fn hold(&self, sid: Sid, handshake: &axum::http::request::Parts, polling: bool) -> Hold {
        let mut lines = self.lock();
        let entry = lines.entry(sid).or_insert_with(|| {
            let road = if polling {
                Road::Polling { since: Some(Instant::now()) }
            } else {
                Road::websocket(handshake.extensions.get::<ConnectInfo<Peer>>())
            };
            Entry { line: Arc::new(Line(Mutex::new(road))), holds: 0 }
        });
        entry.holds += 1;
        Hold { lines: self.clone(), sid, line: Arc::clone(&entry.line) }
    }

    fn get(&self, sid: Sid) -> Option<Arc<Line>> {
        self.lock().get(&sid).map(|entry| Arc::clone(&entry.line))
    }
}

impl Road {
    fn websocket(peer: Option<&ConnectInfo<Peer>>) -> Self {
        let stall = peer.map(|ConnectInfo(peer)| peer.stall.clone());
        if let Some(stall) = &stall {
            stall.carry_voice();
        }
        Self::WebSocket(stall)
    }
}

/// Notes by which connection a client's requests come, and when its polls begin and end.
pub(crate) async fn watch_requests(State(lines): State<Lines>, request: Request, next: Next) -> Response {
    let Some(line) = sid_of(&request).and_then(|sid| lines.get(sid)) else { return next.run(request).await };
    if matches!(*line.road(), Road::Severed) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    if request.headers().contains_key(header::UPGRADE) {
        let peer = request.extensions().get::<ConnectInfo<Peer>>().cloned();
        let response = next.run(request).await;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            *line.road() = Road::websocket(peer.as_ref());
        }
        return response;
    }
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let _waiting = Poll::begin(line);
    next.run(request).await
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
mod tests {
    use super::*;

    fn handshake() -> axum::http::request::Parts {
        Request::builder().body(()).unwrap().into_parts().0
    }

    #[test]
    fn voice_for_a_client_that_stopped_polling_is_late() {
        let lines = Lines::default();
        let hold = lines.hold(Sid::new(), &handshake(), true);
        let now = Instant::now();
        assert!(!hold.line().is_late(now));
        assert!(hold.line().is_late(now + Duration::from_millis(1500)));
        let poll = Poll::begin(Arc::clone(hold.line()));
        assert!(!hold.line().is_late(now + Duration::from_secs(30)), "a poll waits");
        drop(poll);
        assert!(hold.line().is_late(Instant::now() + Duration::from_millis(1500)));
    }

    #[test]
    fn a_line_is_forgotten_with_its_last_namespace() {
        let lines = Lines::default();
        let sid = Sid::new();
        let first = lines.hold(sid, &handshake(), true);
        let second = lines.hold(sid, &handshake(), true);
        assert!(Arc::ptr_eq(first.line(), second.line()));
        drop(first);
        assert!(lines.get(sid).is_some());
        drop(second);
        assert!(lines.get(sid).is_none());
    }

    #[test]
    fn a_severed_client_gets_no_more_voice() {
        let lines = Lines::default();
        let hold = lines.hold(Sid::new(), &handshake(), false);
        assert!(!hold.line().is_late(Instant::now()));
        hold.line().sever();
        assert!(hold.line().is_late(Instant::now()));
    }
}
