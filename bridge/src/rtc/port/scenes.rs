//! The port against real clients: str0m on sockets of loopback, speaking ICE, DTLS and SRTP.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use str0m::config::Fingerprint;
use str0m::format::{Codec, FormatParams};
use str0m::media::{Frequency, MediaKind, Pt};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{RtpPacket, RtpWrite, Ssrc};
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc, RtcConfig};
use suara_proto::Grant;

use super::*;

const SSRC: u32 = 4242;
const PATIENCE: Duration = Duration::from_secs(10);

/// A port on loopback, and what sessions would hear of it.
struct Scene {
    port: Port,
    stop: CancellationToken,
    media: mpsc::Sender<Arrival>,
    arrivals: mpsc::Receiver<Arrival>,
    events: mpsc::UnboundedSender<Happening>,
    happenings: mpsc::UnboundedReceiver<Happening>,
}

impl Scene {
    fn new() -> Self {
        Self::on("127.0.0.1:0", &["127.0.0.1:0"])
    }

    fn on(address: &str, announced: &[&str]) -> Self {
        let (address, stop) = (address.parse().unwrap(), CancellationToken::new());
        let announced = announced.iter().map(|address| address.parse().unwrap()).collect();
        let announced = watch::channel(announced).1;
        let (port, _) = Port::start(address, announced, Metrics::default(), stop.clone()).unwrap();
        let (media, arrivals) = mpsc::channel(64);
        let (events, happenings) = mpsc::unbounded_channel();
        Self { port, stop, media, arrivals, events, happenings }
    }

    async fn create(&self, sid: Sid) -> Created {
        let owner = Owner { sid, media: self.media.clone(), events: self.events.clone() };
        self.port.create(owner, "room".into()).await.unwrap()
    }

    /// A client whose transport is connected.
    async fn connect(&mut self, sid: Sid) -> (Created, Client) {
        let created = self.create(sid).await;
        let client = self.reach(&created).await;
        (created, client)
    }

    async fn reach(&mut self, created: &Created) -> Client {
        self.connects(created, Client::new(&created.ice, &created.fingerprint)).await
    }

    async fn connects(&mut self, created: &Created, mut client: Client) -> Client {
        self.port.connect(created.key, client.dtls()).await.unwrap();
        client.run_until(|client| client.connected).await;
        let happened = tokio::time::timeout(PATIENCE, self.happenings.recv()).await.unwrap();
        assert_eq!(happened, Some(Happening::Connected(created.key)));
        client
    }

    fn say(&self, number: u16, grant: u32, talker: Option<u32>, except: Option<Sid>) {
        self.say_as(number, grant, talker.map(MemberRef), TalkerNumber(grant as u16), except);
    }

    fn say_as(
        &self,
        number: u16,
        grant: u32,
        talker: Option<MemberRef>,
        by: TalkerNumber,
        except: Option<Sid>,
    ) {
        let stand = Stand { grant: Grant(grant), talker, number: by, ticks: u32::from(number) * 960 };
        let packet = Arc::from([0x78, number as u8, grant as u8]);
        let (at, room) = (Instant::now(), "room".into());
        self.port.say(Said { at, room, except, sequence: number, stand, packet });
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// How a client reaches the port.
enum Way {
    Udp(UdpSocket),
    /// With what was read and is no whole packet yet.
    Tcp(TcpStream, Vec<u8>),
}

impl Way {
    const fn protocol(&self) -> Protocol {
        match self {
            Self::Udp(_) => Protocol::Udp,
            Self::Tcp(..) => Protocol::Tcp,
        }
    }

    fn own(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr().unwrap(),
            Self::Tcp(stream, _) => stream.local_addr().unwrap(),
        }
    }

    fn send(&mut self, to: SocketAddr, packet: &[u8]) {
        match self {
            Self::Udp(socket) => {
                socket.send_to(packet, to).unwrap();
            }
            Self::Tcp(stream, _) => {
                let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length[..], packet].concat()).unwrap();
            }
        }
    }

    fn receive(&mut self) -> Option<(Vec<u8>, SocketAddr)> {
        let mut buffer = vec![0; 4096];
        match self {
            Self::Udp(socket) => {
                let (length, source) = socket.recv_from(&mut buffer).ok()?;
                Some((buffer[..length].to_vec(), source))
            }
            Self::Tcp(stream, rest) => {
                if let Ok(length) = stream.read(&mut buffer) {
                    rest.extend_from_slice(&buffer[..length]);
                }
                let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
                let packet = rest.get(2..2 + length)?.to_vec();
                rest.drain(..2 + length);
                Some((packet, stream.peer_addr().unwrap()))
            }
        }
    }
}

