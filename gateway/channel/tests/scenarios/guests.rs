//! Guests: those who talk here from another channel that is patched to this one.

use suara_channel::*;

use crate::drive::*;

fn request(drive: &mut Drive, guest: TalkerNumber, level: Level) -> Vec<Effect> {
    let asking = Asking { level, ..RequestId(7).into() };
    drive.channel.guest_request(drive.time(), guest, who("far"), asking);
    drive.drain()
}

#[test]
fn a_guest_talks_under_the_name_of_whom_it_stands_for_and_is_in_no_roster() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    let guest = drive.channel.admit(drive.time()).expect("there are numbers");
    assert_ne!(guest, alice);

    let said = request(&mut drive, guest, Level::Normal);
    assert_eq!(said, [speaker(guest, 1), granted(guest, 7, 1, 30_000), taken(guest, "far", 1, 30_000)]);
    assert_eq!((drive.channel.len(), drive.channel.member(guest)), (1, None));
    drive.channel.guest_release(drive.time(), guest);
    assert_eq!(drive.drain(), [idle(1)]);
    assert_eq!(drive.wait(150), [SILENCE]);
}

#[test]
fn a_guest_waits_for_no_floor_that_is_taken_but_takes_it_with_precedence() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    let guest = drive.channel.admit(drive.time()).expect("there are numbers");
    drive.request(alice, 1);

    let said = request(&mut drive, guest, Level::Normal);
    assert_eq!(said, [deny(guest, 7, DenyCause::AnotherHasPermission)]);
    let said = request(&mut drive, guest, Level::Emergency);
    assert!(said.contains(&queued(guest, 7, 1, 1)), "{said:?}");
    assert!(
        drive
            .wait(300)
            .iter()
            .any(|effect| matches!(effect, Effect::Granted { talker, .. } if *talker == guest))
    );
}

#[test]
fn a_guest_that_is_dismissed_leaves_nothing_behind() {
    let (mut drive, [alice]) = Drive::of(["alice"]);
    let guest = drive.channel.admit(drive.time()).expect("there are numbers");
    request(&mut drive, guest, Level::Normal);

    drive.channel.dismiss(drive.time(), guest);
    assert_eq!(drive.drain(), [SILENCE, idle(1)]);
    assert_eq!(request(&mut drive, guest, Level::Normal), [], "it is no guest any more");
    drive.channel.guest_release(drive.time(), alice);
    assert_eq!(drive.drain(), [], "a member is none");
    assert_eq!(drive.channel.poll_timeout(), None);
}

#[test]
fn a_guests_number_is_no_members_to_leave_by_and_guests_alone_are_no_call() {
    let t4 = Some(std::time::Duration::from_secs(1));
    let mut channel = Channel::new(1, Settings { t4, ..Settings::default() });
    let now = Time::from_millis(1_000);
    let guest = channel.admit(now).expect("there are numbers");
    channel.guest_request(now, guest, who("far"), RequestId(7).into());

    assert!(!channel.leave(now, guest, LeaveReason::Left));
    assert_eq!(channel.talking(now).map(|talking| talking.talker), Some(guest));
    channel.guest_release(now, guest);
    channel.handle_timeout(Time::from_millis(90_000));
    let said: Vec<_> = std::iter::from_fn(|| channel.poll_effect()).collect();
    assert!(!said.contains(&Effect::Inactive), "{said:?}");
}
