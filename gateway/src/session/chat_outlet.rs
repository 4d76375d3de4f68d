//! Where a session's chat goes: nowhere until its client opens a stream for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use suara_proto::message::{ServerChat, encode};

use super::outbox::{Closing, Outbox, OutboxReader, beside};

/// A session's chat stream, if there is one. What isn't said for want of one is in the history.
#[derive(Clone)]
pub struct ChatOutlet(Arc<Inner>);

struct Inner {
    /// Its control stream's: a client that doesn't read its chat is closed like one that doesn't read that.
    main: Outbox,
    /// An idle session without chat holds nothing here.
    open: Mutex<Option<Outbox>>,
}

impl ChatOutlet {
    pub(super) fn new(main: &Outbox) -> Self {
        Self(Arc::new(Inner { main: main.clone(), open: Mutex::default() }))
    }

    fn current(&self) -> MutexGuard<'_, Option<Outbox>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client has opened a stream for chat: what is to be written to it. `None` while it has another.
    #[must_use]
    pub fn open(&self) -> Option<OutboxReader> {
        let mut current = self.current();
        if current.as_ref().is_some_and(|outbox| !outbox.is_closed()) {
            return None;
        }
        let (outbox, reader) = beside(&self.0.main);
        *current = Some(outbox);
        Some(reader)
    }

    /// The stream ends, once what was said before is written.
    pub fn close(&self) {
        if let Some(outbox) = self.current().take() {
            outbox.close(Closing::new(suara_proto::CloseCode::Normal, "the chat stream ends"));
        }
    }

    /// Queues a message of this client's own.
    pub fn say(&self, message: &ServerChat<'_>) {
        self.send(encode(message));
    }

    /// Queues a framed message, shared with others.
    pub fn send(&self, framed: Bytes) {
        if let Some(outbox) = self.current().as_ref() {
            outbox.send(framed);
        }
    }
}

#[cfg(test)]
mod tests {
    use suara_proto::limits::MAX_SERVER_MESSAGE;

    use super::*;
    use crate::metrics::Metrics;
    use crate::session::Outgoing;
    use crate::session::outbox::outbox;

    #[tokio::test]
    async fn one_who_does_not_read_its_chat_is_closed_like_one_who_does_not_read_its_control_stream() {
        let (main, _reader) = outbox(&Metrics::default());
        let outlet = ChatOutlet::new(&main);
        let _unread = outlet.open().unwrap();
        for _ in 0..3 {
            outlet.send(Bytes::from(vec![0; MAX_SERVER_MESSAGE]));
        }
        main.overflowed().await;
    }

    #[tokio::test]
    async fn there_is_one_stream_at_a_time_and_what_was_said_on_it_is_written_before_its_end() {
        let (main, _reader) = outbox(&Metrics::default());
        let outlet = ChatOutlet::new(&main);
        outlet.send(Bytes::from_static(b"nobody listens"));
        let mut first = outlet.open().unwrap();
        assert!(outlet.open().is_none());
        outlet.send(Bytes::from_static(b"one"));
        outlet.close();
        outlet.send(Bytes::from_static(b"too late"));
        assert!(matches!(first.next().await, Some(Outgoing::Message(said)) if said[..] == *b"one"));
        assert!(matches!(first.next().await, Some(Outgoing::Close(_))));
        assert!(outlet.open().is_some(), "then another may come");
    }
}
