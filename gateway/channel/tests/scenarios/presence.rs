//! Who is unreachable, for how long its place is kept, and what it is told when it comes back.

use std::time::Duration;

use suara_channel::*;

use crate::drive::*;

fn lose(drive: &mut Drive, talker: TalkerNumber) -> Vec<Effect> {
    assert!(drive.channel.lose(drive.time(), talker));
    drive.drain()
}

fn resume(drive: &mut Drive, talker: TalkerNumber) -> Vec<Effect> {
    assert!(drive.channel.resume(drive.time(), talker));
    drive.drain()
}

fn changed(effects: &[Effect]) -> Vec<(u16, bool)> {
    match effects.first() {
        Some(Effect::Roster(delta)) => {
            delta.changed.iter().map(|member| (member.talker.0, member.unreachable)).collect()
        }
        _ => vec![],
    }
}

#[test]
fn who_is_lost_is_unreachable_then_here_again_and_each_is_a_version() {
    let (mut drive, [_, bob]) = Drive::of(["alice", "bob"]);

    assert_eq!(changed(&lose(&mut drive, bob)), [(2, true)]);
    assert_eq!(drive.channel.version(), 3);
    drive.wait(9_999);
    assert_eq!(changed(&resume(&mut drive, bob)), [(2, false)]);
    assert_eq!((drive.channel.version(), drive.channel.len()), (4, 2));
    assert_eq!(drive.wait(60_000), [], "nothing is left of it");
}

#[test]
fn who_does_not_come_back_in_time_is_gone() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    lose(&mut drive, bob);

    let said = drive.wait(10_000);

    let [Effect::Roster(delta), Effect::Gone { talker }] = &said[..] else { panic!("{said:?}") };
    assert_eq!((delta.left.len(), delta.left[0].reason, *talker), (1, LeaveReason::Disconnected, bob));
    assert_eq!(drive.channel.members().next().unwrap().talker, alice);
    assert!(!drive.channel.resume(drive.time(), bob), "it has no place any more");
    assert!(!drive.channel.lose(drive.time(), bob));
}

#[test]
fn to_be_lost_twice_keeps_the_place_no_longer() {
    let (mut drive, [bob]) = Drive::of(["bob"]);
    lose(&mut drive, bob);
    drive.wait(9_000);

    assert!(!drive.channel.lose(drive.time(), bob));
    assert_eq!(drive.wait(1_000).last(), Some(&Effect::Gone { talker: bob }));
}

#[test]
fn without_a_grace_time_the_lost_are_gone_at_once() {
    let settings = Settings { presence_grace: Duration::ZERO, ..Settings::default() };
    let (mut drive, [bob]) = Drive::with(settings, ["bob"]);
    drive.channel.lose(drive.time(), bob);

    assert_eq!(drive.fire().last(), Some(&Effect::Gone { talker: bob }));
    assert!(drive.channel.is_empty());
}

#[test]
fn an_unreachable_talker_keeps_the_floor_and_is_told_so_when_it_is_back() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 7);
    lose(&mut drive, alice);
    drive.wait(3_000);

    let said = resume(&mut drive, alice);

    assert_eq!(said[1..], [granted(alice, 7, 1, 27_000)]);
}

#[test]
fn t1_goes_on_for_the_unreachable() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 7);
    lose(&mut drive, alice);

    assert_eq!(drive.wait(4_000), [SILENCE, idle(1)]);
    assert_eq!(resume(&mut drive, alice).len(), 1, "the roster: nothing of the floor is hers");
}

#[test]
fn a_revoke_that_was_missed_is_said_again_with_what_is_left_of_it() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 7);
    drive.wait_talking(1, 29_000);
    lose(&mut drive, alice);
    drive.wait_talking(1, 2_000);

    let said = resume(&mut drive, alice);

    assert_eq!(said.last(), Some(&revoke(alice, 1, 2_000)));
    assert_eq!(said[said.len() - 2], granted(alice, 7, 1, 2_000));
}

#[test]
fn who_waits_keeps_its_position_and_others_are_let_in_meanwhile() {
    let (mut drive, [alice, bob, eve]) = Drive::of(["alice", "bob", "eve"]);
    drive.request(alice, 1);
    drive.ask(bob, waiting(2));
    drive.ask(eve, waiting(3));
    lose(&mut drive, bob);

    let said = drive.release(alice, 1);
    assert!(said.contains(&granted(eve, 3, 2, 30_000)), "{said:?}");

    let said = resume(&mut drive, bob);
    assert_eq!(said[1..], [queued(bob, 2, 1, 1)]);
    assert!(drive.release(eve, 2).contains(&granted(bob, 2, 3, 30_000)));
}

#[test]
fn whose_turn_came_while_it_was_away_is_granted_when_it_is_back() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.request(alice, 1);
    drive.ask(bob, waiting(2));
    lose(&mut drive, bob);
    drive.release(alice, 1);
    assert_eq!(drive.channel.speaker().map(|speaker| speaker.talker), Some(alice), "her tail");

    assert!(resume(&mut drive, bob).contains(&granted(bob, 2, 2, 30_000)));
}

#[test]
fn an_emergency_that_comes_back_pre_empts_who_was_let_in_meanwhile() {
    let (mut drive, [alice, bob, eve]) = Drive::of(["alice", "bob", "eve"]);
    drive.request(alice, 1);
    drive.ask(bob, Asking { level: Level::Emergency, ..RequestId(2).into() });
    lose(&mut drive, bob);
    drive.release(alice, 1);
    drive.request(eve, 3);

    let said = resume(&mut drive, bob);

    let revoked = |effect: &Effect| matches!(effect, Effect::Revoke { talker, .. } if *talker == eve);
    assert!(said.iter().any(revoked), "{said:?}");
    drive.wait(300);
    assert_eq!(drive.channel.speaker().map(|speaker| speaker.talker), Some(bob));
}

#[test]
fn another_transport_without_a_loss_changes_no_version() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 7);

    assert_eq!(resume(&mut drive, alice), [granted(alice, 7, 1, 30_000)]);
    assert_eq!(drive.channel.version(), 1);
}
