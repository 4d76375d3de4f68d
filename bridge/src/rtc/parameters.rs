//! RTP and DTLS as mediasoup's clients describe them (ORTC dictionaries): what this router can, what a client wants.

use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::Fault;
use super::port::{Consumed, Created, Dtls, Ice, PAYLOAD_TYPE};

/// RFC 6464.
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// The floor's own id, where a producer's is asked for.
pub(super) const FLOOR: &str = "floor";

/// Bytes of a media's id on the wire (RFC 8843, section 15.1, asks for short ones).
const MAX_MID: usize = 16;

/// What `welcome` and `get-rtp-capabilities` say: Opus, and the level of audio. Neither retransmissions nor estimates of
/// bandwidth are of use to voice.
pub(super) fn router_capabilities() -> Value {
    json!({
        "codecs": [{
            "kind": "audio",
            "mimeType": "audio/opus",
            "preferredPayloadType": PAYLOAD_TYPE,
            "clockRate": 48_000,
            "channels": 2,
            "parameters": opus(),
            "rtcpFeedback": [],
        }],
        "headerExtensions": [{
            "kind": "audio",
            "uri": AUDIO_LEVEL,
            "preferredId": 10,
            "preferredEncrypt": false,
            "direction": "recvonly",
        }],
    })
}

fn opus() -> Value {
    json!({ "minptime": 10, "useinbandfec": 1, "usedtx": 1 })
}

pub(super) fn created(created: &Created) -> Value {
    let Created { key, ice, fingerprint } = created;
    json!({
        "id": key.to_string(),
        "iceParameters": ice_parameters(ice),
        "iceCandidates": candidates(&ice.addresses),
        "dtlsParameters": {
            "role": "auto",
            "fingerprints": [{ "algorithm": "sha-256", "value": fingerprint }],
        },
    })
}

pub(super) fn ice_parameters(ice: &Ice) -> Value {
    json!({ "usernameFragment": ice.ufrag, "password": ice.password, "iceLite": true })
}

/// The first is the best, and by UDP each is better than by TCP, where the client opens the connection (RFC 6544, section 4.2);
/// of several components there is one (RFC 8445, section 5.1.2.1).
fn candidates(addresses: &[SocketAddr]) -> Value {
    let candidate = |protocol: &str, kind: u32, preference: u32, at: usize, address: &SocketAddr| {
        let preference = preference.saturating_sub(u32::try_from(at).unwrap_or(u32::MAX));
        json!({
            "foundation": format!("{protocol}{at}"),
            "priority": (kind << 24) + (preference << 8) + 255,
            "ip": address.ip(),
            "address": address.ip(),
            "protocol": protocol,
            "port": address.port(),
            "type": "host",
        })
    };
    let udp = |(at, address)| candidate("udp", 126, 65_535, at, address);
    let tcp = |(at, address)| {
        let mut tcp = candidate("tcp", 90, (4 << 13) + 8_191, at, address);
        tcp["tcpType"] = "passive".into();
        tcp
    };
    addresses.iter().enumerate().map(udp).chain(addresses.iter().enumerate().map(tcp)).collect()
}

/// The answer to `consume`.
pub(super) fn consumed(consumed: &Consumed, producer: &str) -> Value {
    let Consumed { key, mid, ssrc } = consumed;
    json!({
        "id": key.to_string(),
        "producerId": producer,
        "kind": "audio",
        "rtpParameters": {
            "mid": mid,
            "codecs": [{
                "mimeType": "audio/opus",
                "payloadType": PAYLOAD_TYPE,
                "clockRate": 48_000,
                "channels": 2,
                "parameters": opus(),
                "rtcpFeedback": [],
            }],
            "headerExtensions": [],
            "encodings": [{ "ssrc": ssrc }],
            "rtcp": { "cname": "suara", "reducedSize": true, "mux": true },
        },
    })
}

#[derive(Deserialize)]
struct DtlsParameters {
    role: Option<String>,
    fingerprints: Vec<Fingerprint>,
}

#[derive(Deserialize)]
struct Fingerprint {
    algorithm: String,
    value: String,
}

