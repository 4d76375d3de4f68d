//! The way to the gateway, as long as one session lasts. What is said on a link whose session has ended is lost, and
//! that is as it should be: numbers of one session mean nothing in the next.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;
use suara_proto::message::{self, ClientMessage};

/// What carries a link. None of the calls may block; they say whether it was taken.
pub(crate) trait Carrier: Send + Sync {
    /// A control message with its length in front, in order; refused only when the session is over.
    fn control(&self, message: Bytes) -> bool;
    /// Whether so much waits that what can be refused should be.
    fn is_busy(&self) -> bool;
    /// A message for the chat stream with its length in front; refused when too much waits.
    fn chat(&self, message: Bytes) -> bool;
    /// A voice datagram.
    fn voice(&self, datagram: &[u8]) -> bool;
    /// A moment on the gateway's clock, in microseconds; `None` as long as that isn't known.
    fn gateway_time(&self, moment: Instant) -> Option<u64>;
}

/// One session's way to the gateway; clones share it.
#[derive(Clone)]
pub(crate) struct Link(Arc<dyn Carrier>);

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

impl Link {
    pub(crate) fn new(carrier: impl Carrier + 'static) -> Self {
        Self(Arc::new(carrier))
    }

    /// Sends a control message, in order. It is lost with the session only, so this is for what nobody can take back:
    /// each is the end of something that was asked for before (or a member's return), which bounds how many wait.
    pub(crate) fn say(&self, message: &ClientMessage<'_>) {
        if !self.0.control(message::encode(message)) {
            tracing::debug!("a message was lost with the trunk");
        }
    }

    /// Sends a control message that begins something, in order; `false`, and nothing sent, when too much waits.
    #[must_use]
    pub(crate) fn ask(&self, message: &ClientMessage<'_>) -> bool {
        let free = !self.0.is_busy();
        if free {
            self.say(message);
        }
        free
    }

    /// Sends a message of chat, in order; `false`, and nothing sent, when too much waits.
    #[must_use]
    pub(crate) fn chat(&self, message: &impl Serialize) -> bool {
        self.0.chat(message::encode(message))
    }

    /// Sends a voice datagram; `false` when the transport didn't take it.
    pub(crate) fn voice(&self, datagram: &[u8]) -> bool {
        self.0.voice(datagram)
    }

    /// A moment on the gateway's clock, in microseconds; `None` as long as that isn't known.
    pub(crate) fn gateway_time(&self, moment: Instant) -> Option<u64> {
        self.0.gateway_time(moment)
    }
}

/// Links that end in a test's hands.
#[cfg(test)]
pub(crate) mod recorded {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use serde_json::Value;

    use super::*;

    /// What was said on a link.
    #[derive(Debug, Clone, PartialEq)]
    pub(crate) enum Said {
        Control(Value),
        Chat(Value),
        Voice(Bytes),
    }

    /// Everything that was said on a link and not yet looked at.
    #[derive(Clone, Default)]
    pub(crate) struct Record {
        said: Arc<Mutex<Vec<Said>>>,
        busy: Arc<AtomicBool>,
        /// Where the gateway's clock began, once it is known.
        clock: Arc<Mutex<Option<Instant>>>,
    }

    impl Record {
        pub(crate) fn link(&self) -> Link {
            Link::new(self.clone())
        }

        pub(crate) fn take(&self) -> Vec<Said> {
            std::mem::take(&mut *self.said.lock().unwrap())
        }

        /// From now on too much waits, or no longer.
        pub(crate) fn set_busy(&self, busy: bool) {
            self.busy.store(busy, Ordering::Relaxed);
        }

        /// The gateway's clock is known, and began then.
        pub(crate) fn set_clock(&self, began: Instant) {
            *self.clock.lock().unwrap() = Some(began);
        }

        /// The control messages alone.
        pub(crate) fn take_control(&self) -> Vec<Value> {
            let control = |said| if let Said::Control(json) = said { Some(json) } else { None };
            self.take().into_iter().filter_map(control).collect()
        }
    }

    impl Carrier for Record {
        fn control(&self, message: Bytes) -> bool {
            let json = serde_json::from_slice(&message[4..]).unwrap();
            self.said.lock().unwrap().push(Said::Control(json));
            true
        }

        fn is_busy(&self) -> bool {
            self.busy.load(Ordering::Relaxed)
        }

        fn chat(&self, message: Bytes) -> bool {
            let json = serde_json::from_slice(&message[4..]).unwrap();
            self.said.lock().unwrap().push(Said::Chat(json));
            !self.is_busy()
        }

        fn gateway_time(&self, moment: Instant) -> Option<u64> {
            let began = *self.clock.lock().unwrap();
            began.map(|began| (moment - began).as_micros() as u64)
        }

        fn voice(&self, datagram: &[u8]) -> bool {
            self.said.lock().unwrap().push(Said::Voice(Bytes::copy_from_slice(datagram)));
            true
        }
    }
}
