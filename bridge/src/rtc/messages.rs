//! Frames of the contract: `{"type", "data", "id"?}` in both directions. What a client may ask, and how it is answered.

use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::parameters::{self, FLOOR, Produce};
use super::port::{ConsumerKey, Dtls, TransportKey};
use crate::channel::Wish;

/// Bytes of a frame. The largest that is known, capabilities of a browser with all its codecs, has some 10 KB.
pub(super) const MAX_FRAME: usize = 64 * 1024;

/// Bytes of an id that an answer repeats.
const MAX_ID: usize = 128;

/// A frame that could be read.
#[derive(Debug, PartialEq)]
pub(super) struct Frame {
    /// As the client wrote it.
    pub(super) kind: String,
    pub(super) id: Option<Value>,
    pub(super) data: Value,
}

/// What a client asks.
#[derive(Debug, PartialEq)]
pub(super) enum Request {
    Ping,
    Broadcast(Value),
    GetCapabilities,
    CreateTransport,
    /// Of the transport that is named, else of the newest.
    ConnectTransport(Option<TransportKey>, Dtls),
    RestartIce(Option<TransportKey>),
    CloseTransport(Option<TransportKey>),
    Produce(Option<TransportKey>, Produce),
    CloseProducer(Option<String>),
    /// Of a producer, else of the floor.
    Consume(Option<TransportKey>, Option<String>),
    CloseConsumer(ConsumerKey),
    Producers,
    AskFloor(Wish),
    ReleaseFloor,
    CancelFloor,
}

impl Frame {
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        let mut fields: Map<String, Value> = serde_json::from_str(text).map_err(|_| Fault::Malformed)?;
        let Some(Value::String(kind)) = fields.remove("type") else { return Err(Fault::Malformed) };
        let id = match fields.remove("id") {
            None | Some(Value::Null) => None,
            Some(id @ Value::Number(_)) => Some(id),
            Some(Value::String(id)) if id.len() <= MAX_ID => Some(id.into()),
            Some(_) => return Err(Fault::Malformed),
        };
        Ok(Self { kind, id, data: fields.remove("data").unwrap_or_default() })
    }

    pub(super) fn request(&self) -> Result<Request, Fault> {
        let data = &self.data;
        Ok(match self.kind.as_str() {
            "ping" => Request::Ping,
            "broadcast" => Request::Broadcast(data.clone()),
            "get-rtp-capabilities" => Request::GetCapabilities,
            "create-transport" => Request::CreateTransport,
            "connect-transport" => {
                Request::ConnectTransport(transport(data)?, parameters::dtls(&data["dtlsParameters"])?)
            }
            "restart-ice" => Request::RestartIce(transport(data)?),
            "close-transport" => Request::CloseTransport(transport(data)?),
            "produce" => Request::Produce(transport(data)?, parameters::produce(data)?),
            "close-producer" => Request::CloseProducer(text(data, "producerId")?),
            "consume" => {
                parameters::can_consume(&data["rtpCapabilities"])?;
                let producer = text(data, "producerId")?.filter(|id| id != FLOOR);
                Request::Consume(transport(data)?, producer)
            }
            "close-consumer" => {
                let id = text(data, "consumerId")?.ok_or(Fault::BadField)?;
                Request::CloseConsumer(ConsumerKey::parse(&id).ok_or(Fault::UnknownConsumer)?)
            }
            "get-producers" => Request::Producers,
            "floor_request" => Request::AskFloor(Wish::read(data).map_err(|_| Fault::BadField)?),
            "floor_release" => Request::ReleaseFloor,
            "floor_cancel" => Request::CancelFloor,
            _ => return Err(Fault::UnknownType),
        })
    }
}

fn text(data: &Value, name: &str) -> Result<Option<String>, Fault> {
    match data.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Fault::BadField),
    }
}

fn transport(data: &Value) -> Result<Option<TransportKey>, Fault> {
    let id = text(data, "transportId")?;
    id.map(|id| TransportKey::parse(&id).ok_or(Fault::UnknownTransport)).transpose()
}

/// An event, or the answer to the frame with this `id`.
pub(super) fn frame(kind: &str, data: &Value, id: Option<&Value>) -> String {
    match id {
        Some(id) => json!({ "type": kind, "id": id, "data": data }).to_string(),
        None => json!({ "type": kind, "data": data }).to_string(),
    }
}

/// What a back end says.
pub(super) fn notification(event: &str, payload: &Value) -> String {
    frame("notification", &json!({ "event": event, "payload": payload }), None)
}

