//! What has to be renewed while a process runs: certificates, and the trunk's token.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use suara_certs::{CertStore, Change};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::gateway::RunningGateway;
use crate::secrets::write_trunk_token;
use crate::settings::Plan;

/// How often a certificate is looked at. A new file is in use a minute after it was put there.
const LOOK: Duration = Duration::from_secs(60);
/// Looks between two trunk tokens: an hour, of the day that one holds.
const LOOKS_PER_TOKEN: u64 = 60;

/// Keeps things fresh until `stop`.
pub(super) fn start(
    plan: &Plan,
    certificates: CertStore,
    gateway: Option<&RunningGateway>,
    stop: CancellationToken,
) {
    let data = plan.data.clone();
    let trunk_secret = gateway.map(|gateway| gateway.trunk_secret.clone());
    let expiry = gateway.map(|gateway| gateway.metrics().certificate_expiry.clone());
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let upkeep = async move {
        for count in 0_u64.. {
            ticks.tick().await;
            look_at(&certificates);
            if let Some(expiry) = &expiry {
                let seconds =
                    certificates.not_after().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                expiry.set(i64::try_from(seconds).unwrap_or(i64::MAX));
            }
            if let (Some(secret), 0) = (&trunk_secret, count % LOOKS_PER_TOKEN)
                && let Err(error) = write_trunk_token(&data, secret)
            {
                tracing::warn!(error = format!("{error:#}"), "the trunk's token can't be renewed");
            }
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            () = upkeep => {}
            () = stop.cancelled() => {}
        }
    });
}

fn look_at(certificates: &CertStore) {
    match certificates.tick(SystemTime::now()) {
        Ok(Change::Unchanged | Change::Refused) => {}
        Ok(change) => tracing::info!(?change, in_use = %certificates.fingerprints()[0], "certificate"),
        Err(error) => {
            tracing::warn!(error = format!("{:#}", anyhow::Error::from(error)), "certificate not renewed")
        }
    }
}
