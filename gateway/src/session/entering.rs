//! Entering channels. A channel that other nodes decide in may take seconds for it, and nothing else of the session waits.

use suara_proto::limits::{MAX_CHANNEL_NAME, MAX_CHANNELS_PER_MEMBER};
use suara_proto::message::{Right, Rights};
use suara_proto::text::is_plain;
use suara_proto::{ErrorCode, LeaveReason, MemberRef, RequestId};

use super::calls::{CALL_COST, rights_in};
use super::dispatch::{BAD_NAME, identity};
use super::errands::{Came, Held, Lane, Purpose, Settled, Waiting};
use super::members::Seat;
use super::serve::Session;
use crate::auth::Scope;
use crate::hub::{JoinRefused, Joining, RoomHandle, Told};
use crate::livechat::is_livechat;

/// What is said while no node decides in a channel.
const UNDECIDED: &str = "nobody decides in this channel for now; try again";

/// What is said to who has as many requests under way as may be.
pub(super) const TOO_MANY: (ErrorCode, &str) =
    (ErrorCode::RateLimited, "too many requests wait for an answer");

/// Why a request is refused.
pub(super) type Refusal = (ErrorCode, &'static str);

impl Session<'_> {
    /// Begins to bring a member into a channel, which says `joined`; or says why it doesn't come in.
    pub(super) fn join(&mut self, request: RequestId, lane: Lane, by_datagram: bool) -> Result<(), Refusal> {
        let Lane { member, channel } = lane.clone();
        let attached = self.members.get(member).ok_or((ErrorCode::UnknownMember, "no such member"))?;
        if !is_plain(&channel, MAX_CHANNEL_NAME) {
            return Err((ErrorCode::BadField, BAD_NAME));
        }
        let visitor = attached.principal.scope == Scope::Livechat;
        let rights = rights_in(&attached.principal, &channel);
        // A visitor's channel is its own, however wide the rights of others are: staff sees it by its inbox.
        if !rights.has(Right::Listen) || is_livechat(&channel) != visitor {
            return Err((ErrorCode::Forbidden, "no right to listen to this channel"));
        }
        // It is written in, not talked in.
        let rights = if visitor { Rights::from_iter([Right::Listen]) } else { rights };
        if attached.seats.len() + self.errands.of(member).0 >= MAX_CHANNELS_PER_MEMBER {
            return Err((ErrorCode::TooManyChannels, "in as many channels as a member may be"));
        }
        if attached.seats.values().any(|seat| seat.room.name == channel) {
            return Err((ErrorCode::AlreadyJoined, "in that channel already"));
        }
        if self.is_busy() {
            return Err(TOO_MANY);
        }
        let seeks = self.core.seeks_call(&channel);
        if seeks && !self.affords(CALL_COST) {
            return Err((ErrorCode::RateLimited, "calls are looked for too often"));
        }
        let joining = self.joining(member, Some(request), rights)?;
        let (core, told) = (self.core.clone(), joining.told.clone());
        self.errands.start(lane, told, async move {
            if seeks {
                core.find_call(&channel).await;
            }
            let purpose = Purpose::Join { request, by_datagram };
            Came::Entered(purpose, core.hub.join(&channel, joining).await)
        });
        Ok(())
    }

    /// Begins to bring a member into a channel that is there.
    pub(super) fn enter(&mut self, lane: Lane, room: RoomHandle, joining: Joining, purpose: Purpose) {
        self.errands.start(lane, joining.told.clone(), async move {
            let entered = room.enter(joining).await.unwrap_or(Err(JoinRefused::Closing));
            Came::Entered(purpose, entered.map(|talker| (room, talker)))
        });
    }

    /// A member as a channel is to know it.
    pub(super) fn joining(
        &self,
        member: Option<MemberRef>,
        request: Option<RequestId>,
        rights: Rights,
    ) -> Result<Joining, Refusal> {
        let attached = self.members.get(member).ok_or((ErrorCode::UnknownMember, "no such member"))?;
        let (port, who) = (self.port.clone(), identity(&attached.principal));
        Ok(Joining { port, member, request, who, rights, last_message: None, told: Told::default() })
    }

    /// Whether as much is under way as may be.
    pub(super) fn is_busy(&self) -> bool {
        self.errands.len() >= self.most_errands
    }

    /// Puts a request behind what is under way in its line.
    pub(super) fn wait(&mut self, lane: &Lane, request: RequestId, waiting: Waiting) {
        if self.is_busy() || !self.errands.wait(lane, waiting) {
            let (code, message) = TOO_MANY;
            self.refuse(Some(request), lane.member, code, message);
        }
    }

    /// Takes up what is done by now. What the client may have heard of is done before its next message is looked at.
    pub(super) async fn catch_up(&mut self) {
        loop {
            while let Some(settled) = self.errands.ready() {
                self.settled(settled).await;
            }
            if !self.errands.is_told() {
                return;
            }
            let settled = self.errands.next().await;
            self.settled(settled).await;
        }
    }

    /// Waits until all places are back that are on their way.
    pub(super) async fn all_back(&mut self) {
        while self.errands.has_returns() {
            let settled = self.errands.next().await;
            self.settled(settled).await;
        }
    }

    /// Takes up what is done, and what waited for it.
    pub(super) async fn settled(&mut self, settled: Settled) {
        let Settled { lane, came, wanted, waiting } = settled;
        let is_back = matches!(came, Came::Back(..));
        match came {
            Came::Entered(purpose, Ok((room, talker))) if wanted => {
                self.entered(&lane, purpose, room, talker).await
            }
            Came::Entered(purpose, entered) if !wanted => self.unwanted(&lane, &purpose, entered).await,
            Came::Entered(purpose, Err(refused)) => self.not_entered(&lane, &purpose, refused),
            Came::Entered(..) => {}
            Came::Raised(request, channel, is) => self.raised(&lane, request, channel, is),
            Came::Back(seat, is) => self.back(seat, is),
        }
        for next in waiting {
            match next {
                Waiting::Join { request } => self.join_by_stream(request, &lane.channel, lane.member),
                Waiting::Emergency(emergency) => self.emergency(lane.member, emergency).await,
            }
        }
        if is_back {
            for held in self.errands.let_go() {
                match held {
                    Held::Control(json) => self.control(&json).await,
                    Held::Chat(json) => self.chat_message(&json),
                }
            }
        }
    }

    async fn entered(
        &mut self,
        lane: &Lane,
        purpose: Purpose,
        room: RoomHandle,
        talker: suara_proto::TalkerNumber,
    ) {
        let member = lane.member;
        tracing::debug!(channel = %room.number, %talker, "joined");
        let session = self.port.id;
        self.members.sit(member, Seat { room: room.clone(), talker, session, member });
        if is_livechat(&lane.channel) {
            let name = self.members.get(member).map(|attached| attached.principal.name.clone());
            let visit = name.and_then(|name| self.core.livechat.visit(&lane.channel, &name));
            self.members.visit(member, visit);
        }
        self.publish();
        match purpose {
            Purpose::Join { request, by_datagram: true } => {
                self.entries.note(request, true);
                self.answer_by_datagram(request, &lane.channel);
            }
            Purpose::Join { .. } | Purpose::Invited => {}
            Purpose::Call(ringing) => self.ring(member, &room, *ringing),
            Purpose::Emergency(emergency) => self.raise(lane.clone(), &room, talker, emergency).await,
        }
    }

    /// The member went before it was in.
    async fn unwanted(
        &mut self,
        lane: &Lane,
        purpose: &Purpose,
        entered: Result<(RoomHandle, suara_proto::TalkerNumber), JoinRefused>,
    ) {
        let member = lane.member;
        if let Ok((room, talker)) = entered {
            let seat = Seat { room, talker, session: self.port.id, member };
            seat.room.leave(seat.place(), LeaveReason::Left, false).await;
        }
        if let Some(request) = purpose.request() {
            self.went(request, member);
        }
    }

    /// Answers a request of a member that is gone.
    pub(super) fn went(&self, request: RequestId, member: Option<MemberRef>) {
        self.refuse(Some(request), member, ErrorCode::UnknownMember, "the member went before it was in");
    }

    fn not_entered(&self, lane: &Lane, purpose: &Purpose, refused: JoinRefused) {
        let Some(request) = purpose.request() else { return };
        if matches!(purpose, Purpose::Join { by_datagram: true, .. }) {
            // That is left to the message on the stream.
            return;
        }
        let (code, message) = match refused {
            JoinRefused::Full => (ErrorCode::ChannelFull, "the channel is full"),
            JoinRefused::MayNotListen => (ErrorCode::Forbidden, "no right to listen to this channel"),
            JoinRefused::Closing => (ErrorCode::Unavailable, "the gateway is closing"),
            JoinRefused::Unavailable => (ErrorCode::Unavailable, UNDECIDED),
        };
        self.refuse(Some(request), lane.member, code, message);
    }
}

impl Purpose {
    /// The request that is answered.
    fn request(&self) -> Option<RequestId> {
        match self {
            Self::Join { request, .. } => Some(*request),
            Self::Invited => None,
            Self::Call(ringing) => Some(ringing.request),
            Self::Emergency(emergency) => Some(emergency.request),
        }
    }
}

impl Waiting {
    /// The request that is answered.
    pub(super) fn request(&self) -> RequestId {
        match self {
            Self::Join { request } => *request,
            Self::Emergency(emergency) => emergency.request,
        }
    }
}
