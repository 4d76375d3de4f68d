//! Nodes that hear each other at once, and a Redis that the test speaks for.

use std::mem;
use std::time::Duration;

use suara_channel::{Asking, Effect, Grant, Identity, RequestId, Rights, Settings, TalkerNumber, Time};
use suara_cluster::{Epoch, LeaseAnswer, LeaseAsk, NodeId, Op, Outcome, Output, Packet, Replica, Rules};

pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) replica: Replica,
    pub(crate) outputs: Vec<Output>,
    sends: Vec<(Option<NodeId>, Packet)>,
    pub(crate) asks: Vec<(u64, LeaseAsk)>,
    /// How often it sent operations of its own.
    pub(crate) submits: u32,
    /// Hears nothing, and isn't heard.
    pub(crate) cut: bool,
    /// Hears nothing.
    pub(crate) deaf: bool,
}

pub(crate) struct Net {
    pub(crate) now: Time,
    pub(crate) nodes: Vec<Node>,
    /// How often all that was said on the way was heard: a round trip is two.
    pub(crate) hops: u32,
}

impl Net {
    /// So many nodes, of which the first owns the channel in epoch 1 and the others follow.
    pub(crate) fn of(count: u64) -> Self {
        Self::with(count, &Settings::default())
    }

    pub(crate) fn with(count: u64, settings: &Settings) -> Self {
        let now = Time::from_millis(1_000);
        let node = |id| Node {
            id: NodeId(id),
            replica: Replica::new(NodeId(id), id * 1_000, settings.clone(), Rules::default(), now),
            outputs: Vec::new(),
            sends: Vec::new(),
            asks: Vec::new(),
            submits: 0,
            cut: false,
            deaf: false,
        };
        let mut net = Self { now, nodes: (1..=count).map(node).collect(), hops: 0 };
        net.settle();
        net.answer(0, LeaseAnswer::Mine { epoch: Epoch(1), clean: true });
        for follower in 1..net.nodes.len() {
            net.answer(follower, LeaseAnswer::Held { by: NodeId(1), epoch: Epoch(1) });
        }
        net
    }

    /// Answers a node's oldest question.
    pub(crate) fn answer(&mut self, node: usize, answer: LeaseAnswer) {
        let (number, _) = self.nodes[node].asks.remove(0);
        self.nodes[node].replica.leased(self.now, number, answer);
        self.settle();
    }

    /// Everybody hears what was said, until nobody says anything.
    pub(crate) fn settle(&mut self) {
        loop {
            let now = self.now;
            for node in &mut self.nodes {
                node.replica.handle_timeout(now);
                node.drain();
            }
            let said = self.nodes.iter_mut().map(|node| (node.id, node.cut, mem::take(&mut node.sends)));
            let said: Vec<_> = said.filter(|(_, cut, _)| !cut).collect();
            let mut silent = true;
            for (from, _, packets) in said {
                for (to, packet) in packets {
                    silent = false;
                    let hears = |node: &&mut Node| {
                        node.hears() && node.id != from && to.is_none_or(|to| to == node.id)
                    };
                    for node in self.nodes.iter_mut().filter(hears) {
                        let bytes = packet.encode().expect("a short packet");
                        node.replica.receive(
                            self.now,
                            from,
                            Packet::decode(&bytes).expect("the same packet"),
                        );
                    }
                }
            }
            if silent {
                break;
            }
            self.hops += 1;
        }
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        for node in &mut self.nodes {
            node.replica.handle_timeout(self.now);
        }
        self.settle();
    }

    /// Waits, and renews the lease of a node whenever it asks.
    pub(crate) fn wait_renewing(&mut self, millis: u64, owner: usize, epoch: u16) {
        for _ in 0..millis / 100 {
            self.wait(100);
            while let Some((number, LeaseAsk::Renew { .. })) = self.nodes[owner].asks.first().copied() {
                self.nodes[owner].asks.remove(0);
                let answer = LeaseAnswer::Mine { epoch: Epoch(epoch), clean: false };
                self.nodes[owner].replica.leased(self.now, number, answer);
            }
        }
    }

    pub(crate) fn submit(&mut self, node: usize, op: Op) {
        self.nodes[node].replica.submit(self.now, op);
        self.settle();
    }

    /// The number of somebody who comes in by a node.
    pub(crate) fn join(&mut self, node: usize, name: &str) -> TalkerNumber {
        self.submit(node, join(name));
        let outputs = self.nodes[node].take();
        let joined = outputs.iter().find_map(|output| match output {
            Output::Applied { outcome: Outcome::Joined(Ok(talker)), .. } => Some(*talker),
            _ => None,
        });
        joined.expect("an answer to the join")
    }

    /// What a member is granted by its request.
    pub(crate) fn press(&mut self, node: usize, talker: TalkerNumber) -> Option<Grant> {
        self.nodes[node].take();
        self.submit(
            node,
            Op::FloorRequest { talker, asking: Asking::from(RequestId(self.now.as_millis() as u32)) },
        );
        self.nodes[node].take().into_iter().find_map(|output| match output {
            Output::Effect(Effect::Granted { grant, .. }) => Some(grant),
            _ => None,
        })
    }

    pub(crate) fn are_alike(&self, nodes: &[usize]) -> bool {
        let replica = |node: &usize| &self.nodes[*node].replica;
        let first = replica(&nodes[0]);
        nodes.iter().map(replica).all(|other| {
            other.head() == first.head()
                && other.channel().members().eq(first.channel().members())
                && other.channel().speakers() == first.channel().speakers()
                && other.shared().eq(first.shared())
        })
    }
}

impl Node {
    fn hears(&self) -> bool {
        !self.cut && !self.deaf
    }

    fn drain(&mut self) {
        while let Some(output) = self.replica.poll_output() {
            match output {
                Output::Send { to, packet } => {
                    self.submits += u32::from(matches!(packet, Packet::Submit { .. }));
                    self.sends.push((to, packet));
                }
                Output::Lease { number, ask } => self.asks.push((number, ask)),
                output => self.outputs.push(output),
            }
        }
    }

    /// What it says at this moment, which nobody hears yet.
    pub(crate) fn said(&mut self) -> Vec<Packet> {
        self.drain();
        mem::take(&mut self.sends).into_iter().map(|(_, packet)| packet).collect()
    }

    /// It hears what another said.
    pub(crate) fn hear(&mut self, now: Time, from: u64, packets: &[Packet]) {
        for packet in packets {
            self.replica.receive(now, NodeId(from), packet.clone());
        }
    }

    /// What it was to do since this was asked last.
    pub(crate) fn take(&mut self) -> Vec<Output> {
        mem::take(&mut self.outputs)
    }
}

pub(crate) fn join(name: &str) -> Op {
    Op::Join { who: Identity::new(name, name, "guard"), rights: Rights::all(), claim: None }
}
