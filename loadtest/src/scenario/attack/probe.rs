//! A client that does one thing at a time and waits for what comes of it: for attacks.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use nix::poll::{PollFd, PollFlags, ppoll};
use quinn_proto::{ClientConfig, ConnectionHandle, DatagramEvent, Endpoint, EndpointConfig};
use serde_json::Value;
use std::os::fd::AsFd;
use suara_proto::frame::STREAM_CONTROL;
use suara_proto::message::{ClientMessage, encode};
use web_transport_proto::ConnectRequest;

use crate::LoadError;
use crate::client::{Event, Lane, Link, Receiver};
use crate::target::Target;

/// An answer comes within this, or not at all.
pub(super) const ANSWER: Duration = Duration::from_secs(2);
/// How often it looks for what came.
const LOOK: Duration = Duration::from_millis(10);

/// One session, driven by hand.
pub(super) struct Probe {
    pub(super) link: Link,
    endpoint: Endpoint,
    handle: ConnectionHandle,
    lane: Lane,
    receiver: Receiver,
    target: Target,
    messages: Vec<Value>,
    voice: Vec<Bytes>,
    open: bool,
}

impl Probe {
    /// Opens a connection; the session is open when this returns, if it ever is.
    pub(super) fn connect(target: &Target, config: &ClientConfig) -> Result<Self, LoadError> {
        let lane = Lane::open(target.address)?;
        let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None);
        let (handle, quic) = endpoint
            .connect(Instant::now(), config.clone(), target.address, "localhost")
            .map_err(|error| LoadError::Settings(error.to_string()))?;
        let link = Link::new(quic, ConnectRequest::new(target.url.clone()));
        let (target, receiver) = (target.clone(), Receiver::new());
        let (messages, voice) = Default::default();
        let mut probe = Self { link, endpoint, handle, lane, receiver, target, messages, voice, open: false };
        probe.wait(ANSWER, |probe| probe.open.then_some(()));
        Ok(probe)
    }

    /// Begins the control stream with these bytes.
    pub(super) fn begin(&mut self, bytes: &[u8]) {
        let mut head = BytesMut::from(&[STREAM_CONTROL][..]);
        head.extend_from_slice(bytes);
        self.link.open_stream(&head);
    }

    /// Says hello; whether it is welcome.
    pub(super) fn hello(&mut self, token: &str) -> bool {
        self.begin(&encode(&ClientMessage::Hello {
            version: 1,
            token: Cow::Borrowed(token),
            client: None,
            resume: None,
            calls: false,
        }));
        self.heard("welcome").is_some()
    }

    /// Enters a channel; its number and the talker's.
    pub(super) fn join(&mut self, channel: &str) -> Option<(u32, u16)> {
        let channel = Cow::Borrowed(channel);
        self.say(&ClientMessage::Join { request: suara_proto::RequestId(1), channel, member: None });
        let joined = self.heard("joined")?;
        Some((joined["channel"].as_u64()? as u32, joined["talker"].as_u64()? as u16))
    }

    pub(super) fn say(&mut self, message: &ClientMessage<'_>) {
        self.link.say(&encode(message));
    }

    /// The next message of this type, within [`ANSWER`].
    pub(super) fn heard(&mut self, kind: &str) -> Option<Value> {
        self.heard_within(ANSWER, kind)
    }

    pub(super) fn heard_within(&mut self, most: Duration, kind: &str) -> Option<Value> {
        self.wait(most, |probe| {
            let index = probe.messages.iter().position(|message| message["type"] == kind)?;
            Some(probe.messages.remove(index))
        })
    }

    /// The code of the next message of this type; `-` when none comes.
    pub(super) fn code(&mut self, kind: &str, most: Duration) -> String {
        let message = self.heard_within(most, kind);
        message
            .and_then(|message| message["code"].as_str().map(str::to_owned))
            .unwrap_or_else(|| "-".to_owned())
    }

    /// The next voice datagram that comes.
    pub(super) fn next_voice(&mut self) -> Option<Bytes> {
        self.wait(ANSWER, |probe| probe.voice.pop())
    }

    /// Whether the session still answers.
    pub(super) fn lives(&mut self) -> bool {
        let nonce = rand::random();
        self.say(&ClientMessage::Ping { nonce });
        self.heard("pong").is_some_and(|pong| pong["nonce"] == nonce)
    }

    /// Sends what waits, and takes what comes in the meantime.
    pub(super) fn pause(&mut self, time: Duration) {
        self.wait(time, |_| None::<()>);
    }

    fn wait<T>(&mut self, most: Duration, mut look: impl FnMut(&mut Self) -> Option<T>) -> Option<T> {
        let end = Instant::now() + most;
        loop {
            self.pump();
            if let Some(found) = look(self) {
                return Some(found);
            }
            let now = Instant::now();
            if now >= end || self.link.quic.is_closed() {
                return None;
            }
            let due = self.link.quic.poll_timeout().unwrap_or(end).min(end);
            let nap = due.saturating_duration_since(now).min(LOOK);
            let mut descriptors = [PollFd::new(self.lane.socket().as_fd(), PollFlags::POLLIN)];
            // Interrupted or not: the next turn looks.
            ppoll(&mut descriptors, Some(nap.into()), None).unwrap_or_default();
        }
    }

    fn pump(&mut self) {
        let now = Instant::now();
        let count = self.receiver.read(&self.lane);
        for index in 0..count {
            let data = BytesMut::from(self.receiver.datagram(index));
            let mut unused = Vec::new();
            let remote = self.target.address;
            if let Some(DatagramEvent::ConnectionEvent(_, event)) =
                self.endpoint.handle(now, remote, None, None, data, &mut unused)
            {
                self.link.quic.handle_event(event);
            }
        }
        if self.link.quic.poll_timeout().is_some_and(|due| due <= now) {
            self.link.quic.handle_timeout(now);
        }
        let mut events = Vec::new();
        self.link.poll(&mut events);
        for event in events {
            match event {
                Event::Open => self.open = true,
                Event::Message(message) => {
                    self.messages.extend(serde_json::from_slice::<Value>(&message).ok())
                }
                Event::Datagram(datagram) => self.voice = vec![datagram],
                Event::Ended(_) => {}
            }
        }
        while let Some(event) = self.link.quic.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(self.handle, event) {
                self.link.quic.handle_event(event);
            }
        }
        while self.link.quic.poll_transmit(now, 1, self.lane.slot()).is_some() {
            self.lane.push();
        }
        self.lane.flush();
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.link.close(Instant::now());
        self.pump();
    }
}
