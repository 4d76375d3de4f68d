//! Loss on either leg: who gets earlier packets, and what is made of a talker's own.

use std::time::Duration;

use serde_json::json;
use suara_gateway::EngineSettings;
use tokio::time::sleep;

use crate::kit::{
    Client, END, START, Seat, TALK_AHEAD, TestGateway, carrying, claims, frame, marked, mint, number,
    open_socket, opening,
};

/// Alice, who talks, with Bob and Eve, who listen.
async fn three(gateway: &TestGateway) -> ([Client; 3], Seat, u32) {
    let (mut alice, mut bob, mut eve) =
        (gateway.user("alice").await, gateway.user("bob").await, gateway.user("eve").await);
    let seat = alice.join("lobby").await;
    bob.join("lobby").await;
    eve.join("lobby").await;
    let grant = alice.floor(seat.channel).await;
    ([alice, bob, eve], seat, grant)
}

/// Frames that whoever is new gets with all that may ride along, whatever it reports.
const TRIAL: u16 = 150;

/// Until nobody is new any more; the last one's number.
async fn get_known(alice: &Client, listeners: [&mut Client; 2], seat: Seat, grant: u32) -> u16 {
    let [bob, eve] = listeners;
    for sequence in 1..=TRIAL {
        alice.send_voice(&frame(seat, grant, sequence));
        bob.voice().await;
        eve.voice().await;
        // As fast as anybody talks: what comes faster is over the rate.
        sleep(Duration::from_millis(20)).await;
    }
    TRIAL
}

/// A receiver report, byte by byte as section 6.3 of the protocol's page has it.
fn report(expected: u16, lost: u16, gap: u8) -> Vec<u8> {
    [&[3, 1, gap, 0][..], &expected.to_be_bytes(), &lost.to_be_bytes()].concat()
}

/// Sends a report and waits until it is taken.
async fn reports(gateway: &TestGateway, client: &Client, bytes: &[u8]) {
    let taken = |gateway: &TestGateway| gateway.metric("suara_voice_reported_loss_count");
    let before = taken(gateway);
    client.send_voice(bytes);
    gateway.until("the report is taken", |gateway| taken(gateway) == before + 1.0).await;
}

fn with_earlier(gateway: &TestGateway, earlier: u8) -> f64 {
    gateway.metric(&format!("suara_voice_frames_sent_with_earlier_total{{earlier=\"{earlier}\"}}"))
}

