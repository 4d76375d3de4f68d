//! Talkers and listeners, and the same with guests.

use std::sync::Arc;
use std::time::Duration;

use crate::LoadError;
use crate::args::{ChurnArgs, FloodArgs, Load, PathArgs, Road, RoadArgs};
use crate::client::{self, Acks, Fleet, Plan, Quic, Role, Shared};
use crate::path::{Impairment, Relay};
use crate::report::Outcome;
use crate::target::{Target, loopback};
use crate::token::Minter;
use crate::websocket;

use super::run::{Run, Threads, look};

/// Sessions that share a socket, unless told otherwise.
const TO_A_SOCKET: usize = 64;
/// Channels of ours begin like this.
pub(crate) const CHANNELS: &str = "loadtest";

/// Talkers and listeners, and nothing else.
pub(crate) fn flood(args: &RoadArgs) -> Result<Outcome, LoadError> {
    let RoadArgs { flood, road } = args;
    let site = Site::find(flood)?;
    let run = match road {
        Road::Webtransport => start("flood", flood, &site, &[])?,
        Road::Websocket => start_by_websocket(flood, &site)?,
    };
    let mut outcome = on(flood, run.conduct(&flood.load, &flood.output)?);
    if *road == Road::Websocket {
        outcome.settings.push(("listeners' road", "WebSocket".to_owned()));
    }
    Ok(outcome)
}

/// The same with listeners by WebSocket, on threads of their own.
fn start_by_websocket(args: &FloodArgs, site: &Site) -> Result<Run, LoadError> {
    let address = loopback(&args.url)?;
    let before = look(&args.output)?;
    let load = &args.load;
    let shared = Arc::new(Shared::new(load.channels as usize, load.talkers));
    let wanted = (load.listeners + load.talkers) as usize;
    let (talkers, listeners): (Vec<_>, Vec<_>) =
        plans(args, site, &[])?.into_iter().partition(|plan| matches!(plan.role, Role::Talker { .. }));
    let (mut threads, relay) = launch(args, site, shared.clone(), talkers)?;
    let share = listeners.len().div_ceil(args.threads as usize).max(1);
    threads.extend(listeners.chunks(share).map(|plans| {
        let crowd = websocket::Crowd { address, plans: plans.to_vec(), shared: shared.clone() };
        std::thread::spawn(|| websocket::run(crowd))
    }));
    let delay = Duration::from_millis((2 * args.path.delay + args.path.jitter).into());
    Ok(Run { scenario: "flood", shared, threads, wanted, delay, before, relay })
}

/// A flood while guests come and go.
pub(crate) fn churn(args: &ChurnArgs) -> Result<Outcome, LoadError> {
    let stay = Duration::from_millis(args.stay.into());
    // Each comes once in the time that it stays and is away.
    let count = (f64::from(args.churn) * (stay * 3 / 2).as_secs_f64()).ceil() as usize;
    let guests = vec![Role::Guest { stay }; count];
    let run = start("churn", &args.flood, &Site::find(&args.flood)?, &guests)?;
    let mut outcome = on(&args.flood, run.conduct(&args.flood.load, &args.flood.output)?);
    outcome.settings.push(("arrivals a second", args.churn.to_string()));
    Ok(outcome)
}

/// Where a run takes place.
pub(crate) struct Site {
    pub(crate) target: Target,
    pub(crate) minter: Minter,
    /// Names the run's channels.
    run: u32,
}

impl Site {
    pub(crate) fn find(args: &FloodArgs) -> Result<Self, LoadError> {
        let target = super::block_on(Target::find(&args.url))?;
        Ok(Self { target, minter: Minter::new(&args.secret)?, run: rand::random() })
    }

    pub(crate) fn channel(&self, index: usize) -> String {
        format!("{CHANNELS}/{:08x}/{index}", self.run)
    }

    pub(crate) fn token(&self, user: &str) -> Result<String, LoadError> {
        self.minter.mint(user, &[format!("{CHANNELS}/*:talk,listen")])
    }
}

