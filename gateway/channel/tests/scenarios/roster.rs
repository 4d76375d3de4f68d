//! Who is in the channel, and how the others learn it.

use std::time::Duration;

use suara_channel::*;

use crate::drive::*;

fn delta(drive: &mut Drive) -> RosterDelta {
    match drive.channel.poll_effect() {
        Some(Effect::Roster(delta)) => delta,
        other => panic!("no roster, but {other:?}"),
    }
}

fn numbers(members: &[Member]) -> Vec<u16> {
    members.iter().map(|member| member.talker.0).collect()
}

fn gone(talker: u16, reason: LeaveReason) -> TalkerLeft {
    TalkerLeft { talker: TalkerNumber(talker), reason }
}

#[test]
fn members_are_numbered_from_one_and_every_change_raises_the_version() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    assert_eq!((alice, bob), (TalkerNumber(1), TalkerNumber(2)));
    assert_eq!((drive.channel.version(), drive.channel.len()), (2, 2));

    drive.leave(alice);

    assert_eq!((drive.channel.version(), drive.channel.len()), (3, 1));
    assert_eq!(drive.channel.members().next().unwrap().who, who("bob"));
    assert_eq!(drive.channel.member(alice), None);
}

#[test]
fn the_same_user_may_be_here_twice() {
    let (drive, [phone, desk]) = Drive::of(["alice", "alice"]);

    assert_ne!(phone, desk);
    assert_eq!(drive.channel.len(), 2);
}

#[test]
fn who_may_not_listen_may_not_enter() {
    let mut drive = Drive::new(Settings::default());

    let refusal = drive.join("eve", Rights::from_iter([Right::Talk, Right::Dispatch]));

    assert_eq!(refusal, Err(JoinError::MayNotListen));
    assert_eq!((drive.channel.version(), drive.channel.is_empty()), (0, true));
    assert_eq!(drive.drain(), []);
}

#[test]
fn a_full_channel_takes_nobody_until_somebody_leaves() {
    let settings = Settings { max_members: 2, ..Settings::default() };
    let (mut drive, [alice, _]) = Drive::with(settings, ["alice", "bob"]);

    assert_eq!(drive.join("eve", Rights::all()), Err(JoinError::Full));
    drive.leave(alice);
    assert_eq!(drive.join("eve", Rights::all()), Ok(TalkerNumber(3)));
}

#[test]
fn leaving_twice_is_leaving_once() {
    let (mut drive, [alice, _]) = Drive::of(["alice", "bob"]);

    drive.leave(alice);

    assert!(!drive.channel.leave(drive.time(), alice, LeaveReason::Disconnected));
    assert_eq!((drive.channel.version(), drive.drain()), (3, vec![]));
}

#[test]
fn changes_between_two_drains_are_told_as_one() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.join("bob", Rights::all()).unwrap();
    drive.channel.leave(drive.time(), alice, LeaveReason::Expired);
    drive.join("eve", Rights::from_iter([Right::Listen])).unwrap();

    let told = delta(&mut drive);

    assert_eq!((told.since, told.version), (1, 4));
    assert_eq!(numbers(&told.joined), [2, 3]);
    assert_eq!(told.left, [gone(1, LeaveReason::Expired)]);
    assert_eq!(drive.drain(), [], "one, and once");
}

#[test]
fn who_came_and_went_between_two_drains_is_told_as_both() {
    let (mut drive, [_]) = Drive::of(["alice"]);
    let bob = drive.join("bob", Rights::all()).unwrap();
    drive.channel.leave(drive.time(), bob, LeaveReason::Kicked);

    let told = delta(&mut drive);

    assert_eq!((numbers(&told.joined), told.left), (vec![2], vec![gone(2, LeaveReason::Kicked)]));
    assert_eq!((told.since, told.version), (1, 3));
}

#[test]
fn the_roster_comes_before_what_the_newcomer_does() {
    let (mut drive, [_]) = Drive::of(["alice"]);
    let bob = drive.join("bob", Rights::all()).unwrap();
    drive.channel.floor_request(drive.time(), bob, RequestId(1));
    drive.join("eve", Rights::all()).unwrap();

    assert_eq!(numbers(&delta(&mut drive).joined), [2, 3]);
    assert_eq!(drive.drain()[0], speaker(bob, 1));
}

/// A channel where every number was given once, all but the first at `now` 0, and only the first is in use.
fn used_up(settings: Settings) -> Drive {
    let (mut drive, [_]) = Drive::with(settings, ["alice"]);
    for number in 2..=u16::MAX {
        assert_eq!(drive.join("bob", Rights::all()), Ok(TalkerNumber(number)));
        drive.leave(TalkerNumber(number));
    }
    drive
}

#[test]
fn when_all_numbers_are_in_use_or_at_rest_the_channel_is_full() {
    let mut drive = used_up(Settings::default());

    drive.now = 59_999;
    assert_eq!(drive.join("bob", Rights::all()), Err(JoinError::Full));
    drive.now = 60_000;
    assert_eq!(drive.join("bob", Rights::all()), Ok(TalkerNumber(2)), "1 is still alice's");
}

#[test]
fn numbers_go_round_in_ascending_order() {
    let mut drive = used_up(Settings { max_members: usize::MAX, ..Settings::default() });
    drive.now = 60_000;
    for number in 2..=5 {
        assert_eq!(drive.join("bob", Rights::all()), Ok(TalkerNumber(number)));
    }
    drive.leave(TalkerNumber(3));
    drive.now = 120_000;

    for number in 6..=u16::MAX {
        assert_eq!(drive.join("bob", Rights::all()), Ok(TalkerNumber(number)), "3 has rested, but is behind");
    }
    assert_eq!(drive.join("eve", Rights::all()), Ok(TalkerNumber(3)));
    assert_eq!(drive.join("eve", Rights::all()), Err(JoinError::Full));
}

#[test]
fn a_number_is_not_given_anew_before_its_leave_is_told() {
    let settings = Settings { talker_reuse: Duration::ZERO, max_members: usize::MAX, ..Settings::default() };
    let mut drive = used_up(settings);
    for _ in 2..=u16::MAX {
        drive.join("bob", Rights::all()).unwrap();
    }
    drive.drain();
    drive.channel.leave(drive.time(), TalkerNumber(7), LeaveReason::Left);

    assert_eq!(
        drive.join("eve", Rights::all()),
        Err(JoinError::Full),
        "put in, then removed: eve would be lost"
    );
    drive.drain();
    assert_eq!(drive.join("eve", Rights::all()), Ok(TalkerNumber(7)));
}
