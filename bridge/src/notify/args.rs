//! An event's arguments, wherever they came from: JSON, msgpack, with or without binary.

use rmpv::Value;
use serde::Serialize;
use serde::ser::{SerializeTuple as _, Serializer};

/// Levels of nesting that are taken; what JSON allows besides is refused by its reader.
pub(super) const MAX_DEPTH: usize = 64;

/// The arguments of one event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Args(Vec<Value>);

// A list would be sent as one argument that is a list; a tuple is sent as several.
impl Serialize for Args {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for value in &self.0 {
            tuple.serialize_element(value)?;
        }
        tuple.end()
    }
}

impl Args {
    /// One argument of JSON; `None` where it is nested too deeply.
    pub(super) fn json(payload: serde_json::Value) -> Option<Self> {
        Self::new(vec![from_json(payload)])
    }

    /// What the gateway kept, which was looked at when it was said.
    pub(crate) fn kept(payload: serde_json::Value) -> Self {
        Self(vec![from_json(payload)])
    }

    /// The same for clients that know one payload of JSON: the only argument, or a list of them. `None` where there is
    /// binary among them.
    pub(crate) fn payload(&self) -> Option<super::Payload> {
        let mut payloads = self.0.iter().map(to_json).collect::<Option<Vec<_>>>()?;
        Some(if payloads.len() == 1 { payloads.swap_remove(0) } else { payloads.into() })
    }

    /// Arguments as they are; `None` where something in them can't be said to a client.
    pub(crate) fn new(values: Vec<Value>) -> Option<Self> {
        values.into_iter().map(|value| clean(value, MAX_DEPTH)).collect::<Option<Vec<_>>>().map(Self)
    }
}

/// JSON as it is.
pub(crate) fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(truth) => truth.into(),
        serde_json::Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (_, Some(number)) => number.into(),
            _ => number.as_f64().unwrap_or_default().into(),
        },
        serde_json::Value::String(text) => text.into(),
        serde_json::Value::Array(values) => Value::Array(values.into_iter().map(from_json).collect()),
        serde_json::Value::Object(fields) => {
            Value::Map(fields.into_iter().map(|(key, value)| (key.into(), from_json(value))).collect())
        }
    }
}

fn to_json(value: &Value) -> Option<serde_json::Value> {
    Some(match value {
        Value::Binary(_) => return None,
        Value::Array(values) => values.iter().map(to_json).collect::<Option<Vec<_>>>()?.into(),
        Value::Map(fields) => {
            let field = |(key, value): &(Value, Value)| Some((key.as_str()?.to_owned(), to_json(value)?));
            serde_json::Value::Object(fields.iter().map(field).collect::<Option<_>>()?)
        }
        plain => serde_json::to_value(plain).ok()?,
    })
}

/// What a client can be told of it: keys are text, and what JavaScript's `undefined` was is null.
fn clean(value: Value, depth: usize) -> Option<Value> {
    let below = depth.checked_sub(1)?;
    Some(match value {
        Value::String(text) if text.is_err() => return None,
        Value::Array(values) => {
            Value::Array(values.into_iter().map(|value| clean(value, below)).collect::<Option<_>>()?)
        }
        Value::Map(fields) => {
            let field = |(key, value): (Value, Value)| {
                key.as_str().is_some().then(|| Some((key, clean(value, below)?)))?
            };
            Value::Map(fields.into_iter().map(field).collect::<Option<_>>()?)
        }
        Value::Ext(..) => Value::Nil,
        plain => plain,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_what_it_was() {
        let payload = json!({"a": [1, -2, 1.5, "x", null, true], "b": {"c": u64::MAX}});
        assert_eq!(serde_json::to_value(Args::json(payload.clone()).unwrap()).unwrap(), json!([payload]));
    }

    #[test]
    fn several_arguments_stay_several() {
        let args = Args::new(vec![1.into(), "two".into(), Value::Ext(0, vec![0])]).unwrap();
        assert_eq!(serde_json::to_string(&args).unwrap(), r#"[1,"two",null]"#);
    }

    #[test]
    fn what_no_client_can_read_is_refused() {
        let numbered = Value::Map(vec![(1.into(), 2.into())]);
        assert_eq!(Args::new(vec![numbered]), None);
        let mut deep = Value::Nil;
        for _ in 0..=MAX_DEPTH {
            deep = Value::Array(vec![deep]);
        }
        assert_eq!(Args::new(vec![deep]), None);
    }
}