/// A browser, as far as the port is concerned.
struct Client {
    way: Way,
    rtc: Rtc,
    connected: bool,
    heard: Vec<RtpPacket>,
}

impl Client {
    fn new(ice: &Ice, fingerprint: &str) -> Self {
        let socket = UdpSocket::bind((ice.addresses[0].ip(), 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let own = Candidate::host(socket.local_addr().unwrap(), "udp").unwrap();
        let port = Candidate::host(ice.addresses[0], "udp").unwrap();
        Self::by(Way::Udp(socket), [own, port], ice, fingerprint)
    }

    /// One whose network lets no UDP through.
    fn by_tcp(ice: &Ice, fingerprint: &str) -> Self {
        let stream = TcpStream::connect(ice.addresses[0]).unwrap();
        stream.set_nonblocking(true).unwrap();
        let candidate =
            |address, kind| Candidate::builder().tcp().host(address).tcptype(kind).build().unwrap();
        let own = candidate(stream.local_addr().unwrap(), TcpType::Active);
        let port = candidate(ice.addresses[0], TcpType::Passive);
        Self::by(Way::Tcp(stream, Vec::new()), [own, port], ice, fingerprint)
    }

    fn by(way: Way, [own, port]: [Candidate; 2], ice: &Ice, fingerprint: &str) -> Self {
        let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs();
        let opus = FormatParams::default();
        let (codec, rate) = (Codec::Opus, Frequency::FORTY_EIGHT_KHZ);
        config.codec_config().add_config(Pt::from(PAYLOAD_TYPE), None, codec, rate, Some(2), opus);
        let mut rtc = config.build(Instant::now());
        rtc.add_local_candidate(own).unwrap();
        rtc.add_remote_candidate(port);
        let mut api = rtc.direct_api();
        api.set_ice_controlling(true);
        api.set_remote_ice_credentials(credentials(ice));
        api.set_remote_fingerprint(format!("sha-256 {fingerprint}").parse::<Fingerprint>().unwrap());
        api.start_dtls(true).unwrap();
        Self { way, rtc, connected: false, heard: Vec::new() }
    }

    fn dtls(&mut self) -> Dtls {
        let own = self.rtc.direct_api().local_dtls_fingerprint().to_string();
        Dtls { active: false, fingerprint: own.rsplit(' ').next().unwrap().to_owned() }
    }

    fn listen(&mut self, consumed: &Consumed) {
        let mid = consumed.mid.as_str().into();
        let mut api = self.rtc.direct_api();
        api.declare_media(mid, MediaKind::Audio);
        api.expect_stream_rx(consumed.ssrc.into(), None, mid, None);
    }

    fn speak(&mut self, numbers: std::ops::Range<u64>) {
        let mut api = self.rtc.direct_api();
        if api.stream_tx(&Ssrc::from(SSRC)).is_none() {
            api.declare_media("0".into(), MediaKind::Audio);
            api.declare_stream_tx(SSRC.into(), None, "0".into(), None);
        }
        for number in numbers {
            let (pt, time) = (Pt::from(PAYLOAD_TYPE), number as u32 * 960);
            let packet = RtpWrite::new(pt, number.into(), time, Instant::now(), vec![0x78, number as u8]);
            self.rtc.direct_api().stream_tx(&Ssrc::from(SSRC)).unwrap().write_rtp(packet);
        }
    }

    /// One turn: time passes, what is there is read, what is to go goes.
    fn turn(&mut self) {
        let (own, protocol) = (self.way.own(), self.way.protocol());
        while let Some((packet, source)) = self.way.receive() {
            let packet = Receive::new(protocol, source, own, &packet).unwrap();
            self.rtc.handle_input(Input::Receive(Instant::now(), packet)).unwrap();
            self.drain();
        }
        self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(_) => return,
                Output::Transmit(packet) => self.way.send(packet.destination, &packet.contents),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.heard.push(packet),
                Output::Event(_) => {}
            }
        }
    }

