//! `/healthz`, `/readyz` and `/metrics`, for the operator's machines.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::registry::Registry;

use crate::metrics::render;

/// One condition of readiness; says what is missing.
pub type ReadyCheck = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Something that is wrong and keeps it from serving nobody.
pub type Note = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// Whether this process can serve.
#[derive(Clone, Default)]
pub struct Health {
    draining: Arc<AtomicBool>,
    checks: Arc<Vec<ReadyCheck>>,
    notes: Arc<Vec<Note>>,
}

impl Health {
    /// Ready when all `checks` are.
    #[must_use]
    pub fn new(checks: Vec<ReadyCheck>) -> Self {
        Self { draining: Arc::default(), checks: Arc::new(checks), notes: Arc::default() }
    }

    /// Says what is degraded too, in words.
    #[must_use]
    pub fn with_notes(self, notes: Vec<Note>) -> Self {
        Self { notes: Arc::new(notes), ..self }
    }

    /// Not ready from now on: load balancers look elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    fn problems(&self) -> Vec<String> {
        let draining = self.draining.load(Relaxed).then(|| "draining".to_owned());
        draining.into_iter().chain(self.checks.iter().filter_map(|check| check().err())).collect()
    }
}

/// `/healthz`: the process lives. `/readyz`: it can serve, and what is degraded, or 503 with what is missing; a line each.
pub fn health_router(health: Health) -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready)).with_state(health)
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let problems = health.problems();
    if problems.is_empty() {
        let degraded =
            health.notes.iter().filter_map(|note| note()).map(|note| format!("degraded: {note}\n"));
        return (StatusCode::OK, std::iter::once("ready\n".to_owned()).chain(degraded).collect());
    }
    (StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n")
}

/// `/metrics`: everything that is counted.
pub fn metrics_router(registry: Registry) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(Arc::new(registry))
}

async fn metrics(State(registry): State<Arc<Registry>>) -> impl IntoResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], render(&registry))
}
