//! A session's control stream: bytes ⇄ messages, and the last words.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use suara_engine::{ReceiveStream, SendStream, Session, Stream};
use suara_proto::CloseCode;
use suara_proto::frame::{STREAM_CONTROL, STREAM_REPLAY, split};
use suara_proto::limits::{HELLO_TIMEOUT, MAX_CLIENT_MESSAGE};
use suara_proto::message::{ServerMessage, encode};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};

use crate::core::Core;
use crate::session::{Closing, Inbound, OutboxReader, Outgoing};
use crate::voice::Ingress;

/// After `closing` was written the client has this long to read it.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Replays at a time: a late entry into two channels.
const REPLAYS: usize = 2;
/// The longest burst over the slowest link that could carry voice.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(60);
/// A request for one in bytes: it holds two numbers.
const MAX_REPLAY_REQUEST: usize = 1024;
/// The application's code for a stream that shouldn't be.
const STREAM_REFUSED: u32 = 0x10;

/// Serves the control stream; returns the code to close with.
pub(super) async fn serve(
    core: &Core,
    session: &Session,
    inbound: Sender<Inbound>,
    mut outgoing: OutboxReader,
    ingress: &Arc<Ingress>,
) -> CloseCode {
    let opened = tokio::select! {
        opened = control_stream(session) => opened,
        () = patience(core) => None,
    };
    let Some((mut send, receive, first)) = opened else {
        drop(inbound);
        return last_code(outgoing).await;
    };
    let reading = async {
        tokio::select! {
            () = read(receive, first, &inbound) => {}
            () = other_streams(session, ingress, &inbound) => {}
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

/// Serves replays and turns other later streams away; a second control stream ends the session.
async fn other_streams(session: &Session, ingress: &Arc<Ingress>, inbound: &Sender<Inbound>) {
    let mut replays = JoinSet::new();
    while let Some(mut stream) = session.accept().await {
        while replays.try_join_next().is_some() {}
        match first_bytes(&mut stream.receive).await {
            Some((STREAM_CONTROL, _)) => {
                inbound.send(Inbound::Violation("a second control stream")).await.unwrap_or_default();
                std::future::pending::<()>().await;
            }
            Some((STREAM_REPLAY, first)) => {
                // Who asks for more waits, and its later streams with it.
                if replays.len() == REPLAYS {
                    replays.join_next().await;
                }
                replays.spawn(replay(stream, first, ingress.clone()));
            }
            _ => turn_away(stream),
        }
    }
}

/// Serves one replay. Who asks for nothing in time, or doesn't read, has its stream reset.
async fn replay(Stream { mut send, mut receive }: Stream, first: Bytes, ingress: Arc<Ingress>) {
    let Ok(Some(json)) = timeout(HELLO_TIMEOUT, one_message(&mut receive, first)).await else {
        return turn_away(Stream { send, receive });
    };
    let writing = async {
        for chunk in ingress.replay(&json) {
            send.write(chunk).await?;
        }
        send.finish().await
    };
    // A client that is gone, or reads slower than it could listen, has no use for the rest.
    if !matches!(timeout(REPLAY_TIMEOUT, writing).await, Ok(Ok(()))) {
        send.reset(STREAM_REFUSED);
    }
}

/// The only message of a stream; `None` when there is none.
async fn one_message(receive: &mut ReceiveStream, first: Bytes) -> Option<Bytes> {
    let mut buffer = BytesMut::from(&first[..]);
    loop {
        match split(&mut buffer, MAX_REPLAY_REQUEST) {
            Ok(Some(message)) => return Some(message),
            Ok(None) => buffer.extend_from_slice(&receive.next().await.ok()??),
            Err(_) => return None,
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

fn turn_away(Stream { send, receive }: Stream) {
    send.reset(STREAM_REFUSED);
    receive.stop(STREAM_REFUSED);
}

/// Cuts what comes into messages; returns when nothing more can come.
async fn read(mut receive: ReceiveStream, first: Bytes, inbound: &Sender<Inbound>) {
    let mut buffer = BytesMut::new();
    let mut chunk = first;
    loop {
        buffer.extend_from_slice(&chunk);
        loop {
            match split(&mut buffer, MAX_CLIENT_MESSAGE) {
                Ok(None) => break,
                Ok(Some(message)) => {
                    if inbound.send(Inbound::Message(message)).await.is_err() {
                        return;
                    }
                }
                Err(fault) => {
                    inbound.send(Inbound::Fault(fault)).await.unwrap_or_default();
                    // What follows can't be told apart; the session says so and closes.
                    return std::future::pending().await;
                }
            }
        }
        if buffer.is_empty() {
            // An idle session keeps no buffer.
            buffer = BytesMut::new();
        }
        match receive.next().await {
            Ok(Some(next)) => chunk = next,
            Ok(None) | Err(_) => return,
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
            () = send.stopped() => return CloseCode::Normal,
        };
        match next {
            None => return CloseCode::Normal,
            Some(Outgoing::Message(framed)) => tokio::select! {
                written = send.write(framed) => if written.is_err() {
                    return CloseCode::Normal;
                },
                () = &mut stuck => return CloseCode::SlowConsumer,
            },
            Some(Outgoing::Close(closing)) => {
                let code = closing.code;
                // A client that is gone, or reads too slowly, misses its last words.
                timeout(LAST_WORDS, say_closing(send, closing)).await.unwrap_or_default();
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
