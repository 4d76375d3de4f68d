//! What an engine asks of its application, on its workers' own threads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::h3::Request;
use crate::session::Session;
use crate::voice::{Audience, Cast, Earlier, Frame, Handle, MAX_EARLIER, Tally};

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

    /// A frame together with some of those right before it, the nearest first; `None` when that gets too large.
    fn with_earlier(&self, frame: &Frame, earlier: &[&Frame]) -> Option<Frame>;

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
    /// What the connection gets itself.
    pub(crate) earlier: &'a mut u8,
}

impl Fanout<'_> {
    /// Sends a frame to all of an audience, but never to the connection whose datagram it comes from.
    /// Those that want earlier frames with it get as many of `earlier` as they want.
    pub fn send(&mut self, audience: &Arc<Audience>, frame: &Frame, earlier: Earlier) {
        let (frame, audience, sender) = (frame.clone(), audience.clone(), Some(self.sender));
        self.casts.push(Cast { frame, earlier, audience, sender, since: self.now });
    }

    /// Sends a frame back to the connection whose datagram this is.
    pub fn answer(&mut self, frame: Frame) {
        let (earlier, audience) = (Earlier::default(), Arc::new(Audience::new([self.sender])));
        self.casts.push(Cast { frame, earlier, audience, sender: None, since: self.now });
    }

    /// The connection whose datagram this is gets so many earlier frames with each from now on.
    pub fn set_earlier(&mut self, count: u8) {
        *self.earlier = count.min(MAX_EARLIER as u8);
    }
}
