//! A session's control stream: bytes ⇄ messages, and the last words.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::SinkExt;
use suara_engine::{ReceiveStream, SendStream, Session, Stream, StreamError};
use suara_proto::CloseCode;
use suara_proto::frame::{STREAM_CHAT, STREAM_CONTROL, STREAM_REPLAY};
use suara_proto::limits::HELLO_TIMEOUT;
use suara_proto::message::{ServerMessage, encode};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::LAST_WORDS;
use super::chat::{self, ChatLines};
use super::messages::{Messages, Over};
use super::replay::Replays;
use crate::core::Core;
use crate::session::{ChatOutlet, Closing, Inbound, Inlet, OutboxReader, Outgoing};
use crate::voice::Ingress;

/// The application's code for a stream that shouldn't be.
pub(super) const STREAM_REFUSED: u32 = 0x10;

/// Serves the control stream; returns the code to close with.
pub(super) async fn serve(
    core: &Core,
    session: &Session,
    inbound: Inlet,
    mut outgoing: OutboxReader,
    ingress: &Arc<Ingress>,
    chat: &ChatOutlet,
) -> CloseCode {
    // What is over soon is boxed: an idle session would hold room for it all its life.
    let opened = Box::pin(async {
        tokio::select! {
            opened = control_stream(session) => opened,
            () = patience(core) => None,
        }
    });
    let Some((mut send, receive, first)) = opened.await else {
        drop(inbound);
        return Box::pin(last_code(outgoing)).await;
    };
    let reading = async {
        tokio::select! {
            end = read(receive, first, inbound.clone()) => match end {
                Ok(()) => ingress.leave(),
                Err(_) => gone().await,
            },
            () = other_streams(session, ingress, chat, inbound.clone()) => gone().await,
        }
        // The client can say nothing more: the session ends, and the writer has its last words.
        drop(inbound);
        std::future::pending().await
    };
    tokio::select! {
        code = write(&mut send, &mut outgoing) => code,
        never = reading => never,
    }
}

/// A stream broke off. If the client closed the session, or its connection is lost, that is known by now or in a moment, and
/// ends all this.
async fn gone() {
    sleep(LAST_WORDS).await;
}

/// How long the control stream is waited for. The session itself counts the time to its hello, and who is refused is told
/// so as late as then: the session's word has to come first.
async fn patience(core: &Core) {
    tokio::select! {
        () = sleep(HELLO_TIMEOUT + LAST_WORDS) => {}
        _ = core.dismissed() => sleep(LAST_WORDS).await,
    }
}

/// The first stream that says it is the control stream, and what came behind its first byte; others before it are turned
/// away.
async fn control_stream(session: &Session) -> Option<(SendStream, ReceiveStream, Bytes)> {
    loop {
        let mut stream = session.accept().await?;
        match first_bytes(&mut stream.receive).await {
            Some((STREAM_CONTROL, rest)) => return Some((stream.send, stream.receive, rest)),
            _ => turn_away(stream),
        }
    }
}

/// Serves chat and replays, and turns other later streams away; a second control stream ends the session.
async fn other_streams(session: &Session, ingress: &Arc<Ingress>, chat: &ChatOutlet, mut inbound: Inlet) {
    let (mut replays, mut chats) = (Replays::default(), JoinSet::new());
    while let Some(mut stream) = session.accept().await {
        // One that says nothing would keep the others waiting.
        let first = timeout(HELLO_TIMEOUT, first_bytes(&mut stream.receive)).await;
        match first.ok().flatten() {
            Some((STREAM_CONTROL, _)) => {
                inbound.send(Inbound::Violation("a second control stream")).await.unwrap_or_default();
                std::future::pending::<()>().await;
            }
            Some((STREAM_CHAT, first)) => match chat.open() {
                Some(said) => {
                    while chats.try_join_next().is_some() {}
                    let lines = ChatLines::new(inbound.clone(), chat.clone());
                    chats.spawn(chat::serve(stream, first, lines, said));
                }
                // One at a time.
                None => turn_away(stream),
            },
            Some((STREAM_REPLAY, first)) => replays.serve(stream, first, ingress.clone()).await,
            _ => turn_away(stream),
        }
    }
}

/// A stream's type, and what came with it.
async fn first_bytes(receive: &mut ReceiveStream) -> Option<(u8, Bytes)> {
    let mut bytes = receive.next().await.ok()??;
    let first = *bytes.first()?;
    bytes.advance(1);
    Some((first, bytes))
}

pub(super) fn turn_away(Stream { send, receive }: Stream) {
    send.reset(STREAM_REFUSED);
    receive.stop(STREAM_REFUSED);
}

/// Cuts what comes into messages; returns when nothing more can come, and whether the client ended it in order.
async fn read(mut receive: ReceiveStream, first: Bytes, inbound: Inlet) -> Result<(), StreamError> {
    let mut messages = Messages::new(inbound);
    let mut chunk = first;
    loop {
        match messages.take(&chunk).await {
            Ok(()) => {}
            Err(Over::Ended) => return Ok(()),
            // The session says so and closes.
            Err(Over::Fault) => return std::future::pending().await,
        }
        match receive.next().await? {
            Some(next) => chunk = next,
            None => return Ok(()),
        }
    }
}

/// Writes what the session says until it ends; a client that doesn't read can't hold the end up.
async fn write(send: &mut SendStream, outgoing: &mut OutboxReader) -> CloseCode {
    let closing = outgoing.closing();
    let mut stuck = std::pin::pin!(async {
        closing.cancelled().await;
        sleep(LAST_WORDS).await;
    });
    loop {
        let next = tokio::select! {
            next = outgoing.next() => next,
            // A client that wants to hear no more has ended its session, though it may go on talking.
            () = send.stopped() => {
                gone().await;
                return CloseCode::Normal;
            }
        };
        match next {
            None => return CloseCode::Normal,
            Some(Outgoing::Message(framed)) => tokio::select! {
                written = send.write(framed) => if written.is_err() {
                    gone().await;
                    return CloseCode::Normal;
                },
                () = &mut stuck => return CloseCode::SlowConsumer,
            },
            Some(Outgoing::Close(closing)) => {
                let code = closing.code;
                // A client that is gone, or reads too slowly, misses its last words.
                Box::pin(timeout(LAST_WORDS, say_closing(send, closing))).await.unwrap_or_default();
                return code;
            }
        }
    }
}

async fn say_closing(send: &mut SendStream, Closing { code, reason, retry_after_ms }: Closing) {
    let closing = encode(&ServerMessage::Closing { code, reason, retry_after_ms });
    if send.write(closing).await.is_ok() {
        // Wait until the client has it, or is gone: the session's end would overtake it.
        send.finish().await.unwrap_or_default();
    }
}

async fn last_code(mut outgoing: OutboxReader) -> CloseCode {
    while let Some(next) = outgoing.next().await {
        if let Outgoing::Close(closing) = next {
            return closing.code;
        }
    }
    CloseCode::Normal
}
