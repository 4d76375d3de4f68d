//! The way to another node: a request is asked again there, and its answer is this node's; a WebSocket becomes a tunnel. When
//! this node stops it says so to the other end of each tunnel, which knows when nobody speaks.

use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT,
};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, uri};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use suara_tcp::Peer;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::node::Node;
use super::pass::PASS;
use super::{Nodes, tunnel};
use crate::leaving::{Departure, Leaving};

/// A node that can't be connected to in so long isn't there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections to a node that wait for the next request. Below the time after which its listener closes them.
const IDLE: Duration = Duration::from_secs(10);

/// An answer takes as long as a poll may last, and some. More would keep requests of a node that fell silent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A body has to be there in so long, as at the node that takes it.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the kernel takes in for a tunnel before it is read. Voice for a client that doesn't keep up shall wait at its own
/// node, where it gets old and is dropped: more would hide the stall from it, less would starve 48 kHz PCM.
const TUNNEL_BUFFER: usize = 8 * 1024;

/// In the query of a DELETE: milliseconds after which the way to what it names ends.
pub(crate) const WITHIN: &str = "within";

/// What a client says that the other node has to know. Cookies, tokens and addresses don't travel.
const PASSED_ON: [HeaderName; 7] = [
    ACCEPT,
    CONTENT_TYPE,
    USER_AGENT,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
];

/// What the other node says that the client has to know.
const PASSED_BACK: [HeaderName; 5] =
    [CACHE_CONTROL, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL];

/// Asks other nodes; clones share their connections.
#[derive(Clone)]
pub(crate) struct Forwarder {
    nodes: Nodes,
    requests: Client<HttpConnector, Body>,
    tunnels: Client<HttpConnector, Body>,
    /// Bytes of a body, at most.
    limit: usize,
    open: Tunnels,
}

/// What tunnels have in common: how they end.
#[derive(Clone)]
pub(crate) struct Tunnels {
    /// Knows them all.
    pub(crate) tasks: TaskTracker,
    /// Ends one after the other.
    pub(crate) leaving: Leaving,
    /// Ends the rest.
    pub(crate) stop: CancellationToken,
}

/// What became of a request for another node.
pub(crate) enum Asked {
    /// Its answer, whatever it says.
    Answered(Response),
    /// The client's own fault, as the other node would have said it.
    Refused(StatusCode),
    /// It isn't there.
    Unreachable,
}