/// The answer to a frame that can't be granted; `kind` is its type, where that could be read.
pub(super) fn error(fault: Fault, kind: Option<&str>, id: Option<&Value>) -> String {
    let mut data = json!({ "code": fault.code(), "message": fault.to_string() });
    if let Some(kind) = kind {
        data["request"] = kind.into();
    }
    frame("error", &data, id)
}

#[cfg(test)]
mod tests {
    use suara_proto::message::Level;

    use super::*;

    fn asked(text: &str) -> Result<Request, Fault> {
        Frame::read(text)?.request()
    }

    #[test]
    fn frames_of_the_contract_are_understood() {
        assert_eq!(asked(r#"{"type":"ping"}"#), Ok(Request::Ping));
        assert_eq!(asked(r#"{"type":"create-transport"}"#), Ok(Request::CreateTransport));
        assert_eq!(asked(r#"{"type":"broadcast","data":{"a":1}}"#), Ok(Request::Broadcast(json!({"a": 1}))));
        let opus = r#"{"codecs":[{"mimeType":"audio/opus","clockRate":48000}]}"#;
        let consume =
            |more: &str| asked(&format!(r#"{{"type":"consume","data":{{"rtpCapabilities":{opus}{more}}}}}"#));
        assert_eq!(consume(""), Ok(Request::Consume(None, None)));
        assert_eq!(consume(r#","producerId":"floor""#), Ok(Request::Consume(None, None)));
        let named = consume(r#","producerId":"p","transportId":"00000000000000ff""#);
        assert_eq!(
            named,
            Ok(Request::Consume(TransportKey::parse("00000000000000ff"), Some("p".to_owned())))
        );
    }

    #[test]
    fn the_floor_is_wished_for_as_anywhere() {
        assert_eq!(asked(r#"{"type":"floor_request"}"#), Ok(Request::AskFloor(Wish::default())));
        let urgent =
            r#"{"type":"floor_request","data":{"level":"imminent_peril","priority":7,"queue":true}}"#;
        let wish = Wish { level: Level::ImminentPeril, priority: Some(7), queue: true };
        assert_eq!(asked(urgent), Ok(Request::AskFloor(wish)));
        assert_eq!(asked(r#"{"type":"floor_cancel"}"#), Ok(Request::CancelFloor));
    }

    #[test]
    fn an_answer_repeats_the_id_as_it_was() {
        for id in [json!(7), json!("a-b")] {
            let read = Frame::read(&json!({ "type": "ping", "id": id }).to_string()).unwrap();
            assert_eq!(read.id, Some(id.clone()));
            let answer: Value = serde_json::from_str(&frame("pong", &json!({}), read.id.as_ref())).unwrap();
            assert_eq!(answer["id"], id);
        }
        let plain: Value = serde_json::from_str(&frame("pong", &json!({}), None)).unwrap();
        assert!(plain.get("id").is_none());
    }

    #[test]
    fn each_fault_has_its_name() {
        for (text, fault) in [
            ("", Fault::Malformed),
            ("[]", Fault::Malformed),
            (r#"{"type":7}"#, Fault::Malformed),
            (r#"{"type":"ping","id":{}}"#, Fault::Malformed),
            (r#"{"type":"dance"}"#, Fault::UnknownType),
            (r#"{"type":"connect-transport"}"#, Fault::BadDtlsParameters),
            (r#"{"type":"restart-ice","data":{"transportId":"x"}}"#, Fault::UnknownTransport),
            (r#"{"type":"restart-ice","data":{"transportId":7}}"#, Fault::BadField),
            (r#"{"type":"close-consumer","data":{}}"#, Fault::BadField),
            (r#"{"type":"close-consumer","data":{"consumerId":"x"}}"#, Fault::UnknownConsumer),
            (r#"{"type":"produce"}"#, Fault::BadField),
            (r#"{"type":"floor_request","data":{"level":"urgent"}}"#, Fault::BadField),
            (r#"{"type":"floor_request","data":{"priority":256}}"#, Fault::BadField),
            (r#"{"type":"floor_request","data":{"queue":1}}"#, Fault::BadField),
        ] {
            assert_eq!(asked(text), Err(fault), "{text}");
        }
        let said: Value =
            serde_json::from_str(&error(Fault::BadField, Some("produce"), Some(&json!(3)))).unwrap();
        assert_eq!(said["type"], "error");
        assert_eq!(said["id"], 3);
        assert_eq!(
            (&said["data"]["code"], &said["data"]["request"]),
            (&json!("bad_field"), &json!("produce"))
        );
    }
}
