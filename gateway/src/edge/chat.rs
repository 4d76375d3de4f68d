//! A session's chat stream: bytes ⇄ messages (PROTOCOL.md, section 10). What is wrong with it ends it, and nothing else.

use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;
use suara_engine::{ReceiveStream, SendStream, Stream};
use suara_proto::ErrorCode;
use suara_proto::frame::split;
use suara_proto::limits::MAX_CLIENT_MESSAGE;
use suara_proto::message::ServerChat;

use super::messages::Over;
use crate::session::{ChatOutlet, Inbound, Inlet, OutboxReader, Outgoing};

/// What comes on a chat stream, towards its session.
pub(super) struct ChatLines {
    buffer: BytesMut,
    inbound: Inlet,
    outlet: ChatOutlet,
}

impl ChatLines {
    pub(super) fn new(inbound: Inlet, outlet: ChatOutlet) -> Self {
        Self { buffer: BytesMut::new(), inbound, outlet }
    }

    /// Takes the next bytes, and hands on each message that they complete. Waits for a session that is busy. After a fault,
    /// which is said to the client, the stream ends.
    pub(super) async fn take(&mut self, chunk: &[u8]) -> Result<(), Over> {
        self.buffer.extend_from_slice(chunk);
        loop {
            match split(&mut self.buffer, MAX_CLIENT_MESSAGE) {
                Ok(None) => break,
                Ok(Some(json)) => self.inbound.send(Inbound::Chat(json)).await.map_err(|_| Over::Ended)?,
                Err(fault) => {
                    self.outlet.say(&ServerChat::Error {
                        request: None,
                        channel: None,
                        member: None,
                        id: None,
                        code: ErrorCode::Malformed,
                        message: fault.to_string().into(),
                    });
                    self.outlet.close();
                    return Err(Over::Fault);
                }
            }
        }
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        Ok(())
    }
}

impl Drop for ChatLines {
    fn drop(&mut self) {
        self.outlet.close();
    }
}

/// Serves a chat stream until either side ends it.
pub(super) async fn serve(stream: Stream, first: Bytes, lines: ChatLines, said: OutboxReader) {
    let Stream { mut send, receive } = stream;
    tokio::select! {
        () = write(&mut send, said) => {}
        never = async {
            read(receive, first, lines).await;
            // The writer comes to its end by itself: what was said before is written.
            std::future::pending().await
        } => never,
    }
}

async fn read(mut receive: ReceiveStream, first: Bytes, mut lines: ChatLines) {
    let mut chunk = first;
    while lines.take(&chunk).await.is_ok() {
        match receive.next().await {
            Ok(Some(next)) => chunk = next,
            Ok(None) | Err(_) => return,
        }
    }
}

async fn write(send: &mut SendStream, mut said: OutboxReader) {
    while let Some(Outgoing::Message(framed)) = said.next().await {
        if send.write(framed).await.is_err() {
            return;
        }
    }
    send.finish().await.unwrap_or_default();
}
