//! The golden vectors, which know nothing of this code: bytes to meaning, meaning to bytes, and the names of faults.

use std::fs;
use std::path::Path;

use bytes::BytesMut;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use suara_proto::clock::ClockDatagram;
use suara_proto::entry::EntryDatagram;
use suara_proto::floor::{FloorDatagram, FloorWord};
use suara_proto::message::{self, Level, MessageError};
use suara_proto::report::Report;
use suara_proto::voice::{Flags, Header, Redundant, VoiceFrame};
use suara_proto::websocket::Piece;
use suara_proto::{ChannelNumber, DenyCause, Grant, RequestId, RevokeCause, TalkerNumber, frame};

#[derive(Deserialize)]
struct Vectors<G, B> {
    good: Vec<G>,
    bad: Vec<B>,
}

#[derive(Deserialize)]
struct GoodVoice {
    name: String,
    hex: String,
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    flags: FlagNames,
    sequence: u16,
    timestamp: u32,
    channel: u32,
    talker: u16,
    grant: u32,
    redundant: Vec<String>,
    packet: String,
}

#[derive(Deserialize)]
struct FlagNames {
    start: bool,
    end: bool,
    talk_ahead: bool,
}

#[derive(Deserialize)]
struct GoodReport {
    name: String,
    hex: String,
    fields: ReportFields,
}

#[derive(Deserialize)]
struct ReportFields {
    expected: u16,
    lost: u16,
    gap: u8,
    earlier: u8,
}

#[derive(Deserialize)]
struct BadVoice {
    name: String,
    hex: String,
    error: String,
}

#[derive(Deserialize)]
struct Carried {
    name: String,
    hex: String,
    datagram: Option<String>,
    stream: Option<u8>,
    piece: Option<String>,
}

#[derive(Deserialize)]
struct BadPiece {
    name: String,
    hex: String,
    error: String,
}

#[derive(Deserialize)]
struct GoodFloor {
    name: String,
    hex: String,
    fields: FloorFields,
}

#[derive(Deserialize)]
struct FloorFields {
    channel: u32,
    talker: u16,
    #[serde(flatten)]
    word: Word,
}

#[derive(Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
enum Word {
    Request { request: u32, level: Level, priority: u8, queue: bool },
    Granted { request: u32, grant: u32, duration_ms: u32 },
    Deny { request: u32, cause: DenyCause },
    Release { grant: u32 },
    Revoke { grant: u32, cause: RevokeCause, grace_ms: u32 },
    Queued { request: u32, position: u8 },
}

#[derive(Deserialize)]
struct GoodClock {
    name: String,
    hex: String,
    fields: ClockFields,
}

#[derive(Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
enum ClockFields {
    Ask { echo: String },
    Tell { echo: String, time_us: u64 },
}

#[derive(Deserialize)]
struct GoodEntry {
    name: String,
    hex: String,
    fields: EntryFields,
}

#[derive(Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
enum EntryFields {
    Join { request: u32, channel: String },
    Joined { request: u32, channel: u32, talker: u16 },
}

#[derive(Deserialize)]
struct Stream {
    name: String,
    limit: usize,
    chunks: Vec<String>,
    messages: Vec<String>,
    #[serde(default)]
    rest: usize,
    error: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Client,
    Server,
}

#[derive(Deserialize)]
struct GoodMessage {
    name: String,
    direction: Direction,
    json: String,
    canonical: String,
}

#[derive(Deserialize)]
struct BadMessage {
    name: String,
    direction: Direction,
    json: Option<String>,
    hex: Option<String>,
    error: String,
}

#[test]
fn every_good_datagram_means_its_fields_and_back() {
    for vector in read::<GoodVoice, BadVoice>("voice").good {
        let (name, bytes) = (vector.name, unhex(&vector.hex));
        let packets: Vec<Vec<u8>> = vector.fields.redundant.iter().map(|packet| unhex(packet)).collect();
        let packet = unhex(&vector.fields.packet);
        let meaning = meaning(&vector.fields, &packets, &packet);

        assert_eq!(VoiceFrame::decode(&bytes), Ok(meaning), "{name}");
        let mut out = vec![0; meaning.encoded_len()];
        assert_eq!(meaning.encode(&mut out), Some(bytes.len()), "{name}");
        assert_eq!(out, bytes, "{name}");
    }
}

#[test]
fn every_bad_datagram_is_refused_by_its_name() {
    for vector in read::<GoodVoice, BadVoice>("voice").bad {
        let fault = VoiceFrame::decode(&unhex(&vector.hex)).expect_err(&vector.name);
        assert_eq!(fault.name(), vector.error, "{}", vector.name);
    }
}

#[test]
fn every_good_floor_datagram_means_its_fields_and_back() {
    for vector in read::<GoodFloor, BadVoice>("floor").good {
        let FloorFields { channel, talker, word } = vector.fields;
        let message = floor_word(word);
        let meaning =
            FloorDatagram { channel: ChannelNumber(channel), talker: TalkerNumber(talker), message };
        let bytes = unhex(&vector.hex);
        assert_eq!(FloorDatagram::decode(&bytes), Ok(meaning), "{}", vector.name);
        assert_eq!(meaning.encode()[..], bytes, "{}", vector.name);
    }
}

