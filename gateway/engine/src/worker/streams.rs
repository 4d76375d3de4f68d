//! One connection's streams: what each is, and where its bytes go.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use quinn_proto::{Chunk, Dir, ReadError, ReadableError, StreamId, VarInt as Code, WriteError};
use web_transport_proto::{VarInt, error_from_http3, error_to_http3};

use super::connection::{Connection, OpenSession, Turn};
use crate::application::{Application, Peer};
use crate::h3::{
    BidiHeader, CapsuleReader, Closing, ControlReader, Header, Rejection, RequestReader, UniHeader,
    Violation, bidi_header, code, response, uni_header,
};
use crate::session::{Session, SessionShared};
use crate::stream::{Pipe, StreamError, ToSend};

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;
/// A stream's header is this long at most: two numbers of eight bytes.
const MAX_HEADER: usize = 16;

/// After something was written, so many packets of the client's are read at once: they say what was lost.
const ALERT: u8 = 4;
/// And one more for each packet that is filled.
const PACKET: usize = 1200;

/// What a stream is.
pub(super) enum Role {
    /// Not known yet: what came so far.
    Unknown(BytesMut),
    /// The client's control stream.
    Control(Box<ControlReader>),
    /// What comes is of no interest.
    Ignored,
    /// A request whose head isn't complete.
    Request(Box<RequestReader>),
    /// The CONNECT of the session.
    Connect(Box<CapsuleReader>),
    /// A stream of a session that isn't open yet, and what came of it.
    Early(u64, BytesMut),
    /// A stream of the session.
    Session(Arc<Pipe>),
}

/// What came of a stream.
enum Read {
    Chunk(Bytes),
    /// Nothing now.
    Blocked,
    /// Nothing more, well ended or not.
    End(Result<(), StreamError>),
}

impl<P> Connection<P> {
    fn role(&mut self, id: StreamId) -> Option<&mut Role> {
        self.streams.iter_mut().find(|(open, _)| *open == id).map(|(_, role)| role)
    }

    fn pipe(&mut self, id: StreamId) -> Option<Arc<Pipe>> {
        match self.role(id) {
            Some(Role::Session(pipe)) => Some(pipe.clone()),
            _ => None,
        }
    }

    fn read_chunk(&mut self, id: StreamId) -> Read {
        let mut stream = self.quic.recv_stream(id);
        let mut chunks = match stream.read(true) {
            Ok(chunks) => chunks,
            Err(ReadableError::ClosedStream | ReadableError::IllegalOrderedRead) => return Read::Blocked,
        };
        let read = match chunks.next(CHUNK) {
            Ok(Some(Chunk { bytes, .. })) => Read::Chunk(bytes),
            Ok(None) => Read::End(Ok(())),
            Err(ReadError::Blocked) => Read::Blocked,
            Err(ReadError::Reset(code)) => Read::End(Err(abandoned(code))),
        };
        // Credit that it gives goes with the next packet; a marked connection is asked for one anyway.
        chunks.finalize().should_transmit();
        read
    }

    /// Writes what the task has put in line, as far as QUIC takes it.
    pub(super) fn write(&mut self, id: StreamId) {
        let Some(pipe) = self.pipe(id) else { return };
        self.alert = self.alert.max(ALERT);
        loop {
            let mut chunk = match pipe.to_send() {
                ToSend::Chunk(chunk) => chunk,
                ToSend::Nothing => return,
                ToSend::Finish => {
                    // It may have been stopped meanwhile.
                    self.quic.send_stream(id).finish().unwrap_or_default();
                    return;
                }
            };
            match self.quic.send_stream(id).write(&chunk) {
                Ok(written) => {
                    chunk.advance(written);
                    self.alert = self.alert.saturating_add(u8::try_from(written / PACKET).unwrap_or(u8::MAX));
                    if chunk.has_remaining() {
                        pipe.not_sent(chunk);
                    }
                }
                Err(WriteError::Blocked) => return pipe.not_sent(chunk),
                Err(WriteError::Stopped(code)) => return pipe.send_ended(Err(abandoned(code))),
                Err(WriteError::ClosedStream) => return pipe.send_ended(Err(StreamError::SessionOver)),
            }
        }
    }

    /// There is room again for what the client sends.
    pub(super) fn resume(&mut self, id: StreamId) {
        if let Some(pipe) = self.pipe(id) {
            self.read_session(id, &pipe);
        }
    }

    fn read_session(&mut self, id: StreamId, pipe: &Pipe) {
        while pipe.has_room() {
            match self.read_chunk(id) {
                Read::Chunk(bytes) => pipe.received(bytes),
                Read::Blocked => return,
                Read::End(end) => return pipe.receive_ended(end),
            }
        }
    }

    /// The task gives up writing.
    pub(super) fn reset(&mut self, id: StreamId, code: u32) {
        self.quic.send_stream(id).reset(http3_code(code)).unwrap_or_default();
    }

    /// The task gives up reading.
    pub(super) fn stop(&mut self, id: StreamId, code: u32) {
        self.quic.recv_stream(id).stop(http3_code(code)).unwrap_or_default();
    }

