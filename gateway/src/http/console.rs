//! The console and the JavaScript client: the files of `gateway/web`, in the binary.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "web"]
#[exclude = "test/*"]
#[exclude = "node_modules/*"]
#[exclude = "package*.json"]
#[exclude = "tsconfig*.json"]
#[exclude = "*.md"]
#[exclude = ".*"]
struct Files;

/// Pages run no script but our own files, and are framed by nobody.
const POLICY: &str =
    "default-src 'self'; connect-src *; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";

pub(super) async fn console(uri: Uri, headers: HeaderMap) -> Response<Body> {
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    let Some(file) = Files::get(path) else {
        return respond(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "", Body::from("not found\n"));
    };
    let etag: String =
        file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{etag}\"");
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return respond(StatusCode::NOT_MODIFIED, content_type(path), &etag, Body::empty());
    }
    respond(StatusCode::OK, content_type(path), &etag, Body::from(file.data))
}

fn respond(status: StatusCode, content_type: &'static str, etag: &str, body: Body) -> Response<Body> {
    let mut response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        // Asked for anew each time, by its tag: an update of the gateway is an update of the console.
        .header(CACHE_CONTROL, "no-cache")
        .header("content-security-policy", POLICY)
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "no-referrer");
    if !etag.is_empty() {
        response = response.header(ETAG, etag);
    }
    response.body(body).unwrap_or_default()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}
