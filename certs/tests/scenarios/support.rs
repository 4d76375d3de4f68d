//! What all scenarios share: a clock, handshakes without sockets.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, time_provider::TimeProvider};
use rustls_pki_types::UnixTime;
use suara_certs::{CertStore, Fingerprint, pinned_client_config};

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The moment at which scenarios begin.
pub(crate) fn start() -> SystemTime {
    UNIX_EPOCH + 20_000 * DAY
}

/// The fingerprint that a store's clients see in use.
pub(crate) fn in_use(store: &CertStore) -> Fingerprint {
    store.fingerprints()[0]
}

/// A client that knows only these fingerprints connects to the store at this moment: which certificate did it
/// accept?
pub(crate) fn connect(
    store: &CertStore,
    pins: impl IntoIterator<Item = Fingerprint>,
    now: SystemTime,
) -> Result<Fingerprint, rustls::Error> {
    shake_hands(client(pins, &[b"suara"], now), store.server_config(&[b"suara"]))
        .map(|(client, _)| Fingerprint::of(&client.peer_certificates().unwrap()[0]))
}

/// A pinned client whose clock stands still.
pub(crate) fn client(
    pins: impl IntoIterator<Item = Fingerprint>,
    alpn: &[&[u8]],
    now: SystemTime,
) -> ClientConfig {
    let mut config = pinned_client_config(pins, alpn);
    config.time_provider = Arc::new(StoppedClock(now));
    config
}

/// Carries bytes between a client and a server until both are done or one refuses.
pub(crate) fn shake_hands(
    client: ClientConfig,
    server: ServerConfig,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let mut client = ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap())?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking() || server.is_handshaking() {
        carry(|to| client.write_tls(to), |mut bytes| server.read_tls(&mut bytes));
        server.process_new_packets()?;
        carry(|to| server.write_tls(to), |mut bytes| client.read_tls(&mut bytes));
        client.process_new_packets()?;
    }
    Ok((client, server))
}

fn carry(
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<usize>,
    read: impl FnOnce(&[u8]) -> io::Result<usize>,
) {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    assert_eq!(read(&bytes).unwrap(), bytes.len(), "a flight fits into one read");
}

#[derive(Debug)]
struct StoppedClock(SystemTime);

impl TimeProvider for StoppedClock {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.duration_since(UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}
