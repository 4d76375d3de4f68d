//! What a replica wants done.

use std::collections::VecDeque;

use suara_channel::{Channel, Effect, JoinError, RosterDelta, TalkerNumber};

use crate::ids::{Epoch, NodeId, OpId};
use crate::op::{Outcome, Say};
use crate::packet::Packet;

/// One thing to do, in this order.
///
/// What goes to other nodes and to Redis comes first: it waits for nobody here.
///
/// Within what is taken out at a time the answers to this node's own operations come first, then the roster's changes put
/// together in one delta, then the other effects in the order of the log: so a room that submits a batch and drains once
/// says what a storm of joins has in common once. [`Adopted`](Self::Adopted) and [`Standing`](Self::Standing) are fences:
/// nothing comes before or after them that didn't happen so.
#[derive(Debug)]
pub enum Output {
    /// A decision of the channel, to be carried out for this node's own sessions.
    Effect(Effect),
    /// One of this node's own operations took effect. Its effects come after it.
    Applied {
        /// As [`Replica::submit`](crate::Replica::submit) said.
        id: OpId,
        /// What it came to.
        outcome: Outcome,
    },
    /// Somebody said something by [`Op::Say`](crate::Op::Say).
    Said {
        /// By which node.
        by: NodeId,
        /// To whom.
        to: Say,
        /// What.
        bytes: Vec<u8>,
    },
    /// A shared fact changed.
    Shared {
        /// Which.
        key: String,
        /// What it is now; none: it is no more.
        value: Option<Vec<u8>>,
    },
    /// The whole state was replaced by another node's: the room compares, and tells its sessions what is true now.
    /// [`Replica::channel`](crate::Replica::channel) and [`Replica::shared`](crate::Replica::shared) are the new ones.
    Adopted {
        /// What was true before.
        before: Box<Channel>,
    },
    /// A member of this node isn't in the state that was adopted. The replica has asked for its old number by itself, and
    /// [`Rejoined`](Self::Rejoined) says what came of it. Guests are not asked for again: that is the room's to do.
    Lost {
        /// Its number so far.
        talker: TalkerNumber,
    },
    /// A lost member is in the channel again, or may not be.
    Rejoined {
        /// Its number before.
        was: TalkerNumber,
        /// Its number now.
        now: Result<TalkerNumber, JoinError>,
    },
    /// The node's part in the channel changed.
    Standing(Standing),
    /// Something for other nodes.
    Send {
        /// To whom; none: all nodes of the channel.
        to: Option<NodeId>,
        /// What.
        packet: Packet,
    },
    /// Something to ask Redis. Each is answered by [`Replica::leased`](crate::Replica::leased) with its number, with
    /// [`LeaseAnswer::Away`] at the latest after [`Rules::renew`](crate::Rules::renew).
    Lease {
        /// Which question this is.
        number: u64,
        /// The question.
        ask: LeaseAsk,
    },
}

/// The node's part in the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It looks for the owner. What is submitted waits.
    Seeking,
    /// It decides.
    Owner {
        /// Since the lease was taken.
        epoch: Epoch,
    },
    /// Another node decides.
    Follower {
        /// Which.
        owner: NodeId,
        /// In which term.
        epoch: Epoch,
    },
    /// Redis is away, or brings nothing of the others: it serves its own members alone.
    Split {
        /// Above all that it has seen.
        epoch: Epoch,
    },
}

/// What is asked of the channel's lease in Redis. All of it is by the node that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseAsk {
    /// To own the channel, if nobody else does. The new epoch is `max(counter, wanted - 1) + 1`, also for the node that has
    /// the lease already.
    Take {
        /// At least.
        wanted: Epoch,
    },
    /// To own it for another lease time.
    Renew {
        /// In this epoch.
        epoch: Epoch,
    },
    /// To go on in a new epoch, `max(counter, above) + 1`, because others have seen higher ones.
    Bump {
        /// The present one.
        epoch: Epoch,
        /// The new one is higher than this.
        above: Epoch,
    },
    /// Nobody is left in the channel: the lease is free, and the next [`Mine`](LeaseAnswer::Mine) is `clean`.
    Release {
        /// The present one.
        epoch: Epoch,
    },
    /// Another node is to own it: the lease is that node's for a lease time, so that it can take it and nobody else can.
    HandOver {
        /// The present one.
        epoch: Epoch,
        /// To whom.
        to: NodeId,
    },
}

/// What Redis said. A lease is counted from the time at which the question was put out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// Another node has the lease.
    Held {
        /// Which.
        by: NodeId,
        /// In which epoch.
        epoch: Epoch,
    },
    /// This node has it.
    Mine {
        /// In which epoch.
        epoch: Epoch,
        /// Whether no other node can have a state of this channel, because the last one
        /// [released](LeaseAsk::Release) it. Not so of a channel of which Redis knows nothing: it may have lost its data.
        clean: bool,
    },
    /// Nobody has it: what was to be renewed, bumped or released is this node's no more, or is released now.
    Free,
    /// Redis doesn't answer.
    Away,
}

/// What waits to be taken out, in the order that [`Output`] promises.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    /// For others: they need it soonest, and it waits for nobody here.
    sends: VecDeque<Output>,
    /// Before the last fence.
    fenced: VecDeque<Output>,
    answers: VecDeque<Output>,
    roster: Option<RosterDelta>,
    rest: VecDeque<Output>,
}

impl Outputs {
    pub(crate) fn send(&mut self, to: Option<NodeId>, packet: Packet) {
        self.sends.push_back(Output::Send { to, packet });
    }

    pub(crate) fn ask(&mut self, number: u64, ask: LeaseAsk) {
        self.sends.push_back(Output::Lease { number, ask });
    }

    pub(crate) fn answer(&mut self, output: Output) {
        self.answers.push_back(output);
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Roster(delta) => self.roster(delta),
            effect => self.rest.push_back(Output::Effect(effect)),
        }
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.rest.push_back(output);
    }

    /// Nothing passes it.
    pub(crate) fn fence(&mut self, output: Output) {
        self.close();
        self.fenced.push_back(output);
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        let roster = |roster: RosterDelta| Output::Effect(Effect::Roster(roster));
        self.sends
            .pop_front()
            .or_else(|| self.fenced.pop_front())
            .or_else(|| self.answers.pop_front())
            .or_else(|| self.roster.take().map(roster))
            .or_else(|| self.rest.pop_front())
    }

    fn close(&mut self) {
        self.fenced.append(&mut self.answers);
        let roster = self.roster.take();
        self.fenced.extend(roster.map(|roster| Output::Effect(Effect::Roster(roster))));
        self.fenced.append(&mut self.rest);
    }

    fn roster(&mut self, delta: RosterDelta) {
        // One who left and one who came later by the same number are two: «put in, then remove» would remove the newcomer.
        let reused = |before: &RosterDelta| {
            delta.joined.iter().any(|new| before.left.iter().any(|old| old.talker == new.talker))
        };
        if self.roster.as_ref().is_some_and(reused) {
            self.close();
        }
        match &mut self.roster {
            None => self.roster = Some(delta),
            Some(before) => merge(before, delta),
        }
    }
}

fn merge(before: &mut RosterDelta, after: RosterDelta) {
    let RosterDelta { since: _, version, joined, left, changed } = after;
    before.version = version;
    let is_over = |talker: TalkerNumber| {
        left.iter().any(|left| left.talker == talker) || changed.iter().any(|new| new.talker == talker)
    };
    before.changed.retain(|old| !is_over(old.talker));
    before.joined.extend(joined);
    before.left.extend(left);
    before.changed.extend(changed);
}
