//! `suara loadtest kpi`: the KPIs of TS 22.179, clause 6.15, over impaired paths, measured by ear. Talkers and listeners are in
//! one process and so on one clock; a chirp at the press and one at the end are looked for in what listeners play.

mod cell;
mod depth;
mod jitter;
mod legacy;
mod pesq;
mod road;
mod score;
mod sound;
mod talk;
mod tcp;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::cell::{Gate, Heard, Stage};
use self::score::Row;
use self::sound::Burst;
use self::talk::{Manner, Voices};
use self::tcp::TcpRelay;
use crate::LoadError;
use crate::args::KpiArgs;
use crate::error::Tried;
use crate::path::{self, Impairment, Relay};
use crate::target::{Target, loopback};
use crate::token::Minter;

/// How somebody is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Road {
    /// By UDP
    Webtransport,
    /// By TCP
    Websocket,
    /// By the bridge, with PCM16
    Socketio,
}

impl Road {
    const fn name(self) -> &'static str {
        match self {
            Self::Webtransport => "webtransport",
            Self::Websocket => "websocket",
            Self::Socketio => "socketio",
        }
    }
}

/// Which leg has the delay and the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Leg {
    /// Between the talker and the gateway
    Talker,
    /// Between the gateway and the listener
    Listener,
    /// Each of them
    #[default]
    Both,
}

#[derive(Serialize)]
struct Report<'a> {
    leg: Leg,
    jitter_ms: u32,
    bursts: u32,
    rows: &'a [Row],
    missed: &'a [String],
}

/// Runs the matrix and prints the table; false when `--check` was asked for and a target is missed.
///
/// # Errors
/// When it can't run.
pub fn run(args: &KpiArgs, out: &mut dyn Write) -> Result<bool, LoadError> {
    if let Some(loss) = args.loss.iter().find(|loss| !(0.0..=50.0).contains(*loss)) {
        return Err(LoadError::Settings(format!("--loss {loss} is not from 0 to 50")));
    }
    let address = loopback(&args.url)?;
    let burst = match &args.speech {
        Some(path) => Burst::from_file(path)?,
        None => Burst::synthetic(),
    };
    let voices = Voices::of(&burst).map_err(|error| LoadError::Settings(format!("no encoder: {error}")))?;
    let manner =
        Manner { voices, earlier: args.earlier.map(|earlier| earlier as usize), ahead: !args.no_talk_ahead };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .tried("no runtime")?;
    let target = runtime.block_on(Target::find(&args.url))?;
    let minter = Minter::new(&args.secret)?;
    let mut roads = args.roads.clone();
    if roads.contains(&Road::Socketio) && !runtime.block_on(has_bridge(args)) {
        roads.retain(|road| *road != Road::Socketio);
        writeln!(out, "no bridge at {}: without socketio", args.url).tried("standard output is closed")?;
    }
    roads.dedup();
    let (mut rows, mut missed) = (Vec::new(), Vec::new());
    for (rtt, loss) in args.rtt.iter().flat_map(|rtt| args.loss.iter().map(|loss| (*rtt, *loss))) {
        let stage = Stage {
            target: target.clone(),
            minter: minter.clone(),
            talkers: Gate { udp: target.address, tcp: address },
            listeners: Gate { udp: target.address, tcp: address },
            burst: burst.clone(),
            manner: manner.clone(),
            rtt: Duration::from_millis(rtt.into()),
            bursts: args.bursts.div_ceil(args.channels),
            roads: roads.clone(),
            epoch: Instant::now(),
        };
        let heard = runtime.block_on(cell(args, (rtt, loss), stage, address))?;
        rows.extend(score::rows((rtt, loss), &heard, &burst, args.pesq.as_deref())?);
    }
    for row in &rows {
        missed.extend(score::missed(row, args.leg));
    }
    write(args, &rows, &missed, out)?;
    Ok(!args.check || missed.is_empty())
}

/// Runs one cell: all its channels at once, through relays where its path isn't perfect.
async fn cell(
    args: &KpiArgs,
    (rtt, loss): (u32, f64),
    mut stage: Stage,
    http: SocketAddr,
) -> Result<Vec<Heard>, LoadError> {
    let way = path::Leg {
        loss: loss / 100.0,
        delay: Duration::from_micros(u64::from(rtt) * 500),
        jitter: Duration::from_millis(args.jitter.into()),
    };
    // They end with the cell.
    let mut relays = None;
    if rtt > 0 || loss > 0.0 || args.jitter > 0 {
        let udp = Relay::start(stage.target.address, Impairment { up: way, down: way, rebind: None })?;
        let tcp = TcpRelay::start(http, way).await?;
        let gate = Gate { udp: udp.address(), tcp: tcp.address };
        if args.leg != Leg::Listener {
            stage.talkers = gate;
        }
        if args.leg != Leg::Talker {
            stage.listeners = gate;
        }
        relays = Some((udp, tcp));
    }
    let (stage, mut all) = (Arc::new(stage), JoinSet::new());
    let run: u32 = rand::random();
    for (index, talker) in
        (0..args.channels).flat_map(|index| stage.roads.iter().map(move |road| (index, *road)))
    {
        let name = format!("kpi-{run:08x}-{rtt}-{loss}-{}-{index}", talker.name());
        all.spawn(cell::channel(stage.clone(), name, talker));
    }
    let wanted = all.len();
    let (mut heard, mut up) = (Vec::new(), 0);
    let mut fault = None;
    while let Some(done) = all.join_next().await {
        match done.map_err(|_| LoadError::Thread)? {
            Ok(of_channel) => {
                heard.extend(of_channel);
                up += 1;
            }
            Err(why) => fault = fault.or(Some(why)),
        }
    }
    drop(relays);
    match fault {
        Some(why) => Err(LoadError::Sessions { up, wanted, why }),
        None => Ok(heard),
    }
}

/// Whether there is a bridge behind the same address.
async fn has_bridge(args: &KpiArgs) -> bool {
    let Ok(url) = args.url.join("/socket.io/?EIO=4&transport=polling") else { return false };
    let Ok(client) = reqwest::Client::builder().no_proxy().build() else { return false };
    client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
}

fn write(args: &KpiArgs, rows: &[Row], missed: &[String], out: &mut dyn Write) -> Result<(), LoadError> {
    if let Some(path) = &args.json {
        let report = Report { leg: args.leg, jitter_ms: args.jitter, bursts: args.bursts, rows, missed };
        let json = serde_json::to_vec_pretty(&report).unwrap_or_default();
        std::fs::write(path, json).tried(format!("can't write {}", path.display()))?;
    }
    let legs = match args.leg {
        Leg::Talker => "the talker's leg",
        Leg::Listener => "the listener's leg",
        Leg::Both => "each leg",
    };
    let head = format!("Round trip and loss (each way) on {legs}; 95th percentiles in ms.\n\n");
    let mut text = head + &score::table(rows);
    if args.check {
        text += &missed.iter().map(|what| format!("missed: {what}\n")).collect::<String>();
    }
    out.write_all(text.as_bytes()).tried("standard output is closed")
}
