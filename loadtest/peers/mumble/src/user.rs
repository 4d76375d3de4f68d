//! One user of a Mumble server: TLS for control, UDP for voice.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use suara_loadtest::measure::{Seen, receive_stamped, stamp_arrivals};
use suara_loadtest::peer::{Booth, Talker};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Place;
use crate::ocb::Ocb;
use crate::wire::{
    AUTHENTICATE, CRYPT_SETUP, ECHO, HEAD, PING, REJECT, SERVER_SYNC, VERSION, crypt_setup, head, message,
    number, packet, text, voice,
};

/// What we say that we are: 1.3.4, which knows nothing newer than UDP with OCB2.
const OUR_VERSION: u64 = 0x01_03_04;
/// A server drops who is silent for 30 s.
const BEAT: Duration = Duration::from_secs(5);
/// An echo over UDP comes within this, or is asked for again.
const ECHOED: Duration = Duration::from_millis(500);
const TRIES: usize = 20;

struct User {
    booth: Rc<Booth>,
    control: TlsStream<TcpStream>,
    udp: UdpSocket,
    out: Ocb,
    back: Ocb,
    talker: Option<Talker>,
    seen: Seen,
}

pub(crate) async fn run(booth: Rc<Booth>, place: Place, number: u32) {
    sleep_until(booth.begin(number).into()).await;
    let began = Instant::now();
    match User::log_in(&booth, &place, number).await {
        Ok(user) => {
            booth.came(began);
            if let Err(why) = user.live().await {
                booth.ended(|| why.to_string());
            }
        }
        Err(why) => booth.failed(|| why.to_string()),
    }
}

impl User {
    async fn log_in(booth: &Rc<Booth>, place: &Place, me: u32) -> io::Result<Self> {
        let stream = TcpStream::connect(place.server).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::IpAddress(place.server.ip().into());
        let mut control = TlsConnector::from(Arc::clone(&place.tls)).connect(name, stream).await?;
        let (mut version, mut login) = (Vec::new(), Vec::new());
        number(1, OUR_VERSION, &mut version);
        text(1, &format!("load-{me}"), &mut login);
        number(5, 1, &mut login);
        control.write_all(&message(VERSION, &version)).await?;
        control.write_all(&message(AUTHENTICATE, &login)).await?;
        let mut unread = Vec::new();
        let [key, ours, theirs] = greeted(&mut control, &mut unread).await?;
        let udp = UdpSocket::bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).await?;
        udp.connect(place.server).await?;
        stamp_arrivals(&udp)?;
        let (out, back) = (Ocb::new(key, ours), Ocb::new(key, theirs));
        let (talker, seen) = (booth.talker(me), Seen::default());
        let mut user = Self { booth: booth.clone(), control, udp, out, back, talker, seen };
        user.be_heard().await?;
        Ok(user)
    }

    /// Asks for echoes until one comes: from then on the server sends voice to this port.
    async fn be_heard(&mut self) -> io::Result<()> {
        let mut buffer = [0; 2048];
        for _ in 0..TRIES {
            let sealed = self.out.seal(&[ECHO, 1]);
            self.udp.send(&sealed).await?;
            if let Ok(received) = timeout(ECHOED, self.udp.recv(&mut buffer)).await {
                let length = received?;
                if self.back.open(&mut buffer[..length]).is_some() {
                    return Ok(());
                }
            }
        }
        Err(io::Error::other("the server echoes nothing over UDP"))
    }

    async fn live(mut self) -> io::Result<()> {
        let mut datagram = [0; 2048];
        let mut bytes = vec![0; 16 * 1024];
        let mut beat = tokio::time::interval(BEAT);
        loop {
            let due = self.talker.as_ref().map(|talker| talker.due(&self.booth));
            tokio::select! {
                received = self.udp.async_io(Interest::READABLE, || receive_stamped(&self.udp, &mut datagram)) => {
                    let (length, waited) = received?;
                    self.heard(&mut datagram[..length], waited);
                }
                read = self.control.read(&mut bytes) => {
                    if read? == 0 {
                        return Err(io::Error::other("the server hung up"));
                    }
                }
                _ = beat.tick() => {
                    self.control.write_all(&message(PING, &[])).await?;
                    let sealed = self.out.seal(&[ECHO, 1]);
                    self.udp.send(&sealed).await?;
                }
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => self.talk().await?,
            }
        }
    }

    fn heard(&mut self, datagram: &mut [u8], waited: Duration) {
        if let Some(packet) = self.back.open(datagram).and_then(packet) {
            self.booth.heard(&mut self.seen, packet, waited);
        }
    }

    async fn talk(&mut self) -> io::Result<()> {
        while let Some((frame, packet)) = self.talker.as_mut().and_then(|talker| talker.next(&self.booth)) {
            // Mumble counts frames of 10 ms.
            let sealed = self.out.seal(&voice(frame * 2, &packet));
            self.udp.send(&sealed).await?;
        }
        Ok(())
    }
}

/// Reads until the server has told everything; returns the keys of the voice.
async fn greeted(control: &mut TlsStream<TcpStream>, unread: &mut Vec<u8>) -> io::Result<[[u8; 16]; 3]> {
    let mut keys = None;
    let mut bytes = vec![0; 16 * 1024];
    loop {
        while let Some((kind, length)) = head(unread) {
            if unread.len() < HEAD + length {
                break;
            }
            let body = &unread[HEAD..HEAD + length];
            match (kind, keys) {
                (CRYPT_SETUP, _) => keys = crypt_setup(body),
                (REJECT, _) => return Err(io::Error::other("the server rejects the log-in")),
                (SERVER_SYNC, Some(keys)) => return Ok(keys),
                _ => {}
            }
            unread.drain(..HEAD + length);
        }
        let read = control.read(&mut bytes).await?;
        if read == 0 {
            return Err(io::Error::other("the server hung up"));
        }
        unread.extend_from_slice(&bytes[..read]);
    }
}
