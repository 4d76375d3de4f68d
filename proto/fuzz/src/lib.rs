//! What each decoder promises about any bytes, as a check per decoder that panics where the promise is broken.
//!
//! The fuzz targets call these, and so does `proto/tests/seeds.rs`, with the committed seeds.

use bytes::BytesMut;
use suara_proto::clock::ClockDatagram;
use suara_proto::entry::EntryDatagram;
use suara_proto::floor::FloorDatagram;
use suara_proto::message::chat::chat_asked;
use suara_proto::message::{
    decode_chat_client, decode_chat_server, decode_client, decode_server, encode, request_of,
};
use suara_proto::report::Report;
use suara_proto::text::clean;
use suara_proto::voice::VoiceFrame;
use suara_proto::{frame, opus};

/// A datagram that is accepted is written again byte for byte.
pub fn voice(bytes: &[u8]) {
    if let Ok(frame) = VoiceFrame::decode(bytes) {
        let mut again = vec![0; frame.encoded_len()];
        assert_eq!(frame.encode(&mut again), Some(bytes.len()));
        assert_eq!(again, bytes);
    }
}

/// A floor datagram that is accepted means the same when written again; but for a cause that isn't known it is the same
/// bytes.
pub fn floor(bytes: &[u8]) {
    if let Ok(datagram) = FloorDatagram::decode(bytes) {
        let again = datagram.encode();
        assert_eq!(FloorDatagram::decode(&again), Ok(datagram));
        assert_eq!((&again[..3], &again[4..]), (&bytes[..3], &bytes[4..]));
    }
}

/// A clock datagram that is accepted is written again byte for byte.
pub fn clock(bytes: &[u8]) {
    if let Ok(datagram) = ClockDatagram::decode(bytes) {
        assert_eq!(datagram.encode()[..], *bytes);
    }
}

/// A receiver report that is accepted is written again byte for byte.
pub fn report(bytes: &[u8]) {
    if let Ok(report) = Report::decode(bytes) {
        assert!(report.lost <= report.expected);
        assert_eq!(report.encode(), bytes);
    }
}

/// An entry datagram that is accepted is written again byte for byte.
pub fn entry(bytes: &[u8]) {
    if let Ok(datagram) = EntryDatagram::decode(bytes) {
        assert_eq!(datagram.encode(), bytes);
    }
}

/// A stream gives the same messages in one chunk and in chunks of as many bytes as its first byte says.
pub fn frames(bytes: &[u8]) {
    let Some((&step, stream)) = bytes.split_first() else { return };
    let whole = read_stream(&[stream]);
    let chunks: Vec<&[u8]> = stream.chunks(usize::from(step).max(1)).collect();
    assert_eq!(whole, read_stream(&chunks));
}

/// A client's message that is accepted means the same when written again.
pub fn client_message(bytes: &[u8]) {
    std::hint::black_box(request_of(bytes));
    if let Ok(message) = decode_client(bytes) {
        assert_eq!(decode_client(&encode(&message)[4..]), Ok(message));
    }
}

/// A gateway's message that is accepted means the same when written again.
pub fn server_message(bytes: &[u8]) {
    if let Ok(message) = decode_server(bytes) {
        assert_eq!(decode_server(&encode(&message)[4..]), Ok(message));
    }
}

/// A client's message on a chat stream that is accepted means the same when written again, and a text that is clean stays
/// as it is.
pub fn chat_client(bytes: &[u8]) {
    std::hint::black_box(chat_asked(bytes));
    if let Ok(message) = decode_chat_client(bytes) {
        assert_eq!(decode_chat_client(&encode(&message)[4..]), Ok(message));
    }
    let text = String::from_utf8_lossy(bytes);
    let once = clean(&text).into_owned();
    assert_eq!(clean(&once), once);
}

/// A gateway's message on a chat stream that is accepted means the same when written again.
pub fn chat_server(bytes: &[u8]) {
    if let Ok(message) = decode_chat_server(bytes) {
        assert_eq!(decode_chat_server(&encode(&message)[4..]), Ok(message));
    }
}

/// An Opus packet that is accepted lasts 2.5 to 60 ms, in whole steps of 2.5 ms.
pub fn opus_ticks(bytes: &[u8]) {
    if let Ok(ticks) = opus::ticks(bytes) {
        assert!((120..=2880).contains(&ticks) && ticks % 120 == 0);
    }
}

fn read_stream(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Result<usize, frame::FrameError>) {
    const LIMIT: usize = 4096;
    let (mut buffer, mut messages) = (BytesMut::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match frame::split(&mut buffer, LIMIT) {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(fault) => return (messages, Err(fault)),
            }
        }
    }
    (messages, Ok(buffer.len()))
}
