//! Nodes that are out of each other's reach, and what they give meanwhile.

use std::collections::BTreeSet;

use suara_channel::{Settings, Time};
use suara_cluster::{Epoch, LeaseAnswer, LeaseAsk, NodeId, Op, Output, Replica, Rules, Standing};

use crate::drive::{Net, join};

#[test]
fn without_redis_each_side_serves_its_own_and_afterwards_the_higher_epoch_wins() {
    let mut net = Net::of(2);
    let (alice, bob) = (net.join(0, "alice"), net.join(1, "bob"));
    let now = net.now;
    net.nodes[1].cut = true;
    net.nodes[1].replica.hears(now, false);
    net.wait_renewing(3_100, 0, 1);
    assert_eq!(net.nodes[1].replica.standing(), Standing::Split { epoch: Epoch(2) });
    let there = net.press(1, bob).expect("its own floor");
    let here = net.press(0, alice).expect("its own floor");
    assert_eq!((there.epoch(), here.epoch()), (2, 1));
    let carol = net.join(1, "carol");

    net.nodes[1].asks.clear();
    net.nodes[1].cut = false;
    let now = net.now;
    net.nodes[1].replica.hears(now, true);
    net.settle();
    net.answer(1, LeaseAnswer::Held { by: NodeId(1), epoch: Epoch(1) });
    let bump = net.nodes[0]
        .asks
        .iter()
        .position(|(_, ask)| matches!(ask, LeaseAsk::Bump { .. }))
        .expect("a higher epoch");
    net.nodes[0].asks.drain(..bump);
    net.answer(0, LeaseAnswer::Mine { epoch: Epoch(3), clean: false });
    net.wait_renewing(1_000, 0, 3);

    assert!(net.are_alike(&[0, 1]));
    let outputs = net.nodes[1].take();
    assert!(outputs.iter().any(|output| matches!(output, Output::Lost { talker } if *talker == carol)));
    assert!(
        outputs.iter().any(|output| matches!(output, Output::Rejoined { was, now: Ok(_) } if *was == carol))
    );
    assert_eq!(
        net.nodes[1].replica.channel().speakers()[0].grant,
        here,
        "the other side's talker is revoked"
    );
    assert!(net.nodes[0].replica.channel().member(bob).is_some_and(|bob| !bob.unreachable));
}

#[test]
fn an_owner_that_hears_nobody_leaves_the_channel_to_one_that_does() {
    let mut net = Net::of(3);
    let (alice, bob, _) = (net.join(0, "alice"), net.join(1, "bob"), net.join(2, "carol"));
    let now = net.now;
    net.nodes[0].deaf = true;
    net.nodes[0].replica.hears(now, false);
    net.wait_renewing(2_900, 0, 1);
    assert_eq!(net.nodes[0].replica.standing(), Standing::Owner { epoch: Epoch(1) }, "a blip harms nobody");
    net.nodes[0].asks.clear();
    net.wait(200);
    assert_eq!(net.nodes[0].replica.standing(), Standing::Split { epoch: Epoch(2) });
    let asks: Vec<_> = net.nodes[0].asks.drain(..).map(|(_, ask)| ask).collect();
    let [LeaseAsk::HandOver { epoch: Epoch(1), to }] = asks[..] else { panic!("a bequest: {asks:?}") };
    let heir = if to == NodeId(2) { 1 } else { 2 };
    net.answer(heir, LeaseAnswer::Mine { epoch: Epoch(2), clean: false });
    net.wait(200);
    assert_eq!(net.nodes[heir].replica.standing(), Standing::Owner { epoch: Epoch(2) });
    assert!(net.press(1, bob).is_some() && net.press(0, alice).is_some(), "each has a floor of its own");
    assert!(net.nodes[1].replica.channel().member(alice).is_some_and(|alice| alice.unreachable));

    // Redis answers, but that isn't enough: it asks for nothing until it hears.
    net.wait_renewing(5_000, heir, 2);
    assert!(net.nodes[0].asks.is_empty());
    net.nodes[0].deaf = false;
    let now = net.now;
    net.nodes[0].replica.hears(now, true);
    net.settle();
    net.answer(0, LeaseAnswer::Held { by: to, epoch: Epoch(2) });
    while !net.nodes[heir].asks.iter().any(|(_, ask)| matches!(ask, LeaseAsk::Bump { .. })) {
        net.wait(100);
    }
    net.nodes[heir].asks.retain(|(_, ask)| matches!(ask, LeaseAsk::Bump { .. }));
    net.answer(heir, LeaseAnswer::Mine { epoch: Epoch(3), clean: false });
    net.wait_renewing(500, heir, 3);
    assert!(net.are_alike(&[0, 1, 2]));
    assert!(net.nodes[1].replica.channel().member(alice).is_some_and(|alice| !alice.unreachable));
}