#[test]
fn every_bad_floor_datagram_is_refused_by_its_name() {
    for vector in read::<GoodFloor, BadVoice>("floor").bad {
        let fault = FloorDatagram::decode(&unhex(&vector.hex)).expect_err(&vector.name);
        assert_eq!(fault.name(), vector.error, "{}", vector.name);
    }
}

#[test]
fn every_good_clock_datagram_means_its_fields_and_back() {
    let number = |hex: &str| u64::from_be_bytes(unhex(hex).try_into().expect("64 bits"));
    for vector in read::<GoodClock, BadVoice>("clock").good {
        let meaning = match vector.fields {
            ClockFields::Ask { echo } => ClockDatagram::Ask { echo: number(&echo) },
            ClockFields::Tell { echo, time_us } => ClockDatagram::Tell { echo: number(&echo), time_us },
        };
        let bytes = unhex(&vector.hex);
        assert_eq!(ClockDatagram::decode(&bytes), Ok(meaning), "{}", vector.name);
        assert_eq!(meaning.encode()[..], bytes, "{}", vector.name);
    }
}

#[test]
fn every_good_report_means_its_fields_and_back() {
    for vector in read::<GoodReport, BadVoice>("report").good {
        let ReportFields { expected, lost, gap, earlier } = vector.fields;
        let (meaning, bytes) = (Report { expected, lost, gap, earlier }, unhex(&vector.hex));
        assert_eq!(Report::decode(&bytes), Ok(meaning), "{}", vector.name);
        assert_eq!(meaning.encode()[..], bytes, "{}", vector.name);
    }
}

#[test]
fn every_bad_clock_datagram_is_refused_by_its_name() {
    for vector in read::<GoodClock, BadVoice>("clock").bad {
        let fault = ClockDatagram::decode(&unhex(&vector.hex)).expect_err(&vector.name);
        assert_eq!(fault.name(), vector.error, "{}", vector.name);
    }
}

#[test]
fn every_good_entry_datagram_means_its_fields_and_back() {
    for vector in read::<GoodEntry, BadVoice>("entry").good {
        let meaning = match &vector.fields {
            EntryFields::Join { request, channel } => {
                EntryDatagram::Join { request: RequestId(*request), channel }
            }
            EntryFields::Joined { request, channel, talker } => EntryDatagram::Joined {
                request: RequestId(*request),
                channel: ChannelNumber(*channel),
                talker: TalkerNumber(*talker),
            },
        };
        let bytes = unhex(&vector.hex);
        assert_eq!(EntryDatagram::decode(&bytes), Ok(meaning), "{}", vector.name);
        assert_eq!(meaning.encode(), bytes, "{}", vector.name);
    }
}

#[test]
fn every_bad_entry_datagram_is_refused_by_its_name() {
    for vector in read::<GoodEntry, BadVoice>("entry").bad {
        let bytes = unhex(&vector.hex);
        let fault = EntryDatagram::decode(&bytes).expect_err(&vector.name);
        assert_eq!(fault.name(), vector.error, "{}", vector.name);
    }
}

#[test]
fn every_bad_report_is_refused_by_its_name() {
    for vector in read::<GoodReport, BadVoice>("report").bad {
        let fault = Report::decode(&unhex(&vector.hex)).expect_err(&vector.name);
        assert_eq!(fault.name(), vector.error, "{}", vector.name);
    }
}

#[test]
fn every_stream_splits_into_its_messages() {
    let Vectors { good, bad } = read::<Stream, Stream>("frames");
    for stream in good.into_iter().chain(bad) {
        let (mut buffer, mut messages, mut fault) = (BytesMut::new(), Vec::new(), None);
        for chunk in &stream.chunks {
            buffer.extend_from_slice(&unhex(chunk));
            loop {
                match frame::split(&mut buffer, stream.limit) {
                    Ok(None) => break,
                    Ok(Some(message)) => messages.push(message),
                    Err(error) => {
                        fault = Some(error.name().to_owned());
                        break;
                    }
                }
            }
        }
        let expected: Vec<_> = stream.messages.iter().map(|message| unhex(message)).collect();
        assert_eq!(messages, expected, "{}", stream.name);
        assert_eq!(fault, stream.error, "{}", stream.name);
        if fault.is_none() {
            assert_eq!(buffer.len(), stream.rest, "{}", stream.name);
            let mut bytes: Vec<u8> = messages.iter().flat_map(|message| frame::join(message)).collect();
            bytes.extend_from_slice(&buffer);
            assert_eq!(bytes, unhex(&stream.chunks.concat()), "{}", stream.name);
        }
    }
}

