//! The livechat's desk: one task that takes the connections' orders and the trunk's events in turn.

use std::sync::Arc;
use std::time::Instant;

use suara_proto::{ErrorCode, MemberRef};
use tokio::sync::{mpsc, oneshot};

use super::staff::{Replied, Shown, StaffOrder, StaffRoom};
use super::state::State;
use super::told::{Opened, Opening, Order, Pass, Refusal, Told};
use crate::desk::Token;
use crate::metrics::Metrics;
use crate::trunk::TrunkEvent;

/// What waits for a connection that doesn't read. More than a page of history; then it has lost its place.
const MAX_WAITING: usize = 256;

/// The way to the desk.
#[derive(Debug, Clone)]
pub(crate) struct Desk(mpsc::UnboundedSender<Order>);

/// A visitor who is here, until this is dropped.
#[derive(Debug)]
pub(crate) struct Presence {
    pub(super) opened: Opened,
    pub(super) told: mpsc::Receiver<Told>,
    desk: Desk,
}

impl Desk {
    pub(crate) fn start(
        events: mpsc::UnboundedReceiver<TrunkEvent>,
        room: Arc<dyn StaffRoom>,
        metrics: Metrics,
    ) -> Self {
        let (orders, taken) = mpsc::unbounded_channel();
        tokio::spawn(run(State::new(room, metrics), taken, events));
        Self(orders)
    }

    /// A session for somebody of this name.
    pub(super) async fn mint(&self, name: String) -> Result<Pass, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Mint { name, reply });
        answer.await.unwrap_or(Err(Refusal::Unavailable))
    }

    /// Lets a visitor in whose token holds; it has missed what came after message `after`.
    pub(super) async fn open(&self, token: Token, after: Option<u64>) -> Result<Presence, Refusal> {
        let (outlet, told) = mpsc::channel(MAX_WAITING);
        let (reply, answer) = oneshot::channel();
        self.order(Order::Open { opening: Opening { token, after, outlet }, reply });
        let opened = answer.await.unwrap_or(Err(Refusal::Unavailable))?;
        Ok(Presence { opened, told, desk: self.clone() })
    }

    /// One of staff on Socket.IO, until the last clone is dropped.
    pub(crate) fn staff(&self, member: MemberRef) -> StaffDesk {
        let staff = StaffDesk(Arc::new(OneOfStaff { desk: self.clone(), member }));
        staff.order(StaffOrder::Came);
        staff
    }

    fn order(&self, order: Order) {
        if self.0.send(order).is_err() {
            tracing::debug!("the bridge stops");
        }
    }
}

impl Presence {
    fn member(&self) -> MemberRef {
        self.opened.member
    }

    pub(super) fn send(&self, id: String, text: String) {
        self.desk.order(Order::Send { member: self.member(), id, text });
    }

    pub(super) fn typing(&self) {
        self.desk.order(Order::Typing { member: self.member() });
    }
}

/// The desk, for one of staff; clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct StaffDesk(Arc<OneOfStaff>);

#[derive(Debug)]
struct OneOfStaff {
    desk: Desk,
    member: MemberRef,
}

impl StaffDesk {
    fn order(&self, order: StaffOrder) {
        self.0.desk.order(Order::Staff { member: self.0.member, order });
    }

    /// Answers a visitor; the answer's number and time once it is stored.
    pub(crate) async fn reply(&self, session: String, id: String, text: String) -> Replied {
        let (reply, replied) = oneshot::channel();
        self.order(StaffOrder::Reply { session, id, text, reply });
        replied.await.unwrap_or(Err(ErrorCode::Unavailable))
    }

    /// Says that staff writes to a visitor.
    pub(crate) fn typing(&self, session: String) {
        self.order(StaffOrder::Typing { session });
    }

    /// The conversations.
    pub(crate) async fn inbox(&self) -> Shown {
        let (reply, shown) = oneshot::channel();
        self.order(StaffOrder::Inbox { reply });
        shown.await.unwrap_or(Err(ErrorCode::Unavailable))
    }

    /// What was said in a conversation.
    pub(crate) async fn history(&self, session: String, before: Option<u64>, limit: Option<u32>) -> Shown {
        let (reply, shown) = oneshot::channel();
        self.order(StaffOrder::History { session, before, limit, reply });
        shown.await.unwrap_or(Err(ErrorCode::Unavailable))
    }
}

impl Drop for OneOfStaff {
    fn drop(&mut self) {
        self.desk.order(Order::Staff { member: self.member, order: StaffOrder::Gone });
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.desk.order(Order::Close { member: self.member() });
    }
}

async fn run(
    mut state: State,
    mut orders: mpsc::UnboundedReceiver<Order>,
    mut events: mpsc::UnboundedReceiver<TrunkEvent>,
) {
    loop {
        let deadline = state.deadline();
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => state.order(Instant::now(), order),
                None => return,
            },
            event = events.recv() => match event {
                Some(event) => state.event(Instant::now(), event),
                None => return,
            },
            () = sleep_until(deadline) => state.tick(Instant::now()),
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
