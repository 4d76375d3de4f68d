//! A client without a token, where the deployment admits such to signaling: it can do that and nothing else.

use std::sync::Arc;
use std::time::Duration;

use socketioxide::TransportType;
use socketioxide::extract::SocketRef;
use tokio::sync::OwnedSemaphorePermit;

use super::inbox::{Inbox, Incoming};
use super::payload::Fault;
use super::session::answer;
use super::{Shared, signals};
use crate::channel::Seat;
use crate::edge::Hold;
use crate::metrics::DropReason;
use crate::signaling::{Identity, Peer};

/// Guests at a time. They show no token, so nothing else bounds them.
pub(crate) const MAX_GUESTS: usize = 1000;

/// What a guest is to the others; no token gives a user this name, for it holds the socket's own id.
const ROLE: &str = "anonymous";

/// The library doesn't always tell that a client is gone.
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Guest {
    shared: Shared,
    socket: SocketRef,
    peer: Peer,
    hold: Hold,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.shared.metrics.socket_closed();
    }
}

impl Guest {
    pub(super) fn new(
        shared: &Shared,
        space: &'static str,
        socket: SocketRef,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let asked = socket.clone();
        let upgraded = move || asked.transport_type() == TransportType::Websocket;
        let hold = shared.lines.hold(socket.id, socket.req_parts(), upgraded);
        let user = Arc::from(format!("{ROLE}:{}", socket.id));
        let peer = shared.board.peer(Seat { space, sid: socket.id }, Identity { user, role: ROLE.into() });
        shared.metrics.socket_opened();
        tracing::info!(sid = %socket.id, space, "a guest came to signal");
        Self { shared: shared.clone(), socket, peer, hold, _permit: permit }
    }

    /// Serves the client until it is gone.
    pub(super) async fn run(mut self, mut inbox: Inbox) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.reset();
        let mut departure = self.hold.departures(&self.shared.leaving);
        loop {
            tokio::select! {
                incoming = inbox.incoming.recv() => match incoming {
                    Some(Incoming::Request { ack, .. }) => answer(ack, Err(Fault::Forbidden)),
                    Some(Incoming::Voice { .. }) => self.shared.metrics.dropped(DropReason::NotJoined, 1),
                    Some(Incoming::Gone) | None => break,
                },
                Some(signal) = inbox.signals.recv() => {
                    signals::serve(&self.shared, &mut self.peer, signal, async |_| Ok(())).await;
                }
                () = departure.look() => if departure.goes(Some(Duration::MAX)) && self.hold.sever() { break },
                () = self.shared.closed.cancelled() => break,
                _ = look.tick() => if !self.socket.connected() { break },
            }
        }
        tracing::info!(sid = %self.socket.id, "a guest is gone");
    }
}
