//! The door for other nodes: who comes through it has the nodes' secret, and asks for something that is here.
//!
//! What is asked here is answered here: nothing is passed on from this side, so no request goes round in circles.

use std::time::SystemTime;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::ORIGIN;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Nodes;
use super::forward::is_askable;
use super::pass::PASS;

/// The layer's state.
#[derive(Clone)]
pub(crate) struct PeerDoor(Nodes);

impl PeerDoor {
    pub(crate) const fn new(nodes: Nodes) -> Self {
        Self(nodes)
    }
}

/// Lets other nodes in. A page never comes by this road: its node has decided about its origin and doesn't pass it on.
pub(crate) async fn check_peer(
    State(PeerDoor(nodes)): State<PeerDoor>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let (shown, me) = (request.headers().get(PASS), nodes.registry.me().id);
    let is_node = nodes.pass.admits(shown, me, request.method(), path, SystemTime::now());
    if !is_node || request.headers().contains_key(ORIGIN) || !is_askable(request.method()) {
        nodes.metrics.bad_input("peer");
        tracing::debug!("one that is no node of ours asked at the peers' address");
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}
