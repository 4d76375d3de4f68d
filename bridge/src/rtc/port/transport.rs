//! One WebRTC transport: ICE (lite), DTLS, SRTP by str0m; a producer of the client's, and consumers of the channel's voice.
//!
//! One mutation, then [`Transport::drain`]: what is to be sent goes to its closure, what came in is handed on by itself.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use socketioxide::socket::Sid;
use str0m::config::Fingerprint;
use str0m::ice::StunMessage;
use str0m::media::{MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite, Ssrc};
use str0m::{Event, IceConnectionState, IceCreds, Input, Output, Rtc};
use tokio::sync::mpsc;

use super::numbering::Numbering;
use super::{
    Arrival, Consumed, ConsumerKey, Dtls, Happening, Listens, MAX_CONSUMERS, PAYLOAD_TYPE, Said, TransportKey,
};
use crate::channel::{Stamp, Stand};
use crate::metrics::{DropReason, Metrics};
use crate::rtc::fault::Fault;

/// A client that hasn't said within this time that it still wants media is gone (RFC 7675, section 5.1).
pub(super) const CONSENT: Duration = Duration::from_secs(30);

/// Where the transport's client is told of things, and who that is.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) sid: Sid,
    /// Media: dropped where the session doesn't keep up.
    pub(crate) media: mpsc::Sender<Arrival>,
    /// A handful in a transport's life.
    pub(crate) events: mpsc::UnboundedSender<Happening>,
}

/// By what, and at which address, a client is reached.
pub(super) type Road = (Protocol, SocketAddr);

struct Consumer {
    key: ConsumerKey,
    ssrc: Ssrc,
    mid: Mid,
    listens: Listens,
    numbering: Numbering,
}

pub(super) struct Transport {
    pub(super) key: TransportKey,
    pub(super) owner: Owner,
    metrics: Metrics,
    rtc: Rtc,
    credentials: IceCreds,
    remote_ufrag: Option<String>,
    dtls_begun: bool,
    /// DTLS is through, and there is a way to the client.
    flowing: bool,
    secured: bool,
    producer: Option<(Ssrc, Mid)>,
    consumers: Vec<Consumer>,
    last_mid: u32,
    /// When the client last proved that it wants media from here.
    consented: Option<Instant>,
    /// What was announced to the client; packets are taken as if they had come to these.
    local: Vec<SocketAddr>,
    /// Addresses from which it proved to come.
    pub(super) remote: Vec<Road>,
}

impl Listens {
    /// Whether that is heard.
    fn to(self, stand: Stand) -> bool {
        match self {
            Self::Floor => true,
            Self::Member(member) => stand.talker == Some(member),
            Self::Talker(number) => stand.number == number,
        }
    }
}

/// What is left when a transport has been drained.
pub(super) enum Drained {
    /// It wants time at this moment.
    Until(Instant),
    /// It is over, for this reason.
    Over(&'static str),
}

impl Transport {
    pub(super) fn new(
        key: TransportKey,
        owner: Owner,
        metrics: Metrics,
        rtc: Rtc,
        credentials: IceCreds,
        local: Vec<SocketAddr>,
    ) -> Self {
        Self {
            key,
            owner,
            metrics,
            rtc,
            credentials,
            remote_ufrag: None,
            dtls_begun: false,
            flowing: false,
            secured: false,
            producer: None,
            consumers: Vec::new(),
            last_mid: 0,
            consented: None,
            local,
            remote: Vec::new(),
        }
    }

    pub(super) const fn credentials(&self) -> &IceCreds {
        &self.credentials
    }

    /// `sha-256 AB:CD…`
    pub(super) fn fingerprint(&mut self) -> String {
        self.rtc.direct_api().local_dtls_fingerprint().to_string()
    }

    /// Begins DTLS with the client whose certificate has this fingerprint.
    pub(super) fn connect(&mut self, dtls: &Dtls) -> Result<(), Fault> {
        if self.dtls_begun {
            return Err(Fault::AlreadyConnected);
        }
        let fingerprint: Fingerprint =
            format!("sha-256 {}", dtls.fingerprint).parse().map_err(|_| Fault::BadDtlsParameters)?;
        let mut api = self.rtc.direct_api();
        api.set_remote_fingerprint(fingerprint);
        api.start_dtls(dtls.active).map_err(|_| Fault::BadDtlsParameters)?;
        self.dtls_begun = true;
        Ok(())
    }

