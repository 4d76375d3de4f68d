//! The same contract on plain socketioxide: its rooms, one emit for each packet of voice. No token, no floor, no codec.

use std::net::Ipv4Addr;

use axum::Router;
use axum::serve::ListenerExt;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use tokio::net::TcpListener;

/// The room that a socket speaks in.
#[derive(Clone)]
struct Channel(String);

#[derive(Deserialize)]
struct Join {
    channel_id: String,
}

#[derive(Serialize)]
struct Joined {
    status: &'static str,
    channel: String,
}

/// On one thread, as Node and Python are.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or_else(|| std::io::Error::other("needs a port"))?;
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", connected);
    // Without TCP_NODELAY voice waits for acknowledgements, 45 ms at a time.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::warn!(%error, "no TCP_NODELAY");
        }
    });
    axum::serve(listener, Router::new().layer(layer)).await
}

async fn connected(socket: SocketRef) {
    socket.on("join_channel", join);
    socket.on("voice_packet", voice);
}

async fn join(socket: SocketRef, Data(Join { channel_id: channel }): Data<Join>, ack: AckSender) {
    socket.join(channel.clone());
    socket.extensions.insert(Channel(channel.clone()));
    if let Err(error) = ack.send(&Joined { status: "ok", channel }) {
        tracing::debug!(%error, "gone before it joined");
    }
}

async fn voice(socket: SocketRef, Data(chunk): Data<Bytes>) {
    let Some(Channel(channel)) = socket.extensions.get::<Channel>() else { return };
    if let Err(error) = socket.to(channel).emit("voice_packet", &chunk).await {
        tracing::debug!(%error, "not everybody heard it");
    }
}
