//! HTTP: the console, where to connect, and the operator's pages.

pub mod api;
mod connect;
mod console;
mod health;
mod kpi;
mod origin;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::core::Core;

pub use connect::ConnectInfo;
pub use health::{Health, Note, ReadyCheck, health_router, metrics_router};
pub use origin::OriginPolicy;

/// What the gateway serves to clients besides sessions: the console, and everything under `/api`.
pub(crate) fn router(core: Arc<Core>, connect: ConnectInfo) -> Router {
    api::router(core, connect).fallback(get(console::console))
}

/// `GET /api/connect` alone.
pub fn trunk_router(connect: ConnectInfo) -> Router {
    Router::new().route("/api/connect", get(connect::connect)).with_state(Arc::new(connect))
}
