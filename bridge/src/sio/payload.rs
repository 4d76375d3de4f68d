//! What clients send in their events' objects, and the answers to what makes no sense.

use serde_json::{Map, Value};
use suara_proto::limits::{MAX_CHANNEL_NAME, MAX_CHAT_ID, MAX_CHAT_TEXT};
use suara_proto::text;
use thiserror::Error;

use crate::audio::{Format, FormatError};
use crate::channel::{BadWish, Wish};
use crate::desk::JoinError;

/// Why a request is refused, in the words that the client gets as `msg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Fault {
    #[error("Data harus berupa objek")]
    NoObject,
    #[error("channel_id wajib diisi")]
    NoChannel,
    #[error("channel_id harus berupa teks atau bilangan bulat")]
    ChannelKind,
    #[error("channel_id tidak valid")]
    ChannelName,
    #[error("codec tidak didukung")]
    Codec,
    #[error("sample_rate tidak didukung")]
    SampleRate,
    #[error("level tidak dikenal")]
    Level,
    #[error("priority harus bilangan 0 sampai 255")]
    Priority,
    #[error("queue harus true atau false")]
    Queue,
    #[error("text harus berupa teks 1 sampai 4000 karakter")]
    Text,
    #[error("id harus berupa teks 1 sampai 64 byte")]
    MessageId,
    #[error("before, after dan limit harus berupa bilangan bulat")]
    Span,
    #[error("sessionId harus berupa teks")]
    SessionId,
    #[error("text, location atau user_id tidak valid")]
    Emergency,
    #[error("Akses Ditolak")]
    Forbidden,
    #[error("Channel penuh")]
    Full,
    #[error("Terlalu banyak channel")]
    TooMany,
    #[error("Belum bergabung ke channel")]
    NotJoined,
    #[error("Terlalu banyak permintaan")]
    TooFast,
    #[error("Layanan Tidak Tersedia")]
    Unavailable,
}

impl Fault {
    /// Its name in metrics; `None` where the client did nothing wrong.
    pub(super) const fn kind(self) -> Option<&'static str> {
        match self {
            Self::NoObject | Self::NoChannel | Self::ChannelKind | Self::ChannelName => Some("channel_id"),
            Self::Codec | Self::SampleRate => Some("format"),
            Self::Level | Self::Priority | Self::Queue => Some("floor"),
            Self::Text | Self::MessageId | Self::Span | Self::SessionId => Some("chat"),
            Self::Emergency => Some("emergency"),
            Self::NotJoined => Some("not_joined"),
            Self::TooFast => Some("rate"),
            Self::Forbidden | Self::Full | Self::TooMany | Self::Unavailable => None,
        }
    }
}

impl From<JoinError> for Fault {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Forbidden => Self::Forbidden,
            JoinError::Full => Self::Full,
            JoinError::TooMany => Self::TooMany,
            JoinError::Name => Self::ChannelName,
            JoinError::TooFast => Self::TooFast,
            JoinError::Unavailable => Self::Unavailable,
        }
    }
}

impl From<FormatError> for Fault {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::Codec => Self::Codec,
            FormatError::SampleRate => Self::SampleRate,
        }
    }
}

/// A channel as a client names it: to us by `name`, back to the client as it was spelt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChannelId {
    pub(super) name: String,
    pub(super) spelling: Value,
}

/// `join_channel`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Join {
    pub(super) channel: ChannelId,
    pub(super) format: Format,
}

pub(super) fn join(payload: &Value, default_sample_rate: u32) -> Result<Join, Fault> {
    let fields = payload.as_object().ok_or(Fault::NoObject)?;
    let channel = channel_id(fields)?;
    let codec = match present(fields, "codec") {
        None => None,
        Some(codec) => Some(codec.as_str().ok_or(Fault::Codec)?),
    };
    let rate = match present(fields, "sample_rate") {
        None => default_sample_rate,
        Some(rate) => rate.as_u64().and_then(|rate| rate.try_into().ok()).ok_or(Fault::SampleRate)?,
    };
    Ok(Join { channel, format: Format::new(codec, rate)? })
}

/// The channel of `leave_channel`.
pub(super) fn leave(payload: &Value) -> Result<ChannelId, Fault> {
    channel_id(payload.as_object().ok_or(Fault::NoObject)?)
}

