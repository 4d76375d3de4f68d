//! What members are told of patches, whichever node keeps them.
//!
//! A node says which channel each of its guests stands for, as a fact that all nodes of the channel share. The fact holds as long as
//! that guest is in the channel by that node: so nothing has to be undone for a node that died, but for what is left of its facts,
//! which is whose decides to take away.

use std::collections::BTreeSet;
use std::sync::Arc;

use suara_cluster::{NodeId, Op, Standing};
use suara_proto::limits::MAX_CHANNEL_NAME;
use suara_proto::message::{Patched, ServerMessage};
use suara_proto::text::is_plain;
use suara_proto::{ChannelNumber, RequestId, TalkerNumber};

use super::room::Room;
use super::words::{PATCH, RoomWord};
use crate::session::Port;

/// Wishes to end patches of other nodes that wait for these nodes. More are refused.
const MAX_ENDING: usize = 16;

/// What is known of the patches that other nodes keep.
#[derive(Default)]
pub(super) struct FarPatches {
    /// Names of the channels, as members here were told.
    told: BTreeSet<Arc<str>>,
    /// Who wants one to end, and is answered when it has.
    ending: Vec<(TalkerNumber, RequestId, Arc<str>)>,
    /// What is left of facts, and was asked to go.
    going: BTreeSet<String>,
}

impl FarPatches {
    pub(super) fn has(&self, name: &str) -> bool {
        self.told.contains(name)
    }

    pub(super) fn len(&self) -> usize {
        self.told.len()
    }
}

impl Room {
    /// Tells the other nodes which channel a guest of this one stands for, or that it is gone.
    pub(super) fn share_patch(&mut self, guest: TalkerNumber, name: Option<&str>) {
        let Some(node) = self.hub.node().filter(|_| self.abroad.is_some()) else { return };
        let value = name.map(|name| name.as_bytes().to_vec());
        self.order(Op::Share { key: format!("{PATCH}{node}/{}", guest.0), value });
    }

    /// Looks whether members here are to be told of other patches than before; `true` when something was ordered.
    pub(super) fn look_at_patches(&mut self) -> bool {
        let Some(node) = self.hub.node().filter(|_| self.abroad.is_some()) else { return false };
        let (mut names, mut stale) = (BTreeSet::new(), BTreeSet::new());
        for (key, value) in self.replica.shared().filter(|(key, _)| key.starts_with(PATCH)) {
            match fact(key, value) {
                Some((of, guest, name)) if self.stands_for(of, guest) => {
                    if of != node {
                        names.insert(Arc::from(name));
                    }
                }
                _ => drop(stale.insert(key.to_owned())),
            }
        }
        if names != self.far_patches.told {
            self.far_patches.told = names;
            self.show_patches();
        }
        self.answer_ending();
        self.take_away(stale)
    }

    /// Takes away what is left of facts; `true` when something was ordered, which is once for each.
    fn take_away(&mut self, stale: BTreeSet<String>) -> bool {
        let decides = matches!(self.replica.standing(), Standing::Owner { .. } | Standing::Split { .. });
        let going = std::mem::take(&mut self.far_patches.going);
        if !decides {
            return false;
        }
        let news: Vec<_> = stale.difference(&going).cloned().collect();
        self.far_patches.going = stale;
        let any = !news.is_empty();
        news.into_iter().for_each(|key| self.order(Op::Share { key, value: None }));
        any
    }

    fn stands_for(&self, node: NodeId, guest: TalkerNumber) -> bool {
        self.channel().is_guest(guest) && self.replica.home(guest) == Some(node)
    }

    /// A dispatcher here wants a patch to end that another node keeps; `false` when there is none.
    pub(super) fn unpatch_far(&mut self, by: TalkerNumber, request: RequestId, name: &Arc<str>) -> bool {
        if !self.far_patches.has(name) || self.far_patches.ending.len() >= MAX_ENDING {
            return false;
        }
        self.far_patches.ending.push((by, request, name.clone()));
        self.say_rooms(&RoomWord::Unpatch { with: name.clone() });
        true
    }

    fn answer_ending(&mut self) {
        let (waiting, over): (Vec<_>, _) = std::mem::take(&mut self.far_patches.ending)
            .into_iter()
            .partition(|(.., name)| self.far_patches.has(name));
        self.far_patches.ending = waiting;
        for (by, request, _) in over {
            self.answer_patch(by, request, false, true);
        }
    }

    /// A dispatcher at some node wants the patch to that channel to end.
    pub(super) fn unpatch_by_name(&mut self, name: &str) {
        if let Some(number) = self.patches.number_of(name) {
            self.unpatch(number);
        }
    }

    /// Tells one that comes what this channel is patched to.
    pub(super) fn tell_patches(&self, port: &Port) {
        if !self.patched_with().is_empty() {
            port.outbox.say(&self.patched());
        }
    }

    pub(super) fn show_patches(&self) {
        self.tell_all(&self.patched());
    }

    fn patched(&self) -> ServerMessage<'_> {
        let (channel, with) = (self.handle.number, self.patched_with());
        ServerMessage::Patched { request: None, member: None, channel, with }
    }

    /// Its own node's first, each channel once.
    pub(super) fn patched_with(&self) -> Vec<Patched<'_>> {
        let mut with: Vec<_> = self.patches.all().collect();
        for name in &self.far_patches.told {
            if !with.iter().any(|patched| *patched.name == **name) {
                let channel = self.hub.number_of(name).unwrap_or(ChannelNumber(0));
                with.push(Patched { channel, name: (&**name).into() });
            }
        }
        with
    }
}

/// Which node's guest stands for which channel.
fn fact<'a>(key: &str, value: &'a [u8]) -> Option<(NodeId, TalkerNumber, &'a str)> {
    let (node, guest) = key.strip_prefix(PATCH)?.split_once('/')?;
    let node = NodeId(u64::from_str_radix(node, 16).ok()?);
    let name = std::str::from_utf8(value).ok().filter(|name| is_plain(name, MAX_CHANNEL_NAME))?;
    Some((node, TalkerNumber(guest.parse().ok()?), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_names_a_node_a_guest_and_a_channel() {
        let key = format!("{PATCH}{}/{}", NodeId(0xabc), 17);
        let known = Some((NodeId(0xabc), TalkerNumber(17), "ops/gate 2"));
        assert_eq!(fact(&key, b"ops/gate 2"), known);
        for key in ["patch/1", "patch/x/1", "patch/1/", "patch/1/70000", "patch/1/2/3", "alert/1/2"] {
            assert_eq!(fact(key, b"ops"), None, "{key}");
        }
        for name in [&b""[..], b"\xff", b"a\nb"] {
            assert_eq!(fact(&key, name), None);
        }
    }
}
