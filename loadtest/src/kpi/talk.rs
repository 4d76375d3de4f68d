//! A talker's burst: packets made once for all, frames out of them, and one press of the button as the JavaScript client does
//! it: the floor asked for by datagram and stream, voice sent ahead of the grant.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use opus::{Application, Bitrate, Channels, Signal};
use suara_proto::floor::{FloorDatagram, FloorWord};
use suara_proto::limits::MAX_REDUNDANT;
use suara_proto::message::{ClientMessage, Level, ServerMessage, decode_server};
use suara_proto::voice::{Flags, Header, Redundant, VoiceFrame};
use suara_proto::{ChannelNumber, Grant, RequestId, TalkerNumber};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::road::{Client, Said};
use super::sound::{Burst, FRAME, RATE};

/// How long a frame sounds.
pub(super) const PERIOD: Duration = Duration::from_millis(20);
/// Datagrams of a request at most.
pub(super) const ASKS: u32 = 25;
/// The first ones follow each other sooner than the others.
const ASKS_SOON: u32 = 4;
const ASK_SOON: Duration = Duration::from_millis(5);
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// How often END is repeated.
const REPEATS: u32 = 2;
/// What the gateway holds leaves at this pace.
const SPACING: Duration = Duration::from_millis(5);
const HELD: u32 = 15;
/// A request that isn't granted by then is a failure.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest packet in bytes.
const MAX_PACKET: usize = 400;
/// A burst's first frames carry as many earlier packets as there may be: the gateway can't have told yet what is lost.
const OPENING: usize = 10;
/// One at least is in those of the first second,
const FIRST_SECOND: usize = 50;
/// and as many as there may be in the first of a session, in 3 s of voice: by then a path that loses has told.
const TRIAL: usize = 150;
/// Bytes under way that a stock congestion control leaves where it sees loss: two packets (RFC 9002, section 7.2).
const LEAST_WINDOW: usize = 2400;
/// Bytes of a packet beside Opus: the frame's header, QUIC's and its tag.
const AROUND: usize = 60;
/// An ACK comes so much behind the round trip: it tells of two frames, and one in ten is lost.
const ACKS: Duration = Duration::from_millis(60);
/// Packets differ in length: those of average length leave the rest of the window free.
const FULL: f32 = 0.85;
/// Kilobits a second of a burst: as few as leave a voice well to understand, and as many as are of use to it.
const KILOBITS: RangeInclusive<usize> = 12..=24;
/// Ticks of 48 kHz in a frame.
const TICKS: u32 = 960;

/// A burst as packets of 20 ms.
#[derive(Clone)]
pub(super) struct Voice {
    /// In order.
    pub(super) packets: Vec<Vec<u8>>,
}

impl Voice {
    /// Encodes a burst as our clients do on a path of which nothing is known.
    ///
    /// # Errors
    /// When there is no encoder.
    #[cfg(test)]
    pub(super) fn of(burst: &Burst) -> Result<Self, opus::Error> {
        Self::with(burst, *KILOBITS.end())
    }

    fn with(burst: &Burst, kilobits: usize) -> Result<Self, opus::Error> {
        let mut encoder = opus::Encoder::new(RATE as u32, Channels::Mono, Application::Voip)?;
        encoder.set_bitrate(Bitrate::Bits(kilobits as i32 * 1000))?;
        encoder.set_signal(Signal::Voice)?;
        encoder.set_dtx(false)?;
        let packets = burst.pcm.chunks_exact(FRAME).map(|frame| encoder.encode_vec(frame, MAX_PACKET));
        Ok(Self { packets: packets.collect::<Result<_, _>>()? })
    }

    /// Whether frame `n` with so many earlier packets would not have to wait on a path of that round trip if all were like it and
    /// the window were at its least.
    fn fits(&self, n: usize, earlier: usize, rtt: Duration) -> bool {
        let packets = &self.packets[n.saturating_sub(earlier)..=n];
        let bytes = packets.iter().map(Vec::len).sum::<usize>() + AROUND;
        bytes * under_way(rtt) <= LEAST_WINDOW
    }
}

/// Frames that are under way at a time on a path of that round trip.
const fn under_way(rtt: Duration) -> usize {
    (rtt.as_millis() + ACKS.as_millis()).div_ceil(PERIOD.as_millis()) as usize
}

/// A burst with as many bits as a path may call for.
#[derive(Clone)]
pub(super) struct Voices(Arc<[Voice]>);

impl Voices {
    /// Encodes a burst in all ways that our clients do.
    ///
    /// # Errors
    /// When there is no encoder.
    pub(super) fn of(burst: &Burst) -> Result<Self, opus::Error> {
        Ok(Self(KILOBITS.map(|kilobits| Voice::with(burst, kilobits)).collect::<Result<_, _>>()?))
    }

    /// For a press that begins now, as the JavaScript client has it (`gateway/web/lib/uplink.js`).
    fn on(&self, uplink: Uplink) -> &Voice {
        &self.0[kilobits(uplink) - KILOBITS.start()]
    }
}