    /// Turns a stream away, in both directions where it has two.
    fn turn_away(&mut self, id: StreamId, code: u32) {
        if id.dir() == Dir::Bi {
            self.quic.send_stream(id).reset(code.into()).unwrap_or_default();
        }
        self.quic.recv_stream(id).stop(code.into()).unwrap_or_default();
        self.streams.retain(|(open, _)| *open != id);
    }

    /// All that was written has been acknowledged.
    pub(super) fn finished(&mut self, id: StreamId) {
        if let Some(pipe) = self.pipe(id) {
            pipe.send_ended(Ok(()));
        }
        self.forget_ended();
    }

    /// The client wants no more of a stream.
    pub(super) fn stopped(&mut self, id: StreamId, code: Code) {
        if let Some(pipe) = self.pipe(id) {
            pipe.send_ended(Err(abandoned(code)));
        }
        // RFC 9000, section 3.5: the answer is a reset.
        if id.dir() == Dir::Bi || id.initiator() == quinn_proto::Side::Server {
            self.quic.send_stream(id).reset(code).unwrap_or_default();
        }
        self.forget_ended();
    }

    /// Lets go of the session's streams that are over in both directions.
    fn forget_ended(&mut self) {
        self.streams.retain(|(_, role)| !matches!(role, Role::Session(pipe) if pipe.is_over()));
    }
}

impl<P: Peer> Connection<P> {
    /// The client has opened streams.
    pub(super) fn opened<A: Application<Peer = P>>(&mut self, dir: Dir, turn: &Turn<'_, A>) {
        while let Some(id) = self.quic.streams().accept(dir) {
            self.streams.push((id, Role::Unknown(BytesMut::new())));
            self.readable(id, turn);
        }
    }

    /// Something of a stream can be read.
    pub(super) fn readable<A: Application<Peer = P>>(&mut self, id: StreamId, turn: &Turn<'_, A>) {
        loop {
            match self.role(id) {
                None => return,
                // It waits, unread, for its session.
                Some(Role::Early(..)) => return,
                Some(Role::Session(pipe)) => {
                    let pipe = pipe.clone();
                    self.read_session(id, &pipe);
                    return self.forget_ended();
                }
                Some(_) => {}
            }
            match self.read_chunk(id) {
                Read::Blocked => return,
                Read::Chunk(bytes) => self.bytes(id, &bytes, turn),
                Read::End(end) => return self.ended(id, end, turn),
            }
        }
    }

    fn bytes<A: Application<Peer = P>>(&mut self, id: StreamId, bytes: &[u8], turn: &Turn<'_, A>) {
        let Some(role) = self.role(id) else { return };
        match role {
            Role::Unknown(header) => {
                header.extend_from_slice(bytes);
                let header = std::mem::take(header);
                self.identify(id, header, turn);
            }
            Role::Control(reader) => {
                if let Err(violation) = reader.push(bytes) {
                    self.violated(turn.now, violation);
                }
            }
            Role::Ignored => {}
            Role::Request(reader) => match reader.push(bytes) {
                None => {}
                Some(Ok((request, rest))) => self.request(id, request, &rest, turn),
                Some(Err(Rejection::Status(status))) => self.refuse(id, status),
                Some(Err(Rejection::Violation(violation))) => self.violated(turn.now, violation),
            },
            Role::Connect(reader) => match reader.push(bytes) {
                Ok(None) => {}
                Ok(Some(closing)) => self.session_closed(turn.now, closing),
                Err(violation) => self.violated(turn.now, violation),
            },
            Role::Early(..) | Role::Session(_) => {}
        }
    }

    /// A stream says what it is, as soon as its header is there.
    fn identify<A: Application<Peer = P>>(&mut self, id: StreamId, bytes: BytesMut, turn: &Turn<'_, A>) {
        let identified = match id.dir() {
            Dir::Uni => match uni_header(&bytes) {
                Header::Incomplete => None,
                Header::Is(kind, length) => Some((self.uni_role(id, kind, turn), length)),
            },
            Dir::Bi => match bidi_header(&bytes) {
                Header::Incomplete => None,
                Header::Is(kind, length) => Some((self.bidi_role(kind, turn), length)),
            },
        };
        match identified {
            None if bytes.len() > MAX_HEADER => self.turn_away(id, code::STREAM_CREATION_ERROR),
            None => self.put_role(id, Role::Unknown(bytes)),
            Some((None, _)) => {}
            Some((Some(role), length)) => {
                let rest = &bytes[length..];
                match role {
                    Role::Early(session, _) => {
                        self.put_role(id, Role::Early(session, BytesMut::from(rest)));
                        self.join_session(turn);
                    }
                    role => {
                        self.put_role(id, role);
                        self.bytes(id, rest, turn);
                    }
                }
            }
        }
    }

    fn put_role(&mut self, id: StreamId, new: Role) {
        if let Some(role) = self.role(id) {
            *role = new;
        }
    }

