//! A welcomed session's life: everything that can wake it is in [`serve`]'s one `select`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_channel::mpsc;
use futures_util::StreamExt;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use suara_proto::limits::IDLE_TIMEOUT;
use suara_proto::message::{ServerMessage, decode_client, request_of};
use suara_proto::{ChannelNumber, CloseCode, ErrorCode, LeaveReason, MemberRef, RequestId};
use tokio::time::{Instant, sleep_until};

use super::entering::TOO_MANY;
use super::entry::Entries;
use super::errands::{Errands, Held};
use super::hello::{Greeting, welcome};
use super::members::Members;
use super::outbox::Closing;
use super::resume::{Heir, Ticket, claimed};
use super::verifying::Verifying;
use super::{Inbound, Port};
use crate::auth::{Principal, Scope};
use crate::core::{Core, Present};
use crate::notices::Here;
use crate::voice::Ingress;

/// Control messages a second from a user's session, and how many at once.
const MESSAGES: (u32, u32) = (50, 100);
/// A trunk speaks for many.
const TRUNK_FACTOR: u32 = 20;
/// Messages above the rate, less those within it, until the session is closed.
const MAX_EXCESS: u32 = 200;

pub(super) struct Session<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) port: &'a Port,
    pub(super) scope: Scope,
    pub(super) members: Members,
    pub(super) verifying: Verifying,
    pub(super) ingress: Arc<Ingress>,
    /// When the session's own token ends, in seconds since 1970.
    pub(super) expires: u64,
    pub(super) user: Arc<str>,
    /// Whether its client knows that it can be in channels that it never asked for.
    pub(super) calls: bool,
    pub(super) entries: Entries,
    pub(super) errands: Errands,
    /// How many of them there may be.
    pub(super) most_errands: usize,
    rate: DefaultDirectRateLimiter,
    excess: u32,
}

/// How a session's life by its transport ends.
enum End {
    /// For good.
    Over(Closing),
    /// The client may come back.
    Lost(Closing),
    /// It has, by a newer session.
    Replaced(Heir),
}

/// Serves the session until it ends; says how it did. What it does for a moment is boxed: an idle session would hold room
/// for it all its life.
pub(super) async fn serve(
    core: &Arc<Core>,
    port: &Port,
    ingress: Arc<Ingress>,
    Greeting { principal, resume, calls }: Greeting,
    mut inbound: mpsc::Receiver<Inbound>,
) -> Closing {
    let estate = match &resume {
        Some(token) => Box::pin(core.resumables.claim(token, &principal.user)).await,
        None => None,
    };
    let (present, mut ticket) = match enter(core, port, &principal, resume.is_some(), estate.is_some()) {
        Ok(entered) => entered,
        Err(closing) => return closing,
    };
    drop(resume);
    tracing::info!(scope = ?principal.scope, resumed = estate.is_some(), "welcome");
    tracing::debug!(user = %principal.user, "is");
    let mut session = Session::new(core, port, ingress, principal, calls);
    if let Some(estate) = estate {
        Box::pin(session.inherit(estate)).await;
    }
    let here = session.announce();
    let end = session.live(&mut inbound, &mut ticket).await;
    if !matches!(end, End::Over(_)) {
        // A place that is on its way back can be kept, or handed on, once it is there.
        Box::pin(session.all_back()).await;
    }
    // Who was on its way in goes again.
    session.errands = Errands::default();
    // Its client can come back at once, and finds room.
    drop((inbound, present, here));
    match end {
        End::Over(closing) => {
            let reason = match closing.code {
                // A trunk's members have tokens of their own, which go on.
                CloseCode::TokenExpired if session.scope == Scope::User => LeaveReason::Expired,
                CloseCode::Kicked => LeaveReason::Kicked,
                _ => LeaveReason::Disconnected,
            };
            Box::pin(session.leave_all(reason)).await;
            closing
        }
        End::Lost(closing) => {
            // Nothing more piles up, and the transport's last words are said.
            port.outbox.close(closing.clone());
            Box::pin(session.linger(ticket)).await;
            closing
        }
        End::Replaced(heir) => {
            session.hand_over(heir);
            Closing::new(CloseCode::Replaced, "a newer session took this one's place")
        }
    }
}

