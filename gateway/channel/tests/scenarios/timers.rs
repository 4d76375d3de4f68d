//! T1, T2, T3 and the repetition of Taken.

use std::time::Duration;

use suara_channel::*;

use crate::drive::*;

#[test]
fn t1_ends_a_burst_without_any_voice_and_without_a_revoke() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);

    assert_eq!(drive.wait(3_999), []);
    assert_eq!(drive.wait(1), [SILENCE, idle(1)]);
    assert_eq!(drive.channel.poll_timeout(), None);
}

#[test]
fn t1_counts_from_the_newest_voice() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.wait(3_000);
    drive.talk(1);

    assert_eq!(drive.wait(3_999), []);
    assert_eq!(drive.wait(1), [SILENCE, idle(1)]);
}

#[test]
fn older_voice_and_voice_of_other_grants_move_t1_nowhere() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.wait(3_000);
    drive.talk(1);

    drive.channel.media(grant(1), Time::from_millis(100));
    drive.channel.media(grant(2), Time::from_millis(5_000));
    drive.channel.media(Grant(0), Time::from_millis(5_000));

    assert_eq!(drive.wait(3_999), []);
    assert_eq!(drive.wait(1), [SILENCE, idle(1)]);
}

#[test]
fn voice_after_the_end_brings_no_grant_back() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.release(alice, 1);
    drive.talk(1);

    assert_eq!(drive.wait(10_000), [SILENCE]);
    drive.talk(1);
    assert_eq!(drive.channel.poll_timeout(), None);
}

#[test]
fn t2_revokes_and_t3_ends_what_goes_on_all_the_same() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);

    assert_eq!(drive.wait_talking(1, 29_999), []);
    assert_eq!(drive.wait_talking(1, 1), [revoke(alice, 1, 3_000)]);
    assert_eq!(drive.channel.speaker(), Some(Speaker { talker: alice, grant: grant(1) }), "still heard");
    assert_eq!(drive.wait_talking(1, 2_999), []);
    assert_eq!(drive.wait_talking(1, 1), [SILENCE, idle(1)]);
}

#[test]
fn a_revoke_tells_everybody_that_what_remains_is_the_grace_time() {
    let settings = Settings { t2: Duration::from_secs(5), ..Settings::default() };
    let (mut drive, [alice]) = Drive::with(settings, ["alice"]);
    drive.request(alice, 1);
    drive.channel.media(grant(1), Time::from_millis(5_000));
    drive.wait(4_999);

    let revoked = [revoke(alice, 1, 3_000), taken(alice, "alice", 1, 3_000)];
    assert_eq!(drive.wait_with_renewals(1), revoked, "one second before the next renewal");
    assert_eq!(drive.wait_with_renewals(2_000), [taken(alice, "alice", 1, 1_000)]);
}

#[test]
fn during_the_grace_time_nobody_is_granted_the_floor() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.request(alice, 1);
    drive.wait_talking(1, 30_000);

    assert_eq!(drive.request(bob, 2), [deny(bob, 2, DenyCause::AnotherHasPermission)]);
    assert_eq!(drive.request(alice, 3), [deny(alice, 3, DenyCause::Other)]);
}

#[test]
fn a_release_in_the_grace_time_ends_it_with_a_tail() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.wait_talking(1, 31_000);

    assert_eq!(drive.release(alice, 1), [idle(1)]);
    assert_eq!(drive.wait(149), []);
    assert_eq!(drive.wait(1), [SILENCE]);
}

#[test]
fn t1_runs_on_in_the_grace_time() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.wait_talking(1, 28_000);

    assert_eq!(drive.wait(3_999), [revoke(alice, 1, 3_000)]);
    assert_eq!(drive.wait(1), [SILENCE, idle(1)], "one second before T3");
}

#[test]
fn a_talker_who_leaves_in_the_grace_time_ends_it_at_once() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.wait_talking(1, 30_000);

    assert_eq!(drive.leave(alice), [SILENCE, idle(1)]);
}

#[test]
fn a_release_that_crossed_the_idle_of_a_timer_is_no_fault() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.request(alice, 1);
    drive.wait(4_000);

    assert_eq!(drive.release(alice, 1), []);
    assert_eq!(drive.release(bob, 1), [wrong_grant(bob)], "for bob it is one");

    drive.request(bob, 2);
    assert_eq!(drive.release(alice, 1), [], "however quick the next talker is");
    assert!(drive.channel.talking(drive.time()).is_some());
    drive.wait_talking(2, 33_000);
    assert_eq!(drive.release(bob, 2), [], "T3 is such a timer too");
    assert_eq!(drive.release(alice, 1), [wrong_grant(alice)], "by now it is an old story");
}

