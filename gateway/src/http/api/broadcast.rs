//! What the document says of `POST /api/broadcast`, which the bridge serves: its HTTP address is the gateway's too where both
//! are one process.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::refusals::Read;

/// What a back end wants told.
#[derive(Serialize, ToSchema)]
pub(super) struct Broadcast {
    /// The event's name, 1 to 128 bytes in UTF-8; not one of the protocol's own.
    #[schema(min_length = 1, max_length = 128)]
    event: String,
    /// Any JSON, nested no deeper than 64 levels.
    #[schema(value_type = Option<Value>)]
    payload: Value,
    /// `user_<id>`, `role_<role>` or a channel's name; everybody where it is missing.
    #[schema(min_length = 1, max_length = 128)]
    room: Option<String>,
    /// With a room `user_<id>`: keep it so long for a user who is away, in milliseconds.
    #[schema(minimum = 1, maximum = 2_592_000_000_u64)]
    keep_ms: Option<u64>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(super) struct Told {
    /// Always `ok`.
    status: String,
    /// Whether it is kept for a user who is away.
    kept: bool,
}

/// Tells users, roles, channels or everybody
///
/// For services. Served by the bridge: on this address where gateway and bridge are one process, else on the bridge's.
#[utoipa::path(post, path = "/api/broadcast", tag = "notifications", security(("bearer" = [])),
    request_body = Broadcast,
    responses((status = 200, description = "It was handed to the sockets that are here", body = Told),
        (status = 413, description = "The body is too large", body = super::Problem,
            content_type = "application/problem+json"), Read))]
#[expect(dead_code, reason = "it is the document's part of what the bridge serves")]
pub(super) fn broadcast() {}