/// Lets the session in, and says its `welcome`; the token in it is kept nowhere but at the client's.
fn enter<'a>(
    core: &'a Arc<Core>,
    port: &Port,
    principal: &Principal,
    resumable: bool,
    resumed: bool,
) -> Result<(Present<'a>, Option<Ticket>), Closing> {
    let (ticket, token) = resumable.then(|| Ticket::issue(core, port.id, &principal.user)).unzip();
    let emergency = &*core.calls.emergency_channel;
    let welcome = welcome(port, principal, emergency, token.as_deref(), resumed);
    let present = Present::enter(core, port, principal.scope, &welcome)?;
    Ok((present, ticket))
}

impl<'a> Session<'a> {
    fn new(
        core: &'a Arc<Core>,
        port: &'a Port,
        ingress: Arc<Ingress>,
        principal: Principal,
        calls: bool,
    ) -> Self {
        let factor = if principal.scope == Scope::Trunk { TRUNK_FACTOR } else { 1 };
        let [a_second, at_once] = [MESSAGES.0, MESSAGES.1]
            .map(|n| std::num::NonZeroU32::new(n * factor).unwrap_or(std::num::NonZeroU32::MIN));
        let (scope, expires, user) = (principal.scope, principal.expires, principal.user.clone());
        let members = Members::default();
        let rate = RateLimiter::direct(Quota::per_second(a_second).allow_burst(at_once));
        let verifying = Verifying::default();
        let mut session = Self {
            core,
            port,
            scope,
            members,
            verifying,
            ingress,
            expires,
            user,
            calls,
            entries: Entries::default(),
            errands: Errands::default(),
            // As many as may come at once.
            most_errands: at_once.get() as usize,
            rate,
            excess: 0,
        };
        if scope == Scope::User {
            session.put(None, principal);
        }
        session
    }

    /// A user's session can be notified from now on; first of what was kept.
    fn announce(&self) -> Option<Here> {
        let principal = &self.members.get(None)?.principal;
        let notices = &self.core.notices;
        let here = notices.enter(&principal.user, &principal.role, None, self.port.outbox.clone());
        self.bring_kept(principal.user.clone());
        Some(here)
    }

    /// Lives by its transport.
    async fn live(&mut self, inbound: &mut mpsc::Receiver<Inbound>, ticket: &mut Option<Ticket>) -> End {
        let mut heard = Instant::now();
        loop {
            let (idle, expiry) = (heard + IDLE_TIMEOUT, self.next_expiry());
            tokio::select! {
                message = inbound.next() => match message {
                    None => return self.gone(),
                    Some(Inbound::Fault(fault)) => {
                        return End::Over(Closing::new(CloseCode::ProtocolError, fault.to_string()));
                    }
                    Some(Inbound::Violation(what)) => {
                        return End::Over(Closing::new(CloseCode::ProtocolError, what));
                    }
                    Some(Inbound::Chat(json)) => {
                        self.keep_up().await;
                        if let Err(closing) = self.chat(json) {
                            return End::Over(closing);
                        }
                    }
                    Some(Inbound::Message(json)) => {
                        heard = Instant::now();
                        self.keep_up().await;
                        if let Err(closing) = Box::pin(self.message(json)).await {
                            return End::Over(closing);
                        }
                    }
                },
                wish = self.port.wishes.next() => {
                    self.keep_up().await;
                    if let Err(closing) = Box::pin(self.fulfil(wish)).await {
                        return End::Over(closing);
                    }
                }
                settled = self.errands.next() => Box::pin(self.settled(settled)).await,
                verified = self.verifying.next() => self.verified(verified),
                () = sleep_until(expiry) => if let Err(closing) = Box::pin(self.expire()).await {
                    return End::Over(closing);
                },
                () = sleep_until(idle) => {
                    return End::Lost(Closing::new(CloseCode::IdleTimeout, "nothing was heard for 15 s"));
                }
                () = self.port.outbox.overflowed() => {
                    return End::Lost(Closing::new(CloseCode::SlowConsumer, "the control stream isn't read"));
                }
                heir = claimed(ticket) => return End::Replaced(heir),
                closing = self.core.dismissed() => return End::Over(closing),
            }
        }
    }

    fn gone(&self) -> End {
        let closing = Closing::new(CloseCode::Normal, "the client is gone");
        if self.ingress.has_left() { End::Over(closing) } else { End::Lost(closing) }
    }

