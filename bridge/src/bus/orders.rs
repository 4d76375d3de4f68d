//! Orders to sockets: into a room, out of it, away. They are taken where the deployment lets them.

use serde_json::Value;

use crate::notify::{Address, Fault, Order, served};

pub(super) use crate::notify::OrderKind as Kind;

/// Names that one order has.
const MAX_NAMES: usize = 100;

/// One name or a list of them.
pub(super) fn names(value: Option<&Value>) -> Result<Vec<String>, Fault> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(name)) => Ok(vec![name.clone()]),
        Some(Value::Array(names)) if names.len() <= MAX_NAMES => {
            names.iter().map(|name| name.as_str().map(str::to_owned).ok_or(Fault::Room)).collect()
        }
        Some(_) => Err(Fault::Room),
    }
}

/// An order to the sockets in `to`.
pub(super) fn order(kind: Kind, rooms: Vec<String>, to: Vec<String>, space: &str) -> Result<Order, Fault> {
    let read = |names: Vec<String>| {
        names.iter().map(|name| Address::read(name).ok_or(Fault::Room)).collect::<Result<Vec<_>, _>>()
    };
    Ok(Order { kind, rooms: read(rooms)?, to: read(to)?, space: served(space)?.to_owned() })
}