/// Fewer where the earlier packets that the gateway wants would have to wait.
fn kilobits(Uplink { wanted, rtt, .. }: Uplink) -> usize {
    if wanted == 0 {
        return *KILOBITS.end();
    }
    let packets = FULL * LEAST_WINDOW as f32 / under_way(rtt) as f32 - AROUND as f32 - 2.0 * wanted as f32;
    let bits = packets / (1 + wanted) as f32 * 8.0 * (1000 / PERIOD.as_millis()) as f32;
    ((bits / 1000.0) as usize).clamp(*KILOBITS.start(), *KILOBITS.end())
}

/// Frame `n` of a burst, with up to `earlier` packets before its own: to `(channel, talker)`, under
/// `(ahead of its grant?, request or grant)`.
#[must_use]
pub(super) fn frame_of(
    voice: &Voice,
    n: usize,
    earlier: usize,
    to: (u32, u16),
    under: (bool, u32),
) -> Vec<u8> {
    let flags = Flags { start: n == 0, end: n + 1 == voice.packets.len(), talk_ahead: under.0 };
    let before: Vec<&[u8]> = voice.packets[n.saturating_sub(earlier)..n].iter().map(Vec::as_slice).collect();
    let header = Header {
        flags,
        sequence: n as u16,
        timestamp: n as u32 * TICKS,
        channel: ChannelNumber(to.0),
        talker: TalkerNumber(to.1),
        grant: Grant(under.1),
    };
    let redundant = Redundant::new(&before).unwrap_or_default();
    let frame = VoiceFrame { header, redundant, packet: &voice.packets[n] };
    let mut bytes = vec![0; frame.encoded_len()];
    let written = frame.encode(&mut bytes).unwrap_or_default();
    bytes.truncate(written);
    bytes
}

/// How a talker talks.
#[derive(Clone)]
pub(super) struct Manner {
    /// What it says.
    pub(super) voices: Voices,
    /// Earlier packets in each frame, whatever the gateway wants.
    pub(super) earlier: Option<usize>,
    /// Whether it sends what is said before the grant, for the gateway to hold. Without it that is lost: a fault on purpose.
    pub(super) ahead: bool,
}

impl Manner {
    /// Earlier packets in frame `n`, as the JavaScript client has it (`gateway/web/lib/uplink.js`).
    fn earlier(&self, voice: &Voice, n: usize, uplink: Uplink) -> usize {
        let Uplink { wanted, said, rtt } = uplink;
        // Behind END nothing comes that could repair a last word.
        let is_edge = n < OPENING || n + 1 == voice.packets.len();
        let least = match n {
            _ if is_edge || said < TRIAL => MAX_REDUNDANT,
            ..FIRST_SECOND => 1,
            _ => 0,
        };
        let wanted = wanted.max(least);
        let fits = |count: &usize| is_edge || voice.fits(n, *count, rtt);
        // Of one that is wanted there is one: to wait costs less than a loss that nothing repairs.
        let fitting = (2..=wanted).rev().find(fits).unwrap_or(wanted.min(1));
        self.earlier.unwrap_or(fitting)
    }
}

/// What a client knows of its way to the gateway.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uplink {
    /// Earlier packets that the gateway wants in each frame.
    pub(super) wanted: usize,
    /// Frames that the session has said.
    pub(super) said: usize,
    /// The path's round trip.
    pub(super) rtt: Duration,
}

/// From one datagram of a request to the next, when so many have gone.
#[must_use]
pub(super) const fn asks_again_after(asked: u32) -> Duration {
    if asked < ASKS_SOON { ASK_SOON } else { ASK_AGAIN }
}

