//! WebRTC listeners beside WebTransport listeners in the same channels, who hear the same talkers.

use std::sync::Arc;
use std::time::Duration;

use crate::LoadError;
use crate::args::RtcArgs;
use crate::client::{Role, Shared};
use crate::report::Outcome;
use crate::rtc::{self, Crowd};
use crate::target::loopback;

use super::flood::{Site, launch, on, plan, talkers};
use super::run::{Run, look};

pub(crate) fn rtc(args: &RtcArgs) -> Result<Outcome, LoadError> {
    let load = &args.flood.load;
    let site = Site::find(&args.flood)?;
    let bridge = args.bridge.clone().unwrap_or_else(|| args.flood.url.clone());
    let address = loopback(&bridge)?;
    let before = look(&args.flood.output)?;
    let shared = Arc::new(Shared::new(load.channels as usize, load.talkers));
    let talkers = talkers(load).into_iter().map(|(source, offset)| Role::Talker { source, offset });
    let own = (load.talkers + load.listeners) as usize;
    let total = own + args.rtc_listeners as usize;
    let roles = talkers.chain(std::iter::repeat(Role::Listener)).take(total);
    let mut plans = roles
        .enumerate()
        .map(|(number, role)| plan(load, &site, number, role))
        .collect::<Result<Vec<_>, _>>()?;
    let others = plans.split_off(own);
    let (mut threads, relay) = launch(&args.flood, &site, shared.clone(), plans)?;
    let crowd = Crowd { address, plans: others, shared: shared.clone() };
    threads.push(std::thread::spawn(|| rtc::run(crowd)));
    let path = &args.flood.path;
    let delay = Duration::from_millis((2 * path.delay + path.jitter).into());
    let run = Run { scenario: "rtc", shared, threads, wanted: total, delay, before, relay };
    let mut outcome = on(&args.flood, run.conduct(load, &args.flood.output)?);
    outcome.settings.push(("WebRTC listeners", args.rtc_listeners.to_string()));
    Ok(outcome)
}
