//! The gateway as part of a process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use prometheus_client::registry::Registry;
use suara_certs::CertStore;
use suara_gateway::auth::{KeySet, Minter, RemoteCheck, Scope, read_secret};
use suara_gateway::guests::GuestPasses;
use suara_gateway::http::OriginPolicy;
use suara_gateway::livechat::{LivechatSettings, VisitorPasses};
use suara_gateway::nodes::{NodesSettings, Prefix, RedisAddress};
use suara_gateway::{EngineSettings, Gateway, Settings, StartError};
use suara_proto::message::Rights;
use suara_store::{Store, file_url};

use crate::cli::LegacyService;
use crate::logging::print;
use crate::secrets::{self, DEVELOPMENT_SECRET, claims};
use crate::settings::Plan;

/// The database of who names none, in the data directory.
const DATABASE: &str = "suara.db";

/// The token in the link that a developer starts with.
const WELCOME_TTL: Duration = Duration::from_secs(12 * 3600);

/// A gateway and the secrets of this machine that it goes with.
pub(super) struct RunningGateway {
    gateway: Gateway,
    pub(super) trunk_secret: Vec<u8>,
    development_secret: Option<Vec<u8>>,
}

impl RunningGateway {
    pub(super) async fn start(
        plan: &Plan,
        certificates: CertStore,
        origins: OriginPolicy,
        registry: &mut Registry,
    ) -> Result<Self> {
        let mut keys = KeySet::new(plan.keys.issuer.clone(), plan.keys.audience.clone());
        let mut development_secret = None;
        let mut shared_secret = None;
        if plan.keys.development() {
            let secret = secrets::secret(&plan.data, DEVELOPMENT_SECRET)?;
            keys.add_secret(&secret);
            development_secret = Some(secret);
        }
        if let Some(file) = &plan.keys.secret_file {
            let secret = read_secret(file)?;
            keys.add_secret(&secret);
            shared_secret = Some(secret);
        }
        if let Some(file) = &plan.keys.public_keys {
            keys.add_public_keys(file)?;
        }
        let trunk_secret = secrets::trunk_secret(&plan.data)?;
        keys.add_trunk_secret(&trunk_secret);
        secrets::write_trunk_token(&plan.data, &trunk_secret)?;
        let guests = guests(plan, shared_secret.as_deref())?;
        let visitors = visitors(plan, shared_secret, &mut keys)?;
        let settings = Settings {
            webtransport: plan.webtransport.clone(),
            announce: plan.announce.clone(),
            certificates,
            keys,
            remote_check: plan.keys.auth_url.as_deref().map(remote_check).transpose()?,
            default_rights: if development_secret.is_some() { Rights::all() } else { Rights::NONE },
            origins,
            store: store(plan).await?,
            nodes: plan.redis.clone().map(|redis| nodes(redis, &plan.redis_prefix)),
            channels: plan.channels.clone(),
            calls: plan.calls.clone(),
            guests,
            livechat: LivechatSettings { passes: Some(visitors), staff: plan.livechat.staff.clone() },
            max_sessions: plan.max_sessions,
            engine: EngineSettings {
                workers: plan.quic.workers,
                mtu: plan.quic.mtu,
                qlog: plan.quic.qlog.clone(),
                keys: secrets::quic_keys(&plan.data)?,
            },
        };
        if settings.nodes.is_some() && !settings.store.is_shared() {
            let what = "with --redis, but without a PostgreSQL --database, what is written in channels stays at this node";
            tracing::warn!("{what}");
        }
        let gateway = Gateway::start(settings, registry).map_err(not_started)?;
        Ok(Self { gateway, trunk_secret, development_secret })
    }

    /// What bridges of this machine ask, on the internal listener: the certificate is pinned whoever signed it.
    pub(super) fn internal_router(&self) -> Router {
        let mut address = self.gateway.addresses()[0];
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        self.gateway.trunk_router(address)
    }

    /// In development: a link to start with.
    pub(super) fn greet(&self, plan: &Plan, http: SocketAddr) -> Result<()> {
        let Some(secret) = &self.development_secret else { return Ok(()) };
        let mut claims = claims("developer", Scope::User, WELCOME_TTL);
        claims.name = Some("Developer".to_owned());
        claims.iss = plan.keys.issuer.clone();
        claims.aud = plan.keys.audience.clone().map(Into::into);
        let token = Minter::new(secret).mint(&claims)?;
        print(format_args!("console=http://localhost:{}/#token={token}", http.port()))
    }

    pub(super) async fn stop(self) {
        self.gateway.stop().await;
    }
}

impl Deref for RunningGateway {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

fn nodes(redis: RedisAddress, prefix: &Prefix) -> NodesSettings {
    NodesSettings { prefix: prefix.clone(), ..NodesSettings::new(redis) }
}

/// Visitors' tokens are signed with the secret of all tokens, which every node has, or with one of this gateway's own.
fn visitors(plan: &Plan, shared: Option<Vec<u8>>, keys: &mut KeySet) -> Result<VisitorPasses> {
    let (issuer, audience, ttl) = (plan.keys.issuer.clone(), plan.keys.audience.clone(), plan.livechat.ttl);
    if let Some(secret) = shared {
        return Ok(VisitorPasses { minter: Minter::new(&secret), issuer, audience, ttl });
    }
    let secret = secrets::livechat_secret(&plan.data)?;
    keys.add_livechat_secret(&secret);
    Ok(VisitorPasses { minter: Minter::new(&secret), issuer: None, audience: None, ttl })
}

/// Where clients without a token are admitted to voice: theirs are signed as visitors' are.
fn guests(plan: &Plan, shared: Option<&[u8]>) -> Result<Option<GuestPasses>> {
    if !plan.legacy_anonymous.contains(&LegacyService::Rtc) {
        return Ok(None);
    }
    let channels = plan.guest_channels.clone();
    let (issuer, audience) = (plan.keys.issuer.clone(), plan.keys.audience.clone());
    Ok(Some(match shared {
        Some(secret) => GuestPasses { minter: Minter::new(secret), issuer, audience, channels },
        None => {
            let secret = secrets::livechat_secret(&plan.data)?;
            GuestPasses { minter: Minter::new(&secret), issuer: None, audience: None, channels }
        }
    }))
}

/// A file that can't be opened is a reason not to start; a server that isn't there yet is looked for.
async fn store(plan: &Plan) -> Result<Store> {
    let url = match &plan.database {
        Some(url) => url.clone(),
        None => file_url(&plan.data.join(DATABASE))?,
    };
    Store::open(&url).await.context("the database can't be opened")
}

fn not_started(error: StartError) -> anyhow::Error {
    let bound = matches!(error, StartError::Bind { .. } | StartError::NoAddress);
    let what = if bound { "the gateway can't start on --webtransport" } else { "the gateway can't start" };
    anyhow::Error::from(error).context(what)
}

fn remote_check(url: &str) -> Result<RemoteCheck> {
    let url = url.parse().with_context(|| format!("--auth-url {url} is no URL"))?;
    Ok(RemoteCheck::new(url)?)
}
