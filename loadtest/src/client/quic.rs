//! QUIC as our clients speak it: lean, pinned to the gateway's certificates.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{ClientConfig, TransportConfig};

use crate::LoadError;
use crate::target::Target;

/// How listeners acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Acks {
    /// As quinn does: every second packet, or after 25 ms
    #[default]
    Quinn,
    /// As Chromium does at 50 packets a second: about one ACK a packet
    Chromium,
}

/// quinn's own delay of an ACK; a timer that runs out this much early makes it acknowledge at once.
pub(crate) const MAX_ACK_DELAY: Duration = Duration::from_millis(25);
/// The server's unidirectional streams: control and QPACK's two, and one to spare.
const SERVER_STREAMS: u32 = 4;
/// What may wait for us; voice is read as it comes.
const DATAGRAM_BUFFER: usize = 32 * 1024;
/// What the gateway may send ahead on a stream.
const STREAM_WINDOW: u32 = 1 << 20;
/// A session that hears nothing for so long is gone.
const IDLE: Duration = Duration::from_secs(20);

/// What every connection of a run has in common.
#[derive(Clone)]
pub struct Quic {
    pub(crate) config: ClientConfig,
    pub(crate) acks: Acks,
}

impl Quic {
    /// For connections to `target`.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(target: &Target, acks: Acks) -> Result<Self, LoadError> {
        let tls = suara_certs::pinned_client_config(target.pins.iter().copied(), &[b"h3"]);
        let crypto = QuicClientConfig::try_from(tls).map_err(|_| LoadError::Tls)?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport()));
        Ok(Self { config, acks })
    }
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(0_u32.into())
        .max_concurrent_uni_streams(SERVER_STREAMS.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER))
        .datagram_send_buffer_size(DATAGRAM_BUFFER)
        .max_idle_timeout(IDLE.try_into().ok())
        .enable_segmentation_offload(false)
        .mtu_discovery_config(None);
    transport
}
