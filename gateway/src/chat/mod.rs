//! Chat between sessions and the store: what is sent is stored, then acknowledged, then told to who is in the channel.
//!
//! Knows neither transports nor rights. Voice and the floor don't pass here, and never wait for what does.

mod metrics;

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use suara_proto::message::{ChatMessage, ServerChat, ServerLivechat, encode};
use suara_proto::{ChannelNumber, ErrorCode, MemberRef};
use suara_store::{Batch, Draft, Message, Page, Span, Store, StoreError, Writer};
use tokio::sync::mpsc;

pub use metrics::ChatMetrics;

use crate::hub::{Hub, Said};
use crate::livechat::Livechat;
use crate::session::Port;

/// Messages of one user a second, and at once: faster than anybody writes.
const SENDS: (u32, u32) = (5, 20);
/// That somebody writes is told so often; the rest says nothing new.
const TYPINGS: (u32, u32) = (1, 3);
/// Pages of history: a client that was away for long, or is scrolled fast.
const PAGES: (u32, u32) = (10, 30);
/// Transactions whose messages are being told. Then the writer waits, and its queue fills.
const TOLD: usize = 16;
/// Users that a rate is remembered of until those who have rested are forgotten.
const REMEMBERED: usize = 10_000;

type Rate = DefaultKeyedRateLimiter<Arc<str>>;

/// Where a message came from, and where its acknowledgement goes.
pub struct Origin {
    /// The session.
    pub port: Port,
    /// How it was said.
    pub via: Via,
    /// Which of a trunk's members.
    pub member: Option<MemberRef>,
}

/// How a message was said: in a channel, or by staff to a visitor.
pub enum Via {
    /// In the channel of this number.
    Channel(ChannelNumber),
    /// To the visitor of this session.
    Livechat(Arc<str>),
}

impl Origin {
    /// Says that the message is stored.
    fn stored(&self, id: &str, message: u64, at: u64) {
        let (member, id) = (self.member, id.into());
        match &self.via {
            Via::Channel(channel) => {
                self.port.chat.say(&ServerChat::Ack { channel: *channel, member, id, message, at });
            }
            Via::Livechat(session) => {
                let session = (&**session).into();
                self.port.chat.send(encode(&ServerLivechat::Ack { member, session, id, message, at }));
            }
        }
    }

    /// Says that the message is not stored.
    fn not_stored(&self, id: &str) {
        let (member, id, code) = (self.member, Some(id.into()), ErrorCode::Unavailable);
        let (request, message) = (None, "the store doesn't answer; send it again".into());
        match &self.via {
            Via::Channel(channel) => {
                let channel = Some(*channel);
                self.port.chat.say(&ServerChat::Error { request, channel, member, id, code, message });
            }
            Via::Livechat(session) => {
                let session = Some((&**session).into());
                let error = ServerLivechat::Error { request, member, session, id, code, message };
                self.port.chat.send(encode(&error));
            }
        }
    }
}

/// The way into the store.
pub struct Chat {
    store: Store,
    hub: Hub,
    writer: Writer<Origin>,
    sends: Rate,
    typings: Rate,
    pages: Rate,
}

impl Chat {
    /// Begins to take messages for `store`, and to tell `hub` of those that are stored. To be called within a runtime.
    #[must_use]
    pub fn start(store: Store, hub: Hub, livechat: Livechat, metrics: ChatMetrics) -> Self {
        let (done, batches) = mpsc::channel(TOLD);
        let writer = Writer::start(store.clone(), done);
        tokio::spawn(tell(batches, hub.clone(), livechat, store.clone(), metrics));
        let [sends, typings, pages] = [SENDS, TYPINGS, PAGES].map(rate);
        Self { store, hub, writer, sends, typings, pages }
    }

    /// Hands a message over; its acknowledgement, or the refusal, goes to its origin.
    ///
    /// # Errors
    /// When too many wait.
    pub fn post(&self, draft: Draft, origin: Origin) -> Result<(), Origin> {
        self.hub.writes(&draft, origin.port.id, origin.member);
        let own = draft.clone();
        self.writer.post(draft, origin).inspect_err(|_| self.hub.not_written(&own))
    }

    /// A page of a channel's messages.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn history(&self, channel: &str, span: Span) -> Result<Page, StoreError> {
        self.store.history(channel, span).await
    }

    /// Whether this user may send another message now.
    pub fn may_send(&self, user: &Arc<str>) -> bool {
        admits(&self.sends, user)
    }

    /// Whether others are to be told now that this user writes.
    pub fn may_say_typing(&self, user: &Arc<str>) -> bool {
        admits(&self.typings, user)
    }

    /// Whether this user may have another page now.
    pub fn may_read(&self, user: &Arc<str>) -> bool {
        admits(&self.pages, user)
    }

    /// The store itself.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

/// A stored message in the words of the protocol.
pub fn page(message: &Message) -> ChatMessage<'_> {
    ChatMessage {
        message: message.number,
        user: (&*message.user).into(),
        name: (&*message.name).into(),
        role: (&*message.role).into(),
        text: (&*message.text).into(),
        at: message.at,
    }
}

/// Acknowledges what is stored, and tells who is there, in the order of numbers.
async fn tell(
    mut batches: mpsc::Receiver<Batch<Origin>>,
    hub: Hub,
    livechat: Livechat,
    store: Store,
    metrics: ChatMetrics,
) {
    while let Some(Batch { outcomes, took }) = batches.recv().await {
        metrics.committed(outcomes.len(), took);
        for (draft, origin, outcome) in outcomes {
            match outcome {
                Ok(stored) => {
                    metrics.stored(stored.fresh);
                    origin.stored(&draft.id, stored.number, stored.at);
                    if stored.fresh {
                        let (number, session, member) = (stored.number, origin.port.id, origin.member);
                        if livechat.said(&draft, number) {
                            let (livechat, store, channel) =
                                (livechat.clone(), store.clone(), draft.channel.clone());
                            tokio::spawn(async move { livechat.mend(&store, &channel).await });
                        }
                        hub.chat(Said { draft, number, session, member }).await;
                    } else {
                        hub.not_written(&draft);
                    }
                }
                Err(error) => {
                    metrics.not_stored();
                    tracing::debug!(%error, "a message was not stored");
                    hub.not_written(&draft);
                    origin.not_stored(&draft.id);
                }
            }
        }
    }
}

fn rate((a_second, at_once): (u32, u32)) -> Rate {
    let [a_second, at_once] = [a_second, at_once].map(|n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
    RateLimiter::keyed(Quota::per_second(a_second).allow_burst(at_once))
}

fn admits(rate: &Rate, user: &Arc<str>) -> bool {
    if rate.len() > REMEMBERED {
        rate.retain_recent();
        rate.shrink_to_fit();
    }
    rate.check_key(user).is_ok()
}
