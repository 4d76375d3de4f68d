//! The contract's frames: `{"type": event, "data": {…}}` in text messages, either way.
//!
//! What a visitor says is data: who it is comes from its token, and fields that aren't named here mean nothing. What
//! leaves as `text`, `from` or `name` is safe to put into HTML.

use html_escape::encode_quoted_attribute;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use suara_proto::limits::{MAX_CHAT_ID, MAX_CHAT_TEXT};
use suara_proto::text::{clean, is_plain};
use thiserror::Error;

use super::told::{Message, Opened};

/// Bytes of one frame: the longest text with each of its characters escaped, and room for the rest.
pub(super) const MAX_FRAME: usize = 64 * 1024;

/// What a visitor says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// A message; `spelling` is the id as the client wrote it.
    Message {
        id: Option<(String, Value)>,
        text: String,
    },
    Typing,
}

/// Why a frame says nothing. The texts quote nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Fault {
    #[error("a frame is a JSON object {{\"type\": …, \"data\": {{…}}}}")]
    Envelope,
    #[error("no such event; message:send and user:typing are")]
    Event,
    #[error("message:send has data {{\"text\": …}}, a string")]
    Text,
    #[error("text is empty")]
    Empty,
    #[error("text has more than 4000 characters")]
    TooLong,
    #[error("id is a whole number, or a string of 1 to 64 bytes without control characters")]
    Id,
    #[error("a frame has at most 65536 bytes")]
    TooLarge,
    #[error("frames are text")]
    Binary,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(default)]
    data: Value,
}

/// Reads a frame.
pub(super) fn read(frame: &str) -> Result<Said, Fault> {
    if !frame.trim_start().starts_with('{') {
        return Err(Fault::Envelope);
    }
    let Envelope { kind, data } = serde_json::from_str(frame).map_err(|_| Fault::Envelope)?;
    match &*kind {
        "message:send" => message(&data),
        "user:typing" => Ok(Said::Typing),
        _ => Err(Fault::Event),
    }
}

fn message(data: &Value) -> Result<Said, Fault> {
    let text = data.get("text").and_then(Value::as_str).ok_or(Fault::Text)?;
    if text.chars().count() > MAX_CHAT_TEXT {
        return Err(Fault::TooLong);
    }
    let text = clean(text);
    if text.trim().is_empty() {
        return Err(Fault::Empty);
    }
    Ok(Said::Message { id: id(data.get("id"))?, text: text.into_owned() })
}

fn id(value: Option<&Value>) -> Result<Option<(String, Value)>, Fault> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(spelling @ Value::String(id)) if is_plain(id, MAX_CHAT_ID) => {
            Ok(Some((id.clone(), spelling.clone())))
        }
        Some(spelling @ Value::Number(id)) if id.is_i64() || id.is_u64() => {
            Ok(Some((id.to_string(), spelling.clone())))
        }
        Some(_) => Err(Fault::Id),
    }
}

/// The id in a frame that was refused, so that its refusal finds its message.
pub(super) fn id_of(said: &Said) -> Option<Value> {
    match said {
        Said::Message { id: Some((_, spelling)), .. } => Some(spelling.clone()),
        _ => None,
    }
}

/// The id in a frame that says nothing, where it has one that could be one.
pub(super) fn id_in(frame: &str) -> Option<Value> {
    let frame: Value = serde_json::from_str(frame).ok()?;
    id(frame.get("data")?.get("id")).ok().flatten().map(|(_, spelling)| spelling)
}

pub(super) fn success(opened: &Opened) -> String {
    let messages: Vec<_> = opened.said.iter().map(fields).collect();
    frame(
        "connection:success",
        &json!({
            "sessionId": safe(&opened.session),
            "name": safe(&opened.name),
            "expiresAt": opened.expires.saturating_mul(1000),
            "messages": messages,
        }),
    )
}

pub(super) fn ack(id: &Value, number: u64, at: u64) -> String {
    frame("message:ack", &json!({ "id": id, "messageId": number, "timestamp": at }))
}

