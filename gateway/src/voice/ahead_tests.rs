//! What is held, for how long, and how it leaves.

use super::*;

const ALICE: TalkerNumber = TalkerNumber(4);
const PRESS: RequestId = RequestId(9);
const GRANT: Grant = Grant(65_541);
const FRAME: Duration = Duration::from_millis(20);

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn bytes(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

/// One frame every 20 ms from a moment on, numbered by its time; how many were dropped.
fn speak(ahead: &mut Ahead, request: RequestId, from: u64, frames: u64) -> usize {
    let times = (0..frames).map(|frame| from + frame * 20);
    times.map(|time| ahead.hold(at(time), ALICE, request, bytes(time), FRAME)).sum()
}

/// Everything that leaves, with its time, as time goes by.
fn leave(ahead: &mut Ahead) -> Vec<(u64, Bytes)> {
    let mut left = Vec::new();
    while let Some(due) = ahead.poll_timeout() {
        let Due { talker, grant, frame } = ahead.poll(due).expect("it is due");
        assert_eq!((talker, grant), (ALICE, GRANT));
        left.push((due.as_millis(), frame));
    }
    left
}

#[test]
fn what_was_said_before_the_grant_leaves_in_order_and_spaced() {
    let mut ahead = Ahead::default();
    speak(&mut ahead, PRESS, 1_000, 4);
    assert_eq!(ahead.poll_timeout(), None, "nobody knows yet whether it may");

    assert_eq!(ahead.granted(at(1_070), ALICE, PRESS, GRANT), 0);

    assert!(ahead.is_draining(ALICE));
    let expected =
        [(1_070, bytes(1_000)), (1_075, bytes(1_020)), (1_080, bytes(1_040)), (1_085, bytes(1_060))];
    assert_eq!(leave(&mut ahead), expected);
    assert!(!ahead.is_draining(ALICE));
}

#[test]
fn nothing_leaves_before_its_time() {
    let mut ahead = Ahead::default();
    speak(&mut ahead, PRESS, 0, 2);
    ahead.granted(at(30), ALICE, PRESS, GRANT);

    assert!(ahead.poll(at(30)).is_some());
    assert_eq!(ahead.poll(at(34)), None);
    assert!(ahead.poll(at(35)).is_some());
}

#[test]
fn what_comes_while_it_drains_queues_behind() {
    let mut ahead = Ahead::default();
    speak(&mut ahead, PRESS, 0, 2);
    ahead.granted(at(20), ALICE, PRESS, GRANT);
    ahead.poll(at(20));

    speak(&mut ahead, PRESS, 22, 1);

    assert_eq!(leave(&mut ahead), [(25, bytes(20)), (30, bytes(22))]);
}

#[test]
fn a_denied_press_leaks_nothing_before_and_after() {
    let mut ahead = Ahead::default();
    speak(&mut ahead, PRESS, 0, 3);

    assert_eq!(ahead.refused(ALICE, PRESS), 3);
    assert_eq!(speak(&mut ahead, PRESS, 60, 2), 2, "what was still under way");
    ahead.granted(at(100), ALICE, PRESS, GRANT);

    assert_eq!(leave(&mut ahead), []);
}

#[test]
fn a_denial_that_comes_before_the_voice_counts_too() {
    let mut ahead = Ahead::default();
    ahead.refused(ALICE, PRESS);
    assert_eq!(speak(&mut ahead, PRESS, 0, 2), 2);
}

#[test]
fn one_who_waits_long_has_its_newest_300_ms_kept() {
    let mut ahead = Ahead::default();
    assert_eq!(speak(&mut ahead, PRESS, 0, 100), 85);

    ahead.granted(at(1_990), ALICE, PRESS, GRANT);

    let left = leave(&mut ahead);
    assert_eq!((left.len(), &left[0].1), (15, &bytes(1_700)));
}

#[test]
fn what_was_said_long_ago_is_not_said_now() {
    let mut ahead = Ahead::default();
    speak(&mut ahead, PRESS, 0, 3);

    assert_eq!(ahead.granted(at(1_021), ALICE, PRESS, GRANT), 2);

    assert_eq!(leave(&mut ahead), [(1_021, bytes(40))]);
}

#[test]
fn bytes_and_frames_are_bounded_whatever_they_sound_for() {
    let mut ahead = Ahead::default();
    let large = Bytes::from(vec![0; 1000]);
    let dropped: usize =
        (0..20).map(|_| ahead.hold(at(0), ALICE, PRESS, large.clone(), Duration::ZERO)).sum();
    assert_eq!(dropped, 4);

    let mut ahead = Ahead::default();
    let dropped: usize = (0..130).map(|_| ahead.hold(at(0), ALICE, PRESS, bytes(0), Duration::ZERO)).sum();
    assert_eq!(dropped, 10);
}

#[test]
fn a_newer_press_ends_the_older_and_an_older_one_is_late() {
    let mut ahead = Ahead::default();
    speak(&mut ahead, RequestId(u32::MAX), 0, 3);

    assert_eq!(speak(&mut ahead, RequestId(0), 60, 1), 3, "numbers go round");
    assert_eq!(speak(&mut ahead, RequestId(u32::MAX), 80, 1), 1);
    assert_eq!(ahead.granted(at(100), ALICE, RequestId(u32::MAX), Grant(1)), 0, "an older press's");

    ahead.granted(at(100), ALICE, RequestId(0), GRANT);
    assert_eq!(leave(&mut ahead), [(100, bytes(60))]);
}

#[test]
fn a_grant_that_is_over_takes_along_what_has_not_left() {
    let mut ahead = Ahead::default();
    speak(&mut ahead, PRESS, 0, 3);
    ahead.granted(at(40), ALICE, PRESS, GRANT);
    ahead.poll(at(40));

    assert_eq!(ahead.in_force(|grant| grant == GRANT), 0);
    assert_eq!(ahead.in_force(|_| false), 2);

    assert_eq!(speak(&mut ahead, PRESS, 60, 1), 1, "and what comes late");
    assert_eq!(ahead.poll_timeout(), None);
}

#[test]
fn voice_that_comes_after_its_grant_is_not_held_up() {
    let mut ahead = Ahead::default();
    ahead.refused(ALICE, RequestId(8));
    ahead.granted(at(0), ALICE, PRESS, GRANT);

    assert_eq!(speak(&mut ahead, PRESS, 40, 1), 0);

    assert_eq!(ahead.poll(at(40)).map(|due| due.frame), Some(bytes(40)));
}

#[test]
fn a_holder_who_asks_anew_goes_on() {
    let mut ahead = Ahead::default();
    speak(&mut ahead, PRESS, 0, 2);
    ahead.granted(at(20), ALICE, PRESS, GRANT);

    assert_eq!(ahead.granted(at(20), ALICE, RequestId(10), GRANT), 0);

    assert_eq!(leave(&mut ahead).len(), 2);
}

#[test]
fn who_leaves_takes_its_voice_along() {
    let mut ahead = Ahead::default();
    speak(&mut ahead, PRESS, 0, 3);

    assert_eq!(ahead.leave(ALICE), 3);

    ahead.granted(at(60), ALICE, PRESS, GRANT);
    assert_eq!(leave(&mut ahead), []);
}
