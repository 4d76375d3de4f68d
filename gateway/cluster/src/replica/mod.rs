//! One node's part in one channel.

mod adopt;
mod follow;
mod lease;
mod own;
mod owner;
mod role;
mod timers;

use std::collections::{BTreeMap, BTreeSet};

use suara_channel::{Channel, Effect, Grant, Settings, TalkerNumber, Time};

use crate::entry::{Entry, Step};
use crate::grants;
use crate::ids::{Epoch, NodeId, OpId, Term};
use crate::log::Log;
use crate::op::{Op, Outcome};
use crate::output::{Output, Outputs, Standing};
use crate::packet::Packet;
use crate::rules::Rules;
use crate::state::{Consequence, State};
use follow::Held;
use lease::Asks;
use own::Own;
use role::Role;

/// What a lone owner's grants begin with: zero stays free for «none».
const FIRST_EPOCH: Epoch = Epoch(1);

/// One node's part in one channel. See the [crate's page](crate) for the contract.
#[derive(Debug)]
pub struct Replica {
    node: NodeId,
    /// The number of its first operation, which no other replica of the node has.
    first: u64,
    rules: Rules,
    state: State,
    /// The latest local time that was seen.
    now: Time,
    /// The channel's time less the local one, in milliseconds.
    ahead: i128,
    role: Role,
    /// The highest epoch that was heard of: packets of lower ones are out of date.
    seen: Epoch,
    /// Since when Redis doesn't answer.
    away: Option<Time>,
    /// Since when others aren't heard, though Redis may answer.
    deaf: Option<Time>,
    asks: Asks,
    own: Own,
    log: Log,
    /// The entries up to here were sent.
    sent: u64,
    held: Held,
    /// Nodes that were heard, and when; they may have no members yet.
    peers: BTreeMap<NodeId, Time>,
    dead: BTreeSet<NodeId>,
    /// The owner that leaves its lease to this node, and until when that may not have been heard of by Redis.
    inherits: Option<(NodeId, Time)>,
    /// When the owner was told something last.
    spoke: Time,
    /// The newest voice of those who talk, in local time.
    heard: BTreeMap<Grant, Time>,
    outputs: Outputs,
    told: Standing,
}

impl Replica {
    /// There are no other nodes: it decides for ever, and sends nothing.
    #[must_use]
    pub fn alone(settings: Settings) -> Self {
        let mut replica = Self::make(NodeId(0), 1, settings, Rules::default(), Time::default());
        replica.role = Role::Lone;
        replica.order(Step::Term { term: replica.term(FIRST_EPOCH), first: grants::leased(FIRST_EPOCH) });
        replica.told = replica.standing();
        replica
    }

    /// A node's part in a channel that others may be in too. Its operations are numbered from `first` on, which has to be
    /// above all that the node ever used for this channel, and random for the first time. The rest of the channel's nodes
    /// are found by way of the lease, so the first output asks for that.
    #[must_use]
    pub fn new(node: NodeId, first: u64, settings: Settings, rules: Rules, now: Time) -> Self {
        let mut replica = Self::make(node, first, settings, rules, now);
        replica.take();
        replica
    }

    fn make(node: NodeId, first: u64, settings: Settings, rules: Rules, now: Time) -> Self {
        Self {
            node,
            first: first.max(1),
            rules,
            state: State::new(settings),
            now,
            ahead: 0,
            role: Role::Seeking,
            seen: Epoch::default(),
            away: None,
            deaf: None,
            asks: Asks::new(first),
            own: Own::new(first.max(1)),
            log: Log::new(rules.kept),
            sent: 0,
            held: Held::default(),
            peers: BTreeMap::new(),
            dead: BTreeSet::new(),
            inherits: None,
            spoke: now,
            heard: BTreeMap::new(),
            outputs: Outputs::default(),
            told: Standing::Seeking,
        }
    }

    /// Wants something done. It takes effect at once where this node decides; else it goes to the owner, and is kept until
    /// it took effect. Either way [`Output::Applied`] says what it came to.
    pub fn submit(&mut self, now: Time, op: Op) -> OpId {
        self.enter(now);
        self.note(&op);
        let id = self.wish(op);
        self.tell();
        id
    }

    /// The newest voice of a grant that was heard here, at a local time. The owner counts T1 from it.
    pub fn media(&mut self, grant: Grant, at: Time) {
        let newest = self.heard.entry(grant).or_default();
        *newest = at.max(*newest);
        // Those of old are dropped with the next tick; who never ticks keeps no more than this.
        while self.heard.len() > MAX_HEARD {
            self.heard.pop_first();
        }
    }

    /// A node said something of this channel: to this node, or to all.
    pub fn receive(&mut self, now: Time, from: NodeId, packet: Packet) {
        self.enter(now);
        if from != self.node {
            self.take_in(from, packet);
        }
        self.tell();
    }

    /// Looks for members of dead nodes, which may have died before this node knew of the channel. To be called every second or
    /// so with what [`Membership::is_dead`](crate::Membership::is_dead) says.
    pub fn attend(&mut self, now: Time, is_dead: impl Fn(NodeId) -> bool) {
        self.enter(now);
        let nodes: BTreeSet<_> =
            self.state.homes.values().copied().filter(|node| *node != self.node).collect();
        nodes.into_iter().filter(|node| is_dead(*node)).for_each(|node| self.bury(node));
        self.tell();
    }

