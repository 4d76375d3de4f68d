//! What two or three nodes do, one situation at a time.

mod apart;
mod drive;
mod takeover;

use std::iter;

use drive::{Net, join};
use suara_channel::{Effect, LeaveReason, Settings, Time};
use suara_cluster::{
    Epoch, LeaseAnswer, LeaseAsk, MAX_IN_FLIGHT, MAX_SHARED, MAX_SHARED_BYTES, NodeId, Op, Outcome, Output,
    Packet, Replica, Rules, Say, Standing, Term,
};

#[test]
fn a_storm_of_joins_is_answered_first_and_told_in_one_delta() {
    let mut replica = Replica::alone(Settings::default());
    for index in 0..100 {
        replica.submit(Time::from_millis(index), join(&format!("user {index}")));
    }
    let outputs: Vec<_> = iter::from_fn(|| replica.poll_output()).collect();

    assert!(
        outputs[..100]
            .iter()
            .all(|output| matches!(output, Output::Applied { outcome: Outcome::Joined(Ok(_)), .. }))
    );
    let [Output::Effect(Effect::Roster(delta))] = &outputs[100..] else { panic!("one delta: {outputs:?}") };
    assert_eq!((delta.since, delta.version, delta.joined.len()), (0, 100, 100));
}

#[test]
fn a_storm_of_joins_at_a_follower_takes_its_round_trips_and_no_more() {
    const JOINS: usize = 5_000;
    let mut net = Net::with(2, &Settings { max_members: JOINS, ..Settings::default() });
    let (now, hops) = (net.now, net.hops);
    for index in 0..JOINS {
        net.nodes[1].replica.submit(now, join(&format!("user {index}")));
    }
    net.settle();

    let joined = |output: &&Output| matches!(output, Output::Applied { outcome: Outcome::Joined(Ok(_)), .. });
    assert_eq!(net.nodes[1].take().iter().filter(joined).count(), JOINS);
    let (trips, packets) = ((net.hops - hops) / 2, JOINS.div_ceil(MAX_IN_FLIGHT));
    assert!(trips as usize <= packets + 1, "{trips} round trips");
    // What is under way isn't sent again with what follows it.
    assert_eq!(net.nodes[1].submits as usize, packets);
    assert!(net.are_alike(&[0, 1]));
}

#[test]
fn what_was_lost_on_its_way_to_the_owner_is_not_put_off_by_what_follows() {
    let mut net = Net::of(2);
    net.nodes[0].cut = true;
    net.submit(1, join("bob"));
    net.nodes[0].cut = false;
    for index in 0..4 {
        net.wait(50);
        net.submit(1, join(&format!("user {index}")));
    }
    assert_eq!(net.nodes[0].replica.channel().len(), 5);
}

#[test]
fn one_who_is_alone_asks_nobody_and_sends_nothing() {
    let mut replica = Replica::alone(Settings::default());
    replica.submit(Time::from_millis(0), join("alice"));
    replica.handle_timeout(Time::from_millis(60_000));
    let quiet = |output: &Output| !matches!(output, Output::Send { .. } | Output::Lease { .. });
    assert!(iter::from_fn(|| replica.poll_output()).all(|output| quiet(&output)));
    assert_eq!((replica.standing(), replica.other_nodes()), (Standing::Owner { epoch: Epoch(1) }, false));
}

#[test]
fn members_of_two_nodes_share_one_roster_and_one_floor() {
    let mut net = Net::of(2);
    let (alice, bob) = (net.join(0, "alice"), net.join(1, "bob"));
    assert_ne!(alice, bob);

    let grant = net.press(1, bob).expect("an idle floor");
    assert_eq!(net.press(0, alice), None);
    assert!(net.are_alike(&[0, 1]));
    let speakers = net.nodes[0].replica.channel().speakers();
    assert_eq!(
        speakers.iter().map(|speaker| (speaker.talker, speaker.grant)).collect::<Vec<_>>(),
        [(bob, grant)]
    );
    assert!(net.nodes[0].replica.is_local(alice) && !net.nodes[0].replica.is_local(bob));
}

#[test]
fn a_node_does_nothing_for_members_of_another() {
    let mut net = Net::of(2);
    let (alice, _) = (net.join(0, "alice"), net.join(1, "bob"));
    net.submit(1, Op::Leave { talker: alice, reason: LeaveReason::Kicked });
    let answered = |output: &Output| matches!(output, Output::Applied { outcome: Outcome::Done(false), .. });
    assert!(net.nodes[1].take().iter().any(answered));
    assert!(net.nodes[0].replica.channel().member(alice).is_some());
}

