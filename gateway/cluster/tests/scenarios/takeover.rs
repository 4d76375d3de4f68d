//! One who takes over decides on what anybody knows, and who decided before is heard no longer.

use std::time::Duration;

use suara_channel::{Identity, LeaveReason, Rights, Settings, TalkerNumber};
use suara_cluster::{Epoch, LeaseAnswer, NodeId, Op, Output, Packet, Replica, Rules, Standing, Term};

use crate::drive::{Net, join};

fn has(net: &Net, node: usize, user: &str) -> bool {
    net.nodes[node].replica.channel().members().any(|member| &*member.who.user == user)
}

/// Three nodes with a member each, of which the first decided and is gone, and all that the others know of it is silence.
fn orphans() -> Net {
    let mut net = Net::of(3);
    for (node, name) in ["alice", "bob", "carol"].into_iter().enumerate() {
        net.join(node, name);
    }
    net
}

fn wait_for_the_lease_to_end(net: &mut Net) {
    (0..31).for_each(|_| net.wait(100));
}

#[test]
fn what_a_former_owner_said_comes_too_late() {
    let mut net = orphans();
    net.nodes[0].cut = true;
    let (now, blank) = (net.now, Packet::Hello { term: Term::default(), index: 0, seen: Epoch(1) });
    net.nodes[0].replica.submit(now, join("dora"));
    net.nodes[0].hear(now, 3, &[blank]);
    let late = net.nodes[0].said();
    let names: Vec<_> = late.iter().map(Packet::name).collect();
    assert_eq!(names, ["log", "snapshot"]);

    wait_for_the_lease_to_end(&mut net);
    net.answer(1, LeaseAnswer::Mine { epoch: Epoch(2), clean: false });
    net.wait(200);
    let now = net.now;
    for node in [1, 2] {
        let before = net.nodes[node].replica.head();
        net.nodes[node].hear(now, 1, &late);
        let replica = &net.nodes[node].replica;
        assert_eq!((replica.head(), has(&net, node, "dora")), (before, false));
    }
    let follows = Standing::Follower { owner: NodeId(2), epoch: Epoch(2) };
    assert_eq!(net.nodes[2].replica.standing(), follows);
    assert_eq!(net.nodes[1].replica.standing(), Standing::Owner { epoch: Epoch(2) });
}

#[test]
fn what_was_wished_of_a_former_term_is_not_taken() {
    let mut net = orphans();
    let (term, _) = net.nodes[0].replica.head();
    net.nodes[0].cut = true;
    wait_for_the_lease_to_end(&mut net);
    net.answer(1, LeaseAnswer::Mine { epoch: Epoch(2), clean: false });
    net.wait(200);
    let ops = vec![(3_001, Op::Leave { talker: TalkerNumber(3), reason: LeaveReason::Left })];
    // Who is new, and knows no term yet, says so by the epoch alone.
    for term in [term, Term::default()] {
        let late = Packet::Submit { epoch: Epoch(1), term, settled: 3_000, ops: ops.clone() };
        let now = net.now;
        net.nodes[1].hear(now, 3, &[late]);
        assert!(has(&net, 1, "carol"));
    }
}

#[test]
fn a_new_owner_decides_on_what_anybody_has_heard() {
    let mut net = orphans();
    net.nodes[1].cut = true;
    net.join(0, "dora");
    (net.nodes[0].cut, net.nodes[1].cut) = (true, false);
    assert!(has(&net, 2, "dora") && !has(&net, 1, "dora"));

    wait_for_the_lease_to_end(&mut net);
    net.answer(1, LeaseAnswer::Mine { epoch: Epoch(2), clean: false });
    net.wait(200);
    assert_eq!(net.nodes[1].replica.standing(), Standing::Owner { epoch: Epoch(2) });
    assert!(has(&net, 1, "dora") && net.are_alike(&[1, 2]));
}

