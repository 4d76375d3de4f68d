//! What those who run the gateway ask of channels without being in one.

use suara_channel::Member;
use suara_proto::message::DispatchAction;
use suara_proto::{ErrorCode, TalkerNumber};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::command::Command;
use super::room::Room;
use super::{Hub, PATIENCE, RoomHandle};

/// A channel at a moment.
#[derive(Debug, Clone)]
pub struct Glance {
    /// How many are in it.
    pub members: usize,
    /// Some of them, by talker number.
    pub page: Vec<Present>,
    /// Whether more come after those.
    pub more: bool,
    /// Who has the floor.
    pub talking: Vec<TalkerNumber>,
}

/// One who is in a channel.
#[derive(Debug, Clone)]
pub struct Present {
    /// Who.
    pub member: Member,
    /// Whether it has the floor.
    pub talking: bool,
}

impl Hub {
    /// Channels with somebody in them, by name, after the one of that name.
    #[must_use]
    pub fn channels(&self, after: &str) -> Vec<RoomHandle> {
        let rooms = self.shared.rooms();
        let mut found: Vec<_> = rooms.values().filter(|room| *room.name > *after).cloned().collect();
        drop(rooms);
        found.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        found
    }

    /// The channel of that name, if somebody is in it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<RoomHandle> {
        self.shared.rooms().get(name).cloned()
    }
}

impl RoomHandle {
    /// Looks at the channel, with up to `limit` of its members after a talker's number; nothing, when it is gone.
    pub async fn glance(&self, after: TalkerNumber, limit: usize) -> Option<Glance> {
        let (reply, glance) = oneshot::channel();
        self.command(Command::Glance { after, limit, reply }).await;
        glance.await.ok()
    }

    /// Does to a member what a dispatcher may.
    ///
    /// # Errors
    /// `unknown_talker` when there is no such member, `unavailable` when nobody decides soon enough: it may yet happen.
    pub async fn administer(&self, action: DispatchAction, talker: TalkerNumber) -> Result<(), ErrorCode> {
        let (reply, done) = oneshot::channel();
        self.command(Command::Administer { action, talker, reply }).await;
        match timeout(PATIENCE, done).await {
            Ok(done) => done.unwrap_or(Err(ErrorCode::UnknownTalker)),
            Err(_) => Err(ErrorCode::Unavailable),
        }
    }
}

impl Room {
    pub(super) fn glance(&self, after: TalkerNumber, limit: usize) -> Glance {
        let talking: Vec<_> = self.all_talking().map(|talking| talking.talker).collect();
        let mut rest = self.channel().members().filter(|member| member.talker > after);
        let page = rest.by_ref().take(limit);
        let present =
            |member: &Member| Present { talking: talking.contains(&member.talker), member: member.clone() };
        let page = page.map(present).collect();
        Glance { members: self.channel().len(), page, more: rest.next().is_some(), talking }
    }
}
