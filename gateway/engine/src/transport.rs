//! The engine's settings in quinn's words.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{hkdf, hmac};
use quinn_proto::{
    AckFrequencyConfig, BloomTokenLog, EndpointConfig, QlogConfig, QlogStream, ServerConfig, TransportConfig,
    ValidationTokenConfig, VarInt,
};

use crate::cid::{CidGenerator, CidKey};
use crate::config::{Config, Mtu};
use crate::congestion::VoiceControl;
use crate::error::StartError;
use crate::tls::Tls;

/// Streams that a client may have open at a time. Browsers need 6 and 3 at least, HTTP/3's own counted; quinn makes
/// room for each of them beforehand, so more would be paid by every idle session.
const BIDIRECTIONAL_STREAMS: u32 = 8;
const UNIDIRECTIONAL_STREAMS: u32 = 4;
/// Bytes that a client may send ahead on all streams, in windows of a stream.
const CONNECTION_WINDOW: u32 = 2;
/// Bytes of streams that may wait for a client's ACK: what a path of 200 ms and 10 Mbit/s holds.
const SEND_WINDOW: u64 = 256 * 1024;
/// What quinn counts for a datagram beside its bytes.
const DATAGRAM_OVERHEAD: usize = 32;
/// HTTP/3's quarter stream id before each datagram, at its longest (RFC 9297, section 2.1).
const QUARTER_STREAM_ID: usize = 8;
/// Bytes of datagrams that may wait within a turn of the loop: far more than one packet holds.
const RECEIVED_DATAGRAMS: usize = 16 * 1024;
/// Before a path's round trip is known.
const INITIAL_RTT: Duration = Duration::from_millis(150);
/// What is asked of peers that know the extension (draft-ietf-quic-ack-frequency): no ACK for this many packets, nor for
/// this long. quinn-proto lets the delay be no longer than the path's round trip or 25 ms.
const ACK_ELICITING_THRESHOLD: u32 = 10;
const MAX_ACK_DELAY: Duration = Duration::from_millis(100);
/// Stateless resets are no more frequent, for each worker; a restart owes one to every client.
const RESET_INTERVAL: Duration = Duration::from_micros(200);
/// For each of the hits of two weeks there are some bits: with so many, a token is seldom refused for another's use.
const TOKEN_LOG_BYTES: usize = 1 << 20;
const TOKEN_LOG_HITS: u64 = 100_000;
/// A client keeps one for its next connection.
const TOKENS_SENT: u32 = 1;
/// Connections that were not looked at yet may wait with this much of what they sent.
const INCOMING_BUFFER: u64 = 16 * 1024;
const INCOMING_BUFFERS: u64 = 4 << 20;

/// What all workers share.
pub(crate) struct Shared {
    tls: Arc<Tls>,
    tokens: Arc<BloomTokenLog>,
    pub(crate) cids: CidKey,
}

impl Shared {
    pub(crate) fn new(config: &Config) -> Result<Self, StartError> {
        let mut tls = config.tls.clone();
        // Nobody comes back often enough for the two packets that each session would get.
        tls.send_tls13_tickets = 0;
        let tls = Tls::new(tls).map_err(|error| StartError::Tls(error.to_string()))?;
        let cids = CidKey::new(&config.keys.reset).ok_or(StartError::Setting("the reset key"))?;
        let tokens = BloomTokenLog::new_expected_items(TOKEN_LOG_BYTES, TOKEN_LOG_HITS);
        Ok(Self { tls: Arc::new(tls), tokens: Arc::new(tokens), cids })
    }
}

/// For one worker's endpoint.
pub(crate) fn endpoint(config: &Config, shared: &Shared, worker: u8) -> EndpointConfig {
    let mut endpoint = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &config.keys.reset)));
    let cids = shared.cids.clone();
    endpoint
        .cid_generator(move || Box::new(CidGenerator::new(cids.clone(), worker)))
        .min_reset_interval(RESET_INTERVAL);
    endpoint
}

/// For what one worker accepts.
pub(crate) fn server(config: &Config, shared: &Shared, worker: u8) -> Result<ServerConfig, StartError> {
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, b"suara tokens").extract(&config.keys.token);
    let mut server = ServerConfig::new(shared.tls.clone(), Arc::new(key));
    let mut tokens = ValidationTokenConfig::default();
    tokens.log(shared.tokens.clone()).sent(TOKENS_SENT);
    server
        .validation_token_config(tokens)
        .incoming_buffer_size(INCOMING_BUFFER)
        .incoming_buffer_size_total(INCOMING_BUFFERS)
        .transport_config(Arc::new(transport(config, worker)?));
    Ok(server)
}

fn transport(config: &Config, worker: u8) -> Result<TransportConfig, StartError> {
    let idle = config.idle_timeout.try_into().map_err(|_| StartError::Setting("the idle timeout"))?;
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(ACK_ELICITING_THRESHOLD.into()).max_ack_delay(Some(MAX_ACK_DELAY));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(BIDIRECTIONAL_STREAMS.into())
        .max_concurrent_uni_streams(UNIDIRECTIONAL_STREAMS.into())
        .stream_receive_window(config.stream_window.into())
        .receive_window(VarInt::from_u32(config.stream_window.saturating_mul(CONNECTION_WINDOW)))
        .send_window(SEND_WINDOW)
        // One datagram of the largest size: the others wait where they can be dropped.
        .datagram_send_buffer_size(send_buffer(config))
        .datagram_receive_buffer_size(Some(RECEIVED_DATAGRAMS))
        .keep_alive_interval(Some(config.keep_alive))
        .max_idle_timeout(Some(idle))
        .initial_rtt(INITIAL_RTT)
        .enable_segmentation_offload(false)
        .ack_frequency_config(Some(acks))
        .congestion_controller_factory(Arc::new(VoiceControl::default()))
        .qlog_stream(config.qlog.as_deref().map(|dir| qlog(dir, worker)).transpose()?);
    if let Mtu::Fixed(mtu) = config.mtu {
        transport.initial_mtu(mtu).mtu_discovery_config(None);
    }
    Ok(transport)
}

/// Bytes of datagrams that may wait inside quinn.
pub(crate) fn send_buffer(config: &Config) -> usize {
    config.max_datagram + QUARTER_STREAM_ID + DATAGRAM_OVERHEAD
}

/// Whether no datagram waits inside quinn, by the room that it says to have.
pub(crate) fn is_empty(send_buffer: usize, space: usize) -> bool {
    space + DATAGRAM_OVERHEAD >= send_buffer
}

/// Traces of all of a worker's connections, told apart by their group ids (draft-ietf-quic-qlog-main-schema).
fn qlog(dir: &Path, worker: u8) -> Result<QlogStream, StartError> {
    let path = dir.join(format!("worker-{worker}.sqlog"));
    let failed = |source| StartError::Qlog { path: path.clone(), source };
    let file = File::create(&path).map_err(failed)?;
    let mut qlog = QlogConfig::default();
    qlog.writer(Box::new(BufWriter::new(file))).title(Some("suara".into()));
    qlog.into_stream().ok_or_else(|| failed(std::io::ErrorKind::Other.into()))
}
