//! The protocol of `@socket.io/redis-emitter`, which emitters for PHP, Python, Java and Go speak too: msgpack
//! `[uid, {type, data: [event, …], nsp}, {rooms, except, flags}]`.

use rmpv::Value;
use rmpv::decode::read_value_with_max_depth;
use serde_json::Value as Json;

use super::Wish;
use super::orders::{self, Kind};
use crate::notify::{Address, Args, Broadcast, Fault};

/// Levels of nesting; the arguments' own bound is below it.
const MAX_DEPTH: usize = 80;

/// Rooms that one message names.
const MAX_ROOMS: usize = 100;

/// What an emitter asks for beside events, by the numbers of socket.io's Redis adapter.
const REMOTE_JOIN: u64 = 2;
const REMOTE_LEAVE: u64 = 3;
const REMOTE_DISCONNECT: u64 = 4;

/// Reads an event.
pub(super) fn read(mut bytes: &[u8]) -> Result<Wish, Fault> {
    let value = read_value_with_max_depth(&mut bytes, MAX_DEPTH).map_err(|_| Fault::Malformed)?;
    let Some([_, packet, options, ..]) = value.as_array().map(Vec::as_slice) else {
        return Err(Fault::Malformed);
    };
    let data = field(packet, "data").and_then(Value::as_array).ok_or(Fault::Malformed)?;
    let (event, args) = data.split_first().ok_or(Fault::Malformed)?;
    let event = event.as_str().ok_or(Fault::EventName)?;
    let space = field(packet, "nsp").and_then(Value::as_str).unwrap_or("/");
    let args = Args::new(args.to_vec()).ok_or(Fault::Malformed)?;
    let (to, except) = (addresses(field(options, "rooms"))?, addresses(field(options, "except"))?);
    Broadcast::checked(event, args, to, except, Some(space)).map(Wish::Tell)
}

/// Reads what an emitter asks for beside events; what is for other servers' adapters is nothing to us.
pub(super) fn request(channel: &str, bytes: &[u8]) -> Result<Wish, Fault> {
    let json: Json = serde_json::from_slice(bytes).map_err(|_| Fault::Malformed)?;
    let kind = match json.get("type").and_then(Json::as_u64) {
        Some(REMOTE_JOIN) => Kind::Join,
        Some(REMOTE_LEAVE) => Kind::Leave,
        Some(REMOTE_DISCONNECT) => Kind::Disconnect,
        _ => return Ok(Wish::Nothing),
    };
    let space = channel.split('#').nth(1).unwrap_or("/");
    let options = json.get("opts").unwrap_or(&Json::Null);
    let names = |holder: &Json, name| orders::names(holder.get(name));
    let order = orders::order(kind, names(&json, "rooms")?, names(options, "rooms")?, space)?;
    Ok(Wish::Order(order))
}

fn field<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    map.as_map()?.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
}

fn addresses(rooms: Option<&Value>) -> Result<Vec<Address>, Fault> {
    let rooms = match rooms {
        None | Some(Value::Nil) => return Ok(Vec::new()),
        Some(rooms) => rooms.as_array().filter(|rooms| rooms.len() <= MAX_ROOMS).ok_or(Fault::Room)?,
    };
    rooms.iter().map(|room| room.as_str().and_then(Address::read).ok_or(Fault::Room)).collect()
}