    /// Takes one message; an error ends the session.
    async fn message(&mut self, json: Bytes) -> Result<(), Closing> {
        if !self.admit()? {
            let why = "messages come too fast; this one is dropped";
            self.refuse(request_of(&json), None, ErrorCode::RateLimited, why);
        } else if !self.errands.holds(&json) {
            self.control(&json).await;
        } else if self.is_busy() {
            let (code, message) = TOO_MANY;
            self.refuse(request_of(&json), None, code, message);
        } else {
            self.errands.hold(Held::Control(json));
        }
        Ok(())
    }

    /// Does what a message says.
    pub(super) async fn control(&mut self, json: &[u8]) {
        match decode_client(json) {
            Ok(message) => self.dispatch(message).await,
            Err(fault) => self.refuse(request_of(json), None, fault.code(), fault.to_string()),
        }
    }

    /// Before anything else is done: what the client may know already, is known here.
    async fn keep_up(&mut self) {
        if !self.errands.is_empty() {
            Box::pin(self.catch_up()).await;
        }
    }

    /// Counts a message; `false` for one that comes too fast. An error ends the session.
    pub(super) fn admit(&mut self) -> Result<bool, Closing> {
        self.core.metrics.messages_in.inc();
        if self.rate.check().is_ok() {
            self.excess = self.excess.saturating_sub(1);
            return Ok(true);
        }
        self.excess += 1;
        if self.excess > MAX_EXCESS {
            return Err(Closing {
                retry_after_ms: Some(5000),
                ..Closing::new(CloseCode::RateLimited, "messages kept coming too fast")
            });
        }
        Ok(false)
    }

    /// Whether the rate allows for a message that costs as much as `others` more.
    pub(super) fn affords(&self, others: std::num::NonZeroU32) -> bool {
        matches!(self.rate.check_n(others), Ok(Ok(())))
    }

    /// Answers with an error, and counts it.
    pub(super) fn refuse(
        &self,
        request: Option<RequestId>,
        member: Option<MemberRef>,
        code: ErrorCode,
        message: impl Into<Cow<'static, str>>,
    ) {
        let message = message.into();
        self.error(code, ServerMessage::Error { request, member, channel: None, code, message });
    }

    /// Answers with an error about a channel, and counts it.
    pub(super) fn refuse_in(
        &self,
        channel: ChannelNumber,
        request: Option<RequestId>,
        member: Option<MemberRef>,
        code: ErrorCode,
        message: &'static str,
    ) {
        let (channel, message) = (Some(channel), message.into());
        self.error(code, ServerMessage::Error { request, member, channel, code, message });
    }

    fn error(&self, code: ErrorCode, error: ServerMessage<'_>) {
        self.core.metrics.refused(code);
        tracing::debug!(?error, "refused");
        self.port.outbox.say(&error);
    }

    /// The voice path learns which channels and talkers are the session's.
    pub(super) fn publish(&self) {
        self.ingress.publish(self.members.on_air());
    }

    fn next_expiry(&self) -> Instant {
        let next = self.members.next_expiry().map_or(self.expires, |member| member.min(self.expires));
        // A token of years is looked at again tomorrow: a timer has no use for more.
        let left = next.saturating_sub(unix_now()).min(24 * 3600);
        Instant::now() + Duration::from_secs(left)
    }

    /// Ends what has run out: the session itself, or members of a trunk.
    async fn expire(&mut self) -> Result<(), Closing> {
        let now = unix_now();
        if self.expires <= now {
            return Err(Closing::new(CloseCode::TokenExpired, "the token has ended"));
        }
        while let Some(member) = self.members.expired(now) {
            self.detach(member, LeaveReason::Expired).await;
            if let Some(member) = member {
                self.port.outbox.say(&ServerMessage::Detached { member, code: CloseCode::TokenExpired });
            }
        }
        Ok(())
    }

    pub(super) async fn leave_all(&mut self, reason: LeaveReason) {
        self.ingress.publish(std::collections::HashMap::new());
        if self.scope == Scope::Trunk {
            self.core.metrics.attached.dec_by(self.members.len() as i64);
        }
        for attached in self.members.drain() {
            for seat in attached.seats.into_values() {
                seat.room.leave(seat.place(), reason, false).await;
            }
        }
    }
}

pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
