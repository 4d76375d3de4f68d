//! Streams and datagrams as messages of a WebSocket: a byte that says which, and a piece of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use suara_engine::{Frame, Sender};
use suara_proto::frame::{STREAM_CHAT, STREAM_CONTROL};
use suara_proto::message::{ServerMessage, encode};
use suara_proto::websocket::{CLOSE_BASE, CONTROL, MAX_PIECE, Piece};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::LAST_WORDS;
use super::chat::ChatLines;
use super::messages::{Messages, Over};
use super::streams::{Answer, SecondControl, Streams};
use crate::session::{ChatOutlet, Closing, Inbound, Inlet, OutboxReader, Outgoing};
use crate::voice::{Elsewhere, Ingress, VoiceQueue};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// What comes from a client.
pub(super) struct Reader {
    messages: Messages,
    ingress: Arc<Ingress>,
    sender: Sender,
    control_opened: bool,
    streams: Streams,
    chat: Option<(u8, ChatLines)>,
    outlet: ChatOutlet,
    inbound: Inlet,
    answers: mpsc::Sender<Task>,
}

/// What the reader has for the writer.
pub(super) enum Task {
    /// An answer to write when there is nothing else to write.
    Answer(Answer),
    /// What is said on the chat stream, which has this number.
    Chat(u8, OutboxReader),
}

impl Reader {
    pub(super) fn new(
        inbound: Inlet,
        ingress: Arc<Ingress>,
        sender: Sender,
        outlet: ChatOutlet,
        answers: mpsc::Sender<Task>,
    ) -> Self {
        let (messages, streams) = (Messages::new(inbound.clone()), Streams::default());
        let (control_opened, chat) = (false, None);
        Self { messages, ingress, sender, control_opened, streams, chat, outlet, inbound, answers }
    }

    /// Takes what comes; returns when nothing more can come.
    pub(super) async fn run(mut self, mut stream: SplitStream<Socket>) {
        while let Some(message) = stream.next().await {
            match self.take(message).await {
                Ok(()) => {}
                Err(Over::Ended) => return,
                Err(Over::Fault) => break,
            }
        }
        drop(self);
        // A connection that is closed with something unread takes its last words with it.
        while let Some(Ok(_)) = stream.next().await {}
    }

    async fn take(&mut self, message: Result<Message, Error>) -> Result<(), Over> {
        match message {
            Ok(Message::Binary(bytes)) => self.binary(&bytes).await,
            Ok(Message::Text(_)) => Err(self.violation("a message in text").await),
            // Pings are answered by the library, and a close is, too.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Ok(()),
            Ok(Message::Close(frame)) => {
                // By a code of this protocol's, but for the first, it says that it comes back.
                if frame.is_none_or(|frame| u16::from(frame.code) <= CLOSE_BASE) {
                    self.ingress.leave();
                }
                Ok(())
            }
            Err(Error::Capacity(_)) => Err(self.violation("a message is too large").await),
            Err(Error::Protocol(_) | Error::Utf8(_)) => {
                Err(self.violation("against the rules of WebSocket").await)
            }
            Err(_) => Err(Over::Ended),
        }
    }

    async fn violation(&mut self, what: &'static str) -> Over {
        self.messages.end(Inbound::Violation(what)).await
    }

    async fn binary(&mut self, message: &[u8]) -> Result<(), Over> {
        match Piece::read(message) {
            Err(fault) => Err(self.messages.end(Inbound::Fault(fault)).await),
            Ok(Piece::Datagram(datagram)) => {
                let now = Instant::now();
                self.ingress.datagram(now, datagram, &mut Elsewhere(&self.sender, now));
                Ok(())
            }
            Ok(Piece::Stream(CONTROL, piece)) => self.control(piece).await,
            Ok(Piece::Stream(number, piece)) => self.other(number, piece).await,
        }
    }

    async fn control(&mut self, piece: &[u8]) -> Result<(), Over> {
        match piece.split_first() {
            // Its end is the session's.
            None => {
                self.ingress.leave();
                Err(Over::Ended)
            }
            Some(_) if self.control_opened => self.messages.take(piece).await,
            Some((&STREAM_CONTROL, rest)) => {
                self.control_opened = true;
                self.messages.take(rest).await
            }
            Some(_) => Err(self.violation("the first stream is the control stream").await),
        }
    }

    async fn other(&mut self, number: u8, piece: &[u8]) -> Result<(), Over> {
        if self.chat.as_ref().is_some_and(|(chat, _)| *chat == number) {
            return self.chat_piece(piece).await;
        }
        if let Some((&STREAM_CHAT, first)) = piece.split_first()
            && self.chat.is_none()
            && self.streams.is_free(number)
            && let Some(said) = self.outlet.open()
        {
            self.chat = Some((number, ChatLines::new(self.inbound.clone(), self.outlet.clone())));
            self.answers.send(Task::Chat(number, said)).await.map_err(|_| Over::Ended)?;
            return if first.is_empty() { Ok(()) } else { self.chat_piece(first).await };
        }
        match self.streams.take(number, piece, &self.ingress) {
            Ok(None) => Ok(()),
            Ok(Some(answer)) => self.answers.send(Task::Answer(answer)).await.map_err(|_| Over::Ended),
            Err(SecondControl) => Err(self.violation("a second control stream").await),
        }
    }

