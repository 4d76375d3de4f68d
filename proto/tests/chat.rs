//! What is said on a chat stream: its golden vectors, and any message there and back.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;
use suara_proto::message::chat::{Asked, chat_asked};
use suara_proto::message::{
    CHAT_CLIENT_TYPES, CHAT_SERVER_TYPES, ChatMessage, ClientChat, MessageError, ServerChat,
    decode_chat_client, decode_chat_server, encode,
};
use suara_proto::{ChannelNumber, ErrorCode, MemberRef, RequestId, TalkerNumber};

#[derive(Deserialize)]
struct Vectors {
    good: Vec<Good>,
    bad: Vec<Bad>,
}

#[derive(Deserialize)]
struct Good {
    name: String,
    direction: String,
    json: String,
    canonical: String,
}

#[derive(Deserialize)]
struct Bad {
    name: String,
    direction: String,
    json: Option<String>,
    hex: Option<String>,
    error: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/chat.json")).expect("the vectors have their form")
}

fn rewrite(direction: &str, json: &[u8]) -> Result<String, MessageError> {
    let framed = match direction {
        "client" => encode(&decode_chat_client(json)?),
        _ => encode(&decode_chat_server(json)?),
    };
    Ok(String::from_utf8(framed[4..].to_vec()).expect("JSON is UTF-8"))
}

#[test]
fn every_good_message_is_read_and_written_canonically() {
    let good = vectors().good;
    for Good { name, direction, json, canonical } in &good {
        let meaning = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("it is JSON");
        let rewritten = rewrite(direction, json.as_bytes()).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(meaning(&rewritten), meaning(canonical), "{name}");
        assert_eq!(rewrite(direction, rewritten.as_bytes()).as_deref(), Ok(&*rewritten), "{name}");
    }
    let all: String = good.iter().map(|vector| vector.canonical.as_str()).collect();
    for kind in CHAT_CLIENT_TYPES.iter().chain(CHAT_SERVER_TYPES) {
        assert!(all.contains(&format!("\"type\":\"{kind}\"")), "{kind}");
    }
}

#[test]
fn every_bad_message_is_refused_by_its_code() {
    for Bad { name, direction, json, hex, error } in vectors().bad {
        let bytes = json.map(String::into_bytes).or(hex.map(|hex| unhex(&hex))).expect("one of the two");
        let fault = rewrite(&direction, &bytes).expect_err(&name);
        assert_eq!(fault.code().name(), error, "{name}");
    }
}

#[test]
fn a_refusal_finds_its_asker_in_what_could_be_read() {
    let bad = br#"{"type":"chat_send","channel":17,"member":9,"id":"a","text":7,"request":-1}"#;
    let asked = Asked {
        request: None,
        channel: Some(ChannelNumber(17)),
        member: Some(MemberRef(9)),
        id: Some("a".to_owned()),
    };
    assert_eq!(chat_asked(bad), asked);
    let long = format!(r#"{{"id":"{}"}}"#, "a".repeat(65));
    for nothing in [&b"[17]"[..], b"\xff", b"{", long.as_bytes(), br#"{"id":"\u0000"}"#] {
        assert_eq!(chat_asked(nothing), Asked::default());
    }
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    any::<String>().prop_map(Cow::Owned)
}

fn member() -> impl Strategy<Value = Option<MemberRef>> {
    option::of(any::<u32>().prop_map(MemberRef))
}

fn channel() -> impl Strategy<Value = ChannelNumber> {
    any::<u32>().prop_map(ChannelNumber)
}

fn client() -> impl Strategy<Value = ClientChat<'static>> {
    let number = || option::of(any::<u64>());
    prop_oneof![
        (channel(), member(), text(), text()).prop_map(|(channel, member, id, text)| ClientChat::Send {
            channel,
            member,
            id,
            text
        }),
        (channel(), member()).prop_map(|(channel, member)| ClientChat::Typing { channel, member }),
        (any::<u32>(), channel(), member(), number(), number(), option::of(any::<u32>())).prop_map(
            |(request, channel, member, before, after, limit)| ClientChat::History {
                request: RequestId(request),
                channel,
                member,
                before,
                after,
                limit,
            }
        ),
    ]
}

fn said() -> impl Strategy<Value = ChatMessage<'static>> {
    (any::<u64>(), text(), text(), text(), text(), any::<u64>())
        .prop_map(|(message, user, name, role, text, at)| ChatMessage { message, user, name, role, text, at })
}

fn server() -> impl Strategy<Value = ServerChat<'static>> {
    let request = || any::<u32>().prop_map(RequestId);
    prop_oneof![
        (channel(), member(), text(), any::<u64>(), any::<u64>()).prop_map(
            |(channel, member, id, message, at)| ServerChat::Ack { channel, member, id, message, at }
        ),
        (channel(), member(), option::of(text()), said())
            .prop_map(|(channel, member, id, said)| ServerChat::Chat { channel, member, id, said }),
        (channel(), any::<u16>(), text(), text()).prop_map(|(channel, talker, user, name)| {
            ServerChat::Typing { channel, talker: TalkerNumber(talker), user, name }
        }),
        (request(), channel(), member(), vec(said(), 0..4), any::<bool>()).prop_map(
            |(request, channel, member, messages, more)| ServerChat::Page {
                request,
                channel,
                member,
                messages,
                more
            }
        ),
        (
            option::of(request()),
            option::of(channel()),
            member(),
            option::of(text()),
            select(ErrorCode::ALL),
            text()
        )
            .prop_map(|(request, channel, member, id, code, message)| {
                ServerChat::Error { request, channel, member, id, code, message }
            }),
    ]
}

proptest! {
    #[test]
    fn a_clients_message_survives_the_wire(message in client()) {
        let framed = encode(&message);
        prop_assert_eq!(decode_chat_client(&framed[4..]), Ok(message));
    }

    #[test]
    fn a_gateways_message_survives_the_wire(message in server()) {
        let framed = encode(&message);
        prop_assert_eq!(decode_chat_server(&framed[4..]), Ok(message));
    }

    #[test]
    fn any_bytes_are_a_message_or_a_named_fault(bytes in vec(any::<u8>(), 0..300)) {
        std::hint::black_box(chat_asked(&bytes));
        if let Ok(message) = decode_chat_client(&bytes) {
            let framed = encode(&message);
            prop_assert_eq!(decode_chat_client(&framed[4..]), Ok(message));
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hexadecimal digits");
    text.as_bytes().chunks(2).map(|pair| (digit(pair[0]) << 4 | digit(pair[1])) as u8).collect()
}