impl Forwarder {
    /// Asks on behalf of `nodes`; no body has more than `limit` bytes.
    pub(crate) fn new(nodes: Nodes, limit: usize, open: Tunnels) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        let requests = builder.build(connector.clone());
        connector.set_recv_buffer_size(Some(TUNNEL_BUFFER));
        let tunnels = builder.pool_max_idle_per_host(0).build(connector);
        Self { nodes, requests, tunnels, limit, open }
    }

    /// Asks `node` for `path`, as `request` did here.
    pub(crate) async fn ask(&self, node: &Node, path: uri::PathAndQuery, request: Request) -> Asked {
        if request.headers().contains_key(UPGRADE) {
            self.open_tunnel(node, path, request).await
        } else {
            self.pass_on(node, path, request).await
        }
    }

    async fn pass_on(&self, node: &Node, path: uri::PathAndQuery, request: Request) -> Asked {
        let (parts, body) = request.into_parts();
        let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, self.limit)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return Asked::Refused(StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => return Asked::Refused(StatusCode::REQUEST_TIMEOUT),
        };
        let Some(asked) = self.rewrite(node, path, &parts, Body::from(body)) else {
            return Asked::Unreachable;
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, self.requests.request(asked)).await {
            Ok(Ok(answer)) => answered(node, answer.map(Body::new)),
            Ok(Err(error)) => unreachable(node, &error),
            Err(late) => unreachable(node, &late),
        }
    }

    async fn open_tunnel(&self, node: &Node, path: uri::PathAndQuery, mut request: Request) -> Asked {
        if self.open.leaving.has_begun() {
            // Its client goes on by polling, which is asked for anywhere.
            return Asked::Refused(StatusCode::SERVICE_UNAVAILABLE);
        }
        let client = hyper::upgrade::on(&mut request);
        let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|info| info.0.clone());
        let (parts, _) = request.into_parts();
        let Some(mut asked) = self.rewrite(node, path.clone(), &parts, Body::empty()) else {
            return Asked::Unreachable;
        };
        asked.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        asked.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        let mut answer = match tokio::time::timeout(ANSWER_TIMEOUT, self.tunnels.request(asked)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return unreachable(node, &error),
            Err(late) => return unreachable(node, &late),
        };
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return answered(node, answer.map(Body::new));
        }
        if let Some(peer) = peer {
            peer.stall.carry_voice();
        }
        let server = hyper::upgrade::on(&mut answer);
        self.dig(client, server, node.clone(), path);
        let mut answer = given_back(answer.map(|_| Body::empty()));
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        Asked::Answered(answer)
    }

    /// Joins the two connections as soon as both are handed over.
    fn dig(&self, client: OnUpgrade, server: OnUpgrade, node: Node, path: uri::PathAndQuery) {
        let (forwarder, metrics) = (self.clone(), self.nodes.metrics.clone());
        let Tunnels { tasks, leaving, stop } = self.open.clone();
        tasks.spawn(async move {
            let Ok((client, server)) = tokio::try_join!(client, server) else {
                return tracing::debug!("a tunnel's end was gone before it was open");
            };
            metrics.tunnel_opened();
            tokio::select! {
                () = tunnel::join(TokioIo::new(client), TokioIo::new(server)) => {}
                () = forwarder.send_off(leaving.departure(), &node, &path) => {}
                () = stop.cancelled() => {}
            }
            metrics.tunnel_closed();
        });
    }

    /// Waits until a tunnel is to end, for this node stops. Its other end is told when its turn has come, and breaks it off; one
    /// that can't be told finds it broken off.
    async fn send_off(&self, mut departure: Departure, node: &Node, path: &uri::PathAndQuery) {
        departure.look().await;
        let patience = departure.patience();
        match tokio::time::timeout(patience, self.hurry(node, path, patience)).await {
            Ok(true) => tokio::time::sleep(patience + tunnel::LAST_WORDS).await,
            Ok(false) | Err(_) => {
                tracing::debug!(bridge_node = %node.id, "a tunnel ends without its other end's doing")
            }
        }
    }

    /// Tells another node that the way to what it has at `path` ends within `patience`. Whether it does something about it.
    async fn hurry(&self, node: &Node, path: &uri::PathAndQuery, patience: Duration) -> bool {
        let Ok(path) = format!("{path}&{WITHIN}={}", patience.as_millis()).parse::<uri::PathAndQuery>()
        else {
            return false;
        };
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = Method::DELETE;
        let Some(asked) = self.rewrite(node, path, &parts, Body::empty()) else { return false };
        self.requests.request(asked).await.is_ok_and(|answer| answer.status().is_success())
    }

    fn rewrite(
        &self,
        node: &Node,
        path: uri::PathAndQuery,
        parts: &axum::http::request::Parts,
        body: Body,
    ) -> Option<axum::http::Request<Body>> {
        let pass = self.nodes.pass.write(node.id, &parts.method, path.as_str(), SystemTime::now());
        let address = Uri::builder().scheme("http").authority(node.peer.authority().clone());
        let mut asked = axum::http::Request::new(body);
        *asked.method_mut() = parts.method.clone();
        *asked.uri_mut() = address.path_and_query(path).build().ok()?;
        for name in PASSED_ON {
            for value in parts.headers.get_all(&name) {
                asked.headers_mut().append(&name, value.clone());
            }
        }
        if let Some(pass) = pass {
            asked.headers_mut().insert(PASS, pass);
        }
        Some(asked)
    }
}

fn answered(node: &Node, answer: Response) -> Asked {
    if answer.status() == StatusCode::FORBIDDEN {
        tracing::warn!(bridge_node = %node.id, peer = %node.peer, "a node takes this one for none: is the secret the same, is the clock?");
        return Asked::Unreachable;
    }
    Asked::Answered(given_back(answer))
}

/// The other node's answer, without what concerns the connection to it alone.
fn given_back(answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let mut given = (parts.status, body).into_response();
    for name in PASSED_BACK {
        for value in parts.headers.get_all(&name) {
            given.headers_mut().append(&name, value.clone());
        }
    }
    given
}

fn unreachable(node: &Node, error: &(dyn std::error::Error + 'static)) -> Asked {
    tracing::debug!(bridge_node = %node.id, peer = %node.peer, %error, "a node doesn't answer");
    Asked::Unreachable
}

/// Whether a request is one of a node's: what clients ask, and that a way [ends](WITHIN).
pub(super) fn is_askable(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::POST | Method::DELETE)
}
