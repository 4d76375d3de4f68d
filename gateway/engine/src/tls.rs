//! TLS for QUIC (RFC 9001), made to be forgotten: after the handshake a connection keeps its keys and the secrets of
//! the next ones, and nothing else. quinn's own keeps rustls's whole state, with keys for TLS records that QUIC never
//! sends, and makes each connection's next keys at once: 5 KB a session for the day on which somebody updates them.

use std::any::Any;
use std::io::Cursor;
use std::sync::{Arc, OnceLock};

use bytes::BytesMut;
use quinn_proto::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use quinn_proto::crypto::{
    CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig, Session,
    UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::quic::{DirectionalKeys, KeyChange, PacketKeySet, Secrets, ServerConnection, Version};

/// QUIC version 1 (RFC 9000, section 15); the others that quinn accepts are its last drafts.
const VERSION_1: u32 = 1;

/// What all connections share.
pub(crate) struct Tls {
    config: Arc<rustls::ServerConfig>,
    quinn: QuicServerConfig,
}

impl Tls {
    /// # Errors
    /// When the configuration lacks the cipher suite of QUIC's first packets.
    pub(crate) fn new(config: rustls::ServerConfig) -> Result<Self, NoInitialCipherSuite> {
        let config = Arc::new(config);
        Ok(Self { quinn: QuicServerConfig::try_from(config.clone())?, config })
    }
}

impl ServerConfig for Tls {
    fn initial_keys(&self, version: u32, client: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.quinn.initial_keys(version, client)
    }

    fn retry_tag(&self, version: u32, client: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.quinn.retry_tag(version, client, packet)
    }

    fn start_session(self: Arc<Self>, version: u32, parameters: &TransportParameters) -> Box<dyn Session> {
        let mut ours = Vec::new();
        parameters.write(&mut ours);
        let quic = if version == VERSION_1 { Version::V1 } else { Version::V1Draft };
        let state = match ServerConnection::new(self.config.clone(), quic, ours) {
            Ok(connection) => State::Handshaking(Box::new(connection)),
            Err(error) => State::Impossible(error),
        };
        Box::new(Handshake { tls: self, version, state, later: None })
    }
}

/// One connection's.
struct Handshake {
    tls: Arc<Tls>,
    version: u32,
    state: State,
    /// Of the keys after those that were given last.
    later: Option<Later>,
}

enum State {
    Handshaking(Box<ServerConnection>),
    Done,
    Impossible(rustls::Error),
}

struct Later {
    secrets: Secrets,
    given: bool,
}

impl Session for Handshake {
    fn initial_keys(&self, client: &ConnectionId, _side: Side) -> Keys {
        match self.tls.initial_keys(self.version, client) {
            Ok(keys) => keys,
            // The connection began with this version's.
            Err(UnsupportedVersion) => unreachable!("the version was supported before"),
        }
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    /// No tickets are given out, so nobody comes back with early data.
    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        !matches!(self.state, State::Done)
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        match &mut self.state {
            State::Handshaking(connection) => match connection.read_hs(bytes) {
                Ok(()) => Ok(false),
                Err(error) => Err(match connection.alert() {
                    Some(alert) => fault(TransportErrorCode::crypto(alert.into()), error.to_string()),
                    None => fault(TransportErrorCode::PROTOCOL_VIOLATION, error.to_string()),
                }),
            },
            // A client has nothing to say here (RFC 9001, sections 4.4 and 6).
            State::Done => {
                let unexpected = rustls::AlertDescription::UnexpectedMessage.into();
                Err(fault(TransportErrorCode::crypto(unexpected), "TLS after the handshake".into()))
            }
            State::Impossible(error) => Err(fault(TransportErrorCode::INTERNAL_ERROR, error.to_string())),
        }
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let State::Handshaking(connection) = &self.state else { return Ok(None) };
        let Some(bytes) = connection.quic_transport_parameters() else { return Ok(None) };
        Ok(Some(TransportParameters::read(Side::Server, &mut Cursor::new(bytes))?))
    }

    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        let State::Handshaking(connection) = &mut self.state else { return None };
        let keys = match connection.write_hs(out) {
            Some(KeyChange::Handshake { keys }) => Some(keys),
            Some(KeyChange::OneRtt { keys, next }) => {
                self.later = Some(Later { secrets: next, given: false });
                Some(keys)
            }
            None => None,
        };
        if keys.is_none() && out.is_empty() && self.later.is_some() && !connection.is_handshaking() {
            self.state = State::Done;
        }
        let keys = keys?;
        let ((local_header, local), (remote_header, remote)) = (parts(keys.local), parts(keys.remote));
        Some(Keys {
            header: KeyPair { local: local_header, remote: remote_header },
            packet: KeyPair { local, remote },
        })
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let later = self.later.as_mut()?;
        if later.given {
            // Only so do the secrets move on.
            drop(later.secrets.next_packet_keys());
        }
        later.given = true;
        let secrets = Arc::new(later.secrets.clone());
        Some(KeyPair {
            local: Box::new(LaterKey::new(secrets.clone(), |keys| keys.local)),
            remote: Box::new(LaterKey::new(secrets, |keys| keys.remote)),
        })
    }

    /// Of Retry packets, which servers don't get.
    fn is_valid_retry(&self, _client: &ConnectionId, _header: &[u8], _payload: &[u8]) -> bool {
        false
    }

    fn export_keying_material(
        &self,
        _output: &mut [u8],
        _label: &[u8],
        _context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

fn fault(code: TransportErrorCode, reason: String) -> TransportError {
    TransportError { code, frame: None, reason }
}

fn parts(keys: DirectionalKeys) -> (Box<dyn HeaderKey>, Box<dyn PacketKey>) {
    (Box::new(keys.header), Box::new(keys.packet))
}

/// One direction's key after a key update that may never come; made when the first packet needs it.
struct LaterKey {
    key: OnceLock<Box<dyn rustls::quic::PacketKey>>,
    secrets: Arc<Secrets>,
    half: fn(PacketKeySet) -> Box<dyn rustls::quic::PacketKey>,
}

impl LaterKey {
    fn new(secrets: Arc<Secrets>, half: fn(PacketKeySet) -> Box<dyn rustls::quic::PacketKey>) -> Self {
        Self { key: OnceLock::new(), secrets, half }
    }

    fn key(&self) -> &impl PacketKey {
        self.key.get_or_init(|| (self.half)(Secrets::clone(&self.secrets).next_packet_keys()))
    }
}

impl PacketKey for LaterKey {
    fn encrypt(&self, packet: u64, buffer: &mut [u8], header: usize) {
        PacketKey::encrypt(self.key(), packet, buffer, header);
    }

    fn decrypt(&self, packet: u64, header: &[u8], payload: &mut BytesMut) -> Result<(), CryptoError> {
        PacketKey::decrypt(self.key(), packet, header, payload)
    }

    fn tag_len(&self) -> usize {
        PacketKey::tag_len(self.key())
    }

    fn confidentiality_limit(&self) -> u64 {
        PacketKey::confidentiality_limit(self.key())
    }

    fn integrity_limit(&self) -> u64 {
        PacketKey::integrity_limit(self.key())
    }
}