    async fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "it doesn't come: {} packets heard", self.heard.len());
            self.turn();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn credentials(ice: &Ice) -> IceCreds {
    IceCreds { ufrag: ice.ufrag.clone(), pass: ice.password.clone() }
}

#[tokio::test]
async fn the_floor_is_one_continuous_stream() {
    let mut scene = Scene::new();
    let (created, mut client) = scene.connect(Sid::new()).await;
    let consumed = scene.port.consume(created.key, Listens::Floor).await.unwrap();
    client.listen(&consumed);
    for (grant, numbers) in [(1, 100..105_u16), (2, 9000..9005)] {
        for number in numbers {
            scene.say(number, grant, None, None);
        }
        let wanted = grant as usize * 5;
        client.run_until(|client| client.heard.len() == wanted).await;
    }
    let numbers: Vec<_> = client.heard.iter().map(|packet| *packet.seq_no).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let times: Vec<_> = client.heard.iter().map(|packet| packet.header.timestamp).collect();
    assert!(
        times.windows(2).all(|pair| (960..480_000).contains(&pair[1].wrapping_sub(pair[0]))),
        "{times:?}"
    );
    let marked: Vec<_> = client.heard.iter().map(|packet| packet.header.marker).collect();
    assert_eq!(marked.iter().filter(|marker| **marker).count(), 2);
    assert!(marked[0] && marked[5]);
    assert_eq!(client.heard[4].payload[..], [0x78, 104, 1], "the bytes are the talker's own");
    assert_eq!(client.heard.iter().map(|packet| *packet.header.ssrc).collect::<HashSet<_>>().len(), 1);
}

#[tokio::test]
async fn a_consumer_hears_its_producer_alone_and_nobody_hears_itself() {
    let mut scene = Scene::new();
    let sid = Sid::new();
    let (created, mut client) = scene.connect(sid).await;
    let consumed = scene.port.consume(created.key, Listens::Member(MemberRef(7))).await.unwrap();
    client.listen(&consumed);
    scene.say(1, 1, Some(8), None);
    scene.say(2, 2, None, None);
    scene.say(3, 3, Some(7), Some(sid));
    scene.say(4, 4, Some(7), None);
    client.run_until(|client| !client.heard.is_empty()).await;
    assert_eq!(client.heard[0].payload[1], 4);
    assert_eq!(client.heard.len(), 1);
    scene.port.close_consumer(created.key, consumed.key).await.unwrap();
    let again = scene.port.close_consumer(created.key, consumed.key).await;
    assert_eq!(again, Err(Fault::UnknownConsumer));
}

#[tokio::test]
async fn what_a_client_produces_arrives_with_its_numbers() {
    let mut scene = Scene::new();
    let (created, mut client) = scene.connect(Sid::new()).await;
    scene.port.produce(created.key, SSRC, "0".to_owned()).await.unwrap();
    let second = scene.port.produce(created.key, SSRC + 1, "1".to_owned()).await;
    assert_eq!(second, Err(Fault::TooManyProducers));
    client.speak(10..13);
    client.speak(15..17);
    let (mut numbers, start) = (Vec::new(), Instant::now());
    while numbers.len() < 5 {
        assert!(start.elapsed() < PATIENCE, "{numbers:?} came");
        client.turn();
        if let Ok(Some(arrival)) = tokio::time::timeout(Duration::from_millis(5), scene.arrivals.recv()).await
        {
            assert_eq!(arrival.packet[..], [0x78, arrival.stamp.sequence as u8]);
            assert_eq!(arrival.stamp.timestamp, u32::from(arrival.stamp.sequence) * 960);
            numbers.push(arrival.stamp.sequence);
        }
    }
    assert_eq!(numbers, [10, 11, 12, 15, 16]);
}

