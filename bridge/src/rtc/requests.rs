//! What each request of a client leads to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use suara_proto::message::{Right, Rights};

use super::fault::Fault;
use super::messages::{self, Request};
use super::parameters::{self, FLOOR, Produce};
use super::port::{Listens, TransportKey};
use super::session::Session;
use crate::channel::Input;

/// The type of an answer and what is in it; `None` for what the contract doesn't answer.
type Answer = Option<(&'static str, Value)>;

impl Session {
    pub(super) async fn request(&mut self, request: Request) -> Result<Answer, Fault> {
        let member = self.admission.attached.member;
        Ok(Some(match request {
            Request::Ping => ("pong", json!({ "timestamp": unix_ms() })),
            Request::Broadcast(data) => {
                self.presence.broadcast(&data);
                return Ok(None);
            }
            Request::GetCapabilities => ("get-rtp-capabilities", parameters::router_capabilities()),
            Request::Producers => ("get-producers", json!({ "producers": self.presence.producers() })),
            Request::CreateTransport => ("create-transport", parameters::created(&self.legs.create().await?)),
            Request::ConnectTransport(key, dtls) => {
                self.legs.connect(key, dtls).await?;
                ("connect-transport", json!({}))
            }
            Request::RestartIce(key) => {
                let ice = self.legs.restart(key).await?;
                ("restart-ice", json!({ "iceParameters": parameters::ice_parameters(&ice) }))
            }
            Request::CloseTransport(key) => {
                if self.legs.close(key).await? {
                    self.silence();
                }
                ("close-transport", json!({}))
            }
            Request::Produce(key, produce) => ("produce", self.produce(key, produce).await?),
            Request::CloseProducer(id) => {
                self.legs.close_producer(id.as_deref()).await?;
                self.silence();
                ("close-producer", json!({}))
            }
            Request::Consume(key, producer) => ("consume", self.consume(key, producer).await?),
            Request::CloseConsumer(consumer) => {
                self.legs.close_consumer(consumer).await?;
                ("close-consumer", json!({}))
            }
            Request::AskFloor(wish) => {
                self.voice.gate.press();
                self.channel.tell(Input::Press { member, wish });
                ("floor_request", json!({}))
            }
            // Either ends whatever there is: the grant, the wait, or the request that has no answer yet.
            request @ (Request::ReleaseFloor | Request::CancelFloor) => {
                self.voice.gate.release();
                self.channel.tell(Input::Release { member });
                let kind = if request == Request::CancelFloor { "floor_cancel" } else { "floor_release" };
                (kind, json!({}))
            }
        }))
    }

    async fn produce(&mut self, key: Option<TransportKey>, produce: Produce) -> Result<Value, Fault> {
        if !self.rights.has(Right::Talk) {
            return Err(Fault::Forbidden);
        }
        let id = self.legs.produce(key, produce).await?;
        self.presence.produce(id.clone());
        Ok(json!({ "id": id }))
    }

    async fn consume(&mut self, key: Option<TransportKey>, producer: Option<String>) -> Result<Value, Fault> {
        let Some(id) = producer else {
            let consumed = self.legs.consume(key, Listens::Floor).await?;
            return Ok(parameters::consumed(&consumed, FLOOR));
        };
        let listens = self.presence.producer(&id).ok_or(Fault::UnknownProducer)?;
        let consumed = self.legs.consume(key, listens).await?;
        // It may have gone meanwhile, and its consumers before this one was there.
        if self.presence.producer(&id) != Some(listens) {
            self.legs.close_consumer(consumed.key).await?;
            return Err(Fault::UnknownProducer);
        }
        Ok(parameters::consumed(&consumed, &id))
    }

    /// The client's producer is gone.
    pub(super) fn silence(&self) {
        let member = self.admission.attached.member;
        self.channel.tell(Input::Release { member });
        if let Some((room, _)) = self.presence.close_producer() {
            self.rtc.port.gone(&room, Listens::Member(member));
        }
    }

    /// The client may do something else than before: one that may not talk any more has no producer any more.
    pub(super) async fn entitled(&mut self, rights: Rights) {
        self.rights = rights;
        self.outbox.say(messages::frame("rights", &json!({ "rights": rights }), None));
        if rights.has(Right::Talk) || self.legs.close_producer(None).await.is_err() {
            return;
        }
        let member = self.admission.attached.member;
        self.channel.tell(Input::Release { member });
        if let Some((room, producer)) = self.presence.close_producer() {
            let code = Fault::Forbidden.code();
            let data = json!({ "producerId": producer, "peerId": self.presence.sid, "reason": code });
            self.outbox.say(messages::frame("producer-closed", &data, None));
            self.rtc.port.gone(&room, Listens::Member(member));
        }
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
