//! Attacks on the control stream: bad messages, bad frames, bad tokens, floods, silence, and not reading.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn_proto::TransportConfig;
use suara_proto::frame::join;
use suara_proto::message::{ClientMessage, encode};
use suara_proto::{ChannelNumber, RequestId};

use super::payloads::{self, MESSAGES};
use super::probe::{ANSWER, Probe};
use super::{Scene, check};
use crate::LoadError;
use crate::report::Check;

/// Messages in a burst: more than the 100 at once that the protocol allows, and the rest of them.
const BURST: u32 = 400;
/// The gateway lets a silent session be for 5 s.
const SILENCE: Duration = Duration::from_secs(7);
/// A reader that is so slow is asked for nothing more.
const SLOW: Duration = Duration::from_secs(8);
/// What a slow reader takes before it stops.
const SLOW_WINDOW: u32 = 1024;

/// Each bad message has its answer, and the session goes on.
pub(super) fn messages(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let mut probe = scene.welcome("attacker-messages")?;
    let mut wrong = Vec::new();
    for (message, wanted) in MESSAGES {
        probe.link.say(&join(message));
        let got = probe.code("error", ANSWER);
        if got != *wanted {
            wrong.push(format!("{} → {got}", String::from_utf8_lossy(message)));
        }
    }
    let result = if wrong.is_empty() { "each has its answer".to_owned() } else { wrong.join(", ") };
    let what = format!("{} malformed messages", MESSAGES.len());
    let lives = if probe.lives() { "goes on" } else { "is gone" };
    Ok(vec![
        Check { what, result, good: wrong.is_empty() },
        check("the session that sent them", "goes on", lives),
    ])
}

/// Frames of no length and of too much.
pub(super) fn frames(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let names = ["an empty frame", "a frame of 65 537 bytes", "a frame of 4 GiB"];
    let ends = payloads::frames().map(|bytes| end_of(scene, &bytes));
    names.into_iter().zip(ends).map(|(name, end)| Ok(check(name, "protocol_error", &end?))).collect()
}

/// How a session ends that sends this.
fn end_of(scene: &Scene, bytes: &[u8]) -> Result<String, LoadError> {
    let mut probe = scene.welcome("attacker-frames")?;
    probe.link.say(bytes);
    Ok(probe.code("closing", ANSWER))
}

/// Anything but a good hello at first.
pub(super) fn first_words(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let ping = encode(&ClientMessage::Ping { nonce: 1 });
    let words: [(&str, &[u8]); 3] = [
        ("a ping before hello", &ping),
        ("no JSON before hello", &join(b"GET / HTTP/1.1\r\n\r\n")),
        ("a hello without a token", &join(br#"{"type":"hello","version":1}"#)),
    ];
    words
        .into_iter()
        .map(|(what, bytes)| {
            let mut probe = scene.stranger()?;
            probe.begin(bytes);
            Ok(check(what, "protocol_error", &probe.code("closing", ANSWER)))
        })
        .collect()
}

/// Tokens that don't hold, and rights that aren't there.
pub(super) fn unauthorised(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let good = scene.site.token("mallory")?;
    let (body, _) = good.rsplit_once('.').unwrap_or((&good, ""));
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290IiwiZXhwIjo5OTk5OTk5OTk5fQ.";
    let expired = scene.site.minter.expired("mallory", &[])?;
    let tokens = [
        ("a token that isn't one", "x".to_owned(), "unauthenticated"),
        ("a token with a forged signature", format!("{body}.{}", "A".repeat(43)), "unauthenticated"),
        ("a token without a signature (alg none)", none.to_owned(), "unauthenticated"),
        ("a token that has ended", expired, "token_expired"),
        ("a token of 60 000 bytes", "A".repeat(60_000), "unauthenticated"),
    ];
    let mut checks = Vec::new();
    for (what, token, wanted) in tokens {
        let mut probe = scene.stranger()?;
        probe.begin(&encode(&ClientMessage::Hello {
            version: 1,
            token: Cow::Owned(token),
            client: None,
            resume: None,
            calls: false,
        }));
        checks.push(check(what, wanted, &probe.code("closing", ANSWER)));
    }
    let mut probe = scene.stranger()?;
    probe.hello(&scene.site.minter.mint("mallory", &["elsewhere:listen".to_owned()])?);
    let channel = Cow::Borrowed(scene.channel.as_str());
    probe.say(&ClientMessage::Join { request: RequestId(1), channel, member: None });
    checks.push(check("a join without the right to", "forbidden", &probe.code("error", ANSWER)));
    probe.say(&ClientMessage::floor_request(RequestId(2), ChannelNumber(1), None));
    checks.push(check(
        "the floor of a channel that one isn't in",
        "not_joined",
        &probe.code("error", ANSWER),
    ));
    Ok(checks)
}

/// More messages than are allowed, and on after being told.
pub(super) fn flood(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let mut probe = scene.welcome("attacker-flood")?;
    for nonce in 0..BURST {
        probe.say(&ClientMessage::Ping { nonce });
    }
    let told = probe.code("error", ANSWER);
    let end = probe.code("closing", ANSWER);
    Ok(vec![
        check(&format!("{BURST} messages at once"), "rate_limited", &told),
        check("the session that goes on with them", "rate_limited", &end),
    ])
}

/// A session that never says hello.
pub(super) fn silence(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let mut probe = scene.stranger()?;
    probe.begin(&[]);
    Ok(vec![check("a session that never says hello", "hello_timeout", &probe.code("closing", SILENCE))])
}

/// A session that asks for much and reads nothing.
pub(super) fn slow_reader(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let mut config = scene.config.clone();
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(SLOW_WINDOW.into());
    config.transport_config(Arc::new(transport));
    let mut probe = Probe::connect(&scene.site.target, &config)?;
    probe.hello(&scene.site.token("attacker-slow")?);
    let Some((channel, _)) = probe.join(&scene.channel) else {
        return Ok(vec![check("a slow reader's join", "joined", "refused")]);
    };
    probe.link.deaf = true;
    let began = Instant::now();
    while began.elapsed() < SLOW && !probe.link.quic.is_closed() {
        probe.say(&ClientMessage::RosterRequest { channel: ChannelNumber(channel) });
        probe.pause(Duration::from_millis(25));
    }
    let result = if probe.link.quic.is_closed() {
        format!("closed after {:.1} s", began.elapsed().as_secs_f64())
    } else {
        format!("held for {:.0} s, what it is owed is bounded", began.elapsed().as_secs_f64())
    };
    // Either is well, as long as nobody else waits for it: the flood beside it shows that.
    Ok(vec![Check { what: "a session that asks and doesn't read".to_owned(), result, good: true }])
}
