//! Schemas of what has no type of its own: names, as `suara_proto::text::is_plain` takes them.

use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

/// No control characters, and none that reorder the text around them.
const PLAIN: &str = r"[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]";

/// A channel's name.
pub(super) struct ChannelName;

/// A user's id, or another name of its.
pub(super) struct UserName;

/// A name that may be empty.
pub(super) struct Maybe;

/// The number of a member in a channel.
pub(super) struct Talker;

/// What a token gives in channels.
pub(super) struct Grant;

impl PartialSchema for ChannelName {
    fn schema() -> RefOr<Schema> {
        text("A channel's name: 1 to 128 bytes in UTF-8", 1, 128, &format!("^{PLAIN}+$"))
    }
}

impl PartialSchema for UserName {
    fn schema() -> RefOr<Schema> {
        text(
            "A user's id in the deployment, or its name: 1 to 128 bytes in UTF-8",
            1,
            128,
            &format!("^{PLAIN}+$"),
        )
    }
}

impl PartialSchema for Maybe {
    fn schema() -> RefOr<Schema> {
        text("A name that may be empty: at most 128 bytes in UTF-8", 0, 128, &format!("^{PLAIN}*$"))
    }
}

impl PartialSchema for Talker {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
        let format = SchemaFormat::KnownFormat(KnownFormat::Int32);
        let number = number.format(Some(format)).minimum(Some(0)).maximum(Some(u16::MAX));
        number.description(Some("The number of a member in a channel")).into()
    }
}

impl PartialSchema for Grant {
    fn schema() -> RefOr<Schema> {
        let what = "`PATTERN:right,right`: what a token gives in channels whose names match. `*` stands for any text, \
                    `?` for one character";
        let rights = "(listen|talk|emergency|dispatch)";
        text(what, 0, 200, &format!("^[^:]*:{rights}(,{rights})*$"))
    }
}

impl ToSchema for ChannelName {}
impl ToSchema for UserName {}
impl ToSchema for Maybe {}
impl ToSchema for Talker {}
impl ToSchema for Grant {}

fn text(what: &str, least: usize, most: usize, pattern: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).description(Some(what));
    text.min_length(Some(least)).max_length(Some(most)).pattern(Some(pattern)).into()
}