pub(super) fn dtls(parameters: &Value) -> Result<Dtls, Fault> {
    let bad = Fault::BadDtlsParameters;
    let DtlsParameters { role, fingerprints } = DtlsParameters::deserialize(parameters).map_err(|_| bad)?;
    let active = match role.as_deref() {
        None | Some("auto" | "client") => false,
        Some("server") => true,
        Some(_) => return Err(bad),
    };
    let wanted = fingerprints.into_iter().find(|f| f.algorithm.eq_ignore_ascii_case("sha-256"));
    let fingerprint = wanted.ok_or(bad)?.value;
    let is_byte = |byte: &str| byte.len() == 2 && byte.bytes().all(|c| c.is_ascii_hexdigit());
    if fingerprint.split(':').count() != 32 || !fingerprint.split(':').all(is_byte) {
        return Err(bad);
    }
    Ok(Dtls { active, fingerprint })
}

/// What a client produces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Produce {
    pub(super) ssrc: u32,
    pub(super) mid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RtpParameters {
    mid: Option<String>,
    codecs: Vec<RtpCodec>,
    encodings: Vec<Encoding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RtpCodec {
    mime_type: String,
    payload_type: Option<u8>,
    clock_rate: u32,
}

impl RtpCodec {
    fn is_opus(&self) -> bool {
        self.mime_type.eq_ignore_ascii_case("audio/opus") && self.clock_rate == 48_000
    }
}

#[derive(Deserialize)]
struct Encoding {
    ssrc: Option<u32>,
}

pub(super) fn produce(data: &Value) -> Result<Produce, Fault> {
    match data["kind"].as_str() {
        Some("audio") => {}
        Some(_) => return Err(Fault::UnsupportedKind),
        None => return Err(Fault::BadField),
    }
    let parameters = RtpParameters::deserialize(&data["rtpParameters"]).map_err(|_| Fault::BadField)?;
    let codec = parameters.codecs.first().ok_or(Fault::BadField)?;
    if !codec.is_opus() {
        return Err(Fault::UnsupportedCodec);
    }
    // The dynamic ones (RFC 3551, section 6, and RFC 5761, section 4).
    if !codec.payload_type.is_some_and(|number| matches!(number, 35..=63 | 96..=127)) {
        return Err(Fault::BadField);
    }
    let ssrc = match parameters.encodings.as_slice() {
        [Encoding { ssrc: Some(ssrc) }] if *ssrc != 0 => *ssrc,
        _ => return Err(Fault::BadField),
    };
    let mid = parameters.mid.unwrap_or_else(|| "0".to_owned());
    let fits = (1..=MAX_MID).contains(&mid.len()) && mid.bytes().all(|c| c.is_ascii_alphanumeric());
    if fits { Ok(Produce { ssrc, mid }) } else { Err(Fault::BadField) }
}

/// Whether a client can take what this router sends.
pub(super) fn can_consume(capabilities: &Value) -> Result<(), Fault> {
    let codecs = capabilities["codecs"].as_array().ok_or(Fault::BadField)?;
    let opus = |codec: &Value| RtpCodec::deserialize(codec).is_ok_and(|codec| codec.is_opus());
    if codecs.iter().any(opus) { Ok(()) } else { Err(Fault::CannotConsume) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash() -> String {
        ["AB"; 32].join(":")
    }

    fn dtls_of(role: &Value, algorithm: &str, value: &str) -> Result<bool, Fault> {
        let fingerprints =
            json!([{ "algorithm": "sha-1", "value": "00" }, { "algorithm": algorithm, "value": value }]);
        dtls(&json!({ "role": role, "fingerprints": fingerprints })).map(|dtls| dtls.active)
    }

    #[test]
    fn the_clients_role_is_the_opposite_of_ours() {
        for (role, active) in [("client", false), ("auto", false), ("server", true)] {
            assert_eq!(dtls_of(&json!(role), "sha-256", &hash()), Ok(active), "{role}");
        }
        assert_eq!(dtls_of(&Value::Null, "SHA-256", &hash()), Ok(false));
    }

    #[test]
    fn dtls_parameters_that_prove_nothing_are_refused() {
        let bad = Err(Fault::BadDtlsParameters);
        assert_eq!(dtls_of(&json!("both"), "sha-256", &hash()), bad);
        assert_eq!(dtls_of(&json!("client"), "sha-512", &hash()), bad);
        for value in ["", "AB", "zz:zz", &["A"; 32].join(":"), &["AB"; 33].join(":"), &["é"; 32].join(":")] {
            assert_eq!(dtls_of(&json!("client"), "sha-256", value), bad, "{value}");
        }
        assert_eq!(dtls(&json!([])).unwrap_err(), Fault::BadDtlsParameters);
    }

    fn producing(change: impl FnOnce(&mut Value)) -> Result<Produce, Fault> {
        let codec =
            json!({ "mimeType": "audio/opus", "payloadType": 111, "clockRate": 48_000, "channels": 2 });
        let parameters =
            json!({ "mid": "0", "codecs": [codec], "encodings": [{ "ssrc": 4_000_000_000_u32 }] });
        let mut data = json!({ "kind": "audio", "rtpParameters": parameters });
        change(&mut data);
        produce(&data)
    }

    #[test]
    fn opus_can_be_produced_and_nothing_else() {
        assert_eq!(producing(|_| {}), Ok(Produce { ssrc: 4_000_000_000, mid: "0".to_owned() }));
        assert_eq!(producing(|data| data["kind"] = json!("video")), Err(Fault::UnsupportedKind));
        assert_eq!(producing(|data| data["kind"] = Value::Null), Err(Fault::BadField));
        let codec = |name: &'static str, value: Value| {
            producing(|data| data["rtpParameters"]["codecs"][0][name] = value)
        };
        assert_eq!(codec("mimeType", json!("audio/PCMU")), Err(Fault::UnsupportedCodec));
        assert_eq!(codec("clockRate", json!(8_000)), Err(Fault::UnsupportedCodec));
        assert_eq!(codec("payloadType", json!(0)), Err(Fault::BadField));
        assert_eq!(codec("payloadType", json!(72)), Err(Fault::BadField), "RTCP would be taken for it");
        assert_eq!(codec("payloadType", json!(300)), Err(Fault::BadField));
    }

    #[test]
    fn a_stream_has_a_source_and_a_name() {
        let set = |name: &'static str, value: Value| producing(|data| data["rtpParameters"][name] = value);
        assert_eq!(set("encodings", json!([])), Err(Fault::BadField));
        assert_eq!(set("encodings", json!([{ "ssrc": 0 }])), Err(Fault::BadField));
        assert_eq!(set("encodings", json!([{ "rid": "a" }])), Err(Fault::BadField));
        assert_eq!(set("encodings", json!([{ "ssrc": 1 }, { "ssrc": 2 }])), Err(Fault::BadField));
        assert_eq!(set("mid", json!("")), Err(Fault::BadField));
        assert_eq!(set("mid", json!("x".repeat(17))), Err(Fault::BadField));
        assert_eq!(set("mid", json!("é")), Err(Fault::BadField));
        assert_eq!(set("mid", Value::Null).map(|produce| produce.mid), Ok("0".to_owned()));
        assert_eq!(producing(|data| *data = json!({ "kind": "audio" })), Err(Fault::BadField));
    }

    #[test]
    fn a_client_without_opus_hears_nothing() {
        assert_eq!(can_consume(&router_capabilities()), Ok(()));
        assert_eq!(can_consume(&json!({ "codecs": [] })), Err(Fault::CannotConsume));
        let other = json!({ "codecs": [{ "mimeType": "audio/PCMA", "clockRate": 8_000 }] });
        assert_eq!(can_consume(&other), Err(Fault::CannotConsume));
        assert_eq!(can_consume(&Value::Null), Err(Fault::BadField));
    }

    #[test]
    fn candidates_are_as_mediasoup_writes_them() {
        let listed =
            candidates(&["203.0.113.7:4434".parse().unwrap(), "[2001:db8::1]:4434".parse().unwrap()]);
        assert_eq!(listed[0]["address"], "203.0.113.7");
        assert_eq!(listed[1]["ip"], "2001:db8::1");
        let priorities: Vec<_> = (0..4).map(|at| listed[at]["priority"].as_u64().unwrap()).collect();
        assert!(priorities.is_sorted_by(|better, worse| better > worse), "{priorities:?}");
        assert_eq!((&listed[1]["protocol"], &listed[1]["tcpType"]), (&json!("udp"), &Value::Null));
        assert_eq!((&listed[2]["protocol"], &listed[2]["tcpType"]), (&json!("tcp"), &json!("passive")));
        assert_eq!((&listed[3]["address"], &listed[3]["port"]), (&listed[1]["address"], &json!(4434)));
    }
}
