//! A member has another talker number: the gateway says `joined` without a request.

use super::*;

#[tokio::test]
async fn a_member_that_is_renumbered_stays_in_its_channel_and_its_session_is_told_nothing() {
    let mut scene = Scene::new();
    let (member, mut notices) = scene.up().logged_in();
    let mut answer = scene.join(member);
    let (request, _) = scene.said("join");
    scene.joined(request, 17);
    assert!(answer.try_recv().unwrap().is_ok());
    let renumbered = |channel: &str, number| {
        let joined = Joined::plain(RequestId(0), ChannelNumber(number), TalkerNumber(7));
        TrunkEvent::Brought { member, channel: channel.to_owned(), joined }
    };

    scene.event(renumbered("gate", 17));
    assert!(notices.try_recv().is_err());
    assert!(scene.state.calls.is_empty(), "nothing waits to be picked up");
    assert!(scene.state.members[&member].channels.contains_key("gate"));
    assert_eq!(scene.state.places["gate"].number, Some(ChannelNumber(17)));

    // Once it has left, it has to ask.
    scene.state.request(scene.now, Request::Leave { member, channel: "gate".to_owned() });
    scene.said("leave");
    scene.event(renumbered("gate", 17));
    assert!(scene.state.calls.is_empty(), "that crossed its leaving");
    let _answer = scene.join(member);
    scene.said("join");
}

#[tokio::test]
async fn who_is_renumbered_in_a_call_is_not_called_again() {
    let mut scene = Scene::new();
    let (member, mut notices) = scene.up().logged_in();
    let called = |talker| {
        let joined = Joined::plain(RequestId(0), ChannelNumber(19), TalkerNumber(talker));
        let (channel, users) = ("gate".to_owned(), vec!["bob".to_owned(), "alice".to_owned()]);
        TrunkEvent::Called(Called { member, channel, by: who(), users, joined })
    };
    scene.event(called(2));
    assert!(matches!(notices.try_recv().unwrap(), Notice::Called { .. }));
    scene.event(called(3));
    assert!(notices.try_recv().is_err(), "before it was picked up");
    let waits = scene.state.calls.values().map(|joined| joined.talker);
    assert_eq!(waits.collect::<Vec<_>>(), [TalkerNumber(3)]);
    assert!(scene.join(member).try_recv().unwrap().is_ok());
    scene.event(called(4));
    assert!(notices.try_recv().is_err(), "and afterwards");
    assert!(scene.state.calls.is_empty());
}
