//! What comes by Redis, good and hostile.

use rmpv::Value as Pack;
use rmpv::encode::write_value;
use serde_json::json;

use super::*;
use crate::notify::{Address, Args};

fn reader(takes_orders: bool) -> Reader {
    let passed_on = RateLimiter::direct(Quota::per_second(PASSED_ON_PER_SECOND));
    Reader { origin: "me".into(), takes_orders, passed_on }
}

fn read(channel: &str, bytes: &[u8]) -> Result<Wish, Fault> {
    reader(false).read(channel, bytes).1
}

fn told(wish: Result<Wish, Fault>) -> (Broadcast, String) {
    let Ok(Wish::Tell(broadcast)) = wish else { panic!("{wish:?}") };
    let args = serde_json::to_string(&broadcast.args).unwrap();
    (broadcast, args)
}

fn pack(value: &Pack) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_value(&mut bytes, value).unwrap();
    bytes
}

fn map(fields: Vec<(&str, Pack)>) -> Pack {
    Pack::Map(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn emitted(nsp: &str, data: Vec<Pack>, rooms: Vec<Pack>) -> Vec<u8> {
    let packet = map(vec![("type", 2.into()), ("data", Pack::Array(data)), ("nsp", nsp.into())]);
    let options =
        map(vec![("rooms", Pack::Array(rooms)), ("except", Pack::Array(vec![])), ("flags", map(vec![]))]);
    pack(&Pack::Array(vec!["emitter".into(), packet, options]))
}

#[test]
fn an_emitters_event_keeps_its_arguments_and_finds_its_rooms() {
    let data = vec!["ticket_created".into(), map(vec![("id", 5.into())]), Pack::Nil];
    let bytes = emitted("/ptt", data, vec!["role_admin".into(), "ops".into()]);
    let (broadcast, args) = told(read("socket.io#/ptt#", &bytes));
    assert_eq!((&*broadcast.event, &*args), ("ticket_created", r#"[{"id":5},null]"#));
    assert_eq!(broadcast.to, [Address::Role("admin".into()), Address::Channel("ops".into())]);
    assert_eq!(broadcast.space.as_deref(), Some("/ptt"));
}

#[test]
fn hostile_msgpack_has_a_name_and_breaks_nothing() {
    let good = emitted("/", vec!["n".into(), 1.into()], vec![]);
    for end in 0..good.len() {
        assert_eq!(read("socket.io#/#", &good[..end]), Err(Fault::Malformed), "{end} bytes");
    }
    // A list of four billion, a string of as much, a hole without end.
    for bytes in
        [&[0xdd, 0xff, 0xff, 0xff, 0xff][..], &[0xdb, 0xff, 0xff, 0xff, 0xff, b'a'], &[0x91; 100_000]]
    {
        assert_eq!(read("socket.io#/#", bytes), Err(Fault::Malformed));
    }
    assert_eq!(read("socket.io#/#", &vec![0xc0; MAX_MESSAGE + 1]), Err(Fault::Oversized));
    assert_eq!(read("socket.io#/#", &emitted("/", vec![], vec![])), Err(Fault::Malformed));
    assert_eq!(read("socket.io#/#", &emitted("/", vec![7.into()], vec![])), Err(Fault::EventName));
    assert_eq!(read("socket.io#/#", &emitted("/", vec!["signal".into()], vec![])), Err(Fault::Reserved));
    assert_eq!(read("socket.io#/#", &emitted("/x", vec!["n".into()], vec![])), Err(Fault::Space));
    assert_eq!(read("socket.io#/#", &emitted("/", vec!["n".into()], vec![7.into()])), Err(Fault::Room));
    let rooms = vec!["a".into(); 101];
    assert_eq!(read("socket.io#/#", &emitted("/", vec!["n".into()], rooms)), Err(Fault::Room));
    let keyed = Pack::Map(vec![(1.into(), 2.into())]);
    assert_eq!(read("socket.io#/#", &emitted("/", vec!["n".into(), keyed], vec![])), Err(Fault::Malformed));
    let mut deep = Pack::Nil;
    for _ in 0..70 {
        deep = Pack::Array(vec![deep]);
    }
    assert_eq!(read("socket.io#/#", &emitted("/", vec!["n".into(), deep], vec![])), Err(Fault::Malformed));
}

#[test]
fn pythons_json_is_read_and_its_pickle_is_not() {
    let python = |json: Value| read("socketio", json.to_string().as_bytes());
    let emit = json!({"method": "emit", "event": "n", "data": [{"a": 1}, "b"], "binary": false, "namespace": "/",
        "room": "user_7", "skip_sid": null, "callback": null, "host_id": "x"});
    let (broadcast, args) = told(python(emit));
    assert_eq!((broadcast.to, &*args), (vec![Address::User("7".into())], r#"[{"a":1},"b"]"#));
    let none = json!({"method": "emit", "event": "n", "data": [null], "binary": false});
    assert_eq!(told(python(none)).1, "[]");
    let old = json!({"method": "emit", "event": "n", "data": [1, 2]});
    assert_eq!(told(python(old)).1, "[[1,2]]", "without binary it is one argument");

    let placeholder = json!({"_placeholder": true, "num": 0});
    let binary =
        |parts: Value| python(json!({"method": "emit", "event": "n", "data": parts, "binary": true}));
    let (broadcast, _) = told(binary(json!([[{"file": placeholder}], "AQID"])));
    let file = map(vec![("file", Pack::Binary(vec![1, 2, 3]))]);
    assert_eq!(broadcast.args, Args::new(vec![file]).unwrap());
    for bad in [json!([[placeholder]]), json!([[placeholder], "!"]), json!([]), json!({}), json!([7, "AQID"])]
    {
        assert_eq!(binary(bad), Err(Fault::Malformed));
    }
    assert_eq!(read("socketio", b"\x80\x04\x95\x10\0\0\0\0\0\0\0"), Err(Fault::Pickle));
    assert_eq!(read("socketio", b"cos\nsystem\n(S'true'\ntR."), Err(Fault::Malformed));
    assert_eq!(
        python(json!({"method": "emit", "event": "n", "data": [1], "binary": false, "room": 7})),
        Err(Fault::Room)
    );
    assert_eq!(python(json!({"method": "close_room", "room": "ops"})), Err(Fault::Order));
    assert_eq!(python(json!([])), Err(Fault::Malformed));
}

#[test]
fn our_own_json_is_told_once_and_ours_not_at_all() {
    let json = |json: Value| read("socket:broadcast", json.to_string().as_bytes());
    assert!(matches!(json(json!({"event": "n", "payload": 1})), Ok(Wish::Tell(_))));
    assert!(matches!(json(json!({"event": "n", "payload": 1, "origin": "other"})), Ok(Wish::TellHere(_))));
    assert_eq!(json(json!({"event": "n", "payload": 1, "origin": "me"})), Ok(Wish::Nothing));
    assert_eq!(read("socket:broadcast", b"{"), Err(Fault::Malformed));
}

#[test]
fn orders_are_refused_unless_the_deployment_lets_them() {
    let join = json!({"type": 2, "opts": {"rooms": ["user_7"], "except": []}, "rooms": ["ops"]}).to_string();
    let away = json!({"method": "disconnect", "sid": "abc", "namespace": "/"}).to_string();
    for (channel, order) in [("socket.io-request#/#", &join), ("socketio", &away)] {
        assert_eq!(read(channel, order.as_bytes()), Err(Fault::Order));
        assert!(matches!(reader(true).read(channel, order.as_bytes()).1, Ok(Wish::Order(_))));
    }
    let Ok(Wish::Order(order)) = reader(true).read("socket.io-request#/ptt#", join.as_bytes()).1 else {
        panic!()
    };
    assert_eq!((order.kind, &*order.space), (orders::Kind::Join, "/ptt"));
    assert_eq!(order.to, [Address::User("7".into())]);
    assert_eq!(read("socket.io-request#/#", br#"{"type": 0, "requestId": "x"}"#), Ok(Wish::Nothing));
}

#[test]
fn a_copy_is_known_by_channel_and_content() {
    assert_eq!(copy_of("a", b"b"), copy_of("a", b"b"));
    assert_ne!(copy_of("a", b"b"), copy_of("ab", b""));
}

#[test]
fn no_bytes_at_all_make_the_reader_fail() {
    for channel in
        ["socket:broadcast", "socketio", "socket.io#/#", "socket.io-request#/#", "socket.io-request#"]
    {
        for seed in 0..2000_u32 {
            let bytes: Vec<u8> =
                (0..seed % 64).map(|at| (seed.wrapping_mul(2_654_435_761) >> (at % 24)) as u8).collect();
            assert!(
                !matches!(reader(true).read(channel, &bytes).1, Ok(Wish::Tell(_))),
                "{channel} {bytes:?}"
            );
        }
    }
}
