//! One connection: QUIC, HTTP/3's settings, the CONNECT that opens a WebTransport session, its control stream.

use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use quinn_proto::{Connection, Dir, Event as QuicEvent, ReadError, StreamEvent, StreamId, WriteError};
use suara_proto::frame::split;
use suara_proto::limits::MAX_SERVER_MESSAGE;
use web_transport_proto::{
    ConnectError, ConnectRequest, ConnectResponse, Frame, Settings, StreamUni, VarInt,
};

/// What happened on a connection.
#[derive(Debug)]
pub(crate) enum Event {
    /// The WebTransport session is open.
    Open,
    /// A message came on the control stream.
    Message(Bytes),
    /// A datagram came.
    Datagram(Bytes),
    /// It is over, and why.
    Ended(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Waiting for the server's settings.
    Settings,
    /// Waiting for the answer to CONNECT.
    Requested,
    /// The session is open.
    Open,
    /// It is over.
    Ended,
}

/// A connection with at most one WebTransport session and its control stream.
pub(crate) struct Link {
    pub(crate) quic: Connection,
    request: ConnectRequest,
    stage: Stage,
    /// HTTP/3's own bytes, until they are understood.
    preamble: BytesMut,
    settings_stream: Option<StreamId>,
    connect_stream: Option<StreamId>,
    control_stream: Option<StreamId>,
    outgoing: BytesMut,
    incoming: BytesMut,
    /// A slow reader leaves what comes where it is.
    pub(crate) deaf: bool,
}

impl Link {
    pub(crate) fn new(quic: Connection, request: ConnectRequest) -> Self {
        Self {
            quic,
            request,
            stage: Stage::Settings,
            preamble: BytesMut::new(),
            settings_stream: None,
            connect_stream: None,
            control_stream: None,
            outgoing: BytesMut::new(),
            incoming: BytesMut::new(),
            deaf: false,
        }
    }

    /// Handles what QUIC has to say.
    pub(crate) fn poll(&mut self, events: &mut Vec<Event>) {
        while let Some(event) = self.quic.poll() {
            match event {
                QuicEvent::Connected => self.greet(),
                QuicEvent::ConnectionLost { reason } => self.end(reason.to_string(), events),
                QuicEvent::Stream(StreamEvent::Opened { dir }) => {
                    while let Some(id) = self.quic.streams().accept(dir) {
                        self.read(id, events);
                    }
                }
                QuicEvent::Stream(StreamEvent::Readable { id }) if !self.deaf => self.read(id, events),
                QuicEvent::Stream(StreamEvent::Writable { .. }) => self.flush(),
                QuicEvent::DatagramReceived => {
                    while let Some(datagram) = self.quic.datagrams().recv() {
                        events.extend(self.payload(datagram).map(Event::Datagram));
                    }
                }
                _ => {}
            }
        }
    }

    /// Opens a stream of the session that begins with these bytes, and makes it the control stream if it is the first.
    pub(crate) fn open_stream(&mut self, bytes: &[u8]) -> Option<StreamId> {
        let session = self.connect_stream?;
        let id = self.quic.streams().open(Dir::Bi)?;
        let mut head = BytesMut::new();
        Frame::WEBTRANSPORT.encode(&mut head);
        VarInt::from_u64(session.into()).ok()?.encode(&mut head);
        head.extend_from_slice(bytes);
        if self.control_stream.is_none() {
            self.control_stream = Some(id);
            self.outgoing = head;
            self.flush();
        } else {
            // A stream on the side carries little: what doesn't fit its window at once is left out.
            self.quic.send_stream(id).write(&head).ok()?;
        }
        Some(id)
    }

    /// Writes to the control stream.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.outgoing.extend_from_slice(bytes);
        self.flush();
    }

    /// Sends a datagram of the session; false when QUIC doesn't take it.
    pub(crate) fn datagram(&mut self, payload: &[u8]) -> bool {
        let Some(quarter) = self.quarter() else { return false };
        let mut datagram = BytesMut::with_capacity(8 + payload.len());
        quarter.encode(&mut datagram);
        datagram.extend_from_slice(payload);
        self.quic.datagrams().send(datagram.freeze(), true).is_ok()
    }

    /// Closes the connection.
    pub(crate) fn close(&mut self, now: Instant) {
        self.stage = Stage::Ended;
        self.quic.close(now, 0_u32.into(), Bytes::new());
    }

