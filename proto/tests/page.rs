//! `PROTOCOL.md` against the code: its examples are read, its tables of codes are the code's.

use suara_proto::message::{decode_chat_client, decode_chat_server, decode_client, decode_server, encode};
use suara_proto::voice::VoiceFrame;
use suara_proto::{CloseCode, DenyCause, ErrorCode, RevokeCause, frame, limits};

const PAGE: &str = include_str!("../PROTOCOL.md");

#[test]
fn every_example_of_a_message_is_one() {
    let examples: Vec<_> = blocks("json").filter(|block| block.contains("\"type\"")).collect();
    assert!(examples.len() >= 7, "the page shows messages");
    for json in examples {
        let control = decode_client(json.as_bytes()).is_ok() || decode_server(json.as_bytes()).is_ok();
        let chat = decode_chat_client(json.as_bytes()).is_ok() || decode_chat_server(json.as_bytes()).is_ok();
        assert!(control || chat, "{json}");
    }
}

#[test]
fn the_examples_in_bytes_are_what_the_page_says() {
    let [stream, datagram] = &blocks("").filter_map(unhex).collect::<Vec<_>>()[..] else {
        panic!("the page shows one stream and one datagram in bytes")
    };
    let ping = decode_client(br#"{"type":"ping","nonce":7}"#).unwrap();
    assert_eq!(*stream, [&[frame::STREAM_CONTROL], &encode(&ping)[..]].concat());

    let voice = VoiceFrame::decode(datagram).unwrap();
    let header = voice.header;
    assert_eq!((header.sequence, header.talker.0, header.channel.0, header.grant.0), (4660, 4, 17, 65541));
    assert_eq!((voice.redundant.as_slice().len(), voice.packet.len()), (1, 7));
}

#[test]
fn the_codes_are_numbered_as_in_the_page() {
    for code in CloseCode::ALL {
        assert!(section("8.1").contains(&format!("\n| {} | `{code}` |", code.number())), "{code}");
    }
    for code in ErrorCode::ALL {
        assert!(section("8.2").contains(&format!("\n| {} | `{code}` |", code.number())), "{code}");
    }
    for cause in DenyCause::ALL {
        assert!(section("8.3").contains(&format!("{} `{cause}`", cause.number())), "{cause}");
    }
    for cause in RevokeCause::ALL {
        assert!(section("8.4").contains(&format!("{} `{cause}`", cause.number())), "{cause}");
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let (client, server) = (limits::MAX_CLIENT_MESSAGE, limits::MAX_SERVER_MESSAGE);
    for bound in [
        format!("| a datagram | {} bytes |", spaced(limits::MAX_DATAGRAM)),
        format!(
            "| a message from a client / from the gateway | {} / {} bytes |",
            spaced(client),
            spaced(server)
        ),
        format!("at most {} from a client and at most {} from the gateway", spaced(client), spaced(server)),
        format!("| from the session's start to `hello` | {} s |", limits::HELLO_TIMEOUT.as_secs()),
        format!(
            "| a chat message's text / its `id` | {} characters / {} bytes |",
            spaced(limits::MAX_CHAT_TEXT),
            limits::MAX_CHAT_ID
        ),
        format!(
            "| messages of a page of history | {}; {} for who names no number |",
            limits::MAX_CHAT_PAGE,
            limits::CHAT_PAGE
        ),
        format!("| channels a member is in | {} |", limits::MAX_CHANNELS_PER_MEMBER),
        format!("| a channel's name; a user's id, name or role | {} bytes each |", limits::MAX_CHANNEL_NAME),
        format!(
            "| members of a channel / of a trunk | {} / {} |",
            spaced(limits::MAX_MEMBERS),
            spaced(limits::MAX_MEMBERS_PER_TRUNK)
        ),
    ] {
        assert!(PAGE.contains(&bound), "{bound}");
    }
    assert_eq!(limits::MAX_CHANNEL_NAME, limits::MAX_USER_NAME, "one row of the page's table");
}

/// The code blocks of one language.
fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    let wanted = format!("{language}\n");
    PAGE.split("```").skip(1).step_by(2).filter_map(move |block| block.strip_prefix(&*wanted))
}

fn section(number: &str) -> &'static str {
    let start = PAGE.find(&format!("### {number} ")).expect("the page has the section");
    let body = &PAGE[start + 4..];
    &body[..body.find("\n##").unwrap_or(body.len())]
}

fn unhex(block: &str) -> Option<Vec<u8>> {
    block
        .split_whitespace()
        .map(|byte| (byte.len() == 2).then(|| u8::from_str_radix(byte, 16).ok()).flatten())
        .collect()
}

/// With a space between thousands, as the page writes large numbers.
fn spaced(number: usize) -> String {
    let digits = number.to_string();
    digits.bytes().enumerate().fold(String::new(), |mut text, (at, digit)| {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(char::from(digit));
        text
    })
}
