//! A client by WebSocket: section 3.5 of the protocol's page.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::client::{Seat, framed, number, seat};
use super::soon;

/// A client that announces no more room takes little; the kernel gives twice as much as it is asked for.
const SMALL: u32 = 2 * 1024;

pub(crate) struct SocketClient {
    socket: WebSocketStream<TcpStream>,
    bytes: Vec<u8>,
    heard: VecDeque<Value>,
    voice: VecDeque<Vec<u8>>,
    /// Messages that are neither voice nor of the control stream.
    pub(crate) other: VecDeque<Message>,
    requests: u32,
}

/// The request that opens a session, to be changed.
pub(crate) fn opening(http: SocketAddr) -> Request {
    let mut request = format!("ws://{http}/v1/ws").into_client_request().expect("an address");
    request.headers_mut().insert("sec-websocket-protocol", "suara.1".parse().expect("a token"));
    request
}

/// Opens a WebSocket, or says the HTTP status of the refusal.
pub(crate) async fn open_socket(request: Request) -> Result<SocketClient, u16> {
    let address = request.uri().authority().expect("an address").as_str();
    let tcp = TcpSocket::new_v4().expect("there are sockets");
    tcp.set_recv_buffer_size(SMALL).expect("a buffer can be small");
    let stream = tcp.connect(address.parse().expect("an address")).await.expect("the gateway listens");
    match soon("an answer", client_async(request, stream)).await {
        Ok((socket, _)) => Ok(SocketClient {
            socket,
            bytes: Vec::new(),
            heard: VecDeque::new(),
            voice: VecDeque::new(),
            other: VecDeque::new(),
            requests: 1000,
        }),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("no WebSocket: {other}"),
    }
}

/// The first piece of the control stream, with a message in it.
pub(crate) fn first_piece(message: &Value) -> Vec<u8> {
    [&[1, 1][..], &framed(message.to_string().as_bytes())].concat()
}

pub(crate) fn hello(token: &str) -> Value {
    json!({"type": "hello", "version": 1, "token": token, "client": "test/1"})
}

impl SocketClient {
    /// Sends a message that may be anything.
    pub(crate) async fn send(&mut self, message: Message) {
        self.try_send(message).await.expect("the session is open");
    }

    /// The same where the gateway may have gone already.
    pub(crate) async fn try_send(&mut self, message: Message) -> Result<(), Error> {
        soon("room", self.socket.send(message)).await
    }

    pub(crate) async fn binary(&mut self, bytes: &[u8]) {
        self.send(Message::binary(bytes.to_vec())).await;
    }

    pub(crate) async fn hello(&mut self, token: &str) {
        self.binary(&first_piece(&hello(token))).await;
    }

    pub(crate) async fn say(&mut self, message: Value) {
        let piece = [&[1][..], &framed(message.to_string().as_bytes())].concat();
        self.binary(&piece).await;
    }

    /// The answer to a message, whatever it is.
    pub(crate) async fn ask(&mut self, mut message: Value) -> Value {
        self.requests += 1;
        let request = self.requests;
        message["request"] = request.into();
        self.say(message).await;
        self.hear_that("the answer", |answer| answer["request"] == request).await
    }

    pub(crate) async fn join(&mut self, channel: &str) -> Seat {
        seat(&self.ask(json!({"type": "join", "channel": channel})).await)
    }

    pub(crate) async fn floor(&mut self, channel: u32) -> u32 {
        let answer = self.ask(json!({"type": "floor_request", "channel": channel})).await;
        assert_eq!(answer["type"], "floor_granted", "{answer}");
        number(&answer["grant"])
    }

    pub(crate) async fn release(&mut self, channel: u32, grant: u32) {
        self.say(json!({"type": "floor_release", "channel": channel, "grant": grant})).await;
    }

    pub(crate) async fn send_voice(&mut self, frame: &[u8]) {
        let datagram = [&[0][..], frame].concat();
        self.binary(&datagram).await;
    }

    /// The first message that fits; those before it stay to be heard.
    pub(crate) async fn hear_that(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(index) = self.heard.iter().position(&fits) {
                return self.heard.remove(index).expect("it is there");
            }
            assert!(self.read(what).await.is_none(), "closed before {what}; there was {:?}", self.heard);
        }
    }

    pub(crate) async fn hear(&mut self, kind: &str) -> Value {
        self.hear_that(kind, |message| message["type"] == kind).await
    }

    /// The next voice frame.
    pub(crate) async fn voice(&mut self) -> Vec<u8> {
        loop {
            if let Some(frame) = self.voice.pop_front() {
                return frame;
            }
            assert!(self.read("voice").await.is_none(), "closed before voice");
        }
    }

    /// What of voice came so far.
    pub(crate) fn voices(&mut self) -> Vec<Vec<u8>> {
        self.voice.drain(..).collect()
    }

    /// A message of another kind.
    pub(crate) async fn another(&mut self) -> Message {
        loop {
            if let Some(message) = self.other.pop_front() {
                return message;
            }
            assert!(self.read("a message").await.is_none(), "closed before a message");
        }
    }

    /// The name in `closing`, once it is sure that the close's code and reason mean the same.
    pub(crate) async fn closing(&mut self) -> String {
        let code = loop {
            if let Some(code) = self.read("the end").await {
                break code;
            }
        };
        let closing = self.heard.pop_back().expect("something was said");
        assert_eq!(closing["type"], "closing", "{closing}");
        let name = closing["code"].as_str().expect("a name").to_owned();
        let meant = suara_proto::CloseCode::ALL.iter().find(|code| code.name() == name);
        let meant = meant.map(|code| (4000 + code.number() as u16, code.name().to_owned()));
        assert_eq!(Some(code), meant, "{closing}");
        name
    }

    /// Ends the session as a page does that is closed.
    pub(crate) async fn vanish(mut self) {
        self.socket.close(None).await.expect("the session is open");
        while let Some(Ok(_)) = soon("the end", self.socket.next()).await {}
    }

    /// Ends its TCP connection in its direction without a WebSocket's close, as the system does for a killed program.
    pub(crate) async fn fall_silent(&mut self) {
        self.socket.get_mut().shutdown().await.expect("the connection is open");
    }

    /// Takes one message; the code and the reason if it is the end.
    async fn read(&mut self, what: &str) -> Option<(u16, String)> {
        match soon(what, self.socket.next()).await {
            Some(Ok(Message::Binary(bytes))) => match bytes.split_first() {
                Some((0, datagram)) => self.voice.push_back(datagram.to_vec()),
                Some((1, piece)) => self.piece(piece),
                _ => self.other.push_back(Message::Binary(bytes)),
            },
            Some(Ok(Message::Close(Some(close)))) => {
                return Some((close.code.into(), close.reason.to_string()));
            }
            Some(Ok(other)) => self.other.push_back(other),
            ended => panic!("waited in vain for {what}: {ended:?}"),
        }
        None
    }

    fn piece(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        while let Some((length, rest)) = self.bytes.split_first_chunk::<4>() {
            let Some(json) = rest.get(..u32::from_be_bytes(*length) as usize) else { return };
            let length = 4 + json.len();
            self.heard.push_back(serde_json::from_slice(json).expect("the gateway writes JSON"));
            self.bytes.drain(..length);
        }
    }
}
