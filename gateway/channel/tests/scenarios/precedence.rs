//! Pre-emption, emergencies, dispatchers, and the modes with several talkers.

use std::time::Duration;

use suara_channel::*;

use crate::drive::*;

fn emergency(request: u32) -> Asking {
    Asking { level: Level::Emergency, ..RequestId(request).into() }
}

fn pre_empted(talker: TalkerNumber, counter: u16, grace: u64) -> Effect {
    let (cause, grace) = (RevokeCause::PreEmpted, Duration::from_millis(grace));
    Effect::Revoke { talker, grant: grant(counter), cause, grace }
}

fn by_dispatcher(talker: TalkerNumber, counter: u16, grace: u64) -> Effect {
    let (cause, grace) = (RevokeCause::NoPermission, Duration::from_millis(grace));
    Effect::Revoke { talker, grant: grant(counter), cause, grace }
}

fn speakers<const N: usize>(all: [(TalkerNumber, u16); N]) -> Effect {
    Effect::Speakers(all.map(|(talker, counter)| Speaker { talker, grant: grant(counter) }).to_vec())
}

#[test]
fn a_higher_priority_revokes_the_talker_and_is_granted_at_its_release() {
    let (mut drive, [low, high]) = Drive::ranked([("low", 1), ("high", 2)]);
    drive.request(low, 1);

    let said = drive.request(high, 2);
    assert_eq!([&said[0], &said[2]], [&pre_empted(low, 1, 3_000), &queued(high, 2, 1, 1)]);
    assert!(matches!(&said[1], Effect::Taken(talking) if talking.remaining.as_secs() == 3), "{said:?}");

    let said = drive.release(low, 1);
    assert_eq!(said[..3], [idle(1), speaker(high, 2), granted(high, 2, 2, 30_000)]);
}

#[test]
fn who_does_not_release_is_silenced_after_t3_and_heard_by_nobody() {
    let (mut drive, [low, high]) = Drive::ranked([("low", 1), ("high", 2)]);
    drive.request(low, 1);
    drive.request(high, 2);

    assert_eq!(drive.wait_talking(1, 2_999), []);
    assert_eq!(drive.wait(1), [SILENCE, idle(1), speaker(high, 2), granted(high, 2, 2, 30_000)]);
    assert_eq!(drive.channel.speakers(), [Speaker { talker: high, grant: grant(2) }]);
}

#[test]
fn a_request_asks_for_no_more_than_its_member_has() {
    let (mut drive, [low, high]) = Drive::ranked([("low", 1), ("high", 5)]);
    drive.request(high, 1);
    assert_eq!(drive.ask(low, Asking { priority: 255, ..RequestId(2).into() }).len(), 1, "denied");
    drive.release(high, 1);

    drive.request(low, 3);
    let modest = Asking { priority: 1, ..RequestId(4).into() };
    assert_eq!(drive.ask(high, modest), [deny(high, 4, DenyCause::AnotherHasPermission)]);
}

#[test]
fn without_pre_emption_only_the_level_counts() {
    let settings = Settings { pre_emption: false, ..Settings::default() };
    let mut drive = Drive::new(settings);
    let low = drive.join("low", Rights::all()).unwrap();
    let high = drive.channel.join(drive.time(), who("high").with_priority(9), Rights::all()).unwrap();
    drive.drain();
    drive.request(low, 1);

    assert_eq!(drive.request(high, 2), [deny(high, 2, DenyCause::AnotherHasPermission)]);
    assert_eq!(drive.ask(high, emergency(3))[0], pre_empted(low, 1, 300));
}

#[test]
fn an_emergency_is_above_every_priority_and_is_not_held_up() {
    let (mut drive, [boss, guard]) = Drive::ranked([("boss", 255), ("guard", 0)]);
    drive.request(boss, 1);

    assert_eq!(drive.ask(guard, emergency(2))[0], pre_empted(boss, 1, 300));

    let said = drive.wait_with_renewals(300);
    assert_eq!(said[1..3], [idle(1), speaker(guard, 2)]);
    assert!(matches!(&said[4], Effect::Taken(talking) if talking.level == Level::Emergency), "{said:?}");
}

#[test]
fn an_emergency_has_no_talk_limit_but_t1() {
    let (mut drive, [guard]) = Drive::of(["guard"]);
    let said = drive.ask(guard, emergency(1));
    assert_eq!(said[1], granted(guard, 1, 1, 3_600_000));

    assert_eq!(drive.wait_talking(1, 200_000), []);
    assert_eq!(drive.wait(4_000), [SILENCE, idle(1)]);
}

