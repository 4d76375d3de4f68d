//! One session with the relay: the talker publishes the track, a listener subscribes to it.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use moq_net::{Timestamp, broadcast, origin, track};
use moq_tokio::{Client, Connection, connect};
use suara_loadtest::measure::Seen;
use suara_loadtest::peer::{Booth, Talker};
use tokio::time::{sleep_until, timeout};
use url::Url;

use crate::Delivery;

const BROADCAST: &str = "channel";
const TRACK: &str = "voice";
/// The first listeners come while the talker is still on its way.
const PATIENCE: Duration = Duration::from_secs(30);

type Fault = Box<dyn Error + Send + Sync>;

/// A session lives as long as its parts.
struct Link {
    _client: Client,
    _connection: Connection,
}

pub(crate) async fn run(booth: Rc<Booth>, relay: Url, delivery: Delivery, number: u32) {
    sleep_until(booth.begin(number).into()).await;
    let began = Instant::now();
    let done = match booth.talker(number) {
        Some(talker) => talk(&booth, talker, relay, delivery, began).await,
        None => listen(&booth, relay, delivery, began).await,
    };
    match done {
        Ok(Err(why)) => booth.ended(|| why.to_string()),
        Ok(Ok(())) => booth.ended(|| "the relay ended the track".to_owned()),
        Err(why) => booth.failed(|| why.to_string()),
    }
}

/// A client with a UDP socket of its own; the relay's certificate was made a moment ago, and says nothing.
fn client() -> Result<Client, Fault> {
    let mut config = connect::Config::default();
    config.tls.insecure = Some(true);
    config.bind = Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
    config.once = Some(true);
    Ok(config.init(Default::default())?)
}

async fn connect(client: Client, relay: Url) -> Result<Link, Fault> {
    let connection = timeout(PATIENCE, client.connect(relay).established()).await??;
    Ok(Link { _client: client, _connection: connection })
}

/// The outer error is of a session that never came up, the inner one of one that ended.
async fn talk(
    booth: &Booth,
    talker: Talker,
    relay: Url,
    delivery: Delivery,
    began: Instant,
) -> Result<Result<(), Fault>, Fault> {
    let origin = moq_tokio::origin::spawn();
    let broadcast = origin.create_broadcast(BROADCAST)?;
    let track = broadcast.create_track(TRACK, None)?;
    broadcast.announce(Default::default())?;
    let link = connect(client()?.with_publisher(&origin), relay).await?;
    booth.came(began);
    let spoken = speak(booth, talker, track, delivery).await;
    drop((broadcast, link));
    Ok(spoken)
}

async fn speak(
    booth: &Booth,
    mut talker: Talker,
    mut track: track::Producer,
    delivery: Delivery,
) -> Result<(), Fault> {
    loop {
        sleep_until(talker.due(booth).into()).await;
        while let Some((_, packet)) = talker.next(booth) {
            match delivery {
                Delivery::Datagrams => {
                    track.append_datagram(Timestamp::now(), packet)?;
                }
                Delivery::Groups => track.write_frame(Timestamp::now(), packet)?,
            }
        }
    }
}

async fn listen(
    booth: &Booth,
    relay: Url,
    delivery: Delivery,
    began: Instant,
) -> Result<Result<(), Fault>, Fault> {
    let origin = moq_tokio::origin::spawn();
    let consumer = origin.consume();
    let link = connect(client()?.with_subscriber(origin), relay).await?;
    let broadcast = timeout(PATIENCE, announced(&consumer)).await??;
    let track = timeout(PATIENCE, broadcast.track(TRACK)?.subscribe(None)).await??;
    booth.came(began);
    let heard = match delivery {
        Delivery::Datagrams => hear_datagrams(booth, track).await,
        Delivery::Groups => hear_groups(booth, track).await,
    };
    drop(link);
    Ok(heard)
}

async fn announced(consumer: &origin::Consumer) -> Result<broadcast::Consumer, Fault> {
    let mut announced = consumer.announced();
    while let Some(update) = announced.next().await {
        if update.kind.is_active() {
            return Ok(consumer.request_broadcast(BROADCAST).await?);
        }
    }
    Err("the relay announces nothing".into())
}

async fn hear_datagrams(booth: &Booth, mut track: track::Subscriber) -> Result<(), Fault> {
    let mut seen = Seen::default();
    while let Some(datagram) = track.recv_datagram().await? {
        booth.heard(&mut seen, &datagram.payload, Duration::ZERO);
    }
    Ok(())
}

async fn hear_groups(booth: &Booth, mut track: track::Subscriber) -> Result<(), Fault> {
    let mut seen = Seen::default();
    while let Some(mut group) = track.recv_group().await? {
        while let Some(frame) = group.read_frame().await? {
            booth.heard(&mut seen, &frame.payload, Duration::ZERO);
        }
    }
    Ok(())
}
