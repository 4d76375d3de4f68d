//! What nodes tell each other of their channels, for those who run the deployment: who is in which.
//!
//! A channel that is at this node is known whole here; others are asked about what isn't.

use std::collections::BTreeMap;

use suara_proto::TalkerNumber;
use suara_proto::message::DispatchAction;

use super::{Answer, ChannelWord, MemberWord, Question, Words};
use crate::core::Core;
use crate::hub::{Glance, Present};

/// Channels in one answer: with the longest names 30 KB.
const CHANNELS: usize = 200;
/// Members in one answer: with the longest names 50 KB.
const MEMBERS: usize = 100;
/// How often others are asked for more channels, where who asks may see few of them.
const ROUNDS: usize = 20;

/// A page of a channel's members, how many there are, and whether more come after those.
pub(crate) type MembersPage = (Vec<MemberWord>, u32, bool);

impl Core {
    /// Channels with somebody in them at any node, by name, after the one of that name, and of those `limit` that may be `seen`;
    /// and whether more come after those.
    pub(crate) async fn all_channels(
        &self,
        after: &str,
        limit: usize,
        seen: impl Fn(&str) -> bool,
    ) -> (Vec<ChannelWord>, bool) {
        let (mut found, mut after) = (Vec::new(), after.to_owned());
        for _ in 0..ROUNDS {
            let (page, more) = self.channels_after(&after).await;
            after = page.last().map_or(after, |last| last.name.clone());
            found.extend(page.into_iter().filter(|channel| seen(&channel.name)));
            if found.len() > limit {
                found.truncate(limit);
                return (found, true);
            }
            if !more {
                return (found, false);
            }
        }
        (found, true)
    }

    /// The next of all nodes' channels. Behind the last one of a node that has more nothing is known.
    async fn channels_after(&self, after: &str) -> (Vec<ChannelWord>, bool) {
        let mut answers = vec![channels(self, after).await];
        let question = Question::Channels { after: after.to_owned() };
        answers.extend(self.words.ask(question, |_| false).await.into_iter().map(|(_, answer)| answer));
        let (mut all, mut known_to): (BTreeMap<String, ChannelWord>, Option<String>) = Default::default();
        for answer in answers {
            let Answer::Channels(channels, more) = answer else { continue };
            if let Some(last) = channels.last().filter(|_| more)
                && known_to.as_ref().is_none_or(|known| last.name < *known)
            {
                known_to = Some(last.name.clone());
            }
            for channel in channels.into_iter().filter(|channel| *channel.name > *after) {
                // Its own node's first: all that have it know the same of it, but one may have been cut off.
                all.entry(channel.name.clone()).or_insert(channel);
            }
        }
        let more = known_to.is_some();
        if let Some(known_to) = known_to {
            all.retain(|name, _| *name <= known_to);
        }
        (all.into_values().collect(), more)
    }

    /// A page of a channel's members; nothing, where nobody is in it.
    pub(crate) async fn members_of(&self, channel: &str, after: u16, limit: u32) -> Option<MembersPage> {
        if let Some(page) = members_here(self, channel, after, limit as usize).await {
            return Some(page);
        }
        let known = |answer: &Answer| matches!(answer, Answer::Members(Some(_)));
        let question = Question::Members { channel: channel.to_owned(), after, limit };
        let answers = self.words.ask(question, known).await;
        answers.into_iter().find_map(|(_, answer)| match answer {
            Answer::Members(page) => page,
            _ => None,
        })
    }

    /// Whether a user is in a channel, at any node.
    pub(crate) async fn is_in_channel(&self, channel: &str, user: &str) -> bool {
        if is_in(self, channel, user).await {
            return true;
        }
        let (channel, user) = (channel.to_owned(), user.to_owned());
        self.words.any(Question::IsIn { channel, user }).await
    }

    /// A dispatcher's mute of a member, or its end; `false` when there is no such member.
    pub(crate) async fn mute(&self, channel: &str, talker: u16, on: bool) -> bool {
        if self.hub.find(channel).is_some() {
            return mute(self, channel, talker, on).await;
        }
        self.words.any(Question::Mute { channel: channel.to_owned(), talker, on }).await
    }
}

impl Words {
    /// Whether any other node says yes.
    async fn any(&self, question: Question) -> bool {
        let yes = |answer: &Answer| *answer == Answer::Is(true);
        self.ask(question, yes).await.iter().any(|(_, answer)| yes(answer))
    }
}

pub(super) async fn mute(core: &Core, channel: &str, talker: u16, on: bool) -> bool {
    let Some(room) = core.hub.find(channel) else { return false };
    let action = if on { DispatchAction::Mute } else { DispatchAction::Unmute };
    room.administer(action, TalkerNumber(talker)).await.is_ok()
}

pub(super) async fn channels(core: &Core, after: &str) -> Answer {
    let rooms = core.hub.channels(after);
    let mut channels = Vec::new();
    for room in rooms.iter().take(CHANNELS) {
        if let Some(Glance { members, talking, .. }) = room.glance(TalkerNumber(0), 0).await {
            let members = u32::try_from(members).unwrap_or(u32::MAX);
            let talking = talking.iter().map(|talker| talker.0).collect();
            channels.push(ChannelWord { name: room.name.to_string(), members, talking });
        }
    }
    Answer::Channels(channels, rooms.len() > CHANNELS)
}

pub(super) async fn members(core: &Core, channel: &str, after: u16, limit: u32) -> Answer {
    Answer::Members(members_here(core, channel, after, MEMBERS.min(limit as usize)).await)
}

async fn members_here(core: &Core, channel: &str, after: u16, limit: usize) -> Option<MembersPage> {
    let room = core.hub.find(channel)?;
    let Glance { members, page, more, .. } = room.glance(TalkerNumber(after), limit).await?;
    let total = u32::try_from(members).unwrap_or(u32::MAX);
    Some((page.iter().map(MemberWord::from).collect(), total, more))
}

/// Whether a user is in a channel, as far as this node knows.
pub(super) async fn is_in(core: &Core, channel: &str, user: &str) -> bool {
    let Some(room) = core.hub.find(channel) else { return false };
    let glance = room.glance(TalkerNumber(0), usize::MAX).await;
    glance.is_some_and(|glance| glance.page.iter().any(|present| &*present.member.who.user == user))
}

impl From<&Present> for MemberWord {
    fn from(Present { member, talking }: &Present) -> Self {
        Self {
            talker: member.talker.0,
            user: member.who.user.to_string(),
            name: member.who.name.to_string(),
            role: member.who.role.to_string(),
            listen_only: member.is_listen_only(),
            muted: member.muted,
            unreachable: member.unreachable,
            talking: *talking,
        }
    }
}
