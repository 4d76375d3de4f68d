//! Names and bodies as they come: in range, or refused.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};
use suara_proto::ErrorCode;
use suara_proto::limits::{MAX_CHANNEL_NAME, MAX_USER_NAME};
use suara_proto::text::is_plain;

use super::Problem;

/// A path's parts as they were asked.
pub(super) type Asked<T> = Result<Path<T>, PathRejection>;
/// The query likewise.
pub(super) type AskedFor<T> = Result<Query<T>, QueryRejection>;
/// A body likewise. An object: `serde` would take a list of its fields, too.
pub(super) type Said = Result<Json<Map<String, Value>>, JsonRejection>;

pub(super) fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::BadField, detail)
}

/// The path's parts.
pub(super) fn parts<T>(asked: Asked<T>) -> Result<T, Problem> {
    asked.map(|Path(parts)| parts).map_err(|error| bad(error.body_text()))
}

/// What the query asks for.
pub(super) fn query<T>(asked: AskedFor<T>) -> Result<T, Problem> {
    asked.map(|Query(query)| query).map_err(|error| bad(error.body_text()))
}

/// What the body says.
pub(super) fn body<T: DeserializeOwned>(said: Said) -> Result<T, Problem> {
    let Json(fields) = said?;
    T::deserialize(Value::Object(fields)).map_err(|error| Problem::senseless(error.to_string()))
}

/// A name that a channel can have.
pub(super) fn channel(name: String) -> Result<String, Problem> {
    let is_one = is_plain(&name, MAX_CHANNEL_NAME);
    is_one.then_some(name).ok_or_else(|| bad("a channel's name is 1 to 128 bytes without control characters"))
}

/// A name that a user can have.
pub(super) fn user(name: String) -> Result<String, Problem> {
    let is_one = is_plain(&name, MAX_USER_NAME);
    is_one.then_some(name).ok_or_else(|| bad("a user's id is 1 to 128 bytes without control characters"))
}

/// A whole number, as a JSON schema has it: `1.0` is one (draft 2020-12, section 6.1.1).
pub(super) fn whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(from: D) -> Result<T, D::Error> {
    let number = Number::deserialize(from)?;
    let float = || {
        number.as_f64().filter(|float| float.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(float))
    };
    let number = number.as_u64().or_else(|| float().map(|float| float as u64));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| D::Error::custom("not a whole number in range"))
}

/// How many of something a page has: what was asked for, or `usual`.
pub(super) fn limit(asked: Option<u32>, usual: u32, most: u32) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(usual);
    (1..=most).contains(&limit).then_some(limit).ok_or_else(|| bad(format!("limit is 1 to {most}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_number_is_one_however_it_is_written_and_others_are_refused() {
        for (value, read) in
            [(json!(7), Some(7)), (json!(7.0), Some(7)), (json!(0), Some(0)), (json!(255), Some(255))]
        {
            assert_eq!(whole::<_, u8>(value).ok(), read);
        }
        for bad in [json!(7.5), json!(-1), json!(-1.0), json!(256), json!(1e300), json!("7"), json!(null)] {
            assert!(whole::<_, u8>(bad.clone()).is_err(), "{bad}");
        }
    }
}
