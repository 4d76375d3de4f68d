//! A client of Socket.IO with PCM16 of 16 kHz, as the field has them: it knows no floor, sends what the microphone gives, and
//! plays what comes.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::jitter::Played;
use super::sound::{Burst, FRAME, RATE};
use super::talk::PERIOD;
use crate::socketio::packet::{self, Packet};

/// From the first chunk until it sounds: what a player of the field holds back.
const BUFFER: Duration = Duration::from_millis(40);
/// A log-in takes less than this on the worst of paths.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that has logged in.
pub(super) struct Legacy {
    socket: WebSocketStream<TcpStream>,
}

impl Legacy {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Why it can't.
    pub(super) async fn connect(address: SocketAddr, token: &str) -> Result<Self, String> {
        let opening = async {
            let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
            let (socket, _) = client_async(url, stream).await.map_err(|error| error.to_string())?;
            let mut client = Self { socket };
            client
                .answer(|packet| match packet {
                    Packet::Open => Some(Ok(Some(packet::connect(token)))),
                    Packet::Connected => Some(Ok(None)),
                    Packet::Refused(why) => Some(Err((*why).to_owned())),
                    _ => None,
                })
                .await?;
            Ok(client)
        };
        timeout(PATIENCE, opening).await.map_err(|_| "no log-in in 20 s".to_owned())?
    }

    /// Reads packets until one says that it is done (`None`), sending what others ask for.
    async fn answer(
        &mut self,
        mut of: impl FnMut(&Packet<'_>) -> Option<Result<Option<String>, String>>,
    ) -> Result<(), String> {
        loop {
            let message = self.socket.next().await.ok_or_else(|| "the server hung up".to_owned())?;
            let Message::Text(text) = message.map_err(|error| error.to_string())? else { continue };
            let packet = packet::read(&text);
            let say = match of(&packet) {
                Some(Ok(None)) => return Ok(()),
                Some(Ok(Some(say))) => say,
                Some(Err(why)) => return Err(format!("the server refuses: {why}")),
                None if packet == Packet::Ping => "3".to_owned(),
                None => continue,
            };
            self.say(say).await?;
        }
    }

    async fn say(&mut self, text: String) -> Result<(), String> {
        self.socket.send(Message::text(text)).await.map_err(|error| error.to_string())
    }

    /// Enters a channel, and waits until it is in.
    ///
    /// # Errors
    /// When it is refused.
    pub(super) async fn join(&mut self, channel: &str) -> Result<(), String> {
        self.say(packet::join(channel)).await?;
        let entering = self.answer(|packet| match packet {
            Packet::Ack(ack) if packet::is_in(ack) => Some(Ok(None)),
            Packet::Ack(why) => Some(Err((*why).to_owned())),
            _ => None,
        });
        timeout(PATIENCE, entering).await.map_err(|_| "no answer in 20 s".to_owned())?
    }

    /// Asks to enter, or to leave again, and waits for nothing.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(super) async fn ask(&mut self, event: &str, channel: &str) -> Result<(), String> {
        self.say(format!("42{}", serde_json::json!([event, { "channel_id": channel }]))).await
    }

    /// Sends a burst in chunks of 20 ms, each when it is whole.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(super) async fn talk(&mut self, press: Instant, burst: &Burst) -> Result<(), String> {
        for (n, frame) in burst.pcm.chunks_exact(FRAME).enumerate() {
            let due = press + PERIOD * (n as u32 + 1);
            while let Ok(message) = timeout_at(due, self.socket.next()).await {
                self.pong(message.transpose().map_err(|error| error.to_string())?).await?;
            }
            let chunk: Vec<u8> = frame.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            self.socket.feed(Message::text(packet::VOICE)).await.map_err(|error| error.to_string())?;
            self.socket.send(Message::binary(chunk)).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn pong(&mut self, message: Option<Message>) -> Result<(), String> {
        match message {
            None => Err("the server hung up".to_owned()),
            Some(Message::Text(text)) if packet::read(&text) == Packet::Ping => {
                self.say("3".to_owned()).await
            }
            Some(_) => Ok(()),
        }
    }

    /// Listens until a moment; chunks, and when they came.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(super) async fn listen(&mut self, until: Instant) -> Result<Vec<(Instant, Vec<u8>)>, String> {
        let mut chunks = Vec::new();
        while let Ok(message) = timeout_at(until, self.socket.next()).await {
            match message.transpose().map_err(|error| error.to_string())? {
                Some(Message::Binary(chunk)) => chunks.push((Instant::now(), chunk.to_vec())),
                other => self.pong(other).await?,
            }
        }
        sleep_until(until).await;
        Ok(chunks)
    }
}

/// What a player plays of chunks of PCM: from a little after the first one on, with silence where it runs dry.
#[must_use]
pub(super) fn play(arrivals: &[(Duration, Vec<u8>)]) -> Played {
    let Some((first, _)) = arrivals.first() else { return Played::default() };
    let began = *first + BUFFER;
    let mut pcm: Vec<i16> = Vec::new();
    for (at, chunk) in arrivals {
        let here = (at.saturating_sub(began).as_secs_f64() * RATE as f64) as usize;
        if here > pcm.len() {
            pcm.resize(here, 0);
        }
        pcm.extend(chunk.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
    }
    let frames = (pcm.len() / FRAME) as u32;
    Played { pcm, began, first_sound: Some(began), frames, concealed: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_that_runs_dry_is_silent_until_more_comes() {
        let chunk = vec![1; FRAME * 2];
        let at = Duration::from_millis;
        let played = play(&[(at(1000), chunk.clone()), (at(1020), chunk.clone()), (at(1100), chunk)]);
        assert_eq!((played.began, played.pcm.len()), (at(1040), 4 * FRAME));
        assert!(played.pcm[2 * FRAME..3 * FRAME].iter().all(|sample| *sample == 0));
        assert!(played.pcm[3 * FRAME] != 0);
    }
}
