//! The trunk's chat stream: one for all members, beside the control stream and never in its way.

use bytes::{Bytes, BytesMut};
use suara_proto::frame::STREAM_CHAT;
use suara_proto::message::{ChatMessage, ServerChat, decode_chat_server};
use suara_proto::{ChannelNumber, ErrorCode, MemberRef, RequestId, TalkerNumber};
use tokio::sync::mpsc;
use wtransport::Connection;

use super::pace::Pace;
use super::session::{End, Frames, OpenError};
use super::staff::staff_event;
use super::{Trunk, TrunkEvent};

/// Messages that wait for the gateway; more are refused, and sent again by whoever sent them.
pub(super) const QUEUE: usize = 1024;

/// What the gateway says of chat in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChatEvent {
    /// A member's message is stored.
    Stored { member: MemberRef, id: String, message: u64, at: u64 },
    /// Somebody said something; `member` when it is ours.
    Said { member: Option<MemberRef>, said: ChatMessage<'static> },
    /// Somebody writes.
    Typing { talker: TalkerNumber, user: String, name: String },
    /// What was said before.
    Page { request: RequestId, messages: Vec<ChatMessage<'static>>, more: bool },
    /// A member's message is not stored.
    NotStored { member: MemberRef, id: String, code: ErrorCode },
    /// There is no page.
    NoPage { request: RequestId, code: ErrorCode },
}

/// Serves the chat stream as long as the session lasts.
pub(super) async fn serve(
    connection: &Connection,
    queue: mpsc::Receiver<Bytes>,
    pace: &Pace,
    trunk: &Trunk,
) -> End {
    let opened = async {
        let opening = connection.open_bi().await.ok()?;
        let (mut send, receive) = opening.await.ok()?;
        send.write_all(&[STREAM_CHAT]).await.ok()?;
        Some((send, receive))
    };
    let Some((send, receive)) = opened.await else { return End::new("the chat stream broke off") };
    tokio::select! {
        end = write(send, queue, pace) => end,
        end = read(Frames { stream: receive, buffer: BytesMut::new() }, trunk) => end,
    }
}

async fn write(mut stream: wtransport::SendStream, mut queue: mpsc::Receiver<Bytes>, pace: &Pace) -> End {
    while let Some(message) = queue.recv().await {
        pace.turn().await;
        if stream.write_all(&message).await.is_err() {
            return End::new("the chat stream broke off");
        }
    }
    End::new("the bridge stops")
}

async fn read(mut frames: Frames, trunk: &Trunk) -> End {
    loop {
        let json = match frames.next().await {
            Ok(json) => json,
            Err(OpenError::Stream) => return End::new("the chat stream broke off"),
            Err(error) => return End::new(error),
        };
        let event = match decode_chat_server(&json) {
            Ok(message) => event(message).map(|(channel, chat)| TrunkEvent::Chat { channel, chat }),
            Err(_) => staff_event(&json).map(TrunkEvent::Staff),
        };
        let Some(event) = event else {
            tracing::debug!("a message of the gateway's chat was ignored");
            continue;
        };
        if trunk.events.send(event).is_err() {
            return End::new("the bridge stops");
        }
    }
}

fn event(message: ServerChat<'_>) -> Option<(ChannelNumber, ChatEvent)> {
    Some(match message {
        ServerChat::Ack { channel, member, id, message, at } => {
            (channel, ChatEvent::Stored { member: member?, id: id.into_owned(), message, at })
        }
        ServerChat::Chat { channel, member, said, .. } => {
            (channel, ChatEvent::Said { member, said: owned(said) })
        }
        ServerChat::Typing { channel, talker, user, name } => {
            (channel, ChatEvent::Typing { talker, user: user.into_owned(), name: name.into_owned() })
        }
        ServerChat::Page { request, channel, messages, more, .. } => {
            let messages = messages.into_iter().map(owned).collect();
            (channel, ChatEvent::Page { request, messages, more })
        }
        ServerChat::Error { request: Some(request), channel, code, .. } => {
            (channel?, ChatEvent::NoPage { request, code })
        }
        ServerChat::Error { channel, member, id, code, .. } => {
            (channel?, ChatEvent::NotStored { member: member?, id: id?.into_owned(), code })
        }
    })
}

fn owned(said: ChatMessage<'_>) -> ChatMessage<'static> {
    let ChatMessage { message, user, name, role, text, at } = said;
    let [user, name, role, text] = [user, name, role, text].map(|text| text.into_owned().into());
    ChatMessage { message, user, name, role, text, at }
}