#[test]
fn what_a_node_missed_is_asked_for_at_the_next_beat() {
    let mut net = Net::of(2);
    net.join(1, "bob");
    net.nodes[1].cut = true;
    net.submit(0, join("alice"));
    net.nodes[1].cut = false;
    assert!(!net.are_alike(&[0, 1]));
    net.wait_renewing(1_000, 0, 1);
    assert!(net.are_alike(&[0, 1]));
    let adopted = |output: &Output| matches!(output, Output::Adopted { .. });
    assert!(!net.nodes[1].take().iter().any(adopted), "the entries were enough");
}

#[test]
fn when_the_owner_dies_a_talker_talks_on_and_the_next_grant_is_of_the_next_epoch() {
    let mut net = Net::of(3);
    let (_, bob, carol) = (net.join(0, "alice"), net.join(1, "bob"), net.join(2, "carol"));
    let grant = net.press(1, bob).expect("an idle floor");
    net.nodes[0].cut = true;
    for _ in 0..31 {
        let now = net.now;
        net.nodes.iter_mut().for_each(|node| node.replica.media(grant, now));
        net.wait(100);
    }
    let (_, ask) = net.nodes[1].asks[0];
    assert_eq!(ask, LeaseAsk::Take { wanted: Epoch(2) });
    net.answer(1, LeaseAnswer::Mine { epoch: Epoch(2), clean: false });
    net.wait(200);

    assert_eq!(net.nodes[1].replica.standing(), Standing::Owner { epoch: Epoch(2) });
    assert_eq!(net.nodes[2].replica.standing(), Standing::Follower { owner: NodeId(2), epoch: Epoch(2) });
    assert!(net.are_alike(&[1, 2]));
    assert_eq!(net.nodes[2].replica.channel().speakers()[0].grant, grant, "it talks on");
    net.submit(1, Op::FloorRelease { talker: bob, grant, road: suara_channel::Road::Stream });
    let next = net.press(2, carol).expect("an idle floor");
    assert_eq!((next.epoch(), next.counter()), (2, 1));
}

#[test]
fn an_owner_that_stalls_for_longer_than_its_lease_decides_nothing_when_it_wakes() {
    let mut net = Net::of(2);
    let alice = net.join(0, "alice");
    net.now = net.now + std::time::Duration::from_secs(10);
    assert_eq!(net.press(0, alice), None);
    assert_eq!(net.nodes[0].replica.standing(), Standing::Seeking);
    let takes = |(_, ask): &(u64, LeaseAsk)| matches!(ask, LeaseAsk::Take { wanted: Epoch(2) });
    assert!(net.nodes[0].asks.iter().any(takes));
}

#[test]
fn who_stops_hands_the_channel_to_another() {
    let mut net = Net::of(2);
    let (alice, _) = (net.join(0, "alice"), net.join(1, "bob"));
    net.submit(0, Op::Leave { talker: alice, reason: LeaveReason::Left });
    let now = net.now;
    net.nodes[0].asks.clear();
    net.nodes[0].replica.quit(now);
    net.settle();
    assert_eq!(net.nodes[0].asks[0].1, LeaseAsk::HandOver { epoch: Epoch(1), to: NodeId(2) });
    net.answer(1, LeaseAnswer::Mine { epoch: Epoch(2), clean: false });
    assert_eq!(net.nodes[1].replica.standing(), Standing::Owner { epoch: Epoch(2) });
    assert_eq!(net.nodes[1].replica.channel().len(), 1);
}

#[test]
fn an_heir_whose_question_is_faster_than_the_bequest_asks_again_soon() {
    let mut net = Net::of(2);
    net.join(1, "bob");
    let now = net.now;
    net.nodes[0].replica.quit(now);
    net.settle();
    net.answer(1, LeaseAnswer::Held { by: NodeId(1), epoch: Epoch(1) });
    net.wait(150);
    assert_eq!(net.nodes[1].asks.len(), 1);
    net.answer(1, LeaseAnswer::Mine { epoch: Epoch(2), clean: false });
    net.wait(200);
    assert_eq!(net.nodes[1].replica.standing(), Standing::Owner { epoch: Epoch(2) });
}

