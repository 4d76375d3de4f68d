//! Voice: who is heard by whom, and what becomes of the rest.

use std::time::Duration;

use suara_channel::Settings;
use tokio::time::sleep;
use wildmatch::WildMatch;
use wtransport::config::QuicTransportConfig;
use wtransport::endpoint::ConnectOptions;

use crate::kit::{Client, END, START, Seat, TestGateway, carrying, claims, frame, marked, mint, soon};

/// Members of one channel, of whom the first has the floor.
async fn talking<const N: usize>(gateway: &TestGateway, channel: &str) -> ([Client; N], [Seat; N], u32) {
    let mut members = Vec::new();
    for index in 0..N {
        let mut client = gateway.user(&format!("user {index}")).await;
        let seat = client.join(channel).await;
        members.push((client, seat));
    }
    let (talker, seat) = &mut members[0];
    let grant = talker.floor(seat.channel).await;
    let (clients, seats): (Vec<_>, Vec<_>) = members.into_iter().unzip();
    let clients = clients.try_into().unwrap_or_else(|_| unreachable!("as many as members"));
    (clients, seats.try_into().expect("as many as members"), grant)
}

/// Sees that nothing was forwarded but what a listener has heard already: a good frame that is sent now comes next.
async fn comes_next(talker: &Client, listener: &Client, good: &[u8]) {
    talker.send_voice(good);
    assert_eq!(listener.voice().await, good);
}

