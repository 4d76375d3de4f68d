//! The first message: who is there, and in which version.

use std::borrow::Cow;

use futures_channel::mpsc;
use futures_util::StreamExt;
use suara_proto::CloseCode;
use suara_proto::limits::{FLOOR_RENEWAL, HEARTBEAT, HELLO_TIMEOUT, IDLE_TIMEOUT};
use suara_proto::message::{ClientMessage, ServerMessage, Welcome, decode_client};
use tokio::time::{Instant, timeout_at};

use super::outbox::Closing;
use super::{Inbound, Port};
use crate::auth::{AuthError, Principal, Scope};
use crate::core::Core;

/// The version of the protocol that this gateway speaks.
const VERSION: u32 = 1;

/// A `hello` that holds.
pub(super) struct Greeting {
    pub(super) principal: Principal,
    /// For a session that can be resumed: the token of the one whose place it is to take, or nothing.
    pub(super) resume: Option<String>,
    /// Whether the client knows calls.
    pub(super) calls: bool,
}

/// Waits for `hello` and verifies it.
pub(super) async fn greet(core: &Core, inbound: &mut mpsc::Receiver<Inbound>) -> Result<Greeting, Closing> {
    let deadline = Instant::now() + HELLO_TIMEOUT;
    let first = timeout_at(deadline, inbound.next())
        .await
        .map_err(|_| Closing::new(CloseCode::HelloTimeout, "no hello within 5 s"))?
        .ok_or_else(|| Closing::new(CloseCode::Normal, "the client left before its hello"))?;
    let (token, resume, calls) = read(first)?;
    let principal = core.auth.verify(&token).await.map_err(refused)?;
    if !matches!(principal.scope, Scope::User | Scope::Trunk) {
        return Err(Closing::new(CloseCode::Unauthenticated, "the token's scope opens no session"));
    }
    // A trunk brings its members anew: each comes with a token of its own.
    let resume = resume.filter(|_| principal.scope == Scope::User);
    Ok(Greeting { principal, resume, calls })
}

fn read(first: Inbound) -> Result<(String, Option<String>, bool), Closing> {
    let json = match first {
        Inbound::Message(json) => json,
        Inbound::Chat(_) => {
            return Err(Closing::new(CloseCode::ProtocolError, "the first message must be hello"));
        }
        Inbound::Fault(fault) => return Err(Closing::new(CloseCode::ProtocolError, fault.to_string())),
        Inbound::Violation(what) => return Err(Closing::new(CloseCode::ProtocolError, what)),
    };
    match decode_client(&json) {
        Ok(ClientMessage::Hello { version, token, client, resume, calls }) => {
            tracing::debug!(client = client.as_deref().unwrap_or_default(), version, "hello");
            if version < VERSION {
                return Err(Closing::new(CloseCode::UnsupportedVersion, "this gateway speaks version 1"));
            }
            Ok((token.into_owned(), resume.map(Cow::into_owned), calls))
        }
        Ok(_) => Err(Closing::new(CloseCode::ProtocolError, "the first message must be hello")),
        Err(fault) => Err(Closing::new(CloseCode::ProtocolError, format!("in place of hello: {fault}"))),
    }
}

fn refused(error: AuthError) -> Closing {
    match error {
        AuthError::Unavailable => {
            Closing { retry_after_ms: Some(2000), ..Closing::new(CloseCode::Overloaded, error.to_string()) }
        }
        AuthError::Expired => Closing::new(CloseCode::TokenExpired, error.to_string()),
        AuthError::Banned => Closing::new(CloseCode::Kicked, error.to_string()),
        AuthError::Invalid(_) => Closing::new(CloseCode::Unauthenticated, error.to_string()),
    }
}

/// The answer to a `hello` that holds: with the token to resume it by, and whether it resumes another.
pub(super) fn welcome<'a>(
    port: &Port,
    principal: &'a Principal,
    emergency_channel: &'a str,
    resume: Option<&'a str>,
    resumed: bool,
) -> ServerMessage<'a> {
    ServerMessage::Welcome(Welcome {
        version: VERSION,
        session: port.id.to_string().into(),
        user: (&*principal.user).into(),
        name: (&*principal.name).into(),
        role: (&*principal.role).into(),
        expires: principal.expires,
        heartbeat_ms: HEARTBEAT.as_millis() as u32,
        idle_timeout_ms: IDLE_TIMEOUT.as_millis() as u32,
        floor_renewal_ms: FLOOR_RENEWAL.as_millis() as u32,
        emergency_channel: Some(emergency_channel.into()),
        resume: resume.map(Cow::Borrowed),
        resumed,
    })
}