    fn greet(&mut self) {
        let mut settings = Settings::default();
        settings.enable_webtransport(1);
        let mut bytes = BytesMut::new();
        settings.encode(&mut bytes);
        if let Some(id) = self.quic.streams().open(Dir::Uni) {
            // It is the connection's first stream, and a few bytes: they fit any window.
            self.quic.send_stream(id).write(&bytes).unwrap_or_default();
        }
    }

    fn read(&mut self, id: StreamId, events: &mut Vec<Event>) {
        let mut got = BytesMut::new();
        let over = self.take(id, &mut got);
        if Some(id) == self.control_stream {
            self.incoming.extend_from_slice(&got);
            self.messages(events);
        } else if Some(id) == self.connect_stream {
            self.answer(&got, events);
        } else if id.dir() == Dir::Uni {
            self.settings(id, &got, events);
        }
        if over && (Some(id) == self.control_stream || Some(id) == self.connect_stream) {
            self.end("the gateway ended the session".to_owned(), events);
        }
    }

    /// Takes what a stream has; says whether it is over.
    fn take(&mut self, id: StreamId, got: &mut BytesMut) -> bool {
        let mut stream = self.quic.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else { return true };
        let over = loop {
            match chunks.next(usize::MAX) {
                Ok(Some(chunk)) => got.extend_from_slice(&chunk.bytes),
                Ok(None) | Err(ReadError::Reset(_)) => break true,
                Err(ReadError::Blocked) => break false,
            }
        };
        // Whether that frees a window is seen by the next transmission, which follows anyway.
        let _transmits = chunks.finalize().should_transmit();
        over
    }

    fn settings(&mut self, id: StreamId, got: &[u8], events: &mut Vec<Event>) {
        let is_control = got.first() == Some(&(StreamUni::CONTROL.0.into_inner() as u8));
        if self.settings_stream.is_none() && is_control {
            self.settings_stream = Some(id);
        }
        if self.stage != Stage::Settings || self.settings_stream != Some(id) {
            return;
        }
        self.preamble.extend_from_slice(got);
        match Settings::decode(&mut &self.preamble[..]) {
            Ok(settings) if settings.supports_webtransport() > 0 => self.ask(events),
            Ok(_) => self.end("the server has no WebTransport".to_owned(), events),
            Err(_) => {}
        }
    }

    fn ask(&mut self, events: &mut Vec<Event>) {
        self.preamble.clear();
        let mut bytes = BytesMut::new();
        let encoded = self.request.encode(&mut bytes).is_ok();
        let Some(id) = encoded.then(|| self.quic.streams().open(Dir::Bi)).flatten() else {
            return self.end("the session can't be asked for".to_owned(), events);
        };
        self.connect_stream = Some(id);
        self.stage = Stage::Requested;
        self.quic.send_stream(id).write(&bytes).unwrap_or_default();
    }

    fn answer(&mut self, got: &[u8], events: &mut Vec<Event>) {
        if self.stage != Stage::Requested {
            return;
        }
        self.preamble.extend_from_slice(got);
        match ConnectResponse::decode(&mut &self.preamble[..]) {
            Ok(_) => {
                self.stage = Stage::Open;
                events.push(Event::Open);
            }
            Err(fault @ ConnectError::WrongStatus(_)) => self.end(fault.to_string(), events),
            // The rest of it is still to come.
            Err(_) => {}
        }
    }

    fn messages(&mut self, events: &mut Vec<Event>) {
        loop {
            match split(&mut self.incoming, MAX_SERVER_MESSAGE) {
                Ok(Some(message)) => events.push(Event::Message(message)),
                Ok(None) => return,
                Err(fault) => return self.end(fault.to_string(), events),
            }
        }
    }

    fn flush(&mut self) {
        let Some(id) = self.control_stream else { return };
        while !self.outgoing.is_empty() {
            match self.quic.send_stream(id).write(&self.outgoing) {
                Ok(written) => self.outgoing.advance(written),
                Err(WriteError::Blocked) => return,
                Err(_) => return self.outgoing.clear(),
            }
        }
    }

    fn payload(&self, mut datagram: Bytes) -> Option<Bytes> {
        (VarInt::decode(&mut datagram).ok()? == self.quarter()?).then_some(datagram)
    }

    fn quarter(&self) -> Option<VarInt> {
        VarInt::from_u64(u64::from(self.connect_stream?) / 4).ok()
    }

    fn end(&mut self, why: String, events: &mut Vec<Event>) {
        if self.stage != Stage::Ended {
            self.stage = Stage::Ended;
            events.push(Event::Ended(why));
        }
    }
}
