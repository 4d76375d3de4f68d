//! Engine.IO 4 and Socket.IO 5 packets, as much as the contract uses.

use serde::Deserialize;

/// A text packet from the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// Engine.IO is open.
    Open,
    /// To be answered.
    Ping,
    /// The namespace took us in.
    Connected,
    /// The namespace refused us, and why.
    Refused(&'a str),
    /// The answer to an emit.
    Ack(&'a str),
    /// An event whose binary argument follows in a frame of its own.
    Binary(&'a str),
    /// Something else.
    Other,
}

/// Reads a text packet.
pub(crate) fn read(text: &str) -> Packet<'_> {
    match text.as_bytes() {
        [b'0', ..] => Packet::Open,
        [b'2', ..] => Packet::Ping,
        [b'4', b'0', ..] => Packet::Connected,
        [b'4', b'4', ..] => Packet::Refused(&text[2..]),
        [b'4', b'3', ..] => Packet::Ack(text[2..].trim_start_matches(|digit: char| digit.is_ascii_digit())),
        [b'4', b'5', ..] => Packet::Binary(text.split_once('-').map_or("", |(_, event)| event)),
        _ => Packet::Other,
    }
}

/// Logs in to the default namespace.
pub(crate) fn connect(token: &str) -> String {
    format!("40{}", serde_json::json!({ "token": token }))
}

/// Enters a channel, and asks for an ack.
pub(crate) fn join(channel: &str) -> String {
    format!("420{}", serde_json::json!(["join_channel", { "channel_id": channel }]))
}

/// The head of a chunk of voice; the chunk follows in a binary frame.
pub(crate) const VOICE: &str = r#"451-["voice_packet",{"_placeholder":true,"num":0}]"#;

/// Whether an ack says that we are in. A server that says nothing has nothing against it.
pub(crate) fn is_in(ack: &str) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        status: Option<String>,
    }
    let answers: Vec<Option<Answer>> = serde_json::from_str(ack).unwrap_or_default();
    answers.into_iter().flatten().all(|answer| answer.status.is_none_or(|status| status == "ok"))
}

/// Whose chunk follows and which it is: the number at the end of the user's id, and the sequence number.
pub(crate) fn sender(event: &str) -> Option<(usize, u64)> {
    #[derive(Deserialize)]
    struct Sender {
        user_id: String,
        seq: u64,
    }
    let (_, _, sender): (String, serde::de::IgnoredAny, Sender) = serde_json::from_str(event).ok()?;
    let (_, number) = sender.user_id.rsplit_once('-')?;
    Some((number.parse().ok()?, sender.seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_apart() {
        assert_eq!(read(r#"0{"sid":"x","upgrades":[]}"#), Packet::Open);
        assert_eq!(read("2"), Packet::Ping);
        assert_eq!(read(r#"40{"sid":"y"}"#), Packet::Connected);
        assert_eq!(read(r#"44{"message":"no"}"#), Packet::Refused(r#"{"message":"no"}"#));
        assert_eq!(read(r#"430[{"status":"ok"}]"#), Packet::Ack(r#"[{"status":"ok"}]"#));
        assert_eq!(read(r#"42["roster",{}]"#), Packet::Other);
        assert_eq!(read(r#"451-["voice_packet",{}]"#), Packet::Binary(r#"["voice_packet",{}]"#));
    }

    #[test]
    fn an_ack_lets_in_or_refuses() {
        assert!(is_in(r#"[{"status":"ok","channel":"ops"}]"#));
        assert!(is_in("[null]") && is_in("[]"));
        assert!(!is_in(r#"[{"status":"error","msg":"Akses Ditolak"}]"#));
    }

    #[test]
    fn a_chunk_says_whose_it_is() {
        let event = r#"["voice_packet",{"_placeholder":true,"num":0},{"channel_id":"c","user_id":"load-3","name":"n","seq":65,"timestamp":1}]"#;
        assert_eq!(sender(event), Some((3, 65)));
        assert_eq!(sender(r#"["voice_packet",{"_placeholder":true,"num":0}]"#), None);
    }
}
