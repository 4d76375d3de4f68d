//! What an engine asks of its application, on its workers' own threads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::h3::Request;
use crate::session::Session;
use crate::voice::{Audience, Cast, Frame, Handle, Tally};

/// Decides who comes in. Called by worker threads, which must never wait: what takes time goes to tasks of its own.
pub trait Application: Send + Sync + 'static {
    /// What takes a session's datagrams.
    type Peer: Peer;

    /// Whether a client at `remote` may have what it asks for.
    ///
    /// # Errors
    /// The HTTP status of the refusal.
    fn admit(&self, request: &Request, remote: SocketAddr) -> Result<(), u16>;

    /// A session begins. The application keeps `session` as long as it shall last.
    fn open(&self, request: Request, session: Session) -> Self::Peer;

    /// What became of voice since the last call.
    fn tally(&self, tally: &Tally);
}

/// One session's datagrams on their way in. Dropped when the session is over.
pub trait Peer: Send + 'static {
    /// The client sent a datagram.
    fn datagram(&mut self, now: Instant, payload: &[u8], out: &mut Fanout<'_>);
}

/// Where a datagram's frames go.
pub struct Fanout<'a> {
    pub(crate) casts: &'a mut Vec<Cast>,
    pub(crate) sender: Handle,
    pub(crate) now: Instant,
}

impl Fanout<'_> {
    /// Sends a frame to all of an audience, but never to the connection whose datagram it comes from.
    pub fn send(&mut self, audience: &Arc<Audience>, frame: &Frame) {
        self.casts.push(Cast {
            frame: frame.clone(),
            audience: audience.clone(),
            sender: Some(self.sender),
            since: self.now,
        });
    }

    /// Sends a frame to the connection whose datagram it answers.
    pub fn answer(&mut self, frame: &Frame) {
        self.casts.push(Cast {
            frame: frame.clone(),
            audience: Arc::new(Audience::new([self.sender])),
            sender: None,
            since: self.now,
        });
    }
}