#[tokio::test]
async fn another_certificate_than_the_announced_one_ends_the_transport() {
    let mut scene = Scene::new();
    let created = scene.create(Sid::new()).await;
    let mut client = Client::new(&created.ice, &created.fingerprint);
    let wrong = Dtls { active: false, fingerprint: ["AB"; 32].join(":") };
    scene.port.connect(created.key, wrong.clone()).await.unwrap();
    assert_eq!(scene.port.connect(created.key, wrong).await, Err(Fault::AlreadyConnected));
    let start = Instant::now();
    let happened = loop {
        assert!(start.elapsed() < PATIENCE);
        client.turn();
        if let Ok(happened) = tokio::time::timeout(Duration::from_millis(5), scene.happenings.recv()).await {
            break happened;
        }
    };
    assert_eq!(happened, Some(Happening::Closed(created.key, "failed")));
    assert_eq!(scene.port.restart(created.key).await, Err(Fault::UnknownTransport));
}

#[tokio::test]
async fn new_credentials_carry_the_same_stream_on() {
    let mut scene = Scene::new();
    let (created, mut client) = scene.connect(Sid::new()).await;
    let consumed = scene.port.consume(created.key, Listens::Floor).await.unwrap();
    client.listen(&consumed);
    scene.say(1, 1, None, None);
    client.run_until(|client| client.heard.len() == 1).await;

    let ice = scene.port.restart(created.key).await.unwrap();
    assert_ne!(ice.ufrag, created.ice.ufrag);
    assert_eq!(ice.addresses, created.ice.addresses);
    client.rtc.direct_api().set_remote_ice_credentials(credentials(&ice));
    client.rtc.direct_api().set_local_ice_credentials(IceCreds::new());
    for number in 2..5 {
        scene.say(number, 1, None, None);
        client.run_until(|client| client.heard.len() == usize::from(number)).await;
    }
    assert_eq!(*client.heard[3].seq_no, *client.heard[0].seq_no + 3);
}

#[tokio::test]
async fn strangers_and_noise_change_nothing() {
    let mut scene = Scene::new();
    let (created, mut client) = scene.connect(Sid::new()).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut guess =
        Client::new(&Ice { password: "x".repeat(24), ..created.ice.clone() }, &created.fingerprint);
    for length in [0, 1, 19, 20, 100, 1500] {
        for first in [0, 1, 22, 128, 200, 255] {
            let mut packet = vec![0; length];
            packet.iter_mut().take(1).for_each(|byte| *byte = first);
            stranger.send_to(&packet, created.ice.addresses[0]).unwrap();
        }
    }
    for _ in 0..50 {
        guess.turn();
        client.turn();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(!guess.connected);
    let consumed = scene.port.consume(created.key, Listens::Floor).await.unwrap();
    client.listen(&consumed);
    scene.say(1, 1, None, None);
    client.run_until(|client| client.heard.len() == 1).await;
}

#[tokio::test]
async fn a_closed_transport_is_forgotten() {
    let mut scene = Scene::new();
    let (created, _client) = scene.connect(Sid::new()).await;
    scene.port.consume(created.key, Listens::Floor).await.unwrap();
    scene.port.close(created.key).await;
    assert_eq!(scene.port.consume(created.key, Listens::Floor).await, Err(Fault::UnknownTransport));
    scene.say(1, 1, None, None);
    let later = scene.create(Sid::new()).await;
    assert_ne!(later.key, created.key);
}

#[tokio::test]
async fn one_port_serves_both_families() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    let mut scene = Scene::on("[::]:0", &["127.0.0.1:0", "[::1]:0"]);
    for family in 0..2 {
        let mut created = scene.create(Sid::new()).await;
        created.ice.addresses.swap(0, family);
        let mut client = scene.reach(&created).await;
        let consumed = scene.port.consume(created.key, Listens::Floor).await.unwrap();
        client.listen(&consumed);
        scene.say(1, 1, None, None);
        client.run_until(|client| client.heard.len() == 1).await;
        scene.port.close(created.key).await;
    }
}