#[tokio::test]
async fn who_reports_loss_gets_earlier_packets_and_its_neighbour_only_where_all_do() {
    let gateway =
        TestGateway::with(|settings| settings.engine = EngineSettings { workers: 2, ..Default::default() });
    let ([alice, mut bob, mut eve], seat, grant) = three(&gateway).await;
    let first = 1 + get_known(&alice, [&mut bob, &mut eve], seat, grant).await;
    reports(&gateway, &bob, &report(50, 5, 1)).await;
    let before = [with_earlier(&gateway, 1), with_earlier(&gateway, 2)];

    for nth in 0..15 {
        let (sequence, flags) =
            (first + nth, if nth == 0 { START } else { 0 } | if nth == 14 { END } else { 0 });
        alice.send_voice(&marked(flags, seat, grant, sequence));
        let earlier = nth.min(2) as u8;
        // Ten frames and the last go to everybody so.
        let of_eve = if (10..14).contains(&nth) { 0 } else { earlier };
        assert_eq!(bob.voice_as_it_came().await, carrying(earlier, flags, seat, grant, sequence));
        assert_eq!(eve.voice_as_it_came().await, carrying(of_eve, flags, seat, grant, sequence));
    }

    let sent =
        |gateway: &TestGateway| [with_earlier(gateway, 1) - before[0], with_earlier(gateway, 2) - before[1]];
    gateway.until("they are counted", |gateway| sent(gateway) == [2.0, 22.0]).await;
    // The next talkspurt begins with nothing before it.
    alice.send_voice(&marked(START, seat, grant, first + 15));
    assert_eq!(bob.voice_as_it_came().await, marked(START, seat, grant, first + 15));
    gateway.finish().await;
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_is_left_out() {
    let gateway = TestGateway::start();
    let ([alice, bob, _eve], seat, grant) = three(&gateway).await;
    reports(&gateway, &bob, &report(50, 5, 1)).await;
    let mut large = frame(seat, grant, 2);
    large.resize(985, 0x55);

    for bytes in [&frame(seat, grant, 1), &large, &frame(seat, grant, 3)] {
        alice.send_voice(bytes);
    }

    assert_eq!(bob.voice_as_it_came().await, frame(seat, grant, 1));
    let heard = bob.voice_as_it_came().await;
    assert_eq!((heard.len(), heard[3]), (993, 1));
    let heard = bob.voice_as_it_came().await;
    assert_eq!((heard.len(), heard[3]), (20 + 2 + 965 + 6, 1), "the nearer of the two");
}

#[tokio::test]
async fn a_path_that_is_good_again_gets_less() {
    let gateway = TestGateway::start();
    let ([alice, mut bob, mut eve], seat, grant) = three(&gateway).await;
    let last = get_known(&alice, [&mut bob, &mut eve], seat, grant).await;

    reports(&gateway, &bob, &report(50, 2, 2)).await;
    alice.send_voice(&frame(seat, grant, last + 1));
    assert_eq!(bob.voice_as_it_came().await, carrying(2, 0, seat, grant, last + 1));
    reports(&gateway, &bob, &report(400, 0, 0)).await;
    alice.send_voice(&frame(seat, grant, last + 2));
    assert_eq!(bob.voice_as_it_came().await, carrying(1, 0, seat, grant, last + 2));
}

#[tokio::test]
async fn a_talkers_earlier_packets_make_up_for_what_its_path_lost_and_go_no_further() {
    let gateway = TestGateway::start();
    let ([alice, bob, _eve], seat, grant) = three(&gateway).await;

    alice.send_voice(&marked(START, seat, grant, 65_535));
    // 0 and 1 are lost; 1 was only late.
    alice.send_voice(&carrying(2, 0, seat, grant, 2));
    alice.send_voice(&frame(seat, grant, 1));
    alice.send_voice(&carrying(2, 0, seat, grant, 3));
    alice.send_voice(&carrying(1, END, seat, grant, 4));
    alice.send_voice(&carrying(1, END, seat, grant, 4));

    assert_eq!(bob.voice().await, marked(START, seat, grant, 65_535));
    for sequence in 0..4 {
        // Its clock with it, counted back from the frame that it came with.
        assert_eq!(bob.voice().await, frame(seat, grant, sequence), "{sequence}");
    }
    for _ in 0..2 {
        assert_eq!(bob.voice().await, marked(END, seat, grant, 4), "repeats of END are for the listeners");
    }
    assert_eq!(gateway.dropped("duplicate"), 1.0);
    assert_eq!(gateway.metric("suara_voice_frames_repaired_total"), 2.0);
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_lost_ahead_of_the_grant_is_made_up_for_too() {
    let gateway = TestGateway::start();
    let (mut alice, mut bob) = (gateway.user("alice").await, gateway.user("bob").await);
    let seat = alice.join("lobby").await;
    bob.join("lobby").await;

    alice.send_voice(&marked(TALK_AHEAD | START, seat, 7, 1));
    alice.send_voice(&carrying(2, TALK_AHEAD, seat, 7, 4));
    let came = |gateway: &TestGateway| gateway.metric("suara_voice_frames_received_total") == 2.0;
    gateway.until("they are there", came).await;
    alice.say(json!({"type": "floor_request", "request": 7, "channel": seat.channel})).await;
    let grant = number(&alice.hear("floor_granted").await["grant"]);
    alice.send_voice(&carrying(2, 0, seat, grant, 6));

    assert_eq!(bob.voice().await, marked(START, seat, grant, 1));
    for sequence in 2..=6 {
        assert_eq!(bob.voice().await, frame(seat, grant, sequence));
    }
}

#[tokio::test]
async fn a_talker_is_told_what_its_path_loses_and_what_to_do() {
    let gateway = TestGateway::start();
    let ([alice, bob, _eve], seat, grant) = three(&gateway).await;

    alice.send_voice(&marked(START, seat, grant, 1));
    bob.voice().await;
    sleep(Duration::from_millis(250)).await;
    alice.send_voice(&frame(seat, grant, 5));

    assert_eq!(alice.voice().await, [3, 1, 3, 2, 0, 5, 0, 3], "three of five, in a row: two from now on");
    assert_eq!(bob.voice().await, frame(seat, grant, 5));
}

#[tokio::test]
async fn forged_reports_harm_nobody() {
    let gateway = TestGateway::start();
    let ([alice, bob, eve], seat, grant) = three(&gateway).await;
    let bad: [&[u8]; 6] = [
        &[3],
        &[3, 2, 0, 0, 0, 50, 0, 0],
        &[3, 1, 0, 0, 0, 50, 0],
        &[3, 1, 1, 0, 0, 1, 0, 2],
        &[3, 1, 1, 3, 0, 9, 0, 2],
        &[3, 1, 9, 0, 0, 9, 0, 2],
    ];
    for bytes in bad {
        eve.send_voice(bytes);
    }
    gateway.until("they are counted", |gateway| gateway.dropped("malformed") == 6.0).await;

    for _ in 0..50 {
        eve.send_voice(&report(u16::MAX, u16::MAX, 2));
    }
    let all = |gateway: &TestGateway| {
        gateway.dropped("rate") + gateway.metric("suara_voice_reported_loss_count") == 50.0
    };
    gateway.until("most are dropped", |gateway| all(gateway) && gateway.dropped("rate") > 30.0).await;

    for sequence in 1..=3 {
        alice.send_voice(&frame(seat, grant, sequence));
        assert_eq!(bob.voice().await, frame(seat, grant, sequence));
        let earlier = (sequence - 1).min(2) as u8;
        assert_eq!(eve.voice_as_it_came().await, carrying(earlier, 0, seat, grant, sequence));
    }
    gateway.finish().await;
}

#[tokio::test]
async fn by_websocket_nothing_is_lost_and_nothing_said_twice() {
    let gateway = TestGateway::start();
    let ([mut alice, mut bob, _eve], seat, grant) = three(&gateway).await;
    let mut carol = open_socket(opening(gateway.http().await)).await.expect("a WebSocket");
    carol.hello(&mint(&claims("carol"))).await;
    carol.hear("welcome").await;
    let own = carol.join("lobby").await;
    carol.send_voice(&report(50, 5, 2)).await;
    let taken = |gateway: &TestGateway| gateway.metric("suara_voice_reported_loss_count") == 1.0;
    gateway.until("the report is taken", taken).await;

    for sequence in 1..=3 {
        alice.send_voice(&frame(seat, grant, sequence));
        assert_eq!(carol.voice().await, frame(seat, grant, sequence));
        bob.voice().await;
    }
    alice.release(seat.channel, grant).await;
    alice.hear("floor_idle").await;
    bob.hear("floor_idle").await;
    let grant = carol.floor(own.channel).await;
    reports(&gateway, &bob, &report(50, 5, 2)).await;
    for sequence in 1..=3 {
        carol.send_voice(&frame(own, grant, sequence)).await;
        let earlier = (sequence - 1).min(2) as u8;
        assert_eq!(
            bob.voice_as_it_came().await,
            carrying(earlier, 0, own, grant, sequence),
            "and who needs them gets them"
        );
    }
}
