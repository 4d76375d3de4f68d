//! `GET /api/connect`: where a client goes from here, and which certificates it trusts there.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, HOST};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use suara_certs::CertStore;
use suara_proto::ErrorCode;
use suara_proto::connect::{CertificateHash, Connect, PROTOCOL, WebSocketRoad, WebTransportRoad};

use utoipa::ToSchema;

use super::api::Problem;
use crate::core::Core;
use crate::edge::websocket;
use crate::edge::webtransport::PATH;

/// What the answer is made of.
#[derive(Clone)]
pub struct ConnectInfo {
    /// Where the hashes come from.
    pub certificates: CertStore,
    /// What `--webtransport-announce` says; otherwise the host that the client asked, with [`Self::port`].
    pub announce: Option<String>,
    /// The UDP port that was really bound.
    pub port: u16,
    /// Whether the certificate is to be trusted by its hash, and not by its issuer.
    pub pin: bool,
    /// Whether sessions are opened by WebSocket too, at the address that was asked.
    pub websocket: bool,
    /// Which node it is.
    pub node: Box<str>,
}

impl ConnectInfo {
    /// Where sessions are opened on a server at `address`.
    #[must_use]
    pub fn url(address: SocketAddr) -> String {
        format!("https://{address}{PATH}")
    }
}

/// Where a client goes from here
///
/// Sessions are opened there, by WebTransport or where there is no UDP by WebSocket (PROTOCOL.md, 2).
#[utoipa::path(get, path = "/api/connect", tag = "gateway",
    params(("not" = Option<String>, Query, description = "A node that is to be left (`draining`, PROTOCOL.md, 3.4)")),
    responses((status = 200, description = "The addresses, and which certificates to trust there", body = Addresses),
        (status = 503, description = "`unavailable`: this node is about to stop, or is the one to be left; another one takes sessions", body = Problem)))]
pub(super) async fn connect(
    State(info): State<Arc<ConnectInfo>>,
    Query(asked): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    // What balances the load asks the next one.
    if asked.iter().any(|(key, node)| key == "not" && **node == *info.node) {
        return Problem::new(ErrorCode::Unavailable, "this is the node that is to be left").into_response();
    }
    let url = info.announce.clone().unwrap_or_else(|| {
        let asked = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        format!("https://{}:{}{PATH}", reachable_host(asked), info.port)
    });
    let pinned = info.pin.then(|| info.certificates.fingerprints()).into_iter().flatten();
    let certificate_hashes = pinned.map(|print| CertificateHash::sha_256(print.as_bytes())).collect();
    let websocket = info.websocket.then(|| WebSocketRoad { url: websocket::PATH.to_owned() });
    let webtransport = WebTransportRoad { url, certificate_hashes };
    let (protocol, node) = (PROTOCOL.to_owned(), Some(info.node.to_string()));
    let connect = Connect { protocol, webtransport, websocket, node };
    ([(CACHE_CONTROL, "no-store")], Json(connect)).into_response()
}

/// Leads nobody here any more once the gateway is about to stop: what balances the load asks the next one.
pub(super) async fn while_open(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    if core.is_draining() {
        return Problem::new(ErrorCode::Unavailable, "this node is about to stop").into_response();
    }
    next.run(request).await
}

/// [`Connect`] for the document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the document is made of its fields")]
pub(super) struct Addresses {
    /// `suara/1`.
    protocol: String,
    /// The road by UDP.
    webtransport: WebTransport,
    /// The road by TCP, where there is one.
    #[schema(nullable = false)]
    websocket: Option<WebSocket>,
    /// Which of several nodes answers; another one after each start.
    node: String,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "likewise")]
struct WebTransport {
    /// An `https` URL.
    url: String,
    /// None when public authorities vouch for the certificate.
    #[schema(required = false)]
    certificate_hashes: Vec<Hash>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "likewise")]
struct Hash {
    /// `sha-256`; others are to be ignored.
    algorithm: String,
    /// Base64.
    value: String,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "likewise")]
struct WebSocket {
    /// Relative to the document's.
    url: String,
}

/// The host of a `Host` header, without its port; what is none is taken for this machine. The name `localhost` becomes
/// an address: it may lead to the other address family than the one that is served.
fn reachable_host(asked: &str) -> String {
    let authority = asked.parse::<Authority>();
    match authority.as_ref().map(Authority::host) {
        Ok(host) if !host.eq_ignore_ascii_case("localhost") && !asked.contains('@') => host.to_owned(),
        _ => "127.0.0.1".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_cut_off_and_localhost_is_an_address() {
        assert_eq!(reachable_host("localhost:8080"), "127.0.0.1");
        assert_eq!(reachable_host("radio.example"), "radio.example");
        assert_eq!(reachable_host("[::1]:8080"), "[::1]");
        assert_eq!(reachable_host("[::1]"), "[::1]");
    }

    #[test]
    fn what_is_no_host_is_not_repeated() {
        for odd in ["evil/x", "evil\\x", "", "a b", "user@evil:80", "evil?x"] {
            assert_eq!(reachable_host(odd), "127.0.0.1", "{odd}");
        }
    }
}
