//! The small commands: `suara token`, `suara certs` and `suara loadtest`.

use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use suara_certs::CertStore;
use suara_gateway::auth::{ChannelGrant, Minter, Scope, read_secret};

use crate::cli::{CertsCommand, TokenArgs, TokenScope};
use crate::descriptors;
use crate::logging::print;
use crate::secrets::{claims, made_secret};

pub(crate) fn token(args: TokenArgs) -> Result<()> {
    for grant in &args.channel {
        grant.parse::<ChannelGrant>().with_context(|| format!("--channel {grant}"))?;
    }
    let secret = match &args.jwt_secret_file {
        Some(file) => read_secret(file)?,
        None => made_secret(&args.data)?,
    };
    let scope = match args.scope {
        TokenScope::User => Scope::User,
        TokenScope::Livechat => Scope::Livechat,
        TokenScope::Service => Scope::Service,
        TokenScope::Trunk => Scope::Trunk,
    };
    let mut claims = claims(&args.user, scope, args.ttl);
    claims.name = args.name;
    claims.role = args.role;
    claims.channels = (!args.channel.is_empty()).then_some(args.channel);
    claims.priority = args.priority;
    claims.iss = args.issuer;
    claims.aud = args.audience.map(Into::into);
    print(Minter::new(&secret).mint(&claims)?)
}

pub(crate) fn certs(command: CertsCommand) -> Result<()> {
    let (CertsCommand::Issue(args) | CertsCommand::Hash(args)) = &command;
    let store = CertStore::development(&args.data.join("certs"), SystemTime::now())?;
    match command {
        CertsCommand::Issue(_) => print(args.data.join("certs").join("current.pem").display()),
        CertsCommand::Hash(_) => store.fingerprints().into_iter().try_for_each(print),
    }
}

pub(crate) fn loadtest(command: &suara_loadtest::Command) -> Result<()> {
    descriptors::raise_limit();
    let good = suara_loadtest::run(command, &mut std::io::stdout().lock())?;
    ensure!(good, "not everything is as it should be");
    Ok(())
}