    /// A node is dead. It is taken for living when it is heard again.
    pub fn gone(&mut self, now: Time, node: NodeId) {
        self.enter(now);
        if node != self.node {
            self.bury(node);
        }
        self.tell();
    }

    /// The next thing to do. To be called until `None` after each call, or each batch of calls.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.publish();
        self.outputs.pop()
    }

    /// The channel as it is known here. Its times are the channel's: see [`time`](Self::time).
    #[must_use]
    pub const fn channel(&self) -> &Channel {
        &self.state.channel
    }

    /// What the channel's time is at a local time, for [`Channel::all_talking`](suara_channel::Channel::all_talking).
    #[must_use]
    pub fn time(&self, now: Time) -> Time {
        self.to_channel(now).max(self.state.at)
    }

    /// By which node a member, or a guest, is here.
    #[must_use]
    pub fn home(&self, talker: TalkerNumber) -> Option<NodeId> {
        self.state.homes.get(&talker).copied()
    }

    /// Whether a member, or a guest, is here by this node.
    #[must_use]
    pub fn is_local(&self, talker: TalkerNumber) -> bool {
        self.home(talker) == Some(self.node)
    }

    /// Whether another node has members here, or wants to have: its listeners need what this node's talkers say.
    #[must_use]
    pub fn other_nodes(&self) -> bool {
        !matches!(self.role, Role::Lone) && (self.has_others() || !self.peers.is_empty())
    }

    /// Whether all that was submitted has taken effect. A room whose members have all left waits for that, as long as two
    /// lease times at most, before it [quits](Self::quit): else the others don't hear that they have.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.own.is_settled()
    }

    /// The node's part in the channel.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.role.standing()
    }

    /// What is shared.
    pub fn shared(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.state.shared.iter().map(|(key, value)| (key.as_str(), value.as_slice()))
    }

    /// How far this node is: the newest entry's number, and the term it is of. Two nodes of which that is the same hold the
    /// same.
    #[must_use]
    pub const fn head(&self) -> (Term, u64) {
        (self.state.term, self.state.index)
    }

    /// The highest epoch that was heard of: voice of a grant that is above it comes from a term that isn't known here yet.
    #[must_use]
    pub const fn seen(&self) -> Epoch {
        self.seen
    }

    /// Puts a step in order, and applies it here.
    fn order(&mut self, step: Step) {
        let entry = Entry { at: self.time(self.now), step };
        self.apply(entry);
        self.renew_share();
    }

    fn apply(&mut self, entry: Entry) {
        let mut answered = None;
        let held_for_lost = self.held_for_lost(&entry);
        let outputs = &mut self.outputs;
        self.state.apply(
            &entry,
            |id, outcome| answered = Some((id, outcome)),
            |consequence| match consequence {
                // It is here, so it isn't gone.
                Consequence::Effect(Effect::Gone { talker }) if held_for_lost.contains_key(&talker) => {}
                Consequence::Effect(effect) => outputs.effect(effect),
                Consequence::Said { by, to, bytes } => outputs.push(Output::Said { by, to, bytes }),
                Consequence::Shared { key, value } => outputs.push(Output::Shared { key, value }),
            },
        );
        if matches!(entry.step, Step::Term { .. }) {
            self.own.hurry();
        }
        let was_buried = matches!(entry.step, Step::NodeGone(node) if node == self.node);
        if !matches!(self.role, Role::Lone) {
            self.log.push(self.state.term, entry);
        }
        if let Some((id, outcome)) = answered.filter(|(id, _)| id.node == self.node) {
            self.answered(id.number, outcome);
        }
        if was_buried {
            self.return_all();
        }
        self.rejoin_expired(held_for_lost);
    }

    fn answered(&mut self, number: u64, outcome: Outcome) {
        if let Some(given) = outcome.talker() {
            self.own.keep_ghosts(|ghost| ghost != given);
        }
        let settled = self.own.settle(number);
        self.moved_on();
        match settled {
            Some(settled) => self.say_answer(number, settled, outcome),
            // It came by a detour, and its room was told otherwise.
            None => outcome.talker().into_iter().for_each(|talker| self.drop_ghost(talker)),
        }
        self.drop_ghosts();
    }

    fn term(&self, epoch: Epoch) -> Term {
        Term { epoch, by: self.node, first: self.first }
    }

    /// The state that members of other nodes are in, too.
    fn has_others(&self) -> bool {
        self.state.homes.values().any(|home| *home != self.node)
    }

    fn to_channel(&self, local: Time) -> Time {
        shift(local, self.ahead)
    }

    fn to_local(&self, channel: Time) -> Time {
        shift(channel, -self.ahead)
    }

    /// Says what has become of this node's part.
    fn tell(&mut self) {
        let standing = self.standing();
        if standing != self.told {
            self.told = standing;
            self.outputs.fence(Output::Standing(standing));
        }
    }
}

/// Grants whose voice is noted at a time: no mode has more talkers.
const MAX_HEARD: usize = 64;

fn shift(time: Time, by: i128) -> Time {
    let millis = (i128::from(time.as_millis()) + by).clamp(0, i128::from(u64::MAX));
    Time::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