/// The channel of a floor event; `None` is the one joined last.
pub(super) fn floor(payload: Option<&Value>) -> Result<Option<ChannelId>, Fault> {
    match payload {
        None | Some(Value::Null) => Ok(None),
        Some(payload) => {
            let fields = payload.as_object().ok_or(Fault::NoObject)?;
            present(fields, "channel_id").map(|_| channel_id(fields)).transpose()
        }
    }
}

/// How `floor_request` wishes for the floor.
pub(super) fn wish(payload: Option<&Value>) -> Result<Wish, Fault> {
    let wish = Wish::read(payload.unwrap_or(&Value::Null));
    wish.map_err(|bad| match bad {
        BadWish::Level => Fault::Level,
        BadWish::Priority => Fault::Priority,
        BadWish::Queue => Fault::Queue,
    })
}

/// `chat_message`: the channel (`None` is the one joined last), the client's own name for it, and the text.
pub(super) fn chat(payload: &Value) -> Result<(Option<ChannelId>, Option<String>, String), Fault> {
    let channel = floor(Some(payload))?;
    let fields = payload.as_object().ok_or(Fault::NoObject)?;
    let text = present(fields, "text").and_then(Value::as_str).ok_or(Fault::Text)?;
    let text = text::clean(text).into_owned();
    if text.trim().is_empty() || text.chars().nth(MAX_CHAT_TEXT).is_some() {
        return Err(Fault::Text);
    }
    let id = match present(fields, "id") {
        None => None,
        Some(id) => {
            let plain = id.as_str().filter(|id| text::is_plain(id, MAX_CHAT_ID));
            Some(plain.ok_or(Fault::MessageId)?.to_owned())
        }
    };
    Ok((channel, id, text))
}

/// `chat_history`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    /// None is the one joined last.
    pub(super) channel: Option<ChannelId>,
    pub(super) before: Option<u64>,
    pub(super) after: Option<u64>,
    pub(super) limit: Option<u32>,
}

pub(super) fn history(payload: Option<&Value>) -> Result<History, Fault> {
    let channel = floor(payload)?;
    let number = |name| match payload.and_then(Value::as_object).and_then(|fields| present(fields, name)) {
        None => Ok(None),
        Some(number) => number.as_u64().map(Some).ok_or(Fault::Span),
    };
    let limit = number("limit")?.map(|limit| u32::try_from(limit).map_err(|_| Fault::Span)).transpose()?;
    if limit == Some(0) {
        return Err(Fault::Span);
    }
    Ok(History { channel, before: number("before")?, after: number("after")?, limit })
}

