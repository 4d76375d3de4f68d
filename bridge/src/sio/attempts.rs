//! How often a connection may try to log in: a flood of bad tokens mustn't keep those with good ones out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

/// Refusals that a connection survives. Libraries open another one after a refusal; this leaves room for a client that
/// fetches a fresh token and tries both namespaces.
const MAX_REFUSED: usize = 3;

/// The log-ins that were refused on one connection; its handshake carries them.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempts(Arc<AtomicUsize>);

impl Attempts {
    /// Whether another one may be made.
    pub(super) fn are_left(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= MAX_REFUSED
    }

    pub(super) fn refused(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Gives each handshake its count.
pub(super) async fn count(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Attempts::default());
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_may_try_again_three_times() {
        let attempts = Attempts::default();
        let same = attempts.clone();
        let made = std::iter::from_fn(|| attempts.are_left().then(|| same.refused())).count();
        assert_eq!(made, 1 + MAX_REFUSED);
    }
}