#[test]
fn every_piece_is_told_by_its_first_byte() {
    let Vectors { good, bad } = read::<Carried, BadPiece>("websocket");
    for Carried { name, hex, datagram, stream, piece } in good {
        let (datagram, piece) = (datagram.as_deref().map(unhex), piece.as_deref().map(unhex));
        let meaning = match (&datagram, stream, &piece) {
            (Some(datagram), None, None) => Piece::Datagram(datagram),
            (None, Some(number), Some(piece)) => Piece::Stream(number, piece),
            _ => panic!("{name}: a datagram, or a stream and a piece of it"),
        };
        assert_eq!(Piece::read(&unhex(&hex)), Ok(meaning), "{name}");
    }
    for BadPiece { name, hex, error } in bad {
        assert_eq!(Piece::read(&unhex(&hex)).expect_err(&name).name(), error, "{name}");
    }
}

#[test]
fn every_good_message_is_read_and_written_canonically() {
    for vector in read::<GoodMessage, BadMessage>("messages").good {
        let name = format!("{} ({})", vector.name, vector.canonical);
        let rewritten = rewrite(vector.direction, vector.json.as_bytes());
        assert_eq!(rewritten.as_deref(), Ok(&*vector.canonical), "{name}");
        let again = rewrite(vector.direction, vector.canonical.as_bytes());
        assert_eq!(again.as_deref(), Ok(&*vector.canonical), "{name}");
    }
}

#[test]
fn every_bad_message_is_refused_by_its_code() {
    for vector in read::<GoodMessage, BadMessage>("messages").bad {
        let bytes = match (vector.json, vector.hex) {
            (Some(json), None) => json.into_bytes(),
            (None, Some(hex)) => unhex(&hex),
            _ => panic!("{}: one of json and hex is there", vector.name),
        };
        let fault = rewrite(vector.direction, &bytes).expect_err(&vector.name);
        assert_eq!(fault.code().name(), vector.error, "{}", vector.name);
    }
}

#[test]
fn every_type_and_code_has_a_vector() {
    let good = read::<GoodMessage, BadMessage>("messages").good;
    let canonical: String = good.iter().map(|vector| vector.canonical.as_str()).collect();
    let codes = [
        suara_proto::CloseCode::ALL.iter().map(|code| code.name()).collect::<Vec<_>>(),
        suara_proto::ErrorCode::ALL.iter().map(|code| code.name()).collect(),
        suara_proto::DenyCause::ALL.iter().map(|code| code.name()).collect(),
        suara_proto::RevokeCause::ALL.iter().map(|code| code.name()).collect(),
        suara_proto::LeaveReason::ALL.iter().map(|code| code.name()).collect(),
        message::CLIENT_TYPES.to_vec(),
        message::SERVER_TYPES.to_vec(),
    ];
    for name in codes.iter().flatten() {
        assert!(canonical.contains(&format!("\"{name}\"")), "{name}");
    }
}

fn meaning<'a>(fields: &Fields, redundant: &'a [Vec<u8>], packet: &'a [u8]) -> VoiceFrame<'a> {
    let FlagNames { start, end, talk_ahead } = fields.flags;
    let redundant: Vec<&[u8]> = redundant.iter().map(Vec::as_slice).collect();
    VoiceFrame {
        header: Header {
            flags: Flags { start, end, talk_ahead },
            sequence: fields.sequence,
            timestamp: fields.timestamp,
            channel: ChannelNumber(fields.channel),
            talker: TalkerNumber(fields.talker),
            grant: Grant(fields.grant),
        },
        redundant: Redundant::new(&redundant).expect("at most two earlier packets"),
        packet,
    }
}

fn floor_word(word: Word) -> FloorWord {
    match word {
        Word::Request { request, level, priority, queue } => {
            FloorWord::Request { request: RequestId(request), level, priority, queue }
        }
        Word::Granted { request, grant, duration_ms } => {
            FloorWord::Granted { request: RequestId(request), grant: Grant(grant), duration_ms }
        }
        Word::Deny { request, cause } => FloorWord::Deny { request: RequestId(request), cause },
        Word::Release { grant } => FloorWord::Release { grant: Grant(grant) },
        Word::Revoke { grant, cause, grace_ms } => FloorWord::Revoke { grant: Grant(grant), cause, grace_ms },
        Word::Queued { request, position } => FloorWord::Queued { request: RequestId(request), position },
    }
}

fn rewrite(direction: Direction, json: &[u8]) -> Result<String, MessageError> {
    let framed = match direction {
        Direction::Client => message::encode(&message::decode_client(json)?),
        Direction::Server => message::encode(&message::decode_server(json)?),
    };
    Ok(String::from_utf8(framed[4..].to_vec()).expect("JSON is UTF-8"))
}

fn read<G: DeserializeOwned, B: DeserializeOwned>(name: &str) -> Vectors<G, B> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name).with_extension("json");
    let text = fs::read_to_string(&path).expect("the vectors are beside the tests");
    serde_json::from_str(&text).expect("the vectors have the form that they document")
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hexadecimal digits");
    text.as_bytes().chunks(2).map(|pair| (digit(pair[0]) << 4 | digit(pair[1])) as u8).collect()
}
