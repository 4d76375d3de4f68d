//! The livechat's desk: one task that takes the connections' orders and the trunk's events in turn.

use std::time::Instant;

use suara_proto::MemberRef;
use tokio::sync::{mpsc, oneshot};

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
    pub(crate) fn start(events: mpsc::UnboundedReceiver<TrunkEvent>, metrics: Metrics) -> Self {
        let (orders, taken) = mpsc::unbounded_channel();
        tokio::spawn(run(State::new(metrics), taken, events));
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
