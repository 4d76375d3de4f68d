//! One user of a Mumble server: TLS for control, UDP for voice.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use suara_loadtest::measure::Seen;
use suara_loadtest::stamp::Stamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Room;
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
/// How often a talker looks whether voice has begun.
const LOOK: Duration = Duration::from_millis(20);

struct User {
    room: Rc<Room>,
    control: TlsStream<TcpStream>,
    udp: UdpSocket,
    out: Ocb,
    back: Ocb,
    /// Who it is in its stamps, if it talks.
    source: Option<u16>,
    frame: u32,
    seen: Seen,
}

pub(crate) async fn run(room: Rc<Room>, number: u32) {
    let start = room.shared.clock.at((room.step * number).as_nanos() as u64);
    sleep_until(start.into()).await;
    let began = Instant::now();
    match User::log_in(&room, number).await {
        Ok(user) => {
            {
                let mut tally = room.tally.borrow_mut();
                tally.handshake.saturating_record(began.elapsed().as_micros() as u64);
                tally.sessions += 1;
            }
            room.shared.came(0);
            if let Err(why) = user.live().await
                && !room.shared.stopped()
            {
                let mut tally = room.tally.borrow_mut();
                tally.dropped += 1;
                tally.fault(|| why.to_string());
            }
        }
        Err(why) => {
            room.shared.failed.fetch_add(1, Ordering::Relaxed);
            room.tally.borrow_mut().fault(|| why.to_string());
        }
    }
}

impl User {
    async fn log_in(room: &Rc<Room>, me: u32) -> io::Result<Self> {
        let stream = TcpStream::connect(room.server).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::IpAddress(room.server.ip().into());
        let mut control = TlsConnector::from(Arc::clone(&room.tls)).connect(name, stream).await?;
        let (mut version, mut login) = (Vec::new(), Vec::new());
        number(1, OUR_VERSION, &mut version);
        text(1, &format!("load-{me}"), &mut login);
        number(5, 1, &mut login);
        control.write_all(&message(VERSION, &version)).await?;
        control.write_all(&message(AUTHENTICATE, &login)).await?;
        let mut unread = Vec::new();
        let [key, ours, theirs] = greeted(&mut control, &mut unread).await?;
        let udp = UdpSocket::bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).await?;
        udp.connect(room.server).await?;
        let (out, back) = (Ocb::new(key, ours), Ocb::new(key, theirs));
        let source = (me < room.load.talkers).then_some(me as u16);
        let (room, seen) = (Rc::clone(room), Seen::default());
        let mut user = Self { room, control, udp, out, back, source, frame: 0, seen };
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
            let due = self.due();
            tokio::select! {
                received = self.udp.recv(&mut datagram) => {
                    let length = received?;
                    self.heard(&mut datagram[..length]);
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
                () = sleep_until(due.into()), if self.source.is_some() => self.talk().await?,
            }
        }
    }

    fn heard(&mut self, datagram: &mut [u8]) {
        let Some(stamp) = self.back.open(datagram).and_then(packet).and_then(Stamp::read) else { return };
        let shared = &self.room.shared;
        let Some(into) = shared.phase.counted(stamp.intended) else { return };
        let mut tally = self.room.tally.borrow_mut();
        if self.seen.first(stamp.source, stamp.frame) {
            tally.delivered(into, Duration::from_nanos(shared.clock.now().saturating_sub(stamp.intended)));
            shared.heard.fetch_add(1, Ordering::Relaxed);
        } else {
            tally.duplicates += 1;
        }
    }

    fn due(&self) -> Instant {
        let shared = &self.room.shared;
        match shared.phase.voice().map(|voice| self.moment(voice)) {
            Some(moment) if moment < shared.phase.until() => shared.clock.at(moment),
            _ => Instant::now() + LOOK,
        }
    }

    fn moment(&self, voice: u64) -> u64 {
        voice + (self.room.load.voice().period * self.frame).as_nanos() as u64
    }

    async fn talk(&mut self) -> io::Result<()> {
        let room = Rc::clone(&self.room);
        let (Some(source), Some(begin)) = (self.source, room.shared.phase.voice()) else { return Ok(()) };
        let now = room.shared.clock.now();
        while self.moment(begin) <= now && self.moment(begin) < room.shared.phase.until() {
            let stamp = Stamp { source, frame: self.frame, intended: self.moment(begin) };
            if let Some(into) = room.shared.phase.counted(stamp.intended) {
                let late = Duration::from_nanos(now - stamp.intended);
                room.tally.borrow_mut().sent(into, late, room.shared.others(0));
            }
            let mut packet = vec![0; room.load.size as usize];
            stamp.write(&mut packet);
            // Mumble counts frames of 10 ms.
            let sealed = self.out.seal(&voice(self.frame * 2, &packet));
            self.udp.send(&sealed).await?;
            self.frame += 1;
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
