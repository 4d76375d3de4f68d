//! One Socket.IO client, from its connection to the end of the run.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::packet::{self, Packet};
use super::{Room, Seat};
use crate::measure::Seen;
use crate::stamp::Stamp;

/// A legacy talker is silent for the last second of each of these: the talk limit of 30 s never strikes.
const BURST: Duration = Duration::from_secs(25);
const BREATH: Duration = Duration::from_secs(1);
/// How often a talker looks whether voice has begun.
const LOOK: Duration = Duration::from_millis(20);

type Socket = WebSocketStream<TcpStream>;

struct Client {
    room: Rc<Room>,
    seat: Seat,
    socket: Socket,
    frame: u32,
    seen: Seen,
    /// What the event said whose binary argument comes next.
    announced: Option<(usize, u64)>,
}

pub(super) async fn run(room: Rc<Room>, seat: Seat) {
    let start = room.shared.clock.at(seat.at.as_nanos() as u64);
    tokio::time::sleep_until(start.into()).await;
    let began = Instant::now();
    match log_in(&room, &seat).await {
        Ok(socket) => {
            room.shared.entered(&room.tally, seat.index, began);
            let client =
                Client { room: room.clone(), seat, socket, frame: 0, seen: Seen::default(), announced: None };
            let why = client.live().await;
            room.shared.ended(&room.tally, || why);
        }
        Err(why) => room.shared.gave_up(&room.tally, || why),
    }
}

/// Connects, logs in and enters the channel.
async fn log_in(room: &Room, seat: &Seat) -> Result<Socket, String> {
    let stream = TcpStream::connect(room.address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", room.address);
    let (mut socket, _) = client_async(url, stream).await.map_err(|error| error.to_string())?;
    loop {
        let Some(message) = socket.next().await else { return Err("the server hung up".to_owned()) };
        let message = message.map_err(|error| error.to_string())?;
        let Message::Text(text) = &message else { continue };
        let answer = match packet::read(text) {
            Packet::Open => packet::connect(&seat.token),
            Packet::Ping => "3".to_owned(),
            Packet::Connected => packet::join(&seat.channel),
            Packet::Ack(ack) if packet::is_in(ack) => return Ok(socket),
            Packet::Refused(why) | Packet::Ack(why) => return Err(format!("the server refuses: {why}")),
            Packet::Binary(_) | Packet::Other => continue,
        };
        socket.send(Message::text(answer)).await.map_err(|error| error.to_string())?;
    }
}

impl Client {
    /// Listens, and talks if it should; returns why it ended.
    async fn live(mut self) -> String {
        loop {
            let due = self.due();
            let done = tokio::select! {
                message = self.socket.next() => self.heard(message).await,
                () = tokio::time::sleep_until(due.into()), if self.seat.talks.is_some() => self.talk().await,
            };
            if let Err(why) = done {
                return why;
            }
        }
    }

    async fn heard(&mut self, message: Option<tungstenite::Result<Message>>) -> Result<(), String> {
        let Some(message) = message else { return Err("the server hung up".to_owned()) };
        match message.map_err(|error| error.to_string())? {
            Message::Text(text) => match packet::read(&text) {
                Packet::Ping => {
                    return self.socket.send(Message::text("3")).await.map_err(|error| error.to_string());
                }
                Packet::Binary(event) if self.room.transcoded.is_some() => {
                    self.announced = packet::sender(event)
                }
                _ => {}
            },
            Message::Binary(chunk) => self.chunk(&chunk),
            Message::Close(_) => return Err("the server closed".to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn chunk(&mut self, chunk: &[u8]) {
        let shared = &self.room.shared;
        let now = shared.clock.now();
        let mut tally = self.room.tally.borrow_mut();
        let Some(stamp) = Stamp::read(chunk).or_else(|| self.transcoded(now)) else {
            tally.foreign += 1;
            return;
        };
        let Some(into) = shared.phase.counted(stamp.intended) else { return };
        if self.seen.first(stamp.source, stamp.frame) {
            tally.delivered(into, Duration::from_nanos(now.saturating_sub(stamp.intended)));
            shared.heard.fetch_add(1, Ordering::Relaxed);
        } else {
            tally.duplicates += 1;
        }
    }

    /// What the stamp was of a chunk that went through a codec: known by its talker and sequence number, which counts
    /// from 0 and wraps at 16 bits.
    fn transcoded(&self, now: u64) -> Option<Stamp> {
        let (talker, sequence) = self.announced?;
        let offset = self.room.transcoded.as_ref()?.get(talker)?;
        let voice = self.room.shared.phase.voice()?;
        let period = self.room.voice.period.as_nanos() as u64;
        let newest = now.saturating_sub(voice + offset.as_nanos() as u64) / period;
        let behind = u64::from((newest as u16).wrapping_sub(sequence as u16));
        let frame = newest.checked_sub(behind)?;
        let intended = voice + offset.as_nanos() as u64 + frame * period;
        Some(Stamp { source: talker as u16, frame: frame as u32, intended })
    }

    /// When to talk next; while voice hasn't begun, when to look again.
    fn due(&self) -> Instant {
        let shared = &self.room.shared;
        match (shared.phase.voice(), self.seat.talks) {
            (Some(voice), Some((_, offset))) if self.moment(voice, offset) < shared.phase.until() => {
                shared.clock.at(self.moment(voice, offset))
            }
            _ => Instant::now() + LOOK,
        }
    }

    fn moment(&self, voice: u64, offset: Duration) -> u64 {
        voice + (offset + self.room.voice.period * self.frame).as_nanos() as u64
    }

    async fn talk(&mut self) -> Result<(), String> {
        let (Some(voice), Some((source, offset))) = (self.room.shared.phase.voice(), self.seat.talks) else {
            return Ok(());
        };
        let room = self.room.clone();
        let now = room.shared.clock.now();
        loop {
            let intended = self.moment(voice, offset);
            if intended > now {
                return Ok(());
            }
            if intended >= room.shared.phase.until() {
                return Ok(());
            }
            let spoken = room.voice.period * self.frame;
            let breath = spoken.as_nanos() % BURST.as_nanos() >= (BURST - BREATH).as_nanos();
            if !breath {
                self.send(Stamp { source, frame: self.frame, intended }, now).await?;
            }
            self.frame += 1;
        }
    }

    async fn send(&mut self, stamp: Stamp, now: u64) -> Result<(), String> {
        let shared = &self.room.shared;
        if let Some(into) = shared.phase.counted(stamp.intended) {
            let late = Duration::from_nanos(now - stamp.intended);
            self.room.tally.borrow_mut().sent(into, late, shared.others(self.seat.index));
        }
        shared.sent.fetch_add(1, Ordering::Relaxed);
        let mut chunk = vec![0; self.room.voice.size];
        stamp.write(&mut chunk);
        self.socket.feed(Message::text(packet::VOICE)).await.map_err(|error| error.to_string())?;
        self.socket.send(Message::binary(chunk)).await.map_err(|error| error.to_string())
    }
}
