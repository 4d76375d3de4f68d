//! Log-in: finds the token, has the gateway verify it, and sets the session up.

use serde::Deserialize;
use socketioxide::extract::SocketRef;
use thiserror::Error;
use tokio::sync::mpsc;

use super::session::Session;
use super::{Shared, inbox};
use crate::desk::{AttachError, Token};

/// A token's length in bytes at most: half of what a control message holds.
const MAX_TOKEN: usize = 32 * 1024;

/// What a client sends with its `connect`.
#[derive(Deserialize)]
pub(super) struct Auth {
    token: Option<String>,
}

/// Why a client isn't let in, in the contract's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    #[error("Autentikasi Gagal")]
    Token,
    #[error("Layanan Tidak Tersedia")]
    Unavailable,
}

impl From<AttachError> for Refusal {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Refused => Self::Token,
            AttachError::Unavailable => Self::Unavailable,
        }
    }
}

pub(super) async fn log_in(
    shared: Shared,
    space: &'static str,
    socket: SocketRef,
    auth: Option<Auth>,
) -> Result<(), Refusal> {
    let query = socket.req_parts().uri.query();
    let Some(token) = token(auth, query) else {
        shared.metrics.bad_input("token");
        return Err(Refusal::Token);
    };
    let Ok(_permit) = shared.log_ins.try_acquire() else { return Err(Refusal::Unavailable) };
    let (notify, notices) = mpsc::unbounded_channel();
    let attached = shared.desk.attach(token, notify).await.inspect_err(|error| {
        tracing::debug!(%error, "a client was not let in");
    })?;
    let inbox = inbox::register(&socket, &shared);
    let session = Session::new(&shared, space, socket, attached);
    tokio::spawn(session.run(inbox, notices));
    Ok(())
}

/// The token of the `connect` packet, else the one of the query, for clients that can send no such packet.
fn token(auth: Option<Auth>, query: Option<&str>) -> Option<Token> {
    let token = auth.and_then(|auth| auth.token).or_else(|| token_in(query?))?;
    let token = token.trim();
    (!token.is_empty() && token.len() <= MAX_TOKEN).then(|| Token::new(token))
}

fn token_in(query: &str) -> Option<String> {
    let url = reqwest::Url::parse(&format!("http://query/?{query}")).ok()?;
    url.query_pairs().find(|(key, _)| key == "token").map(|(_, token)| token.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_the_connect_packet_comes_before_that_of_the_query() {
        let auth = |token: &str| Some(Auth { token: Some(token.to_owned()) });
        assert!(token(auth("a"), Some("token=b")).is_some());
        assert_eq!(token_in("EIO=3&transport=websocket&token=a%2Bb"), Some("a+b".to_owned()));
        assert!(token(None, Some("EIO=3&token=b")).is_some());
        assert!(token(Some(Auth { token: None }), Some("EIO=4")).is_none());
        assert!(token(auth("  "), None).is_none());
        assert!(token(auth(&"x".repeat(MAX_TOKEN + 1)), None).is_none());
    }

    #[test]
    fn refusals_are_in_the_words_of_the_contract() {
        assert_eq!(Refusal::from(AttachError::Refused).to_string(), "Autentikasi Gagal");
        assert_eq!(Refusal::from(AttachError::Unavailable).to_string(), "Layanan Tidak Tersedia");
    }
}