#[test]
fn taken_is_renewed_while_the_floor_is_held_and_not_after() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.channel.media(grant(1), Time::from_millis(5_000));

    let renewals = [taken(alice, "alice", 1, 28_000), taken(alice, "alice", 1, 26_000)];
    assert_eq!(drive.wait_with_renewals(5_000), renewals);
    drive.release(alice, 1);
    assert_eq!(drive.wait_with_renewals(10_000), [SILENCE]);
}

#[test]
fn coming_late_renews_once() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.now = 9_500;
    drive.talk(1);

    assert_eq!(drive.fire(), [taken(alice, "alice", 1, 20_500)]);
    assert_eq!(drive.channel.poll_timeout(), Some(Time::from_millis(11_500)));
}

#[test]
fn a_renewal_of_zero_is_none() {
    let settings = Settings { renewal: Duration::ZERO, ..Settings::default() };
    let (mut drive, [alice]) = Drive::with(settings, ["alice"]);
    drive.request(alice, 1);

    assert_eq!(drive.wait_with_renewals(4_000), [SILENCE, idle(1)]);
}

#[test]
fn the_grace_time_counts_from_the_revoke_however_late_that_was() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.now = 35_000;
    drive.talk(1);

    assert_eq!(drive.fire()[0], revoke(alice, 1, 3_000));
    assert_eq!(drive.channel.talking(drive.time()).unwrap().remaining, Duration::from_secs(3));
}

#[test]
fn a_talker_who_was_silent_before_its_limit_is_not_revoked_afterwards() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.channel.media(grant(1), Time::from_millis(26_000));
    drive.now = 60_000;

    assert_eq!(drive.fire(), [SILENCE, idle(1)], "T1 at 30 s, as T2: the tie is T1's");
}

#[test]
fn without_a_grace_time_the_limit_is_the_end() {
    let settings = Settings { t3: Duration::ZERO, ..Settings::default() };
    let (mut drive, [alice]) = Drive::with(settings, ["alice"]);
    drive.request(alice, 1);

    assert_eq!(drive.wait_talking(1, 30_000), [revoke(alice, 1, 0), SILENCE, idle(1)]);
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.now = 10_000;
    drive.request(alice, 1);
    drive.now = 2_000;

    assert_eq!(drive.fire(), []);
    assert_eq!(drive.channel.talking(drive.time()), Some(talking(alice, "alice", 1, 30_000)));
    assert_eq!(drive.release(alice, 1), [idle(1)]);
    assert_eq!(drive.channel.poll_timeout(), Some(Time::from_millis(10_150)));
    assert_eq!(drive.request(bob, 1)[1], granted(bob, 1, 2, 30_000));
}

#[test]
fn the_end_of_time_is_survived() {
    let forever = Duration::MAX;
    let settings =
        Settings { t1: forever, t2: forever, t3: forever, talker_reuse: forever, ..Settings::default() };
    let (mut drive, [alice]) = Drive::with(settings, ["alice"]);
    drive.request(alice, 1);
    drive.wait_talking(1, 1_000_000);
    drive.now = u64::MAX;

    drive.fire();

    assert_eq!(drive.channel.talking(drive.time()), None);
    assert_eq!(drive.channel.poll_timeout(), None);
}

fn call() -> Settings {
    Settings { t4: Some(Duration::from_secs(30)), ..Settings::default() }
}

#[test]
fn t4_ends_a_call_in_which_nobody_talks() {
    let mut drive = Drive::new(call());
    assert_eq!(drive.wait(60_000), [], "nobody is there");
    let alice = drive.join("alice", Rights::all()).expect("there is room");
    drive.drain();
    drive.wait(10_000);
    drive.join("bob", Rights::all()).expect("there is room");
    drive.drain();

    assert_eq!(drive.wait(19_999), [], "a second member begins nothing anew");
    assert_eq!(drive.wait(1), [Effect::Inactive]);
    assert_eq!(drive.wait(100_000), [], "once, and the caller decides");
    assert!(drive.channel.member(alice).is_some());
}

#[test]
fn t4_counts_from_the_end_of_the_last_burst() {
    let (mut drive, [alice, bob]) = Drive::with(call(), ["alice", "bob"]);
    drive.wait(29_000);
    drive.request(alice, 1);
    drive.wait_talking(1, 29_000);
    drive.release(alice, 1);
    drive.wait(29_999);

    drive.request(bob, 2);
    assert_eq!(drive.wait(4_000), [SILENCE, idle(2)], "T1");
    assert_eq!(drive.wait(29_999), []);
    assert_eq!(drive.wait(1), [Effect::Inactive]);
}

#[test]
fn t4_is_over_with_the_last_member_and_begins_with_the_next() {
    let (mut drive, [alice]) = Drive::with(call(), ["alice"]);
    drive.wait(10_000);
    drive.leave(alice);
    assert_eq!(drive.channel.poll_timeout(), None);
    drive.wait(50_000);

    drive.join("bob", Rights::all()).expect("there is room");
    drive.drain();
    assert_eq!(drive.wait(29_999), []);
    assert_eq!(drive.wait(1), [Effect::Inactive]);
}