    /// The next piece of the chat stream; an empty one ends it, and a fault does.
    async fn chat_piece(&mut self, piece: &[u8]) -> Result<(), Over> {
        let Some((number, mut lines)) = self.chat.take() else { return Ok(()) };
        if piece.is_empty() {
            return Ok(());
        }
        match lines.take(piece).await {
            Ok(()) => self.chat = Some((number, lines)),
            Err(Over::Fault) => self.streams.finish(number),
            Err(Over::Ended) => return Err(Over::Ended),
        }
        Ok(())
    }
}

/// What goes to a client.
pub(super) struct Writer {
    sink: SplitSink<Socket, Message>,
    outgoing: OutboxReader,
    voice: Arc<VoiceQueue>,
    answers: mpsc::Receiver<Task>,
    chat: Option<(u8, OutboxReader)>,
    /// What is written when there is nothing else to write, in turns.
    answering: VecDeque<Answer>,
}

/// One thing to write.
enum Next {
    Said(Option<Outgoing>),
    Voice(Frame),
    Chat(u8, Option<Outgoing>),
    Task(Task),
}

impl Writer {
    pub(super) fn new(
        sink: SplitSink<Socket, Message>,
        outgoing: OutboxReader,
        voice: Arc<VoiceQueue>,
        answers: mpsc::Receiver<Task>,
    ) -> Self {
        Self { sink, outgoing, voice, answers, chat: None, answering: VecDeque::new() }
    }

    /// Writes until the session ends; a client that doesn't read can't hold the end up.
    pub(super) async fn run(mut self) {
        let closing = self.outgoing.closing();
        let stuck = async {
            closing.cancelled().await;
            sleep(LAST_WORDS).await;
        };
        tokio::select! {
            // A connection that takes nothing any more is for the reader to end.
            written = self.write() => written.unwrap_or_default(),
            () = stuck => {}
        }
    }

    async fn write(&mut self) -> Result<(), Error> {
        loop {
            match self.next().await {
                Next::Said(Some(Outgoing::Message(framed))) => self.piecemeal(CONTROL, &framed).await?,
                Next::Said(Some(Outgoing::Close(closing))) => return self.close(closing).await,
                Next::Said(None) => return Ok(()),
                Next::Voice(frame) => self.frame(frame).await?,
                Next::Chat(number, Some(Outgoing::Message(framed))) => {
                    self.piecemeal(number, &framed).await?
                }
                Next::Chat(number, _) => {
                    self.chat = None;
                    self.sink.send(Message::Binary(numbered(number, &[]))).await?;
                }
                Next::Task(Task::Answer(answer)) => self.answer(answer).await?,
                Next::Task(Task::Chat(number, said)) => self.chat = Some((number, said)),
            }
        }
    }

    async fn next(&mut self) -> Next {
        let waiting = self.answering.pop_front();
        let is_waiting = waiting.is_some();
        let next = tokio::select! {
            biased;
            said = self.outgoing.next() => Next::Said(said),
            frame = self.voice.next() => Next::Voice(frame),
            said = chat(&mut self.chat) => said,
            Some(task) = self.answers.recv() => Next::Task(task),
            () = std::future::ready(()), if is_waiting => {
                return waiting.map_or(Next::Said(None), |answer| Next::Task(Task::Answer(answer)));
            }
        };
        self.answering.extend(waiting);
        next
    }

    /// Writes one piece of an answer.
    async fn answer(&mut self, mut answer: Answer) -> Result<(), Error> {
        let (piece, is_last) = answer.next();
        if !is_last {
            self.answering.push_back(answer);
        }
        self.sink.send(Message::Binary(piece)).await
    }

    /// Writes a stream's message in pieces. Voice goes between them.
    async fn piecemeal(&mut self, number: u8, framed: &[u8]) -> Result<(), Error> {
        for piece in framed.chunks(MAX_PIECE) {
            self.sink.send(Message::Binary(numbered(number, piece))).await?;
            if piece.len() == MAX_PIECE
                && let Some(frame) = self.voice.pop(Instant::now())
            {
                self.frame(frame).await?;
            }
        }
        Ok(())
    }

    /// While it isn't taken, the others get old in their queue.
    async fn frame(&mut self, frame: Frame) -> Result<(), Error> {
        self.sink.send(Message::Binary(frame.behind_zero())).await?;
        self.voice.sent(&frame);
        Ok(())
    }

    async fn close(&mut self, Closing { code, reason, retry_after_ms }: Closing) -> Result<(), Error> {
        let said = encode(&ServerMessage::Closing { code, reason, retry_after_ms });
        self.piecemeal(CONTROL, &said).await?;
        let frame = CloseFrame {
            code: (CLOSE_BASE + u16::try_from(code.number()).unwrap_or_default()).into(),
            reason: code.name().into(),
        };
        self.sink.send(Message::Close(Some(frame))).await
    }
}

/// The next thing that is said on the chat stream, where there is one.
async fn chat(chat: &mut Option<(u8, OutboxReader)>) -> Next {
    match chat {
        Some((number, said)) => Next::Chat(*number, said.next().await),
        None => std::future::pending().await,
    }
}

fn numbered(number: u8, piece: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(1 + piece.len());
    message.put_u8(number);
    message.put_slice(piece);
    message.freeze()
}