#[test]
fn of_two_emergencies_the_first_goes_on() {
    let (mut drive, [one, two]) = Drive::ranked([("one", 0), ("two", 255)]);
    drive.ask(one, emergency(1));

    assert_eq!(drive.ask(two, emergency(2)), [deny(two, 2, DenyCause::AnotherHasPermission)]);
    let waits = Asking { queue: true, ..emergency(3) };
    assert_eq!(drive.ask(two, waits), [queued(two, 3, 1, 1)]);
}

#[test]
fn an_emergency_cuts_a_grace_time_short() {
    let (mut drive, [low, high, guard]) = Drive::ranked([("low", 1), ("high", 2), ("guard", 0)]);
    drive.request(low, 1);
    drive.request(high, 2);

    let said = drive.ask(guard, emergency(3));

    assert_eq!(said[0], pre_empted(low, 1, 300));
    assert_eq!(said[2..], [queued(guard, 3, 1, 2), queued(high, 2, 2, 2)]);
}

#[test]
fn an_emergency_takes_the_right_to_raise_one() {
    let (mut drive, [_]) = Drive::of(["alice"]);
    let guard = drive.join("guard", Rights::from_iter([Right::Listen, Right::Talk])).unwrap();
    drive.drain();

    assert_eq!(drive.ask(guard, emergency(1)), [deny(guard, 1, DenyCause::Other)]);
    let peril = Asking { level: Level::ImminentPeril, ..RequestId(2).into() };
    assert_eq!(drive.ask(guard, peril), [deny(guard, 2, DenyCause::Other)]);
}

#[test]
fn a_talker_may_raise_an_emergency_under_its_grant() {
    let (mut drive, [guard, boss]) = Drive::ranked([("guard", 0), ("boss", 9)]);
    drive.request(guard, 1);

    let said = drive.ask(guard, emergency(2));

    assert_eq!(said[0], granted(guard, 2, 1, 3_600_000));
    assert!(matches!(&said[1], Effect::Taken(talking) if talking.level == Level::Emergency), "{said:?}");
    assert_eq!(drive.request(boss, 3), [deny(boss, 3, DenyCause::AnotherHasPermission)]);
}

#[test]
fn the_talker_is_warned_before_its_limit_and_once() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.channel.media(grant(1), Time::from_millis(30_000));
    let warnings = |said: Vec<Effect>| -> Vec<_> {
        said.into_iter().filter(|effect| matches!(effect, Effect::Warning { .. })).collect()
    };

    assert_eq!(warnings(drive.wait_with_renewals(24_999)), []);
    let remaining = Duration::from_secs(5);
    let warning = Effect::Warning { talker: alice, grant: grant(1), remaining };
    assert_eq!(warnings(drive.wait_with_renewals(1)), [warning]);
    assert_eq!(warnings(drive.wait_with_renewals(10_000)), []);
}

#[test]
fn in_dual_mode_an_override_talks_with_the_overridden() {
    let settings = Settings { mode: ChannelMode::Dual, ..Settings::default() };
    let (mut drive, [low, equal, guard]) = Drive::with(settings, ["low", "equal", "guard"]);
    drive.request(low, 1);
    assert_eq!(drive.request(equal, 2), [deny(equal, 2, DenyCause::AnotherHasPermission)]);

    let said = drive.ask(guard, emergency(3));
    assert_eq!(said[0], speakers([(low, 1), (guard, 2)]));
    assert_eq!(drive.channel.all_talking(drive.time()).count(), 2);

    assert_eq!(drive.release(guard, 2), [idle(2)]);
    assert_eq!(drive.wait(150), [speakers([(low, 1)])], "the other goes on");
}

#[test]
fn a_third_in_dual_mode_takes_the_place_of_the_lowest() {
    let settings = Settings { mode: ChannelMode::Dual, ..Settings::default() };
    let (mut drive, [low, peril, guard]) = Drive::with(settings, ["low", "peril", "guard"]);
    drive.request(low, 1);
    drive.ask(peril, Asking { level: Level::ImminentPeril, ..RequestId(2).into() });

    assert_eq!(drive.ask(guard, emergency(3))[0], pre_empted(low, 1, 300));

    assert!(drive.release(low, 1).contains(&speakers([(low, 1), (peril, 2), (guard, 3)])), "low's tail too");
}

#[test]
fn an_open_channel_lets_all_talk_that_there_is_room_for() {
    let settings = Settings { mode: ChannelMode::Open, max_talkers: 2, ..Settings::default() };
    let (mut drive, [one, two, three]) = Drive::with(settings, ["one", "two", "three"]);
    drive.request(one, 1);
    drive.request(two, 2);

    assert_eq!(drive.request(three, 3), [deny(three, 3, DenyCause::AnotherHasPermission)]);
    assert_eq!(drive.channel.speakers().len(), 2);

    drive.release(one, 1);
    assert!(drive.request(three, 4).contains(&granted(three, 4, 3, 30_000)));
    assert_eq!(drive.channel.speakers().len(), 3, "with the tail of the first");
}

