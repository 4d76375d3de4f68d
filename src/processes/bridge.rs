//! The bridge as part of a process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use prometheus_client::registry::Registry;
use suara_bridge::{Bridge, PeerSettings, Settings};
use suara_gateway::http::OriginPolicy;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::LegacyService;
use crate::listen::bind;
use crate::origins;
use crate::secrets::peer_secret;
use crate::settings::{PeerPlan, Plan};

/// Starts a bridge whose trunk leads to `gateway`.
pub(super) async fn start(
    plan: &Plan,
    gateway: String,
    policy: OriginPolicy,
    registry: &mut Registry,
    stop: CancellationToken,
) -> Result<Arc<Bridge>> {
    let mut settings = Settings::new(gateway, &plan.trunk_token_file);
    settings.default_sample_rate = plan.sample_rate;
    settings.anonymous_signaling = plan.legacy_anonymous.contains(&LegacyService::Signaling);
    settings.anonymous_rtc = plan.legacy_anonymous.contains(&LegacyService::Rtc);
    settings.redis = plan.redis.clone();
    settings.redis_prefix = plan.redis_prefix.clone();
    settings.redis_orders = plan.redis_orders;
    settings.peers = peers(&plan.peer)?;
    settings.rtc = Some(plan.rtc);
    settings.rtc_announce.clone_from(&plan.rtc_announce);
    settings.allow_origin = origins::for_bridge(policy);
    settings.livechat_staff = plan.livechat.staff.clone();
    settings.trusted_proxies = plan.trusted_proxies.clone();
    let bridge = suara_bridge::start(settings, registry, stop).await.context("the bridge can't start")?;
    Ok(Arc::new(bridge))
}

/// How other nodes reach this one.
fn peers(plan: &PeerPlan) -> Result<PeerSettings> {
    let default = PeerSettings::default();
    Ok(PeerSettings {
        listen: plan.listen.unwrap_or(default.listen),
        announce: plan.announce.clone(),
        secret: plan.secret_file.as_deref().map(peer_secret).transpose()?,
    })
}

/// Where the bridge finds the gateway of its own process: the internal listener, which is never TLS. The hashes that come by it are
/// trusted, so it is one of loopback: where operators have theirs on another address alone, one of its own, to be served besides.
pub(super) async fn own_gateway(mut internal: SocketAddr) -> Result<(String, Option<TcpListener>)> {
    if internal.ip().is_unspecified() {
        internal.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    if internal.ip().is_loopback() {
        return Ok((format!("http://{internal}"), None));
    }
    let (listener, own) = bind("for its own bridge", SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    Ok((format!("http://{own}"), Some(listener)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_bridge_finds_its_gateway_on_loopback_wherever_metrics_are() {
        for (internal, there) in [("0.0.0.0:9464", "http://127.0.0.1:9464"), ("[::1]:9", "http://[::1]:9")] {
            let (url, own) = own_gateway(internal.parse().unwrap()).await.unwrap();
            assert_eq!((url.as_str(), own.is_some()), (there, false));
        }
        for internal in ["192.0.2.7:9464", "[2001:db8::7]:9464"] {
            let (url, own) = own_gateway(internal.parse().unwrap()).await.unwrap();
            let own = own.unwrap().local_addr().unwrap();
            assert!(own.ip().is_loopback());
            assert_eq!(url, format!("http://{own}"));
        }
    }
}