    /// New credentials for the same media (RFC 8445, section 9); the client proves itself by them next.
    pub(super) fn restart(&mut self, credentials: IceCreds) {
        self.rtc.direct_api().set_local_ice_credentials(credentials.clone());
        self.credentials = credentials;
        self.remote_ufrag = None;
    }

    pub(super) fn produce(&mut self, ssrc: u32, mid: &str) -> Result<(), Fault> {
        let (ssrc, mid) = (Ssrc::from(ssrc), Mid::from(mid));
        if self.producer.is_some() {
            return Err(Fault::TooManyProducers);
        }
        if self.consumers.iter().any(|consumer| consumer.ssrc == ssrc || consumer.mid == mid) {
            return Err(Fault::BadField);
        }
        let mut api = self.rtc.direct_api();
        api.declare_media(mid, MediaKind::Audio);
        // A retransmission would come too late to be heard.
        api.expect_stream_rx(ssrc, None, mid, None).suppress_nack(true);
        self.producer = Some((ssrc, mid));
        Ok(())
    }

    pub(super) fn close_producer(&mut self) {
        if let Some((ssrc, mid)) = self.producer.take() {
            let mut api = self.rtc.direct_api();
            api.remove_stream_rx(ssrc);
            api.remove_media(mid);
        }
    }

    pub(super) fn consume(&mut self, key: ConsumerKey, listens: Listens) -> Result<Consumed, Fault> {
        if self.consumers.len() >= MAX_CONSUMERS {
            return Err(Fault::TooManyConsumers);
        }
        let mid = loop {
            self.last_mid += 1;
            let mid = Mid::from(self.last_mid.to_string().as_str());
            if self.producer.is_none_or(|(_, taken)| taken != mid) {
                break mid;
            }
        };
        let mut api = self.rtc.direct_api();
        api.declare_media(mid, MediaKind::Audio);
        let ssrc = api.new_ssrc();
        api.declare_stream_tx(ssrc, None, mid, None);
        let numbering = Numbering::new(rand::random(), rand::random());
        self.consumers.push(Consumer { key, ssrc, mid, listens, numbering });
        Ok(Consumed { key, mid: mid.to_string(), ssrc: *ssrc })
    }

    pub(super) fn close_consumer(&mut self, key: ConsumerKey) -> Result<(), Fault> {
        let at = self.consumers.iter().position(|consumer| consumer.key == key);
        self.remove_consumer(at.ok_or(Fault::UnknownConsumer)?);
        Ok(())
    }

    /// Closes the consumers of a producer, and tells the client's session; whether there were any.
    pub(super) fn forget(&mut self, listens: Listens) -> bool {
        let mut some = false;
        while let Some(at) = self.consumers.iter().position(|consumer| consumer.listens == listens) {
            let key = self.remove_consumer(at);
            // A session that is gone has no use for it.
            self.owner.events.send(Happening::Silent(key)).ok();
            some = true;
        }
        some
    }

    fn remove_consumer(&mut self, at: usize) -> ConsumerKey {
        let Consumer { key, ssrc, mid, .. } = self.consumers.swap_remove(at);
        let mut api = self.rtc.direct_api();
        api.remove_stream_tx(ssrc);
        api.remove_media(mid);
        key
    }

    pub(super) const fn has_consumers(&self) -> bool {
        !self.consumers.is_empty()
    }

    /// Numbers a packet for each consumer that is to hear it; returns how many do.
    pub(super) fn hear(&mut self, now: Instant, said: &Said) -> usize {
        if !self.flowing || said.except == Some(self.owner.sid) {
            return 0;
        }
        let (mut heard, stand) = (0, said.stand);
        for consumer in &mut self.consumers {
            if !consumer.listens.to(stand) {
                continue;
            }
            let Some(place) = consumer.numbering.next(now, stand.grant, said.sequence, stand.ticks) else {
                continue;
            };
            let mut api = self.rtc.direct_api();
            let Some(stream) = api.stream_tx(&consumer.ssrc) else { continue };
            let payload = said.packet.clone();
            let (pt, sequence) = (Pt::from(PAYLOAD_TYPE), place.sequence.into());
            let write = RtpWrite::new(pt, sequence, place.timestamp, said.at, payload);
            stream.write_rtp(write.marker(place.marker));
            heard += 1;
        }
        heard
    }

