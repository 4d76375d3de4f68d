//! What clients send to signal, and the answers to what makes no sense.

use serde_json::{Map, Value};
use suara_proto::limits::MAX_CHANNEL_NAME;
use suara_proto::text;
use thiserror::Error;

/// Bytes of one payload. An offer with many media and candidates has some twenty thousand; higher lets one peer fill
/// another's line faster.
const MAX_SIGNAL: usize = 64 * 1024;

/// Why a request is refused, in the words that the client gets as `msg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    #[error("Data harus berupa objek")]
    NoObject,
    #[error("room wajib diisi")]
    NoRoom,
    #[error("room tidak valid")]
    RoomName,
    #[error("role dan userId harus berupa teks atau angka")]
    Identity,
    #[error("targetId wajib diisi")]
    NoTarget,
    #[error("signal wajib diisi")]
    NoSignal,
    #[error("signal terlalu besar")]
    SignalSize,
    #[error("Peer tidak ada di room yang sama")]
    NoPeer,
    #[error("Peer tidak dapat menerima")]
    Stalled,
    #[error("Belum bergabung ke room")]
    NotInRoom,
    #[error("Room penuh")]
    Full,
    #[error("Terlalu banyak room")]
    TooMany,
    #[error("Terlalu banyak permintaan")]
    TooFast,
    #[error("Akses Ditolak")]
    Forbidden,
    #[error("Layanan Tidak Tersedia")]
    Unavailable,
}

impl Fault {
    /// Its name in metrics; `None` where the client did nothing wrong.
    pub(crate) const fn kind(self) -> Option<&'static str> {
        match self {
            Self::NoObject | Self::NoRoom | Self::RoomName | Self::Identity | Self::NotInRoom => Some("room"),
            Self::NoTarget | Self::NoSignal | Self::SignalSize => Some("signal"),
            Self::TooFast => Some("rate"),
            Self::NoPeer
            | Self::Stalled
            | Self::Full
            | Self::TooMany
            | Self::Forbidden
            | Self::Unavailable => None,
        }
    }
}

/// `join_room`. Who somebody is stands in its token: what the payload says of it is compared, never believed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Enter {
    pub(crate) room: String,
    user: Option<Value>,
    role: Option<Value>,
}

pub(crate) fn enter(payload: &Value) -> Result<Enter, Fault> {
    let fields = payload.as_object().ok_or(Fault::NoObject)?;
    let room = room_in(fields)?;
    Ok(Enter { room, user: said(fields, "userId")?, role: said(fields, "role")? })
}

impl Enter {
    /// The user as the client spelt it, a number say, where that is the user that it is.
    pub(super) fn spelling(&self, user: &str) -> Value {
        match &self.user {
            Some(said) if text_of(said).as_deref() == Some(user) => said.clone(),
            _ => user.into(),
        }
    }

    /// Whether the payload says that its sender is somebody else.
    pub(super) fn is_forged(&self, user: &str, role: &str) -> bool {
        let differs =
            |said: &Option<Value>, is: &str| said.as_ref().and_then(text_of).is_some_and(|said| said != is);
        differs(&self.user, user) || differs(&self.role, role)
    }
}

/// The room of `leave_room`; `None` where the payload names none.
pub(super) fn leave(payload: &Value) -> Result<Option<String>, Fault> {
    match payload {
        Value::Null => Ok(None),
        Value::Object(fields) if present(fields, "room").is_none() => Ok(None),
        Value::Object(fields) => room_in(fields).map(Some),
        _ => Err(Fault::NoObject),
    }
}

/// Target and content of `signal`.
pub(super) fn signal(payload: &Value) -> Result<(&str, &Value), Fault> {
    let fields = payload.as_object().ok_or(Fault::NoObject)?;
    let target = present(fields, "targetId").and_then(Value::as_str).ok_or(Fault::NoTarget)?;
    let signal = present(fields, "signal").ok_or(Fault::NoSignal)?;
    Ok((target, signal))
}

/// Whether a payload is larger than one may be.
pub(crate) fn is_oversized(payload: &Value) -> bool {
    serde_json::to_string(payload).map_or(usize::MAX, |text| text.len()) > MAX_SIGNAL
}

fn present<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn room_in(fields: &Map<String, Value>) -> Result<String, Fault> {
    let room = present(fields, "room").ok_or(Fault::NoRoom)?;
    let name = text_of(room).ok_or(Fault::RoomName)?;
    if text::is_plain(&name, MAX_CHANNEL_NAME) { Ok(name) } else { Err(Fault::RoomName) }
}

fn said(fields: &Map<String, Value>, name: &str) -> Result<Option<Value>, Fault> {
    match present(fields, name) {
        Some(value) if text_of(value).is_none() => Err(Fault::Identity),
        value => Ok(value.cloned()),
    }
}

/// Text, or a whole number as text.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_somebody_is_stands_in_its_token() {
        let said = enter(&json!({"room": "yard", "role": "admin", "userId": 7})).unwrap();
        assert_eq!(said.spelling("7"), json!(7), "spelt as it was sent");
        assert_eq!(said.spelling("8"), json!("8"));
        assert!(
            said.is_forged("7", "guard") && said.is_forged("8", "admin") && !said.is_forged("7", "admin")
        );
        assert!(!enter(&json!({"room": "yard"})).unwrap().is_forged("8", "guard"));
    }

    #[test]
    fn each_fault_has_its_own_answer() {
        assert_eq!(enter(&json!("yard")), Err(Fault::NoObject));
        assert_eq!(enter(&json!({})), Err(Fault::NoRoom));
        assert_eq!(enter(&json!({"room": ["yard"]})), Err(Fault::RoomName));
        assert_eq!(enter(&json!({"room": "a\u{0}b"})), Err(Fault::RoomName));
        assert_eq!(enter(&json!({"room": "x".repeat(129)})), Err(Fault::RoomName));
        assert_eq!(enter(&json!({"room": 5, "userId": {}})), Err(Fault::Identity));
        assert_eq!(enter(&json!({"room": 5, "role": [1]})), Err(Fault::Identity));
        assert_eq!(signal(&json!({"signal": 1})), Err(Fault::NoTarget));
        assert_eq!(signal(&json!({"targetId": 5, "signal": 1})), Err(Fault::NoTarget));
        assert_eq!(signal(&json!({"targetId": "a"})), Err(Fault::NoSignal));
        let large = "x".repeat(MAX_SIGNAL);
        assert!(is_oversized(&json!({"targetId": "a", "signal": large})));
        assert!(!is_oversized(&json!({"targetId": "a", "signal": &large[..MAX_SIGNAL - 100]})));
        assert_eq!(leave(&json!([])), Err(Fault::NoObject));
        assert_eq!(leave(&json!({})), Ok(None));
    }
}
