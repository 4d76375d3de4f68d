//! One cell of the matrix: channels with a talker each, listeners on every road, and some who enter late. What came when is
//! kept; nothing is decoded while it is measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use suara_proto::ChannelNumber;
use suara_proto::message::ClientMessage;
use suara_proto::voice::VoiceFrame;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Road;
use super::legacy::Legacy;
use super::road::{Client, Said};
use super::sound::Burst;
use super::talk::{Manner, PERIOD, press};
use crate::target::Target;
use crate::token::Minter;

/// Who enters late does so into the burst.
pub(super) const LATE: Duration = Duration::from_millis(700);
/// Between two bursts, beside the round trip.
const PAUSE: Duration = Duration::from_millis(900);

/// Where each side of a cell connects to.
#[derive(Clone, Copy)]
pub(super) struct Gate {
    /// By UDP.
    pub(super) udp: SocketAddr,
    /// By TCP.
    pub(super) tcp: SocketAddr,
}

/// What a cell needs.
#[derive(Clone)]
pub(super) struct Stage {
    /// The gateway.
    pub(super) target: Target,
    /// Makes tokens.
    pub(super) minter: Minter,
    /// Where talkers connect.
    pub(super) talkers: Gate,
    /// Where listeners do.
    pub(super) listeners: Gate,
    /// What is said.
    pub(super) burst: Burst,
    /// How.
    pub(super) manner: Manner,
    /// The round trip, by which the pauses are.
    pub(super) rtt: Duration,
    /// Bursts in each channel, one after the other.
    pub(super) bursts: u32,
    /// The roads of talkers and of listeners.
    pub(super) roads: Vec<Road>,
    /// The start of all times.
    pub(super) epoch: Instant,
}

/// A path that loses enough may swallow a whole opening, and clients try again.
const OPENINGS: u32 = 3;

/// One burst, as one listener had it.
pub(super) struct Take {
    /// When the button was pressed.
    pub(super) press: Duration,
    /// How long the grant took, where the talker can know.
    pub(super) access: Option<Duration>,
    /// When the listener asked to enter, if it was late.
    pub(super) entered: Option<Duration>,
    /// What came, and when.
    pub(super) arrivals: Vec<(Duration, Vec<u8>)>,
}

/// All bursts of one listener.
pub(super) struct Heard {
    /// The talker's road.
    pub(super) talker: Road,
    /// The listener's.
    pub(super) listener: Road,
    /// Whether it enters each burst late.
    pub(super) late: bool,
    /// In order.
    pub(super) takes: Vec<Take>,
}

enum Member {
    Own(Box<Client>, (u32, u16)),
    Legacy(Box<Legacy>),
}

impl Member {
    async fn connect(stage: &Stage, gate: Gate, road: Road, user: &str) -> Result<Self, String> {
        let mut opening = Self::open(stage, gate, road, user).await;
        for _ in 1..OPENINGS {
            if opening.is_err() {
                opening = Self::open(stage, gate, road, user).await;
            }
        }
        opening
    }

    async fn open(stage: &Stage, gate: Gate, road: Road, user: &str) -> Result<Self, String> {
        let rights = ["kpi-*:listen,talk".to_owned()];
        let token = stage.minter.mint(user, &rights).map_err(|error| error.to_string())?;
        Ok(match road {
            Road::Webtransport => {
                Self::Own(Box::new(Client::webtransport(&stage.target, gate.udp, &token).await?), (0, 0))
            }
            Road::Websocket => Self::Own(Box::new(Client::websocket(gate.tcp, &token).await?), (0, 0)),
            Road::Socketio => Self::Legacy(Box::new(Legacy::connect(gate.tcp, &token).await?)),
        })
    }

    async fn join(&mut self, channel: &str) -> Result<(), String> {
        match self {
            Self::Own(client, place) => {
                *place = client.join(channel).await?;
                Ok(())
            }
            Self::Legacy(client) => client.join(channel).await,
        }
    }

