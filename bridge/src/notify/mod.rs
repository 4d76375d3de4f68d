//! Notifications: a back end's broadcasts, to the sockets of this bridge and through the gateway to everybody else's.
//!
//! Three ways lead in (`http`, and two formats and a JSON of our own by `redis`), each reads what it gets into a
//! [`Broadcast`], and [`Notifier`] delivers it. Knows rooms' names and arguments; no socket, no channel and no token.

mod address;
mod args;
mod http;
mod json;
mod reserved;

use std::sync::Arc;

use serde_json::Value;
use suara_proto::message;
use tokio::sync::oneshot;

use crate::desk::{AttachError, Desk};
use crate::metrics::Metrics;
use crate::sio::SPACES;

pub(crate) use address::{Address, channel_room, socket_room};
pub(crate) use args::{Args, from_json};
pub(crate) use http::{Door, router};
pub(crate) use json::read as read_json;
pub(crate) use reserved::Fault;

/// What a back end wants told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Broadcast {
    pub(crate) event: String,
    pub(crate) args: Args,
    /// Nobody named means everybody.
    pub(crate) to: Vec<Address>,
    pub(crate) except: Vec<Address>,
    /// One namespace alone; otherwise all.
    pub(crate) space: Option<String>,
    /// If that one user is away, to be kept so long, in milliseconds.
    pub(crate) keep_ms: Option<u32>,
}

impl Broadcast {
    /// One that came by Redis.
    ///
    /// # Errors
    /// When the event's name is none of a back end's, or the namespace isn't served.
    pub(crate) fn checked(
        event: &str,
        args: Args,
        to: Vec<Address>,
        except: Vec<Address>,
        space: Option<&str>,
    ) -> Result<Self, Fault> {
        reserved::check_event(event)?;
        let space = space.map(served).transpose()?.map(str::to_owned);
        Ok(Self { event: event.to_owned(), args, to, except, space, keep_ms: None })
    }
}

/// A namespace that there is.
pub(crate) fn served(space: &str) -> Result<&str, Fault> {
    if SPACES.contains(&space) { Ok(space) } else { Err(Fault::Space) }
}

/// What sockets can be told to do, where the deployment lets a back end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderKind {
    Join,
    Leave,
    Disconnect,
}

/// An order to the sockets in `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) kind: OrderKind,
    pub(crate) rooms: Vec<Address>,
    pub(crate) to: Vec<Address>,
    pub(crate) space: String,
}

/// The same, for sockets.
pub(crate) struct Spread {
    pub(crate) event: String,
    pub(crate) args: Args,
    pub(crate) rooms: Vec<String>,
    pub(crate) except: Vec<String>,
    pub(crate) space: Option<String>,
}

/// The way to the sockets. Nothing in it may block.
pub(crate) trait Outlet: Send + Sync + 'static {
    fn spread(&self, spread: &Spread);
    fn order(&self, kind: OrderKind, rooms: Vec<String>, to: Vec<String>, space: &str);
}

/// Delivers.
#[derive(Clone)]
pub(crate) struct Notifier {
    outlet: Arc<dyn Outlet>,
    desk: Desk,
    metrics: Metrics,
}

/// The rooms that a client is in from its log-in on; they come from its token alone.
pub(crate) fn rooms_of(user: &str, role: &str) -> Vec<String> {
    let mut rooms = vec![address::EVERYBODY.to_owned(), address::user_room(user)];
    if !role.is_empty() {
        rooms.push(address::role_room(role));
    }
    rooms
}

impl Notifier {
    pub(crate) fn new(outlet: impl Outlet, desk: Desk, metrics: Metrics) -> Self {
        Self { outlet: Arc::new(outlet), desk, metrics }
    }

    /// To the sockets that this bridge holds. `way` is for the metrics.
    pub(crate) fn deliver(&self, broadcast: &Broadcast, way: &'static str) {
        self.metrics.broadcast(way);
        self.outlet.spread(&Spread {
            event: broadcast.event.clone(),
            args: broadcast.args.clone(),
            rooms: or_everybody(&broadcast.to),
            except: rooms(&broadcast.except),
            space: broadcast.space.clone(),
        });
    }

    /// Has sockets of this bridge do something.
    pub(crate) fn order(&self, order: &Order) {
        let Order { kind, rooms: where_to, to, space } = order;
        self.metrics.broadcast("order");
        self.outlet.order(*kind, rooms(where_to), or_everybody(to), space);
    }

    /// To the gateway, for its own sessions and for users who are away; says whether it is kept. What has binary in it or
    /// names several rooms stays here: `suara/1` has no such thing. `copy` is what it was made of, where other bridges
    /// hear it as well.
    pub(crate) fn pass_on(&self, broadcast: &Broadcast, copy: Option<String>) -> Option<Passed> {
        let payload = broadcast.args.payload()?;
        if broadcast.to.len() > 1 {
            return None;
        }
        let mut message = message::Broadcast {
            event: broadcast.event.clone().into(),
            payload,
            user: None,
            role: None,
            channel: None,
            keep_ms: broadcast.keep_ms,
            copy: copy.map(Into::into),
        };
        match broadcast.to.first().cloned() {
            None => {}
            Some(Address::User(user)) => message.user = Some(user.into()),
            Some(Address::Role(role)) => message.role = Some(role.into()),
            Some(Address::Channel(name)) => message.channel = Some(name.into()),
        }
        if serde_json::to_string(&message).map_or(usize::MAX, |text| text.len()) > MAX_PASSED_ON {
            self.metrics.bad_input("broadcast_too_large");
            return None;
        }
        Some(self.desk.notify(message))
    }

    /// Something that made no sense came in.
    pub(crate) fn refused(&self, fault: Fault) {
        tracing::debug!(%fault, "a broadcast was refused");
        self.metrics.bad_input(fault.kind());
    }
}

/// Bytes of a broadcast that goes to the gateway: what a control message holds, with room for its own words.
const MAX_PASSED_ON: usize = 60 * 1024;

/// The gateway's answer: whether it keeps it.
pub(crate) type Passed = oneshot::Receiver<Result<bool, AttachError>>;

fn rooms(addresses: &[Address]) -> Vec<String> {
    addresses.iter().flat_map(Address::rooms).collect()
}

/// Nobody named means everybody.
fn or_everybody(addresses: &[Address]) -> Vec<String> {
    if addresses.is_empty() { vec![address::EVERYBODY.to_owned()] } else { rooms(addresses) }
}

/// A payload as `suara/1` has it.
pub(crate) type Payload = Value;
