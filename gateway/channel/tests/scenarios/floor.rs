//! Request, Granted, Deny, Taken, Release, Idle.

use suara_channel::*;

use crate::drive::*;

#[test]
fn an_idle_floor_is_granted_to_who_asks_and_the_data_plane_hears_it_first() {
    let (mut drive, [alice, _]) = Drive::of(["alice", "bob"]);

    let said = drive.request(alice, 7);

    let expected = [speaker(alice, 1), granted(alice, 7, 1, 30_000), taken(alice, "alice", 1, 30_000)];
    assert_eq!(said, expected);
    assert_eq!(drive.channel.speaker(), Some(Speaker { talker: alice, grant: grant(1) }));
}

#[test]
fn a_request_is_denied_while_another_talks() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.request(alice, 1);

    assert_eq!(drive.request(bob, 8), [deny(bob, 8, DenyCause::AnotherHasPermission)]);

    assert_eq!(drive.channel.talking(drive.time()), Some(talking(alice, "alice", 1, 30_000)));
}

#[test]
fn a_listen_only_member_is_denied_even_when_nobody_talks() {
    let (mut drive, [_]) = Drive::of(["alice"]);
    let listener = drive.join("bob", Rights::from_iter([Right::Listen])).unwrap();
    drive.drain();

    assert_eq!(drive.request(listener, 2), [deny(listener, 2, DenyCause::ReceiveOnly)]);

    assert_eq!(drive.channel.talking(drive.time()), None);
    assert!(drive.channel.member(listener).unwrap().is_listen_only());
}

#[test]
fn a_holder_who_asks_again_gets_the_same_grant_and_what_is_left_of_its_time() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.wait_talking(1, 10_000);

    assert_eq!(drive.request(alice, 2), [granted(alice, 2, 1, 20_000)]);
}

#[test]
fn asking_again_does_not_stand_in_for_voice() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.wait(3_999);
    drive.request(alice, 2);

    assert_eq!(drive.wait(1), [SILENCE, idle(1)]);
}

#[test]
fn after_a_release_late_frames_are_forwarded_for_the_tail_and_no_longer() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.now += 500;

    assert_eq!(drive.release(alice, 1), [idle(1)]);
    assert_eq!(drive.channel.talking(drive.time()), None, "the floor is idle at once");

    assert_eq!(drive.wait(149), []);
    assert_eq!(drive.channel.speaker(), Some(Speaker { talker: alice, grant: grant(1) }));
    assert_eq!(drive.wait(1), [SILENCE]);
    assert_eq!(drive.channel.poll_timeout(), None);
}

#[test]
fn a_new_grant_cuts_the_tail_off() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.request(alice, 1);
    drive.release(alice, 1);

    let said = drive.request(bob, 9);

    assert_eq!(said, [speaker(bob, 2), granted(bob, 9, 2, 30_000), taken(bob, "bob", 2, 30_000)]);
    assert_eq!(drive.wait_talking(2, 150), [], "the tail's end is forgotten with it");
    assert_eq!(drive.channel.speaker(), Some(Speaker { talker: bob, grant: grant(2) }));
}

#[test]
fn who_presses_again_in_its_own_tail_gets_a_new_grant() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.release(alice, 1);

    assert_eq!(drive.request(alice, 2)[..2], [speaker(alice, 2), granted(alice, 2, 2, 30_000)]);
}

#[test]
fn a_release_of_what_one_does_not_hold_is_refused_and_changes_nothing() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    assert_eq!(drive.release(alice, 1), [wrong_grant(alice)], "nobody holds anything");
    drive.request(alice, 1);

    assert_eq!(drive.release(bob, 1), [wrong_grant(bob)], "another's");
    assert_eq!(drive.release(alice, 2), [wrong_grant(alice)], "not given yet");
    assert!(drive.channel.talking(drive.time()).is_some());

    assert_eq!(drive.release(alice, 1), [idle(1)]);
    assert_eq!(drive.release(alice, 1), [wrong_grant(alice)], "released before");
}

