//! The way to the gateway, as long as one session lasts. What is said on a link whose session has ended is lost, and
//! that is as it should be: numbers of one session mean nothing in the next.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use suara_proto::message::{self, ClientMessage};

/// What carries a link. Neither call may block; both say whether it was taken.
pub(crate) trait Carrier: Send + Sync {
    /// A control message with its length in front, in order.
    fn control(&self, message: Bytes) -> bool;
    /// A voice datagram.
    fn voice(&self, datagram: &[u8]) -> bool;
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

    /// Sends a control message, in order.
    pub(crate) fn say(&self, message: &ClientMessage<'_>) {
        if !self.0.control(message::encode(message)) {
            tracing::debug!("a message was lost with the trunk");
        }
    }

    /// Sends a voice datagram; `false` when the transport didn't take it.
    pub(crate) fn voice(&self, datagram: &[u8]) -> bool {
        self.0.voice(datagram)
    }
}

/// Links that end in a test's hands.
#[cfg(test)]
pub(crate) mod recorded {
    use std::sync::Mutex;

    use serde_json::Value;

    use super::*;

    /// What was said on a link.
    #[derive(Debug, Clone, PartialEq)]
    pub(crate) enum Said {
        Control(Value),
        Voice(Bytes),
    }

    /// Everything that was said on a link and not yet looked at.
    #[derive(Clone, Default)]
    pub(crate) struct Record(Arc<Mutex<Vec<Said>>>);

    impl Record {
        pub(crate) fn link(&self) -> Link {
            Link::new(self.clone())
        }

        pub(crate) fn take(&self) -> Vec<Said> {
            std::mem::take(&mut *self.0.lock().unwrap())
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
            self.0.lock().unwrap().push(Said::Control(json));
            true
        }

        fn voice(&self, datagram: &[u8]) -> bool {
            self.0.lock().unwrap().push(Said::Voice(Bytes::copy_from_slice(datagram)));
            true
        }
    }
}
