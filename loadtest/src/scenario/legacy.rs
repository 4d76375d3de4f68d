//! Socket.IO clients alone, and together with WebTransport clients in the same channels.

use std::sync::Arc;
use std::time::Duration;

use crate::LoadError;
use crate::args::{Load, MixedArgs, Side, SocketioArgs};
use crate::client::{Plan, Role, Shared};
use crate::report::Outcome;
use crate::socketio::{self, Crowd, Seat};
use crate::target::loopback;
use crate::token::Minter;

use super::flood::{CHANNELS, Site, launch, on, plan, talkers};
use super::run::{Run, look};

/// A legacy talker's burst ends before this: in a mixed run its frames are counted from the burst's first.
const LONGEST_BURST: u32 = 20;

/// Socket.IO alone: against a bridge, or another server of the same contract.
pub(crate) fn socketio(args: &SocketioArgs) -> Result<Outcome, LoadError> {
    loopback(&args.url)?;
    let load = &args.load;
    let minter = if args.foreign { None } else { Some(Minter::new(&args.secret)?) };
    let before = look(&args.output)?;
    let shared = Arc::new(Shared::new(load.channels as usize, load.talkers));
    let run: u32 = rand::random();
    let total = (load.talkers + load.listeners) as usize;
    let talkers = talkers(load);
    let seats = (0..total)
        .map(|number| {
            let user = format!("load-{number}");
            let rights = [format!("{CHANNELS}/*:talk,listen")];
            let index = number % load.channels as usize;
            Ok(Seat {
                token: minter.as_ref().map_or(Ok(user.clone()), |minter| minter.mint(&user, &rights))?,
                channel: format!("{CHANNELS}/{run:08x}/{index}"),
                index,
                talks: talkers.get(number).copied(),
                at: Duration::from_secs(1) / load.ramp * number as u32,
            })
        })
        .collect::<Result<_, LoadError>>()?;
    let crowd =
        Crowd { url: args.url.clone(), seats, voice: load.voice(), shared: shared.clone(), transcoded: None };
    let threads = vec![std::thread::spawn(|| socketio::run(crowd))];
    let delay = Duration::ZERO;
    let run = Run { scenario: "socketio", shared, threads, wanted: total, delay, before, relay: None };
    run.conduct(load, &args.output)
}

/// Both kinds in the same channels; one of them talks.
pub(crate) fn mixed(args: &MixedArgs) -> Result<Outcome, LoadError> {
    let load = &args.flood.load;
    let legacy = args.talker == Side::Socketio;
    if legacy && (load.talkers > load.channels || load.seconds > LONGEST_BURST) {
        return Err(LoadError::Settings(format!(
            "Socket.IO talkers of a mixed run need a channel each and --seconds of at most {LONGEST_BURST}"
        )));
    }
    let site = Site::find(&args.flood)?;
    let bridge = args.bridge.clone().unwrap_or_else(|| args.flood.url.clone());
    loopback(&bridge)?;
    let before = look(&args.flood.output)?;
    let mut shared = Shared::new(load.channels as usize, load.talkers);
    shared.legacy_talkers = legacy;
    let shared = Arc::new(shared);
    let (plans, seats) = cast(args, &site)?;
    let wanted = plans.len() + seats.len();
    let (mut threads, relay) = launch(&args.flood, &site, shared.clone(), plans)?;
    let offsets = talkers(load).into_iter().map(|(_, offset)| offset).collect();
    let transcoded = (!legacy).then_some(offsets);
    let crowd = Crowd { url: bridge, seats, voice: load.voice(), shared: shared.clone(), transcoded };
    threads.push(std::thread::spawn(|| socketio::run(crowd)));
    let path = &args.flood.path;
    let delay = Duration::from_millis((2 * path.delay + path.jitter).into());
    let run = Run { scenario: "mixed", shared, threads, wanted, delay, before, relay };
    let mut outcome = on(&args.flood, run.conduct(load, &args.flood.output)?);
    outcome.settings.push(("Socket.IO listeners", args.legacy_listeners.to_string()));
    let talks = if legacy { "over Socket.IO" } else { "over WebTransport" };
    outcome.settings.push(("talks", talks.to_owned()));
    Ok(outcome)
}

/// Who takes part over which transport: talkers first, then listeners of both kinds.
fn cast(args: &MixedArgs, site: &Site) -> Result<(Vec<Plan>, Vec<Seat>), LoadError> {
    let load: &Load = &args.flood.load;
    let (mut plans, mut seats) = (Vec::new(), Vec::new());
    let talkers = talkers(load);
    let total = talkers.len() + (load.listeners + args.legacy_listeners) as usize;
    for number in 0..total {
        let talks = talkers.get(number).copied();
        let role = talks.map_or(Role::Listener, |(source, offset)| Role::Talker { source, offset });
        let plan = plan(load, site, number, role)?;
        let legacy = match talks {
            Some(_) => args.talker == Side::Socketio,
            None => number - talkers.len() >= load.listeners as usize,
        };
        if legacy {
            let Plan { token, channel, index, at, .. } = plan;
            seats.push(Seat { token, channel, index, talks, at });
        } else {
            plans.push(plan);
        }
    }
    Ok((plans, seats))
}
