//! Voice over bad paths: how old it gets, and how much is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::kit::{Client, Path, Proxy, Server, soon};

const FRAME: Duration = Duration::from_millis(20);
const BYTES: usize = 100;

/// What a listener got.
#[derive(Debug, Default)]
struct Heard {
    /// Of each frame: when it was sent, and how old it was.
    frames: Vec<(Duration, Duration)>,
}

impl Heard {
    fn between(&self, from: f64, to: f64) -> impl Iterator<Item = Duration> {
        let range = Duration::from_secs_f64(from)..Duration::from_secs_f64(to);
        self.frames.iter().filter(move |(sent, _)| range.contains(sent)).map(|(_, age)| *age)
    }

    /// Than which 95 of 100 are younger.
    fn most(&self, from: f64, to: f64) -> Duration {
        let mut ages: Vec<_> = self.between(from, to).collect();
        ages.sort_unstable();
        ages[ages.len() * 95 / 100]
    }

    fn oldest(&self) -> Duration {
        self.frames.iter().map(|(_, age)| *age).max().unwrap_or_default()
    }
}

/// Talkers on a good path and a listener behind `path`, for some seconds; `script` changes the path meanwhile.
async fn conversation(
    talkers: usize,
    seconds: u64,
    path: Path,
    script: impl AsyncFnOnce(&Proxy),
) -> (Heard, u64) {
    conversation_with(0, talkers, seconds, path, script).await
}

/// The same; the listener gets so many earlier frames with each.
async fn conversation_with(
    earlier: u8,
    talkers: usize,
    seconds: u64,
    path: Path,
    script: impl AsyncFnOnce(&Proxy),
) -> (Heard, u64) {
    let server = Server::start(|_| {});
    let proxy = Proxy::start(Path { server: server.address(), ..path }).await;
    let listener = Client::connect(proxy.address).await;
    if earlier > 0 {
        listener.say(&[b'E', earlier]);
        assert_eq!(listener.hear().await, &b"E"[..]);
    }
    let mut voices = Vec::new();
    for _ in 0..talkers {
        voices.push(server.client().await);
    }
    let start = Instant::now();
    let talk = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(FRAME);
        let mut sent = 0;
        while start.elapsed() < Duration::from_secs(seconds) {
            ticks.tick().await;
            for voice in &voices {
                let mut frame = [0; BYTES];
                frame[..8].copy_from_slice(&(start.elapsed().as_nanos() as u64).to_be_bytes());
                voice.say(&frame);
                sent += 1;
            }
        }
        sent
    });
    let connection = listener.connection.clone();
    let hear = tokio::spawn(async move {
        let mut heard = Heard::default();
        while let Ok(datagram) = connection.read_datagram().await {
            // The newest is the last.
            let newest = datagram.len() - BYTES;
            let sent = u64::from_be_bytes(datagram[newest..newest + 8].try_into().unwrap());
            let sent = Duration::from_nanos(sent);
            heard.frames.push((sent, start.elapsed().saturating_sub(sent)));
        }
        heard
    });
    script(&proxy).await;
    let sent = talk.await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    listener.connection.close(0u32.into(), b"");
    let heard = soon("the listener", hear).await.unwrap();
    let totals = Arc::clone(&server.app).totals();
    eprintln!(
        "{talkers} talkers: {} of {sent} heard, the oldest {:?}; {totals:?}",
        heard.frames.len(),
        heard.oldest()
    );
    server.stop().await;
    (heard, sent)
}

fn path(delay: u64) -> Path {
    let server = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    Path { server, delay: Duration::from_millis(delay), loss: 0, rate: None, hole: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_hole_voice_is_fresh_and_back_within_half_a_second() {
    let (heard, _) = conversation(1, 9, path(25), async |proxy| {
        tokio::time::sleep(Duration::from_secs(2)).await;
        proxy.set(|path| path.hole = true);
        tokio::time::sleep(Duration::from_secs(4)).await;
        proxy.set(|path| path.hole = false);
    })
    .await;

    assert!(heard.oldest() < Duration::from_millis(400), "{:?}", heard.oldest());
    let back = heard.between(6.0, 9.5).count();
    assert!(back >= 120, "{back} of 150 after the hole");
    assert_eq!(heard.between(2.1, 5.8).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bottleneck_that_is_wide_enough_loses_nothing() {
    let bottleneck = Path { rate: Some(200_000), ..path(25) };
    let (heard, sent) = conversation(1, 5, bottleneck, async |_| {}).await;

    assert!(heard.frames.len() as u64 >= sent * 98 / 100, "{} of {sent}", heard.frames.len());
    // The handshake itself takes the bottleneck a while.
    let oldest = heard.between(1.0, 5.0).max().unwrap_or_default();
    assert!(oldest < Duration::from_millis(250), "{oldest:?}");
}

/// One talker with two earlier frames is about 160 kbit/s, without them 75.
#[tokio::test(flavor = "multi_thread")]
async fn earlier_frames_are_left_out_where_the_path_has_no_room_for_them() {
    let bottleneck = Path { rate: Some(100_000), ..path(25) };
    let (heard, sent) = conversation_with(2, 1, 6, bottleneck, async |_| {}).await;

    assert!(heard.frames.len() as u64 >= sent / 2, "{} of {sent}", heard.frames.len());
    assert!(heard.most(2.0, 6.0) < Duration::from_millis(400), "{:?}", heard.most(2.0, 6.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bottleneck_that_is_too_narrow_makes_voice_thin_but_not_old() {
    let bottleneck = Path { rate: Some(200_000), ..path(25) };
    let (heard, sent) = conversation(6, 8, bottleneck, async |_| {}).await;

    // 6 talkers are about 400 kbit/s: half can pass at most. What does is no older than the queue here, the bottleneck's
    // and the path together.
    assert!(heard.frames.len() as u64 >= sent * 35 / 100, "{} of {sent}", heard.frames.len());
    let most = heard.most(2.0, 8.0);
    eprintln!("95 of 100 frames are younger than {most:?}");
    assert!(most < Duration::from_millis(400), "{most:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_lost_on_the_way_is_all_that_is_lost() {
    let lossy = Path { loss: 10, ..path(25) };
    let (heard, sent) = conversation(1, 8, lossy, async |_| {}).await;

    assert!(heard.frames.len() as u64 >= sent * 86 / 100, "{} of {sent}", heard.frames.len());
    assert!(heard.oldest() < Duration::from_millis(300), "{:?}", heard.oldest());
}