    fn uni_role<A: Application<Peer = P>>(
        &mut self,
        id: StreamId,
        kind: UniHeader,
        turn: &Turn<'_, A>,
    ) -> Option<Role> {
        match kind {
            UniHeader::Control if !std::mem::replace(&mut self.has_control, true) => {
                return Some(Role::Control(Box::default()));
            }
            UniHeader::Qpack => return Some(Role::Ignored),
            UniHeader::Control | UniHeader::Push => {
                let violation = Violation::new(code::STREAM_CREATION_ERROR, "a stream that can't be");
                self.violated(turn.now, violation);
            }
            // The application has no use for them.
            UniHeader::Session => self.turn_away(id, code::BUFFERED_STREAM_REJECTED),
            UniHeader::Unknown => self.turn_away(id, code::STREAM_CREATION_ERROR),
        }
        None
    }

    fn bidi_role<A: Application<Peer = P>>(&mut self, kind: BidiHeader, turn: &Turn<'_, A>) -> Option<Role> {
        match kind {
            BidiHeader::Request => return Some(Role::Request(Box::default())),
            BidiHeader::Session(session) if session % 4 != 0 => {
                self.violated(turn.now, Violation::new(code::ID_ERROR, "a session's id that can't be"));
            }
            BidiHeader::Session(session) => return Some(Role::Early(session, BytesMut::new())),
        }
        None
    }

    /// Gives streams to the session that they are for, and turns those of others away.
    fn join_session<A: Application<Peer = P>>(&mut self, turn: &Turn<'_, A>) {
        let Some(connect) = self.connect else { return };
        let early = |(id, role): &mut (StreamId, Role)| match role {
            Role::Early(session, bytes) => Some((*id, *session, std::mem::take(bytes))),
            _ => None,
        };
        let waiting: Vec<_> = self.streams.iter_mut().filter_map(early).collect();
        for (id, session, bytes) in waiting {
            let pipe = Pipe::new(self.seat, id, turn.inbox.clone());
            let theirs = self.session.as_ref().filter(|_| session == u64::from(connect));
            if !theirs.is_some_and(|session| session.shared.opened(pipe.clone().stream())) {
                self.turn_away(id, code::SESSION_GONE);
                continue;
            }
            if !bytes.is_empty() {
                pipe.received(bytes.freeze());
            }
            self.put_role(id, Role::Session(pipe.clone()));
            self.read_session(id, &pipe);
        }
    }

    /// A request for a session is complete.
    fn request<A: Application<Peer = P>>(
        &mut self,
        id: StreamId,
        request: crate::h3::Request,
        rest: &[u8],
        turn: &Turn<'_, A>,
    ) {
        if self.connect.is_some() {
            return self.turn_away(id, code::REQUEST_REJECTED);
        }
        let remote = self.quic.remote_address();
        if let Err(status) = turn.application.admit(&request, remote) {
            return self.refuse(id, status);
        }
        self.quic.send_stream(id).write(&response(200)).unwrap_or_default();
        let shared = SessionShared::new(self.handle, remote, turn.inbox.clone());
        let peer = turn.application.open(request, Session::new(shared.clone()));
        let quarter = VarInt::from_u64(u64::from(id) / 4).unwrap_or(VarInt::MAX);
        self.open_session(id, OpenSession { peer, shared, quarter });
        self.put_role(id, Role::Connect(Box::default()));
        self.join_session(turn);
        self.bytes(id, rest, turn);
    }

    /// Answers a request that is none for a session here.
    fn refuse(&mut self, id: StreamId, status: u16) {
        let mut send = self.quic.send_stream(id);
        if send.write(&response(status)).is_ok() {
            send.finish().unwrap_or_default();
        }
        self.quic.recv_stream(id).stop(code::NO_ERROR.into()).unwrap_or_default();
        self.streams.retain(|(open, _)| *open != id);
    }

    /// A stream of HTTP/3's own has ended.
    fn ended<A: Application<Peer = P>>(
        &mut self,
        id: StreamId,
        end: Result<(), StreamError>,
        turn: &Turn<'_, A>,
    ) {
        match self.role(id) {
            Some(Role::Control(_) | Role::Ignored) => {
                let violation =
                    Violation::new(code::CLOSED_CRITICAL_STREAM, "a stream that must stay was closed");
                self.violated(turn.now, violation);
            }
            // Without a capsule it is a close with code 0 (draft-ietf-webtrans-http3, section 6).
            Some(Role::Connect(_)) => self.session_closed(turn.now, Closing::default()),
            Some(Role::Request(_)) if end.is_ok() => self.refuse(id, 400),
            _ => self.turn_away(id, code::NO_ERROR),
        }
    }
}

/// An application's code as HTTP/3 carries it (draft-ietf-webtrans-http3, section 4.4).
fn http3_code(code: u32) -> Code {
    Code::from_u64(error_to_http3(code)).unwrap_or(Code::MAX)
}

fn abandoned(code: Code) -> StreamError {
    // A code that is none of an application's says no more than that it is over.
    StreamError::Abandoned(error_from_http3(code.into_inner()).unwrap_or(u32::MAX))
}