pub(super) fn present<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn channel_id(fields: &Map<String, Value>) -> Result<ChannelId, Fault> {
    let spelling = present(fields, "channel_id").ok_or(Fault::NoChannel)?.clone();
    let name = match &spelling {
        Value::String(name) => name.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return Err(Fault::ChannelKind),
    };
    if !text::is_plain(&name, MAX_CHANNEL_NAME) {
        return Err(Fault::ChannelName);
    }
    Ok(ChannelId { name, spelling })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use suara_proto::message::Level;

    use super::*;

    fn joined(payload: Value) -> Result<(String, Value, String), Fault> {
        let Join { channel, format } = join(&payload, 16_000)?;
        Ok((channel.name, channel.spelling, format.to_string()))
    }

    #[test]
    fn a_channel_is_named_by_a_number_or_a_string() {
        assert_eq!(
            joined(json!({"channel_id": 5})),
            Ok(("5".to_owned(), json!(5), "pcm16-16000".to_owned()))
        );
        assert_eq!(
            joined(json!({"channel_id": "pos 1", "codec": null})),
            Ok(("pos 1".to_owned(), json!("pos 1"), "pcm16-16000".to_owned()))
        );
    }

    #[test]
    fn a_client_chooses_its_format() {
        let format = |extra: Value| {
            let mut payload = json!({"channel_id": 1});
            payload.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            joined(payload).map(|(_, _, format)| format)
        };
        assert_eq!(format(json!({"sample_rate": 48_000})), Ok("pcm16-48000".to_owned()));
        assert_eq!(format(json!({"codec": "opus"})), Ok("opus".to_owned()));
        assert_eq!(format(json!({"codec": "mp3"})), Err(Fault::Codec));
        assert_eq!(format(json!({"codec": 7})), Err(Fault::Codec));
        assert_eq!(format(json!({"sample_rate": 44_100})), Err(Fault::SampleRate));
        assert_eq!(format(json!({"sample_rate": "16000"})), Err(Fault::SampleRate));
    }

    #[test]
    fn each_fault_has_its_own_answer() {
        assert_eq!(joined(json!("pos 1")), Err(Fault::NoObject));
        assert_eq!(joined(json!({})), Err(Fault::NoChannel));
        assert_eq!(joined(json!({"channel_id": null})), Err(Fault::NoChannel));
        assert_eq!(joined(json!({"channel_id": true})), Err(Fault::ChannelKind));
        assert_eq!(joined(json!({"channel_id": 1.5})), Err(Fault::ChannelKind));
        assert_eq!(joined(json!({"channel_id": ""})), Err(Fault::ChannelName));
        assert_eq!(joined(json!({"channel_id": "a\nb"})), Err(Fault::ChannelName));
        assert_eq!(joined(json!({"channel_id": "x".repeat(129)})), Err(Fault::ChannelName));
    }

    #[test]
    fn a_chat_message_has_a_text_and_may_have_an_id() {
        let good = chat(&json!({"channel_id": 5, "id": "a1", "text": "<b>\u{202e}hi\r\n</b>"})).unwrap();
        assert_eq!(
            (good.0.unwrap().name, good.1, good.2),
            ("5".into(), Some("a1".into()), "<b>hi\n</b>".into())
        );
        assert_eq!(chat(&json!({"text": "x"})), Ok((None, None, "x".to_owned())));
        for bad in [json!({}), json!({"text": 7}), json!({"text": {"$gt": ""}}), json!({"text": " \u{0}"})] {
            assert_eq!(chat(&bad), Err(Fault::Text), "{bad}");
        }
        assert_eq!(chat(&json!({"text": "x".repeat(4001)})), Err(Fault::Text));
        for id in [json!(7), json!(""), json!("a\nb"), json!("x".repeat(65))] {
            assert_eq!(chat(&json!({"id": id, "text": "x"})), Err(Fault::MessageId));
        }
        assert_eq!(chat(&json!("x")), Err(Fault::NoObject));
    }

    #[test]
    fn history_is_asked_for_in_whole_numbers() {
        let asked = history(Some(&json!({"before": 7, "limit": 20})));
        assert_eq!(asked, Ok(History { before: Some(7), limit: Some(20), ..History::default() }));
        assert_eq!(history(None), Ok(History::default()));
        for bad in
            [json!({"before": "7"}), json!({"after": -1}), json!({"limit": 0}), json!({"limit": 1_u64 << 40})]
        {
            assert_eq!(history(Some(&bad)), Err(Fault::Span), "{bad}");
        }
    }

    #[test]
    fn a_floor_event_means_the_channel_joined_last_unless_it_names_one() {
        assert_eq!(floor(None), Ok(None));
        assert_eq!(floor(Some(&json!({}))), Ok(None));
        assert_eq!(floor(Some(&json!({"channel_id": 5}))).unwrap().unwrap().name, "5");
        assert_eq!(floor(Some(&json!({"channel_id": []}))), Err(Fault::ChannelKind));
    }

    #[test]
    fn a_floor_request_may_say_how_urgent_it_is() {
        assert_eq!(wish(None), Ok(Wish::default()));
        assert_eq!(wish(Some(&json!({"channel_id": 5, "level": null}))), Ok(Wish::default()));
        let urgent = Wish { level: Level::Emergency, priority: Some(7), queue: true };
        assert_eq!(wish(Some(&json!({"level": "emergency", "priority": 7, "queue": true}))), Ok(urgent));
        assert_eq!(wish(Some(&json!({"level": "urgent"}))), Err(Fault::Level));
        assert_eq!(wish(Some(&json!({"level": 2}))), Err(Fault::Level));
        assert_eq!(wish(Some(&json!({"priority": 256}))), Err(Fault::Priority));
        assert_eq!(wish(Some(&json!({"queue": "yes"}))), Err(Fault::Queue));
    }
}
