//! The queue: places, positions, and the requests that come twice.

use suara_channel::*;

use crate::drive::*;

#[test]
fn who_would_wait_is_told_its_place_and_is_granted_when_the_floor_is_free() {
    let (mut drive, [alice, bob, eve]) = Drive::of(["alice", "bob", "eve"]);
    drive.request(alice, 1);

    assert_eq!(drive.ask(bob, waiting(2)), [queued(bob, 2, 1, 1)]);
    assert_eq!(drive.ask(eve, waiting(3)), [queued(eve, 3, 2, 2)]);

    let said = drive.release(alice, 1);
    let granted = [idle(1), speaker(bob, 2), granted(bob, 2, 2, 30_000), taken(bob, "bob", 2, 30_000)];
    assert_eq!(said[..4], granted);
    assert_eq!(said[4..], [queued(eve, 3, 1, 1)], "the queue moves up");
}

#[test]
fn the_queue_is_in_the_order_of_level_then_priority_then_arrival() {
    let (mut drive, [alice, first, second, high, peril]) =
        Drive::ranked([("alice", 9), ("first", 1), ("second", 1), ("high", 2), ("peril", 0)]);
    drive.request(alice, 1);
    drive.ask(first, waiting(2));
    drive.ask(second, waiting(3));
    drive.ask(high, waiting(4));
    drive.ask(peril, Asking { level: Level::ImminentPeril, ..waiting(5) });

    let mut order = Vec::new();
    for counter in 1..=4 {
        let said = drive.release(drive.channel.speaker().unwrap().talker, counter);
        order.extend(said.iter().filter_map(|effect| match effect {
            Effect::Granted { talker, .. } => Some(*talker),
            _ => None,
        }));
    }

    assert_eq!(order, [peril, high, first, second]);
}

#[test]
fn a_full_queue_denies_whoever_is_last_in_it() {
    let settings = Settings { queue_depth: 1, ..Settings::default() };
    let (mut drive, [alice, bob, eve]) = Drive::with(settings, ["alice", "bob", "eve"]);
    drive.request(alice, 1);
    drive.ask(bob, waiting(2));

    assert_eq!(drive.ask(eve, waiting(3)), [deny(eve, 3, DenyCause::QueueFull)]);

    let said = drive.ask(eve, Asking { level: Level::Emergency, ..waiting(4) });
    assert_eq!(said[0], deny(bob, 2, DenyCause::QueueFull), "an emergency has a place");
    assert!(said.contains(&queued(eve, 4, 1, 1)), "{said:?}");
}

#[test]
fn who_takes_its_request_back_is_granted_nothing() {
    let (mut drive, [alice, bob, eve]) = Drive::of(["alice", "bob", "eve"]);
    drive.request(alice, 1);
    drive.ask(bob, waiting(2));
    drive.ask(eve, waiting(3));

    assert_eq!(drive.cancel(bob, 2), [queued(eve, 3, 1, 1), cancelled(bob, 2)]);

    assert!(drive.release(alice, 1).contains(&granted(eve, 3, 2, 30_000)));
}

#[test]
fn a_cancel_that_crossed_the_grant_gives_it_back() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.request(alice, 1);
    drive.ask(bob, waiting(2));
    drive.release(alice, 1);

    assert_eq!(drive.cancel(bob, 2), [idle(2), cancelled(bob, 2)]);
    assert_eq!(drive.channel.talking(drive.time()), None);
}

#[test]
fn nobody_cancels_anothers_request() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.request(alice, 1);

    assert_eq!(drive.cancel(bob, 1), [cancelled(bob, 1)], "of its own there is none");

    assert!(drive.channel.talking(drive.time()).is_some());
}

#[test]
fn who_asks_anew_keeps_its_place_and_without_the_wish_to_wait_loses_it() {
    let (mut drive, [alice, bob, eve]) = Drive::of(["alice", "bob", "eve"]);
    drive.request(alice, 1);
    drive.ask(bob, waiting(2));
    drive.ask(eve, waiting(3));

    assert_eq!(drive.ask(bob, waiting(4)), [queued(bob, 4, 1, 2)]);

    let said = drive.request(bob, 5);
    assert_eq!(said, [deny(bob, 5, DenyCause::AnotherHasPermission), queued(eve, 3, 1, 1)]);
}

#[test]
fn who_leaves_gives_its_place_up() {
    let (mut drive, [alice, bob, eve]) = Drive::of(["alice", "bob", "eve"]);
    drive.request(alice, 1);
    drive.ask(bob, waiting(2));
    drive.ask(eve, waiting(3));

    assert_eq!(drive.leave(bob), [queued(eve, 3, 1, 1)]);
}

#[test]
fn a_silent_talker_makes_room_for_the_next() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.request(alice, 1);
    drive.ask(bob, waiting(2));

    let said = drive.wait(4_000);

    assert_eq!(said, [SILENCE, idle(1), speaker(bob, 2), granted(bob, 2, 2, 30_000)]);
}

#[test]
fn a_request_that_comes_twice_is_decided_once() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    let first = drive.ask(alice, by_datagram(1));
    assert_eq!(drive.ask(alice, by_datagram(1)), [first[1].clone()], "granted, and nothing but");
    assert_eq!(drive.request(alice, 1), [first[1].clone()], "the stream's is the same request");
    assert_eq!(drive.ask(bob, by_datagram(2)), [deny(bob, 2, DenyCause::AnotherHasPermission)]);

    drive.release(alice, 1);

    assert_eq!(drive.ask(alice, by_datagram(1)), [], "it was granted, and that is over");
    let denied = [deny(bob, 2, DenyCause::AnotherHasPermission)];
    assert_eq!(drive.ask(bob, by_datagram(2)), denied, "though the floor is free by now");
    assert_eq!(drive.channel.talking(drive.time()), None);
    assert_eq!(drive.request(bob, 3)[1], granted(bob, 3, 2, 30_000));
}

#[test]
fn a_request_that_was_taken_back_before_it_came_is_not_granted() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.cancel(alice, 1);

    assert_eq!(drive.ask(alice, by_datagram(1)), []);
    assert_eq!(drive.channel.talking(drive.time()), None);
}

#[test]
fn a_repetition_in_the_queue_is_told_its_place_again() {
    let (mut drive, [alice, bob]) = Drive::of(["alice", "bob"]);
    drive.request(alice, 1);
    let asking = Asking { queue: true, ..by_datagram(2) };
    drive.ask(bob, asking);

    assert_eq!(drive.ask(bob, asking), [queued(bob, 2, 1, 1)]);
}

#[test]
fn granted_by_datagram_is_repeated_until_there_is_voice_and_no_more_than_c20_times() {
    let settings = Settings { repeats: 3, ..Settings::default() };
    let (mut drive, [alice]) = Drive::with(settings, ["alice"]);
    let repeat = |remaining| Effect::Repeat {
        talker: TalkerNumber(1),
        request: RequestId(1),
        grant: grant(1),
        duration: std::time::Duration::from_millis(remaining),
    };
    drive.ask(alice, by_datagram(1));
    assert_eq!(drive.wait(1_000), [repeat(29_980), repeat(29_960), repeat(29_940)]);
    drive.release(alice, 1);

    drive.ask(alice, by_datagram(2));
    drive.wait(20);
    drive.talk(2);
    assert_eq!(drive.wait(1_000), [], "its talker knows");
}

#[test]
fn a_release_by_datagram_that_comes_late_is_no_fault() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    drive.request(alice, 1);
    drive.release(alice, 1);

    drive.channel.floor_release(drive.time(), alice, grant(1), Road::Datagram);

    assert_eq!(drive.drain(), []);
}
