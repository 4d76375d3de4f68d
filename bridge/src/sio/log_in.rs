//! Log-in: finds the token, has the gateway verify it, and sets the session up.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use socketioxide::TransportType;
use socketioxide::extract::SocketRef;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::attempts::Attempts;
use super::engine3::Decided;
use super::guest::Guest;
use super::session::Session;
use super::users::Share;
use super::{Shared, inbox};
use crate::desk::{AttachError, Attached, Notice, Token};

/// A token's length in bytes at most: half of what a control message holds.
const MAX_TOKEN: usize = 32 * 1024;

/// A log-in waits for its turn at most so long. With the gateway's own 5 s it stays below what clients wait for.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a client sends with its `connect`.
#[derive(Deserialize)]
pub(super) struct Auth {
    token: Option<String>,
}

/// Why a client isn't let in, in the contract's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("Autentikasi Gagal")]
    Token,
    #[error("Akses Ditolak")]
    NoGuests,
    #[error("Terlalu banyak koneksi")]
    TooMany,
    #[error("Layanan Tidak Tersedia")]
    Unavailable,
}

impl From<AttachError> for Refusal {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Refused => Self::Token,
            AttachError::NoGuests => Self::NoGuests,
            AttachError::Unavailable => Self::Unavailable,
        }
    }
}

/// A client that was let in.
pub(super) enum Admission {
    /// By the gateway.
    Member(Admitted),
    /// Without a token, to signal.
    Guest(OwnedSemaphorePermit),
}

/// A client that the gateway let in, and what will be said about it.
pub(crate) struct Admitted {
    pub(crate) attached: Attached,
    pub(crate) share: Share,
    pub(crate) notices: mpsc::UnboundedReceiver<Notice>,
}

pub(super) async fn log_in(
    shared: Shared,
    space: &'static str,
    socket: SocketRef,
    auth: Option<Auth>,
) -> Result<(), Refusal> {
    let request = socket.req_parts();
    let decided = request.extensions.get::<Decided>().and_then(Decided::take);
    let admission = match decided {
        Some(admission) => admission,
        None => {
            let attempts = request.extensions.get::<Attempts>().cloned().unwrap_or_default();
            if !attempts.are_left() {
                hang_up(&shared, &socket);
                return Err(Refusal::Token);
            }
            let token = auth.and_then(|auth| auth.token);
            let admitted = admit(&shared, token.or_else(|| token_in(request.uri.query()?))).await;
            admitted.inspect_err(|_| attempts.refused())?
        }
    };
    let inbox = inbox::register(&socket, &shared);
    match admission {
        Admission::Member(Admitted { attached, share, notices }) => {
            let session = Session::new(&shared, space, socket, attached, share);
            shared.sessions.spawn(session.run(inbox, notices));
        }
        Admission::Guest(permit) => {
            shared.sessions.spawn(Guest::new(&shared, space, socket, permit).run(inbox));
        }
    }
    Ok(())
}

/// Breaks off the connection of a client that won't take no for an answer.
fn hang_up(shared: &Shared, socket: &SocketRef) {
    shared.metrics.bad_input("log_ins");
    let asked = socket.clone();
    let upgraded = move || asked.transport_type() == TransportType::Websocket;
    if !shared.lines.hold(socket.id, socket.req_parts(), upgraded).sever() {
        tracing::debug!(sid = %socket.id, "a refused client's connection is not known");
    }
}

/// Waits for the turn to ask the gateway: those with good tokens aren't turned away for those with bad ones.
async fn turn(shared: &Shared) -> Option<tokio::sync::SemaphorePermit<'_>> {
    let turn = async {
        let permit = shared.log_ins.acquire().await.ok()?;
        shared.log_in_rate.until_ready().await;
        Some(permit)
    };
    tokio::time::timeout(PATIENCE, turn).await.ok().flatten()
}

/// Has the gateway verify a token. None at all makes a guest, where the deployment admits such; a bad one never does.
pub(super) async fn admit(shared: &Shared, token: Option<String>) -> Result<Admission, Refusal> {
    if let (None, Some(guests)) = (&token, &shared.guests) {
        let permit = Arc::clone(guests).try_acquire_owned().map_err(|_| Refusal::TooMany)?;
        return Ok(Admission::Guest(permit));
    }
    verify(shared, token).await.map(Admission::Member)
}

/// Has the gateway verify a token; there are no guests here.
pub(crate) async fn verify(shared: &Shared, token: Option<String>) -> Result<Admitted, Refusal> {
    let Some(token) = token.and_then(|token| usable(&token)) else {
        shared.metrics.bad_input("token");
        return Err(Refusal::Token);
    };
    let Some(_permit) = turn(shared).await else { return Err(Refusal::Unavailable) };
    attach(shared, token).await
}

/// Has the gateway give an identity to one who came without a token, and lets it in by that.
pub(crate) async fn guest(shared: &Shared) -> Result<Admitted, Refusal> {
    let Some(_permit) = turn(shared).await else { return Err(Refusal::Unavailable) };
    let token = shared.desk.guest().await?;
    attach(shared, token).await
}

async fn attach(shared: &Shared, token: Token) -> Result<Admitted, Refusal> {
    let (notify, notices) = mpsc::unbounded_channel();
    let attached = shared.desk.attach(token, notify).await.inspect_err(|error| {
        tracing::debug!(%error, "a client was not let in");
    })?;
    let Some(share) = shared.users.enter(&attached.who.user) else {
        shared.metrics.bad_input("connections");
        return Err(Refusal::TooMany);
    };
    Ok(Admitted { attached, share, notices })
}

fn usable(token: &str) -> Option<Token> {
    let token = token.trim();
    (!token.is_empty() && token.len() <= MAX_TOKEN).then(|| Token::new(token))
}

/// The token in the query, for clients that can send none with their `connect`.
pub(super) fn token_in(asked: &str) -> Option<String> {
    query(asked, "token")
}

/// What a query says of `name`.
pub(crate) fn query(asked: &str, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(&format!("http://query/?{asked}")).ok()?;
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_the_query() {
        assert_eq!(token_in("EIO=3&transport=websocket&token=a%2Bb"), Some("a+b".to_owned()));
        assert_eq!(token_in("EIO=3"), None);
    }

    #[test]
    fn no_token_and_a_monstrous_one_ask_nobody() {
        assert!(usable("  ").is_none());
        assert!(usable(&"x".repeat(MAX_TOKEN + 1)).is_none());
        assert!(usable(&"x".repeat(MAX_TOKEN)).is_some());
    }

    #[test]
    fn refusals_are_in_the_words_of_the_contract() {
        assert_eq!(Refusal::from(AttachError::Refused).to_string(), "Autentikasi Gagal");
        assert_eq!(Refusal::from(AttachError::Unavailable).to_string(), "Layanan Tidak Tersedia");
    }
}
