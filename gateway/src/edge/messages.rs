//! A control stream's bytes on their way in, cut into messages.

use bytes::BytesMut;
use futures_util::SinkExt;
use suara_proto::frame::split;
use suara_proto::limits::MAX_CLIENT_MESSAGE;

use crate::session::{Inbound, Inlet};

/// What comes on a control stream, towards its session.
pub(super) struct Messages {
    buffer: BytesMut,
    inbound: Inlet,
}

/// Nothing more can be taken.
pub(super) enum Over {
    /// The session has ended.
    Ended,
    /// What follows can't be told apart. The session knows, and is about to say so.
    Fault,
}

impl Messages {
    pub(super) fn new(inbound: Inlet) -> Self {
        Self { buffer: BytesMut::new(), inbound }
    }

    /// Takes the next bytes, and hands on each message that they complete. Waits for a session that is busy.
    pub(super) async fn take(&mut self, chunk: &[u8]) -> Result<(), Over> {
        self.buffer.extend_from_slice(chunk);
        loop {
            match split(&mut self.buffer, MAX_CLIENT_MESSAGE) {
                Ok(None) => break,
                Ok(Some(message)) => self.hand_on(Inbound::Message(message)).await?,
                Err(fault) => return Err(self.end(Inbound::Fault(fault)).await),
            }
        }
        if self.buffer.is_empty() {
            // An idle session keeps no buffer.
            self.buffer = BytesMut::new();
        }
        Ok(())
    }

    /// Hands on a fault, after which nothing can follow.
    pub(super) async fn end(&mut self, fault: Inbound) -> Over {
        match self.hand_on(fault).await {
            Ok(()) => Over::Fault,
            Err(over) => over,
        }
    }

    async fn hand_on(&mut self, inbound: Inbound) -> Result<(), Over> {
        self.inbound.send(inbound).await.map_err(|_| Over::Ended)
    }
}