#[test]
fn a_dispatcher_revokes_with_a_grace_time() {
    let (mut drive, [boss, alice, bob]) = Drive::of(["boss", "alice", "bob"]);
    drive.request(alice, 1);
    drive.ask(bob, waiting(2));

    let said = drive.dispatch(boss, DispatchAction::Revoke, Some(alice));
    assert_eq!(said, Ok(vec![by_dispatcher(alice, 1, 3_000), taken(alice, "alice", 1, 3_000)]));

    let said = drive.dispatch(boss, DispatchAction::Revoke, Some(bob));
    assert_eq!(said, Ok(vec![deny(bob, 2, DenyCause::Other)]));
}

#[test]
fn who_is_muted_is_silent_at_once_and_may_only_listen_until_unmuted() {
    let (mut drive, [boss, alice]) = Drive::of(["boss", "alice"]);
    drive.request(alice, 1);

    let said = drive.dispatch(boss, DispatchAction::Mute, Some(alice)).unwrap();
    assert!(matches!(&said[0], Effect::Roster(delta) if delta.changed[0].muted), "{said:?}");
    assert_eq!(said[1..], [by_dispatcher(alice, 1, 0), SILENCE, idle(1)]);
    assert_eq!(drive.release(alice, 1), [], "the release crossed it");
    assert_eq!(drive.request(alice, 2), [deny(alice, 2, DenyCause::ReceiveOnly)]);

    drive.dispatch(boss, DispatchAction::Unmute, Some(alice)).unwrap();
    assert_eq!(drive.request(alice, 3)[1], granted(alice, 3, 2, 30_000));
}

#[test]
fn a_mute_is_a_users_by_all_its_members_and_to_come_back_is_no_way_out() {
    let (mut drive, [boss, one, two]) = Drive::of(["boss", "alice", "alice"]);
    drive.request(one, 1);
    drive.ask(two, waiting(2));

    let said = drive.dispatch(boss, DispatchAction::Mute, Some(one)).unwrap();
    let (revoked, denied) = (by_dispatcher(one, 1, 0), deny(two, 2, DenyCause::ReceiveOnly));
    assert_eq!(said[1..], [revoked, denied, SILENCE, idle(1)], "the second isn't granted in between");

    drive.leave(one);
    let again = drive.join("alice", Rights::all()).unwrap();
    drive.drain();
    assert!(drive.channel.member(again).unwrap().muted);
    assert_eq!(drive.request(again, 3), [deny(again, 3, DenyCause::ReceiveOnly)]);

    drive.dispatch(boss, DispatchAction::Unmute, Some(two)).unwrap();
    assert_eq!(drive.request(again, 4)[1], granted(again, 4, 2, 30_000));
}

#[test]
fn muting_takes_the_tail_along() {
    let (mut drive, [boss, alice]) = Drive::of(["boss", "alice"]);
    drive.request(alice, 1);
    drive.release(alice, 1);

    let said = drive.dispatch(boss, DispatchAction::Mute, Some(alice)).unwrap();

    assert_eq!(said[1..], [SILENCE]);
}

#[test]
fn clearing_ends_every_grant_and_empties_the_queue() {
    let (mut drive, [boss, alice, bob]) = Drive::of(["boss", "alice", "bob"]);
    drive.request(alice, 1);
    drive.ask(bob, waiting(2));

    let said = drive.dispatch(boss, DispatchAction::Clear, None);

    let ended = vec![deny(bob, 2, DenyCause::Other), by_dispatcher(alice, 1, 0), SILENCE, idle(1)];
    assert_eq!(said, Ok(ended));
    assert_eq!(drive.channel.poll_timeout(), None);
}

#[test]
fn only_a_dispatcher_dispatches_and_only_to_who_is_there() {
    let (mut drive, [boss, alice]) = Drive::of(["boss", "alice"]);
    let guard = drive.join("guard", Rights::from_iter([Right::Listen, Right::Talk])).unwrap();
    drive.request(alice, 1);

    for action in DispatchAction::ALL {
        assert_eq!(drive.dispatch(guard, action, Some(alice)), Err(ErrorCode::Forbidden));
    }
    let nobody = Some(TalkerNumber(99));
    assert_eq!(drive.dispatch(boss, DispatchAction::Mute, nobody), Err(ErrorCode::UnknownTalker));
    assert_eq!(drive.dispatch(boss, DispatchAction::Revoke, None), Err(ErrorCode::UnknownTalker));
    assert!(drive.channel.talking(drive.time()).is_some());
}
