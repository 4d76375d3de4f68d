//! The processes: gateway, bridge, or both in one, from start to drain.

mod bridge;
mod gateway;
mod upkeep;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use prometheus_client::registry::Registry;
use suara_bridge::Bridge;
use suara_certs::CertStore;
use suara_gateway::http::{Health, Note, OriginPolicy, ReadyCheck, health_router, metrics_router};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::addresses::Addresses;
use crate::cli::ServeArgs;
use crate::descriptors;
use crate::listen::{bind, serve};
use crate::lock::DataLock;
use crate::logging;
use crate::secrets::create_dir;
use crate::settings::Plan;
use crate::signals::{Signals, Stop};
use gateway::RunningGateway;

/// SIGINT waits no longer than this for anything.
const INTERRUPT: Duration = Duration::from_secs(4);
/// How often a drain looks whether somebody is still here.
const LOOK: Duration = Duration::from_millis(50);
/// HTTP connections that idle on are cut off after this.
const HTTP_LAST_WORDS: Duration = Duration::from_millis(500);

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Both in one.
    Serve,
    /// The gateway alone.
    Gateway,
    /// The bridge alone.
    Bridge,
}

/// Runs a process until it is asked to end.
pub(crate) fn run(role: Role, args: ServeArgs) -> Result<()> {
    let plan = Plan::make(role, args)?;
    logging::start(&plan.log)?;
    descriptors::raise_limit();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(process(role, plan))
}

/// What runs, and how to reach it.
struct Running {
    gateway: Option<RunningGateway>,
    bridge: Option<Arc<Bridge>>,
    health: Health,
    stop: CancellationToken,
}

async fn process(role: Role, plan: Plan) -> Result<()> {
    let mut signals = Signals::listen()?;
    create_dir(&plan.data)?;
    // Before anything there is touched: the file of addresses may be another process'.
    let _mine = DataLock::take(&plan.data, role)?;
    let stop = CancellationToken::new();
    let mut addresses = Addresses::new(&plan.data, role);
    let mut registry = Registry::default();
    let origins = OriginPolicy::new(&plan.origins);
    let (http, http_address) = bind("--http", plan.http).await?;
    let (internal, internal_address) = bind("--metrics", plan.metrics).await?;
    addresses.add("http", http_address);

    let certificates = certificates(role, &plan)?;
    let gateway = match role {
        Role::Bridge => None,
        Role::Serve | Role::Gateway => {
            let started = RunningGateway::start(&plan, certificates.clone(), origins.clone(), &mut registry);
            Some(started.await?)
        }
    };
    addresses.add_all("webtransport", gateway.iter().flat_map(|gateway| gateway.addresses()).copied());
    addresses.add("metrics", internal_address);
    let (its_gateway, own) = match role {
        Role::Gateway => (None, None),
        Role::Serve => bridge::own_gateway(internal_address).await.map(|(url, own)| (Some(url), own))?,
        Role::Bridge => (Some(plan.gateway.clone()), None),
    };
    let bridge = match its_gateway {
        None => None,
        Some(gateway) => Some(bridge::start(&plan, gateway, origins, &mut registry, stop.clone()).await?),
    };
    addresses.add_all("rtc", bridge.iter().filter_map(|bridge| bridge.rtc_address()));
    addresses.add_all("peer", bridge.iter().filter_map(|bridge| bridge.peer_address()));

    let health = health(gateway.as_ref(), bridge.as_ref());
    let mut public = health_router(health.clone());
    let mut inner = metrics_router(registry).merge(health_router(health.clone()));
    if let Some(gateway) = &gateway {
        public = public.merge(gateway.router());
        inner = inner.merge(gateway.internal_router());
    }
    if let Some(bridge) = &bridge {
        public = public.merge(bridge.router());
    }
    let tls = plan.tls.is_some().then(|| Arc::new(certificates.server_config(&[b"http/1.1"])));
    let own = own.zip(gateway.as_ref());
    let own = own.map(|(own, gateway)| serve(own, gateway.internal_router(), None, stop.clone()));
    let servers = [serve(internal, inner, None, stop.clone()), serve(http, public, tls, stop.clone())];
    upkeep::start(&plan, certificates, gateway.as_ref(), stop.clone());
    addresses.publish()?;
    tracing::info!(?role, version = env!("CARGO_PKG_VERSION"), "serving");
    if let Some(gateway) = &gateway {
        gateway.greet(&plan, http_address)?;
    }

    let running = Running { gateway, bridge, health, stop };
    match signals.next().await {
        Stop::Now => {
            tracing::info!("interrupted: ending");
            within(INTERRUPT, running.end()).await;
        }
        Stop::Drain => {
            tracing::info!(seconds = plan.drain.as_secs(), "draining");
            running.drain(plan.drain, &mut signals).await;
            within(INTERRUPT, running.end()).await;
        }
    }
    for server in servers.into_iter().chain(own) {
        within(HTTP_LAST_WORDS, server).await;
    }
    tracing::info!("ended");
    Ok(())
}

/// What has to be there so that clients can be served, and what costs only some of them something.
fn health(gateway: Option<&RunningGateway>, bridge: Option<&Arc<Bridge>>) -> Health {
    let stored = gateway.map(|gateway| gateway.ready_check());
    let checks = stored.into_iter().chain(bridge.cloned().map(ready_check)).collect();
    let alone = gateway.map(|gateway| gateway.degraded());
    Health::new(checks).with_notes(alone.into_iter().chain(bridge.cloned().map(degraded)).collect())
}

/// The bridge alone needs a certificate only where its HTTP is TLS; the development one serves as none.
fn certificates(role: Role, plan: &Plan) -> Result<CertStore> {
    let now = std::time::SystemTime::now();
    Ok(match (&plan.tls, role) {
        (Some((cert, key)), _) => CertStore::from_pem(cert.clone(), key.clone(), now)?,
        (None, _) => CertStore::development(&plan.data.join("certs"), now)?,
    })
}

fn degraded(bridge: Arc<Bridge>) -> Note {
    Box::new(move || bridge.degraded())
}

fn ready_check(bridge: Arc<Bridge>) -> ReadyCheck {
    Box::new(move || bridge.ready())
}

impl Running {
    /// Lets those finish who are here, for `most` at the longest; a second signal cuts it short.
    async fn drain(&self, most: Duration, signals: &mut Signals) {
        self.health.drain();
        if let Some(gateway) = &self.gateway {
            gateway.announce_drain(most);
        }
        let empty = async {
            while self.gateway.as_ref().is_some_and(|gateway| gateway.population() > 0) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let leave = async {
            if let Some(bridge) = &self.bridge {
                bridge.drain(most).await;
            }
            empty.await;
        };
        tokio::select! {
            () = within(most, leave) => {}
            stop = signals.next() => tracing::info!(?stop, "asked again: ending"),
        }
    }

    async fn end(self) {
        self.health.drain();
        if let Some(bridge) = &self.bridge {
            bridge.drain(Duration::ZERO).await;
        }
        self.stop.cancel();
        if let Some(gateway) = self.gateway {
            gateway.stop().await;
        }
    }
}

/// Waits for something, but not for ever.
async fn within<T>(most: Duration, what: impl Future<Output = T>) {
    if timeout(most, what).await.is_err() {
        tracing::debug!(seconds = most.as_secs_f32(), "not waiting any longer");
    }
}
