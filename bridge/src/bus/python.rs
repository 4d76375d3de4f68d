//! What python-socketio's managers write: JSON `{method, event, data, binary, namespace, room, skip_sid}`. Older ones write
//! pickle, which is a programme and not data: it is recognised and refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmpv::Value;
use serde_json::Value as Json;

use super::Wish;
use super::orders::{self, Kind, names};
use crate::notify::{Address, Args, Broadcast, Fault, from_json};

/// With this byte a pickle begins, from its second protocol on.
const PICKLE: u8 = 0x80;

pub(super) fn read(bytes: &[u8]) -> Result<Wish, Fault> {
    if bytes.first() == Some(&PICKLE) {
        return Err(Fault::Pickle);
    }
    let json: Json = serde_json::from_slice(bytes).map_err(|_| Fault::Malformed)?;
    let space = json.get("namespace").and_then(Json::as_str).unwrap_or("/");
    let order = |kind, rooms: &str| {
        let rooms = if rooms.is_empty() { Vec::new() } else { names(json.get(rooms))? };
        orders::order(kind, rooms, names(json.get("sid"))?, space).map(Wish::Order)
    };
    match json.get("method").and_then(Json::as_str) {
        Some("emit") => emit(&json, space).map(Wish::Tell),
        Some("enter_room") => order(Kind::Join, "room"),
        Some("leave_room") => order(Kind::Leave, "room"),
        Some("disconnect") => order(Kind::Disconnect, ""),
        Some("close_room") => Err(Fault::Order),
        // Answers of other servers.
        Some("callback") => Ok(Wish::Nothing),
        _ => Err(Fault::Malformed),
    }
}

fn emit(json: &Json, space: &str) -> Result<Broadcast, Fault> {
    let event = json.get("event").and_then(Json::as_str).ok_or(Fault::EventName)?;
    let addresses = |name| {
        let names = names(json.get(name))?;
        names.iter().map(|name| Address::read(name).ok_or(Fault::Room)).collect::<Result<Vec<_>, _>>()
    };
    let args = Args::new(args(json).ok_or(Fault::Malformed)?).ok_or(Fault::Malformed)?;
    Broadcast::checked(event, args, addresses("room")?, addresses("skip_sid")?, Some(space))
}

/// The arguments. `binary` came with the list of them: where it is missing, `data` is the one argument.
fn args(json: &Json) -> Option<Vec<Value>> {
    let data = json.get("data").cloned().unwrap_or_default();
    let args = match (json.get("binary"), data) {
        (Some(Json::Bool(true)), Json::Array(parts)) => {
            let (skeleton, attachments) = parts.split_first()?;
            let decode = |text: &Json| STANDARD.decode(text.as_str()?).ok();
            let attachments = attachments.iter().map(decode).collect::<Option<Vec<_>>>()?;
            skeleton
                .as_array()?
                .iter()
                .map(|arg| fill(from_json(arg.clone()), &attachments))
                .collect::<Option<_>>()?
        }
        (Some(Json::Bool(true)), _) => return None,
        (Some(_), Json::Array(args)) => args.into_iter().map(from_json).collect(),
        (_, arg) => vec![from_json(arg)],
    };
    // Python's `None` is no argument at all.
    Some(if args == [Value::Nil] { Vec::new() } else { args })
}

/// Puts the attachments where their placeholders are.
fn fill(value: Value, attachments: &[Vec<u8>]) -> Option<Value> {
    Some(match value {
        Value::Array(values) => {
            Value::Array(values.into_iter().map(|value| fill(value, attachments)).collect::<Option<_>>()?)
        }
        Value::Map(fields) => {
            let find = |name: &str| {
                fields.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
            };
            if find("_placeholder").and_then(Value::as_bool) == Some(true) {
                let number = usize::try_from(find("num")?.as_u64()?).ok()?;
                return Some(Value::Binary(attachments.get(number)?.clone()));
            }
            let field = |(key, value)| Some((key, fill(value, attachments)?));
            Value::Map(fields.into_iter().map(field).collect::<Option<_>>()?)
        }
        plain => plain,
    })
}
