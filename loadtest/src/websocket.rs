//! Listeners by WebSocket, the road of browsers whose network blocks UDP: a task each, on one thread.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use suara_proto::RequestId;
use suara_proto::frame::{STREAM_CONTROL, split};
use suara_proto::limits::{HEARTBEAT, MAX_SERVER_MESSAGE};
use suara_proto::message::{ClientMessage, encode};
use suara_proto::voice::VoiceFrame;
use suara_proto::websocket::{CONTROL, Piece, SUBPROTOCOL};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::LoadError;
use crate::client::{Plan, Shared};
use crate::error::Tried;
use crate::measure::{Seen, Tally};
use crate::stamp::Stamp;

/// How often the thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);
/// Thousands of clients share this process.
const READ_BUFFER: usize = 4 * 1024;

type Socket = WebSocketStream<TcpStream>;

/// A thread's listeners, and what they need.
pub struct Crowd {
    /// The gateway's HTTP address.
    pub address: SocketAddr,
    /// Who connects when.
    pub plans: Vec<Plan>,
    /// What the run's threads share.
    pub shared: Arc<Shared>,
}

/// What all listeners of a thread have in common.
struct Room {
    address: SocketAddr,
    shared: Arc<Shared>,
    tally: RefCell<Tally>,
}

/// Runs a thread's listeners until the run is stopped, and returns what they counted.
///
/// # Errors
/// When there is no runtime.
pub fn run(crowd: Crowd) -> Result<Tally, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().tried("no runtime")?;
    let Crowd { address, plans, shared } = crowd;
    let room = Rc::new(Room { address, shared, tally: RefCell::default() });
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        for plan in plans {
            tokio::task::spawn_local(listener(room.clone(), plan));
        }
        while !room.shared.stopped() {
            tokio::time::sleep(LOOK).await;
        }
    });
    // The listeners hold the room too: they end with their tasks.
    drop(local);
    drop(runtime);
    Ok(room.tally.take())
}

async fn listener(room: Rc<Room>, plan: Plan) {
    tokio::time::sleep_until(room.shared.clock.at(plan.at.as_nanos() as u64).into()).await;
    let began = Instant::now();
    match enter(&room, &plan).await {
        Ok(socket) => {
            room.shared.entered(&room.tally, plan.index, began);
            let why = listen(&room, socket).await;
            room.shared.ended(&room.tally, || why);
        }
        Err(why) => room.shared.gave_up(&room.tally, || why),
    }
}

/// Connects, says hello and enters the channel.
async fn enter(room: &Room, plan: &Plan) -> Result<Socket, String> {
    let mut socket = connect(room.address).await.map_err(|error| error.to_string())?;
    let token = Cow::Borrowed(plan.token.as_str());
    let hello = encode(&ClientMessage::Hello {
        version: 1,
        token,
        client: Some("suara-loadtest".into()),
        resume: None,
        calls: false,
    });
    say(&mut socket, &[CONTROL, STREAM_CONTROL], &hello).await?;
    let mut control = BytesMut::new();
    hear(&mut socket, &mut control, "welcome").await?;
    let channel = Cow::Borrowed(plan.channel.as_str());
    let join = encode(&ClientMessage::Join { request: RequestId(1), channel, member: None });
    say(&mut socket, &[CONTROL], &join).await?;
    hear(&mut socket, &mut control, "joined").await?;
    Ok(socket)
}

async fn connect(address: SocketAddr) -> tungstenite::Result<Socket> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://{address}/v1/ws").into_client_request()?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    Ok(client_async_with_config(request, stream, Some(config)).await?.0)
}

async fn say(socket: &mut Socket, head: &[u8], message: &[u8]) -> Result<(), String> {
    socket.send(Message::binary([head, message].concat())).await.map_err(|error| error.to_string())
}

/// Waits for a message of this type; a refusal is an error.
async fn hear(socket: &mut Socket, control: &mut BytesMut, wanted: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Heard<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        code: Option<Cow<'a, str>>,
    }
    loop {
        while let Some(message) = split(control, MAX_SERVER_MESSAGE).map_err(|fault| fault.to_string())? {
            let Ok(Heard { kind, code }) = serde_json::from_slice(&message) else { continue };
            if kind == wanted {
                return Ok(());
            }
            if let Some(code) = code {
                return Err(format!("the gateway says {kind}: {code}"));
            }
        }
        let piece = next(socket).await?;
        if let Ok(Piece::Stream(CONTROL, piece)) = Piece::read(&piece) {
            control.extend_from_slice(piece);
        }
    }
}

/// The next message with something in it.
async fn next(socket: &mut Socket) -> Result<Bytes, String> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
            Some(Ok(Message::Close(close))) => return Err(format!("the gateway closed: {close:?}")),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err("the gateway hung up".to_owned()),
        }
    }
}

/// Listens; returns why it ended.
async fn listen(room: &Room, mut socket: Socket) -> String {
    let mut seen = Seen::default();
    let mut beats = tokio::time::interval(HEARTBEAT);
    let ping = encode(&ClientMessage::Ping { nonce: 1 });
    loop {
        let done = tokio::select! {
            message = next(&mut socket) => message.map(|message| {
                // The roster and the floor are nothing that a listener needs to be counted.
                if let Ok(Piece::Datagram(datagram)) = Piece::read(&message) {
                    heard(room, &mut seen, datagram);
                }
            }),
            _ = beats.tick() => say(&mut socket, &[CONTROL], &ping).await,
        };
        if let Err(why) = done {
            return why;
        }
    }
}

fn heard(room: &Room, seen: &mut Seen, datagram: &[u8]) {
    let shared = &room.shared;
    let mut tally = room.tally.borrow_mut();
    let Some(stamp) = VoiceFrame::decode(datagram).ok().and_then(|frame| Stamp::read(frame.packet)) else {
        tally.foreign += 1;
        return;
    };
    let Some(into) = shared.phase.counted(stamp.intended) else { return };
    if seen.first(stamp.source, stamp.frame) {
        tally.delivered(into, Duration::from_nanos(shared.clock.now().saturating_sub(stamp.intended)));
        shared.heard.fetch_add(1, Ordering::Relaxed);
    } else {
        tally.duplicates += 1;
    }
}
