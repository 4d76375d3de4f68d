//! What back ends and pages ask by HTTP, with the same tokens as sessions.

mod bearer;
mod messages;
mod problem;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

pub use problem::Problem;

use crate::core::Core;

/// Everything under `/api` that needs a token.
pub fn router(core: Arc<Core>) -> Router {
    Router::new().route("/api/channels/{name}/messages", get(messages::messages)).with_state(core)
}
