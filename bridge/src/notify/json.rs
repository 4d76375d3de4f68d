//! `{event, payload, room?, keep_ms?}`: what `POST /api/broadcast` takes, and the Redis channel `socket:broadcast`.

use serde_json::{Map, Value};
use suara_proto::limits::MAX_KEEP;

use super::reserved::check_event;
use super::{Address, Args, Broadcast, Fault};

/// Reads a broadcast.
pub(crate) fn read(json: Value) -> Result<Broadcast, Fault> {
    let Value::Object(mut fields) = json else { return Err(Fault::Malformed) };
    let event = fields.get("event").and_then(Value::as_str).ok_or(Fault::EventName)?.to_owned();
    check_event(&event)?;
    let to = match present(&fields, "room") {
        None => Vec::new(),
        Some(room) => vec![room.as_str().and_then(Address::read).ok_or(Fault::Room)?],
    };
    let keep_ms = match present(&fields, "keep_ms") {
        None => None,
        Some(keep) => {
            let millis = keep.as_u64().filter(|millis| u128::from(*millis) <= MAX_KEEP.as_millis());
            let millis = millis.and_then(|millis| u32::try_from(millis).ok());
            Some(millis.filter(|_| matches!(to[..], [Address::User(_)])).ok_or(Fault::Keep)?)
        }
    };
    let args = Args::json(fields.remove("payload").unwrap_or_default()).ok_or(Fault::Malformed)?;
    Ok(Broadcast { event, args, to, except: Vec::new(), space: None, keep_ms })
}

fn present<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_broadcast_says_what_and_to_whom() {
        let read = |json| read(json).unwrap();
        let all = read(json!({"event": "maintenance", "payload": {"at": 22}}));
        assert_eq!((all.to, all.keep_ms), (vec![], None));
        let kept = read(json!({"event": "n", "payload": 1, "room": "user_7", "keep_ms": 60_000}));
        assert_eq!((kept.to, kept.keep_ms), (vec![Address::User("7".into())], Some(60_000)));
    }

    #[test]
    fn each_fault_has_its_name() {
        let fault = |json| read(json).unwrap_err();
        assert_eq!(fault(json!([])), Fault::Malformed);
        assert_eq!(fault(json!({"payload": 1})), Fault::EventName);
        assert_eq!(fault(json!({"event": 5})), Fault::EventName);
        assert_eq!(fault(json!({"event": "voice_packet"})), Fault::Reserved);
        assert_eq!(fault(json!({"event": "n", "room": 5})), Fault::Room);
        assert_eq!(fault(json!({"event": "n", "room": "user_"})), Fault::Room);
        for keep_ms in [json!(-1), json!("1h"), json!(9_999_999_999_u64)] {
            assert_eq!(fault(json!({"event": "n", "room": "user_7", "keep_ms": keep_ms})), Fault::Keep);
        }
        assert_eq!(fault(json!({"event": "n", "room": "role_7", "keep_ms": 1})), Fault::Keep);
        assert_eq!(fault(json!({"event": "n", "keep_ms": 1})), Fault::Keep);
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!([deep]);
        }
        assert_eq!(fault(json!({"event": "n", "payload": deep})), Fault::Malformed);
    }
}