#[tokio::test]
async fn each_talker_of_several_is_a_stream_of_its_own() {
    let mut scene = Scene::new();
    let (created, mut client) = scene.connect(Sid::new()).await;
    let mut consumed = Vec::new();
    for talker in 1..=3 {
        let listens = Listens::Talker(TalkerNumber(talker));
        consumed.push(scene.port.consume(created.key, listens).await.unwrap());
        client.listen(&consumed[usize::from(talker) - 1]);
    }
    // Three talkspurts of each, side by side, with pauses between.
    for spurt in 0..3_u16 {
        for number in 0..4 {
            for talker in 1..=3 {
                let (grant, by) = (u32::from(spurt * 3 + talker), TalkerNumber(talker));
                scene.say_as(1000 * talker + 100 * spurt + number, grant, None, by, None);
            }
        }
        let wanted = (usize::from(spurt) + 1) * 12;
        client.run_until(|client| client.heard.len() == wanted).await;
    }
    for (talker, consumed) in (1..).zip(&consumed) {
        let own: Vec<_> = client.heard.iter().filter(|packet| *packet.header.ssrc == consumed.ssrc).collect();
        let numbers: Vec<_> = own.iter().map(|packet| *packet.seq_no).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
        let marked: Vec<_> = own.iter().map(|packet| packet.header.marker).collect();
        assert_eq!(marked, [true, false, false, false].repeat(3));
        assert!(own.iter().all(|packet| u16::from(packet.payload[2] - 1) % 3 + 1 == talker));
        let times: Vec<_> = own.iter().map(|packet| packet.header.timestamp).collect();
        assert!(times.windows(2).all(|pair| (960..480_000).contains(&pair[1].wrapping_sub(pair[0]))));
    }
}

#[tokio::test]
async fn a_producer_that_is_gone_takes_its_consumers_along() {
    let mut scene = Scene::new();
    let (created, _client) = scene.connect(Sid::new()).await;
    let gone = Listens::Talker(TalkerNumber(7));
    let consumed = scene.port.consume(created.key, gone).await.unwrap();
    let stays = scene.port.consume(created.key, Listens::Floor).await.unwrap();
    scene.port.gone("room", gone);
    let happened = tokio::time::timeout(PATIENCE, scene.happenings.recv()).await.unwrap();
    assert_eq!(happened, Some(Happening::Silent(consumed.key)));
    let again = scene.port.close_consumer(created.key, consumed.key).await;
    assert_eq!(again, Err(Fault::UnknownConsumer));
    assert_eq!(scene.port.close_consumer(created.key, stays.key).await, Ok(()));
}

#[tokio::test]
async fn a_client_without_udp_talks_and_listens_by_tcp() {
    let mut scene = Scene::new();
    let created = scene.create(Sid::new()).await;
    let client = Client::by_tcp(&created.ice, &created.fingerprint);
    let mut client = scene.connects(&created, client).await;
    let consumed = scene.port.consume(created.key, Listens::Floor).await.unwrap();
    client.listen(&consumed);
    for number in 1..20 {
        scene.say(number, 1, None, None);
        client.run_until(|client| client.heard.len() == usize::from(number)).await;
    }
    let numbers: Vec<_> = client.heard.iter().map(|packet| *packet.seq_no).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    scene.port.produce(created.key, SSRC, "0".to_owned()).await.unwrap();
    client.speak(10..13);
    let start = Instant::now();
    for expected in 10..13 {
        let arrival = loop {
            assert!(start.elapsed() < PATIENCE, "{expected} doesn't come");
            client.turn();
            let arrival = tokio::time::timeout(Duration::from_millis(5), scene.arrivals.recv()).await;
            if let Ok(Some(arrival)) = arrival {
                break arrival;
            }
        };
        assert_eq!(arrival.stamp.sequence, expected);
    }
}