#[test]
fn what_is_shared_reaches_those_who_come_later_and_has_its_bounds() {
    let mut net = Net::of(2);
    net.join(0, "alice");
    for key in 0..=MAX_SHARED {
        net.submit(0, Op::Share { key: key.to_string(), value: Some(vec![1]) });
    }
    net.submit(0, Op::Share { key: "0".into(), value: Some(vec![0; MAX_SHARED_BYTES + 1]) });
    net.submit(1, Op::Share { key: "1".into(), value: None });
    assert_eq!(net.nodes[1].replica.shared().count(), MAX_SHARED - 1);
    assert!(net.are_alike(&[0, 1]));
}

#[test]
fn what_is_said_is_heard_by_all_rooms_in_one_order() {
    let mut net = Net::of(3);
    for (node, word) in [(0, 1), (2, 2), (1, 3)] {
        net.submit(node, Op::Say { to: Say::Rooms, bytes: vec![word] });
    }
    for node in &mut net.nodes {
        let said = node.take().into_iter().filter_map(|output| match output {
            Output::Said { bytes, .. } => Some(bytes[0]),
            _ => None,
        });
        assert_eq!(said.collect::<Vec<_>>(), [1, 2, 3]);
    }
}

#[test]
fn what_nobody_answers_is_sent_ever_more_seldom_and_not_at_all_without_redis() {
    let mut net = Net::of(2);
    let bob = net.join(1, "bob");
    net.nodes[0].cut = true;
    net.submit(1, Op::Lose { talker: bob });
    let submits = |net: &mut Net, tenths: u32| {
        let before = net.nodes[1].submits;
        (0..tenths).for_each(|_| net.wait(100));
        net.nodes[1].submits - before
    };
    let few = submits(&mut net, 20);
    assert!((2..=5).contains(&few), "{few} in two seconds");

    let now = net.now;
    net.nodes[1].replica.hears(now, false);
    assert_eq!(submits(&mut net, 5), 0);
    let now = net.now;
    net.nodes[1].replica.hears(now, true);
    assert_eq!(submits(&mut net, 1), 1, "at once when Redis is back");
}

#[test]
fn an_operation_that_means_the_numbers_of_another_term_is_not_taken() {
    let mut net = Net::of(2);
    let bob = net.join(1, "bob");
    let (term, _) = net.nodes[0].replica.head();
    let leave = |term| {
        let op = Op::Leave { talker: bob, reason: LeaveReason::Left };
        Packet::Submit { epoch: Epoch(1), term, settled: 2_000, ops: vec![(2_001, op)] }
    };
    let (now, owner) = (net.now, &mut net.nodes[0].replica);
    owner.receive(now, NodeId(2), leave(Term { first: term.first + 1, ..term }));
    assert!(owner.channel().member(bob).is_some());
    owner.receive(now, NodeId(2), leave(term));
    assert!(owner.channel().member(bob).is_none());
}

#[test]
fn who_came_in_and_was_taken_for_gone_before_the_answer_is_brought_back() {
    let mut net = Net::of(1);
    let now = net.now;
    let mut late = Replica::new(NodeId(2), 2_000, Settings::default(), Rules::default(), now);
    late.submit(now, join("bob"));
    let (number, held) = (2_001, LeaseAnswer::Held { by: NodeId(1), epoch: Epoch(1) });
    late.leased(now, number, held);
    late.handle_timeout(now);
    let sent: Vec<_> = sends(&mut late).collect();
    assert!(sent.iter().any(|packet| matches!(packet, Packet::Submit { .. })), "{sent:?}");

    let owner = &mut net.nodes[0].replica;
    let (hellos, submits): (Vec<_>, Vec<_>) =
        sent.into_iter().partition(|packet| matches!(packet, Packet::Hello { .. }));
    submits.into_iter().for_each(|packet| owner.receive(now, NodeId(2), packet));
    owner.gone(now, NodeId(2));
    hellos.into_iter().for_each(|packet| owner.receive(now, NodeId(2), packet));
    let snapshots = sends(owner).filter(|packet| matches!(packet, Packet::Snapshot { .. }));
    snapshots.collect::<Vec<_>>().into_iter().for_each(|packet| late.receive(now, NodeId(1), packet));

    let returns = |packet: &Packet| match packet {
        Packet::Submit { ops, .. } => ops.iter().any(|(_, op)| matches!(op, Op::Return { .. })),
        _ => false,
    };
    assert!(sends(&mut late).any(|packet| returns(&packet)));
}

fn sends(replica: &mut Replica) -> impl Iterator<Item = Packet> {
    iter::from_fn(|| replica.poll_output()).filter_map(|output| match output {
        Output::Send { packet, .. } => Some(packet),
        _ => None,
    })
}