#[test]
fn a_follower_that_hears_nobody_serves_its_own_and_says_so() {
    let mut net = Net::of(2);
    let (_, bob) = (net.join(0, "alice"), net.join(1, "bob"));
    let now = net.now;
    net.nodes[1].deaf = true;
    net.nodes[1].replica.hears(now, false);
    net.wait_renewing(3_100, 0, 1);
    assert_eq!(net.nodes[1].replica.standing(), Standing::Split { epoch: Epoch(2) });
    assert!(net.nodes[1].asks.is_empty(), "who hears nobody is not to own");
    assert!(net.nodes[0].replica.channel().member(bob).is_some_and(|bob| bob.unreachable));
}

#[test]
fn no_two_sides_of_a_split_give_the_same_grant() {
    let mut net = Net::of(3);
    let talkers: Vec<_> = (0..3).map(|node| net.join(node, &format!("user {node}"))).collect();
    let now = net.now;
    for node in &mut net.nodes {
        node.cut = true;
        node.replica.hears(now, false);
    }
    net.wait(3_100);
    let mut given = BTreeSet::new();
    for (node, talker) in talkers.into_iter().enumerate() {
        let mut newest = None;
        for _ in 0..600 {
            net.wait(1);
            let grant = net.press(node, talker);
            assert!(grant > newest, "{grant:?} after {newest:?}");
            newest = grant;
            given.extend(grant);
            let grant = grant.expect("a floor of its own");
            net.submit(node, Op::FloorRelease { talker, grant, road: suara_channel::Road::Stream });
        }
    }
    assert_eq!(given.len(), 3 * 600);
}

#[test]
fn who_never_was_with_the_others_gives_grants_of_its_own() {
    let now = Time::from_millis(0);
    let lonely = |node: u64| {
        let node = NodeId(node.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut replica = Replica::new(node, 7_000_000, Settings::default(), Rules::default(), now);
        replica.hears(now, false);
        replica.submit(now, join("alice"));
        replica.channel().next_grant()
    };
    let given: BTreeSet<_> = (1..=100).map(lonely).collect();
    assert_eq!(given.len(), 100);
}

#[test]
fn an_owner_takes_a_new_epoch_before_it_gives_the_grants_of_others() {
    let mut net = Net::of(1);
    let alice = net.join(0, "alice");
    let mut newest = None;
    for count in 0..0x2000 {
        net.wait_renewing(if count % 500 == 0 { 1_000 } else { 0 }, 0, 1);
        net.wait(1);
        let grant = net.press(0, alice).expect("an idle floor");
        net.submit(0, Op::FloorRelease { talker: alice, grant, road: suara_channel::Road::Stream });
        newest = Some(grant);
    }
    assert_eq!(newest.map(|grant| (grant.epoch(), grant.counter())), Some((1, 0x2000)));
    net.wait_renewing(1_000, 0, 1);
    assert!(net.nodes[0].asks.iter().any(|(_, ask)| matches!(ask, LeaseAsk::Bump { .. })));
}
