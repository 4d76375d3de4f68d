//! Which refusals an operation has, for its documentation.

use std::collections::BTreeMap;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::Problem;

const READ: [(u16, &str); 5] = [
    (400, "A name or a parameter is out of range"),
    (401, "The token is missing or doesn't hold, or its user is banned"),
    (403, "The token gives no right to this"),
    (429, "Requests come too fast"),
    (503, "Tokens can't be checked now, or the store doesn't answer"),
];

const WRITE: [(u16, &str); 4] = [
    (404, "No such member"),
    (413, "The body is too large"),
    (415, "The body is no `application/json`"),
    (422, "The body is JSON, and not what is asked for"),
];

/// Of what is only looked at, and of what has no body.
pub(in crate::http) struct Read;

/// Of what has a body.
pub(super) struct Write;

/// Of what may have nobody that it is about.
pub(super) struct Change;

type Responses = BTreeMap<String, RefOr<Response>>;

impl IntoResponses for Read {
    fn responses() -> Responses {
        READ.iter().map(response).collect()
    }
}

impl IntoResponses for Write {
    fn responses() -> Responses {
        READ.iter().chain(WRITE.iter().filter(|(status, _)| *status != 404)).map(response).collect()
    }
}

impl IntoResponses for Change {
    fn responses() -> Responses {
        READ.iter().chain(WRITE.iter().filter(|(status, _)| *status == 404)).map(response).collect()
    }
}

fn response((status, description): &(u16, &str)) -> (String, RefOr<Response>) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
    let mut response =
        ResponseBuilder::new().description(*description).content("application/problem+json", content);
    let text = |kind| ObjectBuilder::new().schema_type(SchemaType::new(kind)).build();
    response = match status {
        401 => response.header("WWW-Authenticate", HeaderBuilder::new().schema(text(Type::String)).build()),
        429 | 503 => response.header("Retry-After", HeaderBuilder::new().schema(text(Type::Integer)).build()),
        _ => response,
    };
    (status.to_string(), RefOr::T(response.build()))
}