#[tokio::test]
async fn frames_reach_all_others_byte_for_byte_and_in_order() {
    let gateway = TestGateway::start();
    let ([alice, bob, eve], [seat, ..], grant) = talking(&gateway, "lobby").await;
    let mut largest = frame(seat, grant, 2);
    largest.resize(1000, 0x55);
    let mut empty_end = marked(END, seat, grant, 4);
    empty_end.truncate(20);
    empty_end[3] = 0;
    let frames = [
        marked(START, seat, grant, 1),
        largest,
        frame(seat, grant, 3),
        marked(END, seat, grant, 4),
        empty_end,
    ];

    for frame in &frames {
        alice.send_voice(frame);
    }

    for listener in [&bob, &eve] {
        for frame in &frames {
            assert_eq!(&listener.voice().await, frame);
        }
    }
    let bytes: usize = frames.iter().map(Vec::len).sum();
    assert_eq!(gateway.metric("suara_voice_frames_received_total"), 5.0);
    assert_eq!(gateway.metric("suara_voice_received_bytes_total"), bytes as f64);
    gateway.until("all is counted", |gateway| gateway.metric("suara_voice_frames_sent_total") == 10.0).await;
    // Each END takes the frame before it along; the one before that is too large.
    assert_eq!(gateway.metric("suara_voice_sent_bytes_total"), 2.0 * (bytes + 2 * (2 + 6)) as f64);
    for line in ["suara_voice_queue_age_seconds_count", "suara_voice_queue_age_seconds_bucket{le=\"+Inf\"}"] {
        assert_eq!(gateway.metric(line), 10.0, "{line}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn talkers_never_hear_themselves() {
    let gateway = TestGateway::start();
    let ([mut alice, mut bob], [one, two], grant) = talking(&gateway, "lobby").await;
    comes_next(&alice, &bob, &frame(one, grant, 1)).await;
    alice.release(one.channel, grant).await;
    bob.hear("floor_idle").await;
    let grant = bob.floor(two.channel).await;

    // What alice hears first is bob.
    comes_next(&bob, &alice, &frame(two, grant, 2)).await;
}

#[tokio::test]
async fn nobody_is_heard_before_a_grant_and_after_the_tail_of_a_release() {
    let settings = Settings { release_tail: Duration::from_millis(400), ..Settings::default() };
    let gateway = TestGateway::with(|all| all.channels = vec![(WildMatch::new("lobby"), settings)]);
    let (mut alice, mut bob) = (gateway.user("alice").await, gateway.user("bob").await);
    let seat = alice.join("lobby").await;
    bob.join("lobby").await;
    for guess in [0, 1, 65_537, u32::MAX] {
        alice.send_voice(&frame(seat, guess, 1));
    }
    gateway.until("the guesses are counted", |gateway| gateway.dropped("no_grant") == 4.0).await;

    let grant = alice.floor(seat.channel).await;
    comes_next(&alice, &bob, &frame(seat, grant, 2)).await;
    alice.release(seat.channel, grant).await;
    alice.hear("floor_idle").await;
    // Still under way at the release.
    comes_next(&alice, &bob, &frame(seat, grant, 3)).await;
    sleep(Duration::from_millis(450)).await;
    alice.send_voice(&frame(seat, grant, 4));

    gateway.until("it is counted", |gateway| gateway.dropped("no_grant") == 5.0).await;
    let grant = alice.floor(seat.channel).await;
    comes_next(&alice, &bob, &frame(seat, grant, 5)).await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_tail_ends_when_somebody_else_is_granted() {
    let settings = Settings { release_tail: Duration::from_secs(60), ..Settings::default() };
    let gateway = TestGateway::with(|all| all.channels = vec![(WildMatch::new("lobby"), settings)]);
    let ([mut alice, mut bob, eve], [one, two, _], grant) = talking(&gateway, "lobby").await;
    alice.release(one.channel, grant).await;
    bob.hear("floor_idle").await;
    let newer = bob.floor(two.channel).await;

    alice.send_voice(&frame(one, grant, 1));

    gateway.until("it is counted", |gateway| gateway.dropped("no_grant") == 1.0).await;
    comes_next(&bob, &eve, &frame(two, newer, 2)).await;
}

#[tokio::test]
async fn a_frame_that_is_not_the_senders_to_send_is_counted_and_heard_by_nobody() {
    let gateway = TestGateway::start();
    let ([alice, bob, mut eve], [one, two, three], grant) = talking(&gateway, "lobby").await;
    let private = eve.join("private").await;
    let private_grant = eve.floor(private.channel).await;
    let cases: [(&str, &Client, Vec<u8>); 8] = [
        ("wrong_talker", &bob, frame(one, grant, 1)),
        ("wrong_talker", &alice, frame(two, grant, 1)),
        ("wrong_talker", &alice, frame(Seat { talker: 0, ..one }, grant, 1)),
        ("no_grant", &bob, frame(two, grant, 1)),
        ("no_grant", &alice, frame(one, grant + 1, 1)),
        ("no_grant", &eve, frame(three, private_grant, 1)),
        ("not_joined", &alice, frame(private, private_grant, 1)),
        ("not_joined", &alice, frame(Seat { channel: 0, ..one }, grant, 1)),
    ];

    for (reason, sender, bytes) in &cases {
        let before = gateway.dropped(reason);
        sender.send_voice(bytes);
        gateway.until(reason, |gateway| gateway.dropped(reason) == before + 1.0).await;
    }

    comes_next(&alice, &bob, &frame(one, grant, 9)).await;
    assert_eq!(eve.voice().await, frame(one, grant, 9));
    gateway.finish().await;
}

#[tokio::test]
async fn bytes_that_are_no_voice_are_counted_and_heard_by_nobody() {
    let gateway = TestGateway::start();
    let ([alice, bob], [seat, _], grant) = talking(&gateway, "lobby").await;
    let good = carrying(1, 0, seat, grant, 1);
    let with = |index: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[index] = byte;
        bytes
    };
    let mut bad = vec![
        Vec::new(),
        vec![1],
        good[..19].to_vec(),
        good[..20].to_vec(),
        good[..24].to_vec(),
        with(0, 2),
        with(1, 2),
        with(2, 8),
        with(2, 0x80),
        with(3, 3),
        with(3, 2),
        with(21, 255),
        with(21, 0),
        // 120 ms: three frames of 40 ms each in one packet.
        [&good[..28], &[0x13, 3, 0, 0][..]].concat(),
    ];
    bad.push([&good[..], &[0; 1000][..]].concat()[..1001].to_vec());

    for (index, bytes) in bad.iter().enumerate() {
        alice.send_voice(bytes);
        let counted = |gateway: &TestGateway| gateway.dropped("malformed") == (index + 1) as f64;
        gateway.until(&format!("case {index}"), counted).await;
    }

    comes_next(&alice, &bob, &frame(seat, grant, 1)).await;
}

#[tokio::test]
async fn voice_faster_than_voice_is_cut_off_and_goes_on_at_its_pace() {
    let gateway = TestGateway::start();
    let ([alice, bob], [seat, _], grant) = talking(&gateway, "lobby").await;

    for sequence in 0..200 {
        alice.send_voice(&frame(seat, grant, sequence));
        if sequence % 10 == 9 {
            tokio::task::yield_now().await;
        }
    }

    gateway
        .until("all were seen", |gateway| gateway.metric("suara_voice_frames_received_total") == 200.0)
        .await;
    let forwarded = 200.0 - gateway.dropped("rate");
    assert!((60.0..110.0).contains(&forwarded), "{forwarded}");
    while let Ok(Ok(_)) =
        tokio::time::timeout(Duration::from_millis(100), bob.connection.receive_datagram()).await
    {}
    comes_next(&alice, &bob, &frame(seat, grant, 999)).await;
}

#[tokio::test]
async fn voice_of_two_channels_does_not_mix() {
    let gateway = TestGateway::start();
    let ([alice, bob], [one, _], first) = talking(&gateway, "one").await;
    let ([mut eve, oscar], [two, _], second) = talking(&gateway, "two").await;

    for sequence in 0..20 {
        alice.send_voice(&frame(one, first, sequence));
        eve.send_voice(&frame(two, second, sequence));
        assert_eq!(bob.voice().await, frame(one, first, sequence));
        assert_eq!(oscar.voice().await, frame(two, second, sequence));
    }

    // Who is in both hears both.
    let guest = eve.join("one").await;
    assert_eq!(guest.channel, one.channel);
    comes_next(&alice, &eve, &frame(one, first, 99)).await;
}

#[tokio::test]
async fn who_has_left_is_neither_heard_nor_spoken_to() {
    let gateway = TestGateway::start();
    let ([alice, mut bob, eve], [seat, ..], grant) = talking(&gateway, "lobby").await;
    comes_next(&alice, &bob, &frame(seat, grant, 1)).await;
    assert_eq!(eve.voice().await, frame(seat, grant, 1));
    bob.leave(seat.channel).await;

    comes_next(&alice, &eve, &frame(seat, grant, 3)).await;

    let sent = |gateway: &TestGateway| gateway.metric("suara_voice_frames_sent_total");
    gateway.until("it is counted", |gateway| sent(gateway) == 3.0).await;
    bob.send_voice(&frame(seat, grant, 4));
    gateway.until("it is dropped", |gateway| gateway.dropped("not_joined") == 1.0).await;
}

#[tokio::test]
async fn a_listener_that_takes_small_datagrams_only_hears_the_small_ones() {
    let gateway = TestGateway::start();
    let ([alice], [seat], grant) = talking(&gateway, "lobby").await;
    let mut transport = QuicTransportConfig::default();
    transport.datagram_receive_buffer_size(Some(300));
    let endpoint = gateway.endpoint(transport);
    let connecting = endpoint.connect(ConnectOptions::builder(gateway.url()).build());
    let mut small = Client::open(soon("a session", connecting).await.unwrap()).await;
    small.hello(&mint(&claims("small"))).await;
    small.join("lobby").await;
    let mut large = frame(seat, grant, 1);
    large.resize(1000, 0);

    alice.send_voice(&large);

    comes_next(&alice, &small, &frame(seat, grant, 2)).await;
    gateway.until("it is counted", |gateway| gateway.dropped("too_large") == 1.0).await;
}

/// A listener whose machine hangs takes no packets: what waits for it grows old and is dropped, and nobody else waits.
#[tokio::test]
async fn a_listener_that_hangs_loses_old_voice_and_delays_nobody() {
    let gateway = TestGateway::start();
    let ([alice, bob], [seat, _], grant) = talking(&gateway, "lobby").await;
    let hung = Hung::join(&gateway, "lobby").await;

    for sequence in 0..100 {
        // As large as may be: QUIC sends some ahead to one who doesn't answer.
        let mut large = frame(seat, grant, sequence);
        large.resize(1000, 0);
        comes_next(&alice, &bob, &large).await;
        sleep(Duration::from_millis(20)).await;
    }

    let stale = gateway.dropped("stale");
    assert!(stale > 40.0, "{stale} of 100 frames were dropped");
    assert_eq!(gateway.dropped("overflow") + gateway.dropped("rate"), 0.0);
    hung.wake();
    gateway.finish().await;
}

/// A client in a runtime of its own that stands still.
struct Hung {
    wake: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Hung {
    async fn join(gateway: &TestGateway, channel: &str) -> Self {
        let (wake, asleep) = std::sync::mpsc::channel();
        let (there, ready) = tokio::sync::oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let endpoint = {
            let _here = runtime.enter();
            gateway.endpoint(QuicTransportConfig::default())
        };
        let (url, channel) = (gateway.url(), channel.to_owned());
        let thread = std::thread::spawn(move || {
            let client = runtime.block_on(async {
                let connection =
                    endpoint.connect(ConnectOptions::builder(url).build()).await.expect("it is served");
                let mut client = Client::open(connection).await;
                client.hello(&mint(&claims("hung"))).await;
                client.join(&channel).await;
                client.so_far().await;
                client
            });
            there.send(()).expect("the test waits for it");
            // Outside of the runtime: nothing of the client moves.
            asleep.recv().expect("the test wakes it");
            drop(client);
        });
        soon("the listener", ready).await.expect("it comes in");
        Self { wake, thread }
    }

    fn wake(self) {
        self.wake.send(()).expect("it waits");
        self.thread.join().expect("it ends well");
    }
}
