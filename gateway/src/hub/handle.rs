//! What sessions ask of a channel: commands to its task, and the answers.

use std::sync::Arc;
use std::time::Duration;

use suara_channel::Asking;
use suara_proto::floor::FloorDatagram;
use suara_proto::message::DispatchAction;
use suara_proto::{ChannelNumber, ErrorCode, Grant, LeaveReason, RequestId, TalkerNumber};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::alert::Alarm;
use super::call::Call;
use super::chat::Newest;
use super::command::Command;
use super::patch::PeerWord;
use super::pending::Pending;
use super::seats::Place;
use super::writing::Writing;
use super::{JoinRefused, Joining, PATIENCE, Resuming};
use crate::session::SessionId;
use crate::voice::{EarlyFrame, RouteCell, Tapes};

/// Where a channel's task is reached.
#[derive(Clone)]
pub struct RoomHandle {
    /// The channel's number on the wire.
    pub number: ChannelNumber,
    /// Its name.
    pub name: Arc<str>,
    /// What the data plane looks up.
    pub route: RouteCell,
    /// Its last bursts.
    pub tapes: Tapes,
    /// How long it keeps the places of those whose transport is lost.
    pub grace: Duration,
    pub(super) newest: Newest,
    pub(super) writing: Writing,
    /// Whom it is between, where it is a call's.
    pub call: Option<Arc<Call>>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) early: mpsc::Sender<EarlyFrame>,
    /// Words of channels that it is patched to. Without a bound, for two channels must not wait for each other: there are a
    /// few of them for each change of a floor or of an audience.
    pub(super) peers: mpsc::UnboundedSender<PeerWord>,
}

impl RoomHandle {
    /// Brings a member in; nothing, when the channel is gone.
    pub async fn enter(&self, joining: Joining) -> Option<Result<TalkerNumber, JoinRefused>> {
        let (reply, answer) = oneshot::channel();
        let (session, member) = (joining.port.id, joining.member);
        let place =
            move |answer: Result<_, JoinRefused>| answer.ok().map(|talker| Place { talker, session, member });
        let pending = Pending::new(answer, self.commands.clone(), place);
        self.commands.send(Command::Join { joining: Box::new(joining), reply }).await.ok()?;
        // On a lone node it is decided at once.
        pending.within_patience(Err(JoinRefused::Unavailable)).await
    }

    /// Ends a call, for a member that may: `false` for another, and where it is no call.
    pub async fn end_call(&self, by: TalkerNumber) -> bool {
        let (reply, ended) = oneshot::channel();
        self.command(Command::EndCall { by, reply }).await;
        // A channel that is gone has ended.
        ended.await.unwrap_or(true)
    }

    /// A dispatcher patches this channel to another, or ends that, to be answered there.
    pub async fn patch(&self, by: TalkerNumber, request: RequestId, peer: Self, on: bool) {
        self.command(Command::Patch { by, request, peer, on }).await;
    }

    /// Tells it what another channel has to say; `false` when it is gone.
    pub(super) fn tell(&self, word: PeerWord) -> bool {
        self.peers.send(word).is_ok()
    }

    /// A member raises an emergency. What comes of it is waited for elsewhere: `false` when no more can be.
    pub async fn raise(
        &self,
        talker: TalkerNumber,
        alarm: Alarm,
    ) -> impl Future<Output = bool> + Send + use<> {
        let (reply, raised) = oneshot::channel();
        self.command(Command::Raise { talker, alarm: Box::new(alarm), reply }).await;
        async { timeout(PATIENCE, raised).await.is_ok_and(|raised| raised.unwrap_or(false)) }
    }

    /// Takes an emergency back, of a user or one's own.
    ///
    /// # Errors
    /// `forbidden` for another's without the right to dispatch, `unknown_user` when there is none.
    pub async fn cancel_alert(&self, by: TalkerNumber, user: Option<String>) -> Result<(), ErrorCode> {
        let (reply, done) = oneshot::channel();
        self.command(Command::CancelAlert { by, user, reply }).await;
        done.await.unwrap_or(Err(ErrorCode::NotJoined))
    }

    #[cfg(test)]
    pub(crate) fn of_nobody() -> Self {
        let ((commands, _), (early, _)) = (mpsc::channel(1), mpsc::channel(1));
        let (peers, _) = mpsc::unbounded_channel();
        let (route, tapes) = (RouteCell::default(), Tapes::default());
        let (number, name, grace) = (ChannelNumber(0), Arc::from(""), Duration::ZERO);
        let (newest, writing) = (Newest::default(), Writing::default());
        Self { number, name, route, tapes, grace, call: None, newest, writing, commands, early, peers }
    }

    /// Takes a member out; with `confirm` it is told.
    pub async fn leave(&self, place: Place, reason: LeaveReason, confirm: bool) {
        self.command(Command::Leave { place, reason, confirm }).await;
    }

    /// A member's transport is lost; its place is kept for a while.
    pub async fn lose(&self, place: Place) {
        self.command(Command::Lose { place }).await;
    }

    /// A member goes on by another session, which is told all that it has to know. What comes of it is waited for elsewhere:
    /// `false` when its place is not there any more, or the token says something else of it than when it joined: then it is out
    /// of the channel.
    pub async fn resume(
        &self,
        place: Place,
        resuming: Resuming,
    ) -> impl Future<Output = bool> + Send + use<> {
        let (reply, resumed) = oneshot::channel();
        let own = Place { session: resuming.port.id, ..place };
        let pending = Pending::new(resumed, self.commands.clone(), move |is: bool| is.then_some(own));
        self.command(Command::Resume { place, resuming: Box::new(resuming), reply }).await;
        // When it comes too late, its place is given up.
        async { pending.within_patience(false).await.unwrap_or(false) }
    }

    /// Passes on a Floor Request.
    pub async fn floor_request(&self, talker: TalkerNumber, asking: Asking) {
        self.command(Command::FloorRequest { talker, asking }).await;
    }

    /// Takes a Floor Request back.
    pub async fn floor_cancel(&self, talker: TalkerNumber, request: RequestId) {
        self.command(Command::FloorCancel { talker, request }).await;
    }

    /// Passes on what a dispatcher wants, to be answered there.
    pub async fn dispatch(
        &self,
        by: TalkerNumber,
        request: RequestId,
        action: DispatchAction,
        talker: Option<TalkerNumber>,
    ) {
        self.command(Command::Dispatch { by, request, action, talker }).await;
    }

    /// Passes on what came by datagram; `false` when the channel is too busy to take it. Never waits.
    #[must_use]
    pub fn floor_datagram(&self, datagram: FloorDatagram) -> bool {
        self.commands.try_send(Command::FloorDatagram(datagram)).is_ok()
    }

    /// Passes on a Floor Release.
    pub async fn floor_release(&self, talker: TalkerNumber, grant: Grant) {
        self.command(Command::FloorRelease { talker, grant }).await;
    }

    /// Gives a frame to be held; `false` when the channel is too busy. Never waits.
    #[must_use]
    pub fn early_frame(&self, frame: EarlyFrame) -> bool {
        self.early.try_send(frame).is_ok()
    }

    /// Asks for the whole roster to be sent to a session.
    pub async fn roster(&self, session: SessionId) {
        self.command(Command::Roster { session }).await;
    }

    pub(super) async fn command(&self, command: Command) {
        // A member's channel lives as long as the member is in it: its inbox is open, except at the gateway's end.
        self.commands.send(command).await.unwrap_or_default();
    }
}