#[test]
fn a_release_that_came_by_datagram_and_comes_again_on_the_stream_is_no_fault() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.request(alice, 1);

    assert_eq!(drive.release_by_datagram(alice, 1), [idle(1)]);
    drive.request(bob, 1);
    assert_eq!(drive.release_by_datagram(bob, 2), [idle(2)]);
    assert_eq!(drive.release(bob, 1), [wrong_grant(bob)], "another's");
    assert_eq!(drive.release(alice, 1), [], "however many have talked since");
    assert_eq!(drive.release_by_datagram(alice, 1), []);
}

#[test]
fn a_release_that_crossed_the_cancel_of_its_request_is_no_fault() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);

    assert_eq!(drive.cancel(alice, 1), [idle(1), cancelled(alice, 1)]);
    assert_eq!(drive.release(alice, 1), []);
}

#[test]
fn releases_that_came_by_datagram_are_remembered_for_eight_grants() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    for number in 1..=9 {
        drive.request(alice, number.into());
        drive.release_by_datagram(alice, number);
    }
    assert_eq!(drive.release(alice, 1), [wrong_grant(alice)], "nine grants ago");
    assert_eq!(drive.release(alice, 2), []);
}

#[test]
fn a_talker_who_vanishes_leaves_an_idle_floor_and_no_tail() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.request(alice, 1);

    assert_eq!(drive.leave(alice), [SILENCE, idle(1)]);

    assert_eq!((drive.channel.speaker(), drive.channel.poll_timeout()), (None, None));
    assert_eq!(drive.request(bob, 1)[1], granted(bob, 1, 2, 30_000));
}

#[test]
fn who_leaves_after_its_release_takes_its_tail_along() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.release(alice, 1);

    assert_eq!(drive.leave(alice), [SILENCE]);
}

#[test]
fn the_floor_is_unmoved_when_a_listener_leaves() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.request(alice, 1);

    assert_eq!(drive.leave(bob), []);

    assert!(drive.channel.talking(drive.time()).is_some());
}

#[test]
fn who_joins_in_mid_burst_can_be_told_who_talks_and_for_how_much_longer() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.wait_talking(1, 12_500);

    let bob = drive.join("bob", Rights::all()).unwrap();

    let snapshot = drive.channel.talking(drive.time());
    assert_eq!(snapshot, Some(talking(alice, "alice", 1, 17_500)));
    let told = drive.drain();
    assert!(matches!(&told[..], [Effect::Roster(delta)] if delta.joined[0].talker == bob), "{told:?}");
}

#[test]
fn a_taken_names_its_talker_even_when_that_is_gone_by_the_drain() {
    let (mut drive, [alice, _]) = Drive::of(["alice", "bob"]);
    drive.channel.floor_request(drive.time(), alice, RequestId(1));

    let said = drive.leave(alice);

    let burst = [speaker(alice, 1), granted(alice, 1, 1, 30_000), taken(alice, "alice", 1, 30_000)];
    assert_eq!(said[..3], burst);
    assert_eq!(said[3..], [SILENCE, idle(1)]);
}

#[test]
fn a_full_counter_raises_the_epoch() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    for counter in 1..=u16::MAX {
        drive.request(alice, 1);
        drive.release(alice, counter);
    }

    drive.request(alice, 1);

    assert_eq!(drive.channel.speaker().unwrap().grant, Grant::new(EPOCH + 1, 0));
}

#[test]
fn when_no_grant_is_left_that_is_newer_none_is_given() {
    let mut channel = Channel::new(u16::MAX, Settings::default());
    let now = Time::default();
    let alice = channel.join(now, who("alice"), Rights::all()).unwrap();
    for counter in 1..=u16::MAX {
        channel.floor_request(now, alice, RequestId(1));
        channel.floor_release(now, alice, Grant::new(u16::MAX, counter), Road::Stream);
        while channel.poll_effect().is_some() {}
    }

    channel.floor_request(now, alice, RequestId(2));

    assert_eq!(channel.poll_effect(), Some(deny(alice, 2, DenyCause::NoResources)));
    assert_eq!(channel.talking(now), None);
}

#[test]
fn a_number_that_nobody_has_moves_nothing() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    for nobody in [TalkerNumber(0), TalkerNumber(2), TalkerNumber(u16::MAX)] {
        assert_eq!(drive.request(nobody, 1), []);
        assert_eq!(drive.release(nobody, 1), []);
        assert!(!drive.channel.leave(drive.time(), nobody, LeaveReason::Kicked));
        assert_eq!(drive.drain(), []);
    }
}