/// Presses the button at `press`, says the burst, and lets go. Says how long the grant took.
///
/// # Errors
/// Why the floor wasn't granted.
pub(super) async fn press(
    client: &mut Client,
    place: (u32, u16),
    request: u32,
    press: Instant,
    manner: &Manner,
) -> Result<Duration, String> {
    sleep_until(press).await;
    let (channel, talker) = (ChannelNumber(place.0), TalkerNumber(place.1));
    let asked = ClientMessage::floor_request(RequestId(request), channel, None);
    client.say(&asked);
    let message = FloorWord::Request {
        request: RequestId(request),
        level: Level::Normal,
        priority: u8::MAX,
        queue: false,
    };
    let question = FloorDatagram { channel, talker, message }.encode();
    let mut grant: Option<(u32, Instant)> = None;
    let (mut asks, mut ask_at) = (if client.has_datagrams { ASKS } else { 0 }, press);
    let (mut next, mut ahead) = (0, 0_u32);
    let voice = manner.voices.on(client.uplink());
    let last = voice.packets.len();
    while next < last || grant.is_none() {
        let due = press + PERIOD * (next as u32 + 1);
        let wake = if grant.is_none() && asks > 0 { due.min(ask_at) } else { due };
        let wake = if next < last { wake } else { press + PATIENCE };
        if let Ok(said) = timeout_at(wake, client.hear()).await {
            grant = grant.or(granted(&said?, request)?.map(|grant| (grant, Instant::now())));
            continue;
        }
        let now = Instant::now();
        if grant.is_none() && asks > 0 && now >= ask_at {
            asks -= 1;
            ask_at += asks_again_after(ASKS - asks);
            client.datagram(&question);
        }
        if next < last && now >= due {
            let under = grant.map_or((true, request), |(grant, _)| (false, grant));
            if !under.0 || manner.ahead {
                let earlier = manner.earlier(voice, next, client.uplink());
                client.datagram(&frame_of(voice, next, earlier, place, under));
                client.said += 1;
                ahead += u32::from(under.0);
            }
            next += 1;
        }
        if grant.is_none() && now >= press + PATIENCE {
            return Err("the floor was not granted in 5 s".to_owned());
        }
    }
    let Some((grant, since)) = grant else { return Err("the floor was not granted".to_owned()) };
    for _ in 0..REPEATS {
        tokio::time::sleep(PERIOD).await;
        let earlier = manner.earlier(voice, last - 1, client.uplink());
        client.datagram(&frame_of(voice, last - 1, earlier, place, (false, grant)));
    }
    // What was said ahead is out by then.
    sleep_until(since + SPACING * ahead.min(HELD)).await;
    client.say(&ClientMessage::FloorRelease { channel, grant: Grant(grant), member: None });
    Ok(since - press)
}

/// The grant of a request, if that is what was said.
fn granted(said: &Said, wanted: u32) -> Result<Option<u32>, String> {
    match said {
        Said::Message(json) => match decode_server(json) {
            Ok(ServerMessage::FloorGranted { request, grant, .. }) if request.0 == wanted => {
                Ok(Some(grant.0))
            }
            Ok(ServerMessage::FloorDeny { request, cause, .. }) if request.0 == wanted => {
                Err(format!("the floor was denied: {cause}"))
            }
            Ok(ServerMessage::Error { code, message, .. }) => Err(format!("{code}: {message}")),
            _ => Ok(None),
        },
        Said::Datagram(bytes) => Ok(match FloorDatagram::decode(bytes).map(|datagram| datagram.message) {
            Ok(FloorWord::Granted { request, grant, .. }) if request.0 == wanted => Some(grant.0),
            _ => None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn earlier(n: usize, wanted: usize, said: usize, rtt_ms: u64) -> usize {
        let voice = Voice { packets: vec![vec![0; 75]; 200] };
        let manner = Manner { voices: Voices(Arc::new([])), earlier: None, ahead: true };
        manner.earlier(&voice, n, Uplink { wanted, said, rtt: Duration::from_millis(rtt_ms) })
    }

    #[test]
    fn a_press_has_as_few_bits_as_the_earlier_packets_need() {
        let kilobits =
            |wanted, rtt_ms| kilobits(Uplink { wanted, said: 0, rtt: Duration::from_millis(rtt_ms) });
        assert_eq!([0, 1, 2].map(|wanted| kilobits(wanted, 20)), [24, 24, 24]);
        // As the JavaScript client's test has it.
        assert_eq!([0, 1, 2].map(|wanted| kilobits(wanted, 200)), [24, 18, 12]);
        assert_eq!(kilobits(2, 1000), 12);
        let voices = Voices::of(&Burst::synthetic()).unwrap();
        let bytes = |wanted| {
            let voice = voices.on(Uplink { wanted, said: 0, rtt: Duration::from_millis(200) });
            voice.packets.iter().map(Vec::len).sum::<usize>()
        };
        assert!(bytes(1) < bytes(0) && bytes(2) < bytes(1));
    }

    #[test]
    fn a_burst_s_edges_and_a_session_s_first_frames_carry_all() {
        for wanted in 0..=2 {
            assert_eq!([0, 9, 199].map(|n| earlier(n, wanted, TRIAL, 1000)), [2, 2, 2]);
            assert_eq!([10, 49, 150].map(|n| earlier(n, wanted, TRIAL - 1, 20)), [2, 2, 2]);
            assert_eq!([10, 150].map(|n| earlier(n, wanted, TRIAL, 20)), [wanted.max(1), wanted]);
        }
    }

    #[test]
    fn where_two_would_have_to_wait_there_is_one() {
        assert_eq!([20, 90, 120, 1000].map(|rtt| earlier(100, 2, TRIAL, rtt)), [2, 2, 1, 1]);
        assert_eq!([20, 1000].map(|rtt| earlier(100, 0, TRIAL, rtt)), [0, 0]);
    }

    #[test]
    fn a_request_goes_four_times_within_15_ms_and_then_every_20() {
        let pauses: Vec<u128> = (1..6).map(|asked| asks_again_after(asked).as_millis()).collect();
        assert_eq!(pauses, [5, 5, 5, 20, 20]);
    }
}