/// What staff said; `message:sent` for what the visitor said on another connection.
pub(super) fn said(message: &Message) -> String {
    frame(if message.staff { "message:receive" } else { "message:sent" }, &fields(message))
}

pub(super) fn typing(name: &str) -> String {
    frame("user:typing", &json!({ "from": safe(name) }))
}

pub(super) fn error(kind: &'static str, message: &str, id: Option<&Value>) -> String {
    let mut data = Map::from_iter([("message".to_owned(), message.into())]);
    if let Some(id) = id {
        data.insert("id".to_owned(), id.clone());
    }
    frame(kind, &Value::Object(data))
}

fn fields(message: &Message) -> Value {
    json!({
        "from": safe(&message.name),
        "text": safe(&message.text),
        "messageId": message.number,
        "timestamp": message.at,
        "staff": message.staff,
    })
}

fn frame(kind: &str, data: &Value) -> String {
    json!({ "type": kind, "data": data }).to_string()
}

/// A text that can be put into HTML.
pub(super) fn safe(text: &str) -> std::borrow::Cow<'_, str> {
    encode_quoted_attribute(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: &str) -> String {
        match read(frame).unwrap() {
            Said::Message { text, .. } => text,
            Said::Typing => panic!("no message"),
        }
    }

    #[test]
    fn a_message_has_a_text_and_an_id_of_the_clients() {
        let read = read(r#"{"type":"message:send","data":{"text":"Request lagu","id":"m-1"}}"#).unwrap();
        let id = Some(("m-1".to_owned(), json!("m-1")));
        assert_eq!(read, Said::Message { id, text: "Request lagu".to_owned() });
        let numbered = super::read(r#"{"type":"message:send","data":{"id":7,"text":"x"}}"#).unwrap();
        assert_eq!(id_of(&numbered), Some(json!(7)));
        assert!(matches!(super::read(r#"{"type":"user:typing"}"#), Ok(Said::Typing)));
    }

    #[test]
    fn bad_frames_are_named() {
        let deep = format!("{}{}", r#"{"type":"#, "[".repeat(100_000));
        let long =
            json!({"type": "message:send", "data": {"text": "x".repeat(MAX_CHAT_TEXT + 1)}}).to_string();
        for (frame, fault) in [
            ("", Fault::Envelope),
            ("not JSON", Fault::Envelope),
            ("[]", Fault::Envelope),
            ("null", Fault::Envelope),
            (r#"["message:send",{"text":"x"}]"#, Fault::Envelope),
            (r#"{"type":"message:send""#, Fault::Envelope),
            (r#"{"type":7,"data":{}}"#, Fault::Envelope),
            (r#"{"data":{"text":"x"}}"#, Fault::Envelope),
            (&*deep, Fault::Envelope),
            (r#"{"type":"message:delete","data":{}}"#, Fault::Event),
            (r#"{"type":"message:receive","data":{"from":"Penyiar","text":"x"}}"#, Fault::Event),
            (r#"{"type":"message:send"}"#, Fault::Text),
            (r#"{"type":"message:send","data":null}"#, Fault::Text),
            (r#"{"type":"message:send","data":"x"}"#, Fault::Text),
            (r#"{"type":"message:send","data":{"text":7}}"#, Fault::Text),
            (r#"{"type":"message:send","data":{"text":{"$ne":null}}}"#, Fault::Text),
            (r#"{"type":"message:send","data":{"text":["x"]}}"#, Fault::Text),
            (r#"{"type":"message:send","data":{"text":""}}"#, Fault::Empty),
            (r#"{"type":"message:send","data":{"text":" \n\t"}}"#, Fault::Empty),
            (r#"{"type":"message:send","data":{"text":"\u0000\u202e"}}"#, Fault::Empty),
            (&*long, Fault::TooLong),
            (r#"{"type":"message:send","data":{"text":"x","id":""}}"#, Fault::Id),
            (r#"{"type":"message:send","data":{"text":"x","id":1.5}}"#, Fault::Id),
            (r#"{"type":"message:send","data":{"text":"x","id":{}}}"#, Fault::Id),
            (r#"{"type":"message:send","data":{"text":"x","id":"a\nb"}}"#, Fault::Id),
        ] {
            assert_eq!(read(frame), Err(fault), "{}", &frame[..frame.len().min(80)]);
        }
    }

    #[test]
    fn a_refusal_finds_its_message_where_it_can() {
        assert_eq!(id_in(r#"{"type":"message:send","data":{"id":"m","text":""}}"#), Some(json!("m")));
        for frame in ["not JSON", "[]", r#"{"data":7}"#, r#"{"data":{"id":{}}}"#] {
            assert_eq!(id_in(frame), None, "{frame}");
        }
    }

    #[test]
    fn who_one_is_is_not_read_from_a_payload() {
        let forged = r#"{"type":"message:send","role":"admin","data":{"text":"x","role":"admin","from":"Penyiar A",
            "sessionId":"another","staff":true,"user":"admin","channel":"livechat/another"}}"#;
        assert_eq!(read(forged), Ok(Said::Message { id: None, text: "x".to_owned() }));
    }

    #[test]
    fn control_and_override_characters_are_cleaned() {
        let frame = r#"{"type":"message:send","data":{"text":"a\u0000b\u202ec\u2066d\u0007"}}"#;
        assert_eq!(text(frame), "abcd");
    }

    /// Disguises of script in HTML, as the well-known lists have them.
    const CORPUS: &[&str] = &[
        "<script>alert(1)</script>",
        "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
        "<scr<script>ipt>alert(1)</scr</script>ipt>",
        "<img src=x onerror=alert(1)>",
        "<img src=\"x\" onerror='alert(1)'/>",
        "\"><script>alert(1)</script>",
        "' onmouseover='alert(1)",
        "\" autofocus onfocus=alert(1) x=\"",
        "<svg/onload=alert(1)>",
        "<svg><script>alert&#40;1&#41;</script>",
        "<iframe srcdoc=\"<script>alert(1)</script>\">",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<a href='jav&#x09;ascript:alert(1)'>x</a>",
        "<math><mtext></table></math><img src onerror=alert(1)>",
        "<body onload=alert(1)>",
        "<!--<img src=\"--><img src=x onerror=alert(1)//\">",
        "<style>@import'//evil.example';</style>",
        "<details open ontoggle=alert(1)>",
        "</textarea><script>alert(1)</script>",
        "</title><script>alert(1)</script>",
        "]]><script>alert(1)</script>",
        "<\u{0}script>alert(1)</script>",
        "<script\u{b}>alert(1)</script>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "%3Cscript%3Ealert(1)%3C/script%3E",
        "\u{ff1c}script\u{ff1e}alert(1)\u{ff1c}/script\u{ff1e}",
        "${alert(1)}{{constructor.constructor('alert(1)')()}}",
        "<object data=data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==>",
        "'; DROP TABLE messages; --",
        "Robert'); DELETE FROM users WHERE ('1'='1",
    ];

    #[test]
    fn what_leaves_is_safe_in_html_and_reads_as_it_was_said() {
        for said in CORPUS {
            let frame = json!({"type": "message:send", "data": {"text": said}}).to_string();
            let stored = text(&frame);
            let message =
                Message { number: 1, staff: true, name: (*said).into(), text: (&*stored).into(), at: 1 };
            let sent: Value = serde_json::from_str(&super::said(&message)).unwrap();
            for field in ["text", "from"] {
                let html = sent["data"][field].as_str().unwrap();
                assert!(!html.contains(['<', '>', '"', '\'']), "{html}");
            }
            let html = sent["data"]["text"].as_str().unwrap();
            assert_eq!(html_escape::decode_html_entities(html), stored, "{said}");
        }
    }
}
