use std::borrow::Cow;
use std::hint::black_box;

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use suara_proto::limits::{MAX_MEMBERS, MAX_SERVER_MESSAGE, MAX_USER_NAME};
use suara_proto::message::{
    self, ChannelMode, ClientMessage, Joined, Member, Rights, ServerMessage, decode_client, decode_server,
    request_of,
};
use suara_proto::text::is_plain;
use suara_proto::{ChannelNumber, RequestId, TalkerNumber, frame};

use crate::strategies::{client, server};

fn json(message: &impl serde::Serialize) -> Vec<u8> {
    let mut framed = BytesMut::from(&message::encode(message)[..]);
    let json = frame::split(&mut framed, MAX_SERVER_MESSAGE).expect("we frame well").expect("and wholly");
    assert!(framed.is_empty());
    json.to_vec()
}

/// A message with some bytes put over or cut out: much closer to JSON than arbitrary bytes.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![client().prop_map(|m| json(&m)), server().prop_map(|m| json(&m))];
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(&b"\"\\{}[]:,0-.eu\xff\xed"[..])];
    (whole, vec((any::<Index>(), byte), 0..4), any::<Index>(), 0usize..3).prop_map(
        |(mut json, changes, at, cut)| {
            for (index, byte) in changes {
                *index.get_mut(&mut json) = byte;
            }
            let at = at.index(json.len());
            json.drain(at..(at + cut).min(json.len()));
            json
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_clients_message_survives_the_wire(message in client()) {
        let json = json(&message);
        prop_assert_eq!(decode_client(&json), Ok(message));
    }

    #[test]
    fn a_gateways_message_survives_the_wire(message in server()) {
        let json = json(&message);
        prop_assert_eq!(decode_server(&json), Ok(message));
    }

    #[test]
    fn what_is_accepted_means_the_same_when_written_again(json_or_not in prop_oneof![damaged(), vec(any::<u8>(), 0..200)]) {
        if let Ok(message) = decode_client(&json_or_not) {
            let again = json(&message);
            prop_assert_eq!(decode_client(&again), Ok(message));
        }
        if let Ok(message) = decode_server(&json_or_not) {
            let again = json(&message);
            prop_assert_eq!(decode_server(&again), Ok(message));
        }
        black_box(request_of(&json_or_not));
    }
}

#[test]
fn depth_is_bounded_by_an_error_not_by_the_stack() {
    for depth in [1_000, 1_000_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nest = |inner: &str| [&open.repeat(depth), inner, &close.repeat(depth)].concat();
            for json in [
                format!("{{\"type\":\"ping\",\"nonce\":1,\"x\":{}}}", nest("1")),
                format!("{{\"type\":{}}}", nest("1")),
                nest("1"),
                open.repeat(depth),
            ] {
                assert!(decode_client(json.as_bytes()).is_err());
                assert!(decode_server(json.as_bytes()).is_err());
                black_box(request_of(json.as_bytes()));
            }
        }
    }
}

#[test]
fn a_refusal_finds_its_asker_where_a_number_can_be_read() {
    assert_eq!(request_of(br#"{"type":"join","request":7}"#), Some(RequestId(7)));
    assert_eq!(request_of(br#"{"type":"teleport","request":7,"x":[[{}]]}"#), Some(RequestId(7)));
    for none in
        [&br#"{"type":"join"}"#[..], br#"{"request":"7"}"#, br#"{"request":null}"#, b"[7]", b"\xff", b""]
    {
        assert_eq!(request_of(none), None, "{none:?}");
    }
}

#[test]
fn a_text_without_escapes_is_borrowed() {
    let hello = br#"{"type":"hello","version":1,"token":"abc","client":"x"}"#;
    let Ok(ClientMessage::Hello { token: Cow::Borrowed("abc"), .. }) = decode_client(hello) else {
        panic!("the token was copied")
    };
    let late = br#"{"channel":"ops","request":1,"type":"join"}"#;
    assert!(matches!(decode_client(late), Ok(ClientMessage::Join { channel: Cow::Borrowed("ops"), .. })));
    let taken =
        br#"{"type":"floor_taken","channel":1,"talker":2,"user":"u","name":"n","grant":3,"remaining_ms":4}"#;
    let Ok(ServerMessage::FloorTaken { talking, .. }) = decode_server(taken) else { panic!("well-formed") };
    assert!(matches!((talking.user, talking.name), (Cow::Borrowed("u"), Cow::Borrowed("n"))));
    let roster = br#"{"type":"roster","channel":1,"version":2,"members":[{"talker":3,"user":"u","name":"n","role":"r"}]}"#;
    let Ok(ServerMessage::Roster { members: Some(members), .. }) = decode_server(roster) else {
        panic!("well-formed")
    };
    assert!(matches!(
        members[0],
        Member { user: Cow::Borrowed("u"), name: Cow::Borrowed("n"), role: Cow::Borrowed("r"), .. }
    ));
}

#[test]
fn a_text_with_an_escape_is_unescaped_into_an_own_one() {
    let join = br#"{"type":"join","request":1,"channel":"a\u002fb"}"#;
    let Ok(ClientMessage::Join { channel: Cow::Owned(channel), .. }) = decode_client(join) else {
        panic!("an escape can't be borrowed")
    };
    assert_eq!(channel, "a/b");
}

#[test]
fn the_largest_roster_fits_into_a_message() {
    let longest = "\"".repeat(MAX_USER_NAME);
    assert!(is_plain(&longest, MAX_USER_NAME));
    let text = || Cow::Borrowed(longest.as_str());
    let member = Member {
        talker: TalkerNumber(u16::MAX),
        user: text(),
        name: text(),
        role: text(),
        listen_only: true,
        muted: true,
        unreachable: true,
    };
    let joined = ServerMessage::Joined(Joined {
        request: Some(RequestId(u32::MAX)),
        member: None,
        channel: ChannelNumber(u32::MAX),
        name: text(),
        talker: TalkerNumber(u16::MAX),
        rights: Rights::all(),
        mode: ChannelMode::Ptt,
        version: u64::MAX,
        members: Some(vec![member; MAX_MEMBERS]),
        talking: None,
        also_talking: Vec::new(),
        last_message: None,
        call: None,
    });
    assert!(json(&joined).len() < MAX_SERVER_MESSAGE);
}