    /// Notes a binding request that was proved to be this client's; `true` where its address is new.
    pub(super) fn consent(&mut self, now: Instant, request: &StunMessage<'_>, source: Road) -> bool {
        self.consented = Some(now);
        // The signaling doesn't say it.
        let remote = request.split_username().map(|(_, remote)| remote);
        if let Some(remote) = remote
            && self.remote_ufrag.as_deref() != Some(remote)
        {
            let credentials = IceCreds { ufrag: remote.to_owned(), pass: String::new() };
            self.rtc.direct_api().set_remote_ice_credentials(credentials);
            self.remote_ufrag = Some(remote.to_owned());
        }
        let new = !self.remote.contains(&source);
        if new {
            self.remote.push(source);
        }
        new
    }

    /// The address that a packet from `source` is taken to have come to.
    pub(super) fn destination(&self, source: SocketAddr) -> Option<SocketAddr> {
        self.local.iter().find(|local| local.is_ipv4() == source.is_ipv4()).copied()
    }

    pub(super) fn receive(&mut self, now: Instant, packet: Receive<'_>) -> Result<(), &'static str> {
        self.take(Input::Receive(now, packet))
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, now: Instant) -> Result<(), &'static str> {
        if self.consented.is_some_and(|at| now.saturating_duration_since(at) >= CONSENT) {
            return Err("consent");
        }
        self.take(Input::Timeout(now))
    }

    fn take(&mut self, input: Input<'_>) -> Result<(), &'static str> {
        self.rtc.handle_input(input).map_err(|error| {
            tracing::debug!(transport = %self.key, %error, "a transport failed");
            "failed"
        })
    }

    /// Sends what is to be sent and hands on what came in.
    pub(super) fn drain(&mut self, now: Instant, send: &mut impl FnMut(Road, &[u8])) -> Drained {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(packet)) => send((packet.proto, packet.destination), &packet.contents),
                Ok(Output::Event(event)) => self.happened(now, event),
                Ok(Output::Timeout(_)) if !self.rtc.is_alive() => return Drained::Over("closed"),
                Ok(Output::Timeout(at)) => {
                    let consent = self.consented.map(|at| at + CONSENT);
                    return Drained::Until(consent.map_or(at, |consent| consent.min(at)));
                }
                Err(error) => {
                    tracing::debug!(transport = %self.key, %error, "a transport failed");
                    return Drained::Over("failed");
                }
            }
        }
    }

    fn happened(&mut self, now: Instant, event: Event) {
        match event {
            Event::Connected => {
                self.secured = true;
                self.flowing = true;
                // A session that is gone has no use for it.
                self.owner.events.send(Happening::Connected(self.key)).ok();
            }
            // What is written while there is no way to the client would wait in memory.
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => self.flowing = false,
            Event::IceConnectionStateChange(
                IceConnectionState::Connected | IceConnectionState::Completed,
            ) => self.flowing = self.secured,
            Event::RtpPacket(packet) => self.arrived(now, packet),
            _ => {}
        }
    }

    fn arrived(&self, at: Instant, packet: RtpPacket) {
        let RtpPacket { header, payload, .. } = packet;
        if self.producer.is_none_or(|(ssrc, _)| ssrc != header.ssrc) || payload.is_empty() {
            return;
        }
        let stamp = Stamp { sequence: header.sequence_number, timestamp: header.timestamp };
        let arrival =
            Arrival { at, stamp, level: header.ext_vals.audio_level, packet: Bytes::from_owner(payload) };
        if self.owner.media.try_send(arrival).is_err() {
            self.metrics.dropped(DropReason::Backlog, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use str0m::RtcConfig;

    use super::*;

    fn transport() -> (Transport, mpsc::Receiver<Arrival>) {
        let (media, arrivals) = mpsc::channel(1);
        let owner = Owner { sid: Sid::new(), media, events: mpsc::unbounded_channel().0 };
        let rtc = RtcConfig::new().set_ice_lite(true).build(Instant::now());
        (
            Transport::new(TransportKey(1), owner, Metrics::default(), rtc, IceCreds::new(), Vec::new()),
            arrivals,
        )
    }

    #[test]
    fn a_client_that_was_heard_of_and_falls_silent_is_given_up_after_30_seconds() {
        let ((mut transport, _arrivals), now) = (transport(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        transport.consented = Some(now);
        assert!(transport.pass(after(29)).is_ok());
        let Drained::Until(at) = transport.drain(after(29), &mut |_, _| {}) else { panic!("it is alive") };
        assert!(at <= after(30), "nobody has to come for it to be noticed");
        assert_eq!(transport.pass(after(30)), Err("consent"));
    }

    #[test]
    fn one_that_was_never_used_waits_for_its_client() {
        let ((mut transport, _arrivals), now) = (transport(), Instant::now());
        assert!(transport.pass(now + Duration::from_secs(3600)).is_ok());
    }
}