#[test]
fn an_owner_that_sleeps_through_its_round_reads_the_answers_before_it_decides() {
    let mut net = orphans();
    net.nodes[1].cut = true;
    net.join(0, "dora");
    (net.nodes[0].cut, net.nodes[1].cut) = (true, false);
    wait_for_the_lease_to_end(&mut net);

    let ((number, _), now) = (net.nodes[1].asks.remove(0), net.now);
    net.nodes[1].replica.leased(now, number, LeaseAnswer::Mine { epoch: Epoch(2), clean: false });
    let asked = net.nodes[1].said();
    assert_eq!(asked.iter().map(Packet::name).collect::<Vec<_>>(), ["taking"]);
    net.nodes[2].hear(now, 2, &asked);
    let answers = net.nodes[2].said();

    // As its task does when it wakes: what is due comes before what came meanwhile.
    net.now = now + Duration::from_millis(1_000);
    let now = net.now;
    net.nodes[1].replica.handle_timeout(now);
    assert_eq!(net.nodes[1].replica.standing(), Standing::Seeking);
    net.nodes[1].hear(now, 3, &answers);
    net.settle();
    net.wait(100);
    assert_eq!(net.nodes[1].replica.standing(), Standing::Owner { epoch: Epoch(2) });
    assert!(has(&net, 1, "dora") && net.are_alike(&[1, 2]));
}

#[test]
fn who_hears_of_an_owner_long_gone_asks_those_it_doesnt_know_of() {
    let mut net = Net::of(3);
    net.join(0, "alice");
    net.join(1, "bob");
    net.wait_renewing(500, 0, 1);
    let now = net.now + Duration::from_millis(500);
    net.nodes[0].replica.handle_timeout(now);
    let mut old = net.nodes[0].said();
    old.retain(|packet| matches!(packet, Packet::Beat { .. }));
    assert_eq!(old.len(), 1);

    // The next owner and its member are unknown to the second node, which hears nothing for a while.
    (net.nodes[0].cut, net.nodes[1].cut) = (true, true);
    wait_for_the_lease_to_end(&mut net);
    net.answer(2, LeaseAnswer::Mine { epoch: Epoch(2), clean: false });
    net.wait(200);
    net.join(2, "dora");
    net.nodes[1].cut = false;

    let ((number, _), now) = (net.nodes[1].asks.pop().expect("a question"), net.now);
    net.nodes[1].hear(now, 1, &old);
    net.nodes[1].replica.leased(now, number, LeaseAnswer::Mine { epoch: Epoch(3), clean: false });
    assert_eq!(net.nodes[1].replica.standing(), Standing::Seeking, "it asks round");
    net.settle();
    net.wait(200);
    assert_eq!(net.nodes[1].replica.standing(), Standing::Owner { epoch: Epoch(3) });
    assert!(has(&net, 1, "dora") && net.are_alike(&[1, 2]));
    let is_lost = |output: &Output| matches!(output, Output::Lost { .. });
    assert!(!net.nodes[2].take().iter().any(is_lost), "nobody has to come in again");
}

#[test]
fn who_comes_in_by_the_number_of_one_that_nobody_knows_of_is_not_sent_away_for_it() {
    let settings = Settings { presence_grace: Duration::from_millis(50), ..Settings::default() };
    let mut net = Net::with(2, &settings);
    let number = net.join(1, "alice");

    // The second node's room is another by now, and nobody in it knows of alice.
    let now = net.now;
    net.nodes[1].replica = Replica::new(NodeId(2), 9_000, settings, Rules::default(), now);
    let who = Identity::new("bob", "bob", "guard");
    net.nodes[1].replica.submit(now, Op::Join { who, rights: Rights::all(), claim: Some(number) });
    let held = LeaseAnswer::Held { by: NodeId(1), epoch: Epoch(1) };
    net.nodes[1].replica.leased(now, 9_001, held);
    net.nodes[1].replica.handle_timeout(now);
    let (hellos, wishes): (Vec<_>, Vec<_>) =
        net.nodes[1].said().into_iter().partition(|packet| matches!(packet, Packet::Hello { .. }));
    assert_eq!(wishes.iter().map(Packet::name).collect::<Vec<_>>(), ["submit"]);

    // The owner tells it of alice, gives up her place, and lets bob have her number.
    net.nodes[0].hear(now, 2, &hellos);
    let told = net.nodes[0].said();
    net.nodes[0].replica.gone(now, NodeId(2));
    net.now = now + Duration::from_millis(50);
    let now = net.now;
    net.nodes[0].replica.handle_timeout(now);
    net.nodes[0].hear(now, 2, &wishes);
    assert!(has(&net, 0, "bob") && !has(&net, 0, "alice"));

    net.nodes[1].hear(now, 1, &told);
    net.settle();
    net.wait_renewing(1_000, 0, 1);
    assert!(has(&net, 0, "bob") && net.are_alike(&[0, 1]));
    assert_eq!(
        net.nodes[0].replica.channel().members().map(|member| member.talker).collect::<Vec<_>>(),
        [number]
    );
}