    /// Hears one burst; with `late`, enters at that moment and leaves after it.
    async fn hear(
        &mut self,
        channel: &str,
        late: Option<Instant>,
        until: Instant,
    ) -> Result<Vec<(Instant, Vec<u8>)>, String> {
        match self {
            Self::Own(client, place) => {
                client.forget();
                if let Some(at) = late {
                    sleep_until(at).await;
                    *place = client.join(channel).await?;
                }
                let mut heard = Vec::new();
                while let Ok(said) = timeout_at(until, client.hear()).await {
                    if let Said::Datagram(bytes) = said?
                        && VoiceFrame::decode(&bytes).is_ok()
                    {
                        heard.push((client.came, bytes.to_vec()));
                    }
                }
                if late.is_some() {
                    client.say(&ClientMessage::Leave { channel: ChannelNumber(place.0), member: None });
                }
                Ok(heard)
            }
            Self::Legacy(client) => {
                if let Some(at) = late {
                    sleep_until(at).await;
                    client.ask("join_channel", channel).await?;
                }
                let heard = client.listen(until).await?;
                if late.is_some() {
                    client.ask("leave_channel", channel).await?;
                }
                Ok(heard)
            }
        }
    }

    async fn talk(&mut self, stage: &Stage, at: Instant, request: u32) -> Result<Option<Duration>, String> {
        match self {
            Self::Own(client, place) => {
                client.forget();
                press(client, *place, request, at, &stage.manner).await.map(Some)
            }
            Self::Legacy(client) => client.talk(at, &stage.burst).await.map(|()| None),
        }
    }
}

/// Runs one channel with a talker on this road; what each of its listeners heard.
///
/// # Errors
/// The first thing that went wrong.
pub(super) async fn channel(stage: Arc<Stage>, name: String, talker: Road) -> Result<Vec<Heard>, String> {
    let in_front = |what: &str, error: String| format!("{what} in {name}: {error}");
    let mut talking = Member::connect(&stage, stage.talkers, talker, &format!("{name}-talker"))
        .await
        .map_err(|error| in_front("the talker", error))?;
    talking.join(&name).await.map_err(|error| in_front("the talker", error))?;
    let mut listening = Vec::new();
    for (road, late) in stage.roads.iter().flat_map(|road| [(*road, false), (*road, true)]) {
        let user = format!("{name}-{road:?}-{late}");
        let mut member = Member::connect(&stage, stage.listeners, road, &user)
            .await
            .map_err(|error| in_front("a listener", error))?;
        if !late {
            member.join(&name).await.map_err(|error| in_front("a listener", error))?;
        }
        listening.push((member, Heard { talker, listener: road, late, takes: Vec::new() }));
    }
    let length = PERIOD * (stage.burst.pcm.len() / super::sound::FRAME) as u32;
    for number in 0..stage.bursts {
        let at = Instant::now() + Duration::from_millis(150);
        let until = at + length + stage.rtt * 3 + PAUSE;
        let mut all = JoinSet::new();
        for (mut member, heard) in listening.drain(..) {
            let (name, late) = (name.clone(), heard.late.then_some(at + LATE));
            all.spawn(async move {
                let arrivals = member.hear(&name, late, until).await;
                (member, heard, late, arrivals)
            });
        }
        let access =
            talking.talk(&stage, at, number + 1).await.map_err(|error| in_front("the talker", error))?;
        while let Some(done) = all.join_next().await {
            let (member, mut heard, late, arrivals) = done.map_err(|error| error.to_string())?;
            let since = |moment: Instant| moment.saturating_duration_since(stage.epoch);
            let arrivals = arrivals.map_err(|error| in_front("a listener", error))?;
            let arrivals = arrivals.into_iter().map(|(came, bytes)| (since(came), bytes)).collect();
            heard.takes.push(Take { press: since(at), access, entered: late.map(since), arrivals });
            listening.push((member, heard));
        }
    }
    Ok(listening.into_iter().map(|(_, heard)| heard).collect())
}
