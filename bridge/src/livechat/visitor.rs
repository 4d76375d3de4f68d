//! One visitor's connection: frames in and out, one after the other.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use suara_proto::ErrorCode;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::desk::Presence;
use super::door::Hall;
use super::pace::{Pace, Verdict};
use super::payload::{self, Fault, MAX_FRAME, Said};
use super::told::Told;

/// What a connection reads at once; kept as long as it lasts.
const READ_BUFFER: usize = 4 * 1024;
/// A client that takes nothing for so long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// A sign of life is asked for so often, and the connection given up when two go by without any.
const PING: Duration = Duration::from_secs(25);
/// What a client that was closed goes on sending is taken in for so long, so that it reads why.
const LAST_WORDS: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Why a connection ends, in the words of its close frame.
type End = Option<(CloseCode, &'static str)>;

/// Serves a visitor until either side has enough.
pub(super) async fn serve(hall: &Hall, upgrade: OnUpgrade, presence: Presence) {
    let Ok(connection) = upgrade.await else { return };
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(connection), Role::Server, Some(limits)).await;
    let (pace, ids) = (Pace::default(), HashMap::new());
    let mut visitor = Visitor { hall, socket, presence, pace, ids, heard: true };
    let end = match visitor.say(payload::success(&visitor.presence.opened)).await {
        Ok(()) => visitor.live().await,
        Err(end) => end,
    };
    visitor.end(end).await;
}

struct Visitor<'a> {
    hall: &'a Hall,
    socket: Socket,
    presence: Presence,
    pace: Pace,
    /// How the client spelt the ids that wait for their answers.
    ids: HashMap<String, Value>,
    /// Whether anything came since the last ping.
    heard: bool,
}

impl Visitor<'_> {
    async fn live(&mut self) -> End {
        let mut pings = interval_at(Instant::now() + PING, PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut departure = self.hall.leaving.departure();
        loop {
            let done = tokio::select! {
                frame = self.socket.next() => self.frame(frame).await,
                told = self.presence.told.recv() => self.told(told).await,
                _ = pings.tick() => self.ping().await,
                // Nobody speaks to it.
                () = departure.look() => Err(Some((CloseCode::Away, "the server stops"))),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn frame(&mut self, frame: Option<Result<Message, Error>>) -> Result<(), End> {
        self.heard = true;
        match frame {
            Some(Ok(Message::Text(text))) => self.text(&text).await,
            Some(Ok(Message::Binary(_))) => match self.pace.frame() {
                Verdict::Fine => self.refuse(Fault::Binary, None).await,
                verdict => self.too_fast(verdict, None).await,
            },
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(None),
            Some(Err(Error::Capacity(_))) => {
                self.refuse(Fault::TooLarge, None).await?;
                Err(Some((CloseCode::Size, "the frame is too large")))
            }
            Some(Err(Error::Utf8(_))) => {
                self.refuse(Fault::Envelope, None).await?;
                Err(Some((CloseCode::Invalid, "text is UTF-8")))
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a visitor's connection broke off");
                Err(None)
            }
        }
    }

    async fn text(&mut self, text: &str) -> Result<(), End> {
        let verdict = self.pace.frame();
        if verdict != Verdict::Fine {
            return self.too_fast(verdict, None).await;
        }
        let said = match payload::read(text) {
            Ok(said) => said,
            Err(fault) => return self.refuse(fault, payload::id_in(text).as_ref()).await,
        };
        let spelling = payload::id_of(&said);
        match said {
            Said::Typing => {
                if self.pace.typing() {
                    self.presence.typing();
                }
                Ok(())
            }
            Said::Message { id, text } => {
                let verdict = self.pace.message();
                if verdict != Verdict::Fine {
                    return self.too_fast(verdict, spelling.as_ref()).await;
                }
                self.hall.metrics.livechat("send");
                let (id, spelling) = id.unwrap_or_else(|| {
                    let id = format!("{:032x}", rand::random::<u128>());
                    (id.clone(), id.into())
                });
                self.ids.insert(id.clone(), spelling);
                self.presence.send(id, text);
                Ok(())
            }
        }
    }

    async fn told(&mut self, told: Option<Told>) -> Result<(), End> {
        match told {
            Some(Told::Acked { id, number, at }) => {
                let spelling = self.ids.remove(&id).unwrap_or_else(|| id.into());
                self.hall.metrics.livechat("ack");
                self.say(payload::ack(&spelling, number, at)).await
            }
            Some(Told::Refused { id, code }) => {
                let spelling = self.ids.remove(&id).unwrap_or_else(|| id.into());
                let (kind, message) = refusal(code);
                self.say(payload::error(kind, message, Some(&spelling))).await
            }
            Some(Told::Said(message)) => {
                self.hall.metrics.livechat("receive");
                self.say(payload::said(&message)).await
            }
            Some(Told::Typing { name }) => self.say(payload::typing(&name)).await,
            Some(Told::Expired) => {
                self.say(payload::error("error:invalid_token", "the session has ended", None)).await?;
                Err(Some((CloseCode::Policy, "the session has ended")))
            }
            Some(Told::Kicked) => Err(Some((CloseCode::Policy, "thrown out"))),
            // It didn't read, and missed something.
            None => Err(Some((CloseCode::Again, "come back"))),
        }
    }

    async fn ping(&mut self) -> Result<(), End> {
        if !std::mem::replace(&mut self.heard, false) {
            return Err(None);
        }
        self.write(Message::Ping(Vec::new().into())).await
    }

    async fn refuse(&mut self, fault: Fault, id: Option<&Value>) -> Result<(), End> {
        self.hall.metrics.bad_input("livechat");
        self.say(payload::error("error:invalid_payload", &fault.to_string(), id)).await
    }

    async fn too_fast(&mut self, verdict: Verdict, id: Option<&Value>) -> Result<(), End> {
        self.hall.metrics.bad_input("livechat_rate");
        self.say(payload::error("error:rate_limited", "too fast; this was dropped", id)).await?;
        if verdict == Verdict::Out { Err(Some((CloseCode::Policy, "too fast for too long"))) } else { Ok(()) }
    }

    async fn say(&mut self, frame: String) -> Result<(), End> {
        self.write(Message::text(frame)).await
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        match timeout(WRITE_PATIENCE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(None),
        }
    }

    async fn end(mut self, end: End) {
        let Some((code, reason)) = end else { return };
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        if self.write(close).await.is_err() {
            return;
        }
        // What is in the kernel unread would reset the connection, and the client would never read why.
        let mut rest = self.socket.into_inner();
        let mut scrap = [0; 4096];
        let took = timeout(LAST_WORDS, async { while rest.read(&mut scrap).await.is_ok_and(|n| n > 0) {} });
        if took.await.is_err() {
            tracing::debug!("a visitor went on after its end");
        }
    }
}

fn refusal(code: ErrorCode) -> (&'static str, &'static str) {
    match code {
        ErrorCode::RateLimited => ("error:rate_limited", "too fast; this was dropped"),
        ErrorCode::Unavailable => ("error:unavailable", "it can't be stored at the moment; send it again"),
        ErrorCode::BadField | ErrorCode::Malformed => ("error:invalid_payload", "this can't be stored"),
        _ => ("error:invalid_token", "this session may not write"),
    }
}