/// Starts the threads of a flood.
pub(crate) fn start(
    scenario: &'static str,
    args: &FloodArgs,
    site: &Site,
    guests: &[Role],
) -> Result<Run, LoadError> {
    let before = look(&args.output)?;
    let load = &args.load;
    let shared = Arc::new(Shared::new(load.channels as usize, load.talkers));
    let wanted = (load.listeners + load.talkers) as usize;
    let all = plans(args, site, guests)?;
    let (threads, relay) = launch(args, site, shared.clone(), all)?;
    let delay = Duration::from_millis((2 * args.path.delay + args.path.jitter).into());
    Ok(Run { scenario, shared, threads, wanted, delay, before, relay })
}

/// Starts the threads that run these sessions, behind the path that was asked for.
pub(crate) fn launch(
    args: &FloodArgs,
    site: &Site,
    shared: Arc<Shared>,
    all: Vec<Plan>,
) -> Result<(Threads, Option<Relay>), LoadError> {
    let quic = Quic::new(&site.target, args.acks)?;
    let relay =
        Impairment::asked(&args.path)?.map(|path| Relay::start(site.target.address, path)).transpose()?;
    let threads = (args.threads as usize).clamp(1, all.len());
    let sockets = args.sockets.map_or(all.len().div_ceil(TO_A_SOCKET), |sockets| sockets as usize);
    let mut parts: Vec<Vec<Plan>> = vec![Vec::new(); threads];
    all.into_iter().enumerate().for_each(|(index, plan)| parts[index % threads].push(plan));
    let fleets = parts.into_iter().map(|plans| Fleet {
        remote: relay.as_ref().map_or(site.target.address, Relay::address),
        url: site.target.url.clone(),
        quic: quic.clone(),
        plans,
        sockets: sockets.div_ceil(threads),
        voice: args.load.voice(),
        shared: shared.clone(),
    });
    Ok((fleets.map(|fleet| std::thread::spawn(|| client::run(fleet))).collect(), relay))
}

/// Says in the outcome what else was asked for.
pub(crate) fn on(args: &FloodArgs, mut outcome: Outcome) -> Outcome {
    let acks = match args.acks {
        Acks::Quinn => "like quinn",
        Acks::Chromium => "like Chromium",
    };
    outcome.settings.push(("ACKs", acks.to_owned()));
    let PathArgs { loss, delay, jitter, rebind } = args.path;
    let path = [
        (loss > 0.0, format!("{loss} % lost each way")),
        (delay > 0, format!("{delay} ms each way")),
        (jitter > 0, format!("{jitter} ms of jitter each way")),
        (rebind > 0, format!("new ports every {rebind} s")),
    ];
    let path: Vec<String> = path.into_iter().filter_map(|(is, what)| is.then_some(what)).collect();
    if !path.is_empty() {
        outcome.settings.push(("path", path.join(", ")));
    }
    outcome
}

/// Talkers first, so that they are there when the last listener comes; guests last.
fn plans(args: &FloodArgs, site: &Site, guests: &[Role]) -> Result<Vec<Plan>, LoadError> {
    let load = &args.load;
    let listeners = (0..load.listeners).map(|_| Role::Listener);
    let talkers = talkers(load).into_iter().map(|(source, offset)| Role::Talker { source, offset });
    let roles = talkers.chain(listeners).chain(guests.iter().copied());
    roles.enumerate().map(|(number, role)| plan(load, site, number, role)).collect()
}

/// The talkers of a run, and when within a period each sends.
pub(crate) fn talkers(load: &Load) -> Vec<(u16, Duration)> {
    let spread = load.voice().period / load.talkers;
    (0..load.talkers).map(|index| (index as u16, spread * index)).collect()
}

/// The session of that number: its token, its channel and its time.
pub(crate) fn plan(load: &Load, site: &Site, number: usize, role: Role) -> Result<Plan, LoadError> {
    let index = match role {
        Role::Talker { source, .. } => usize::from(source) % load.channels as usize,
        Role::Listener | Role::Guest { .. } => number % load.channels as usize,
    };
    Ok(Plan {
        token: site.token(&format!("load-{number}"))?,
        channel: site.channel(index),
        index,
        role,
        at: Duration::from_secs(1) / load.ramp * number as u32,
    })
}
