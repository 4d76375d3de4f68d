//! The events of signaling, for those who logged in and for guests alike.

use serde_json::{Value, json};
use socketioxide::extract::AckSender;

use super::Shared;
use super::inbox::Signal;
use crate::metrics::Metrics;
use crate::signaling::{self, Ask, Enter, Fault, Peer};

/// Carries out what a client asked; `may` says whether it may enter a room of that name.
pub(super) async fn serve(
    shared: &Shared,
    peer: &mut Peer,
    Signal { ask, payload, ack }: Signal,
    may: impl AsyncFnOnce(&str) -> Result<(), Fault>,
) {
    let payload = payload.unwrap_or(Value::Null);
    let mut ack = Some(ack);
    let outcome = match peer.affords(ask) {
        Err(fault) => Err(fault),
        Ok(()) => match ask {
            Ask::Enter => match admitted(&payload, may).await {
                Ok(enter) => peer.enter(&enter, |cards| say(ack.take(), cards)),
                Err(fault) => Err(fault),
            },
            Ask::Leave => peer.leave(&payload),
            Ask::Signal => peer.signal(&payload),
        },
    };
    match outcome {
        Ok(()) => say(ack, &json!({ "status": "ok" })),
        Err(fault) => refuse(&shared.metrics, ack, fault),
    }
}

async fn admitted(payload: &Value, may: impl AsyncFnOnce(&str) -> Result<(), Fault>) -> Result<Enter, Fault> {
    let enter = signaling::enter(payload)?;
    may(&enter.room).await?;
    Ok(enter)
}

pub(super) fn refuse(metrics: &Metrics, ack: Option<AckSender>, fault: Fault) {
    tracing::debug!(?fault, "a request of signaling was refused");
    if let Some(kind) = fault.kind() {
        metrics.bad_input(kind);
    }
    say(ack, &json!({ "status": "error", "msg": fault.to_string() }));
}

fn say(ack: Option<AckSender>, answer: &Value) {
    if let Some(Err(error)) = ack.map(|ack| ack.send(answer)) {
        tracing::debug!(%error, "an answer found no room");
    }
}
