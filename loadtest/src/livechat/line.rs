//! One connection, in either dialect.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Thousands of them share this process.
const READ_BUFFER: usize = 4 * 1024;

/// How events go over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    /// JSON frames `{"type", "data"}` on a WebSocket of its own
    Websocket,
    /// Socket.IO events
    Socketio,
}

/// A connection that is open.
pub(super) struct Line {
    dialect: Dialect,
    socket: WebSocketStream<TcpStream>,
}

impl Line {
    /// Opens one at `path` (of the WebSocket dialect), and waits until it is let in.
    pub(super) async fn open(
        dialect: Dialect,
        address: SocketAddr,
        path: &str,
        token: &str,
    ) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let url = match dialect {
            Dialect::Websocket => format!("ws://{address}{path}?token={token}"),
            Dialect::Socketio => format!("ws://{address}/socket.io/?EIO=4&transport=websocket"),
        };
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let (socket, _) =
            client_async_with_config(url, stream, Some(config)).await.map_err(|error| error.to_string())?;
        let mut line = Self { dialect, socket };
        line.greet(token).await?;
        Ok(line)
    }

    async fn greet(&mut self, token: &str) -> Result<(), String> {
        loop {
            let text = self.text().await?;
            match self.dialect {
                Dialect::Websocket => {
                    let Some((event, data)) = event(Dialect::Websocket, &text) else { continue };
                    match event.as_str() {
                        "connection:success" => return Ok(()),
                        _ => return Err(format!("{event}: {data}")),
                    }
                }
                Dialect::Socketio if text.starts_with('0') => {
                    self.raw(format!("40{}", json!({ "token": token }))).await?;
                }
                Dialect::Socketio if text.starts_with("40") => return Ok(()),
                Dialect::Socketio if text.starts_with("44") => return Err(text),
                Dialect::Socketio => {}
            }
        }
    }

    /// Says an event.
    pub(super) async fn say(&mut self, event: &str, data: &Value) -> Result<(), String> {
        let frame = match self.dialect {
            Dialect::Websocket => json!({ "type": event, "data": data }).to_string(),
            Dialect::Socketio => format!("42{}", json!([event, data])),
        };
        self.raw(frame).await
    }

    /// The next event. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<(String, Value), String> {
        loop {
            let text = self.text().await?;
            if let Some(event) = event(self.dialect, &text) {
                return Ok(event);
            }
        }
    }

    async fn text(&mut self) -> Result<String, String> {
        loop {
            match self.socket.next().await {
                None => return Err("the server hung up".to_owned()),
                Some(Err(error)) => return Err(error.to_string()),
                Some(Ok(Message::Close(frame))) => return Err(format!("the server closed: {frame:?}")),
                Some(Ok(Message::Text(text))) if self.dialect == Dialect::Socketio && text == "2" => {
                    self.raw("3".to_owned()).await?;
                }
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(_)) => {}
            }
        }
    }

    async fn raw(&mut self, frame: String) -> Result<(), String> {
        self.socket.send(Message::text(frame)).await.map_err(|error| error.to_string())
    }
}

fn event(dialect: Dialect, text: &str) -> Option<(String, Value)> {
    let (event, data) = match dialect {
        Dialect::Websocket => {
            let mut frame: Value = serde_json::from_str(text).ok()?;
            let data = frame.get_mut("data").map(Value::take).unwrap_or_default();
            (frame.get_mut("type")?.take(), data)
        }
        Dialect::Socketio => {
            let mut frame: Value = serde_json::from_str(text.strip_prefix("42")?).ok()?;
            (frame.get_mut(0)?.take(), frame.get_mut(1).map(Value::take).unwrap_or_default())
        }
    };
    Some((event.as_str()?.to_owned(), data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_the_same_in_both_dialects() {
        let said = Some(("message:ack".to_owned(), json!({"id": 1})));
        assert_eq!(event(Dialect::Websocket, r#"{"type":"message:ack","data":{"id":1}}"#), said);
        assert_eq!(event(Dialect::Socketio, r#"42["message:ack",{"id":1}]"#), said);
        for other in ["2", "40{}", "not JSON", "42{}", "{}"] {
            assert_eq!(event(Dialect::Socketio, other), None, "{other}");
            assert_eq!(event(Dialect::Websocket, other), None, "{other}");
        }
    }
}
