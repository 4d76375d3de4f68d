//! A client's transports, its producer and its consumers: what it may name, and what is closed with it.

use super::fault::Fault;
use super::hall::producer_id;
use super::parameters::Produce;
use super::port::{Consumed, ConsumerKey, Created, Dtls, Ice, Listens, Owner, Port, TransportKey};

/// Transports of one client: mediasoup's clients have one for each direction.
const MAX_TRANSPORTS: usize = 2;

pub(super) struct Legs {
    port: Port,
    owner: Owner,
    room: Box<str>,
    /// The newest last.
    transports: Vec<TransportKey>,
    producer: Option<(TransportKey, String)>,
    consumers: Vec<(TransportKey, ConsumerKey)>,
}

impl Legs {
    pub(super) const fn new(port: Port, owner: Owner, room: Box<str>) -> Self {
        Self { port, owner, room, transports: Vec::new(), producer: None, consumers: Vec::new() }
    }

    pub(super) async fn create(&mut self) -> Result<Created, Fault> {
        if self.transports.len() >= MAX_TRANSPORTS {
            return Err(Fault::TooManyTransports);
        }
        let created = self.port.create(self.owner.clone(), self.room.clone()).await?;
        self.transports.push(created.key);
        Ok(created)
    }

    pub(super) async fn connect(&self, key: Option<TransportKey>, dtls: Dtls) -> Result<(), Fault> {
        self.port.connect(self.pick(key)?, dtls).await
    }

    pub(super) async fn restart(&self, key: Option<TransportKey>) -> Result<Ice, Fault> {
        self.port.restart(self.pick(key)?).await
    }

    /// Returns the producer's id.
    pub(super) async fn produce(
        &mut self,
        key: Option<TransportKey>,
        produce: Produce,
    ) -> Result<String, Fault> {
        let key = self.pick(key)?;
        if self.producer.is_some() {
            return Err(Fault::TooManyProducers);
        }
        self.port.produce(key, produce.ssrc, produce.mid).await?;
        let id = producer_id();
        self.producer = Some((key, id.clone()));
        Ok(id)
    }

    /// Closes the producer, of this id where one is named.
    pub(super) async fn close_producer(&mut self, id: Option<&str>) -> Result<(), Fault> {
        let named = self.producer.take_if(|(_, own)| id.is_none_or(|id| id == own));
        let (key, _) = named.ok_or(Fault::UnknownProducer)?;
        self.port.close_producer(key).await;
        Ok(())
    }

    pub(super) async fn consume(
        &mut self,
        key: Option<TransportKey>,
        listens: Listens,
    ) -> Result<Consumed, Fault> {
        let key = self.pick(key)?;
        let consumed = self.port.consume(key, listens).await?;
        self.consumers.push((key, consumed.key));
        Ok(consumed)
    }

    pub(super) async fn close_consumer(&mut self, consumer: ConsumerKey) -> Result<(), Fault> {
        let at = self.consumers.iter().position(|(_, known)| *known == consumer);
        let (key, _) = self.consumers.swap_remove(at.ok_or(Fault::UnknownConsumer)?);
        self.port.close_consumer(key, consumer).await
    }

    /// A consumer is gone with its producer.
    pub(super) fn silent(&mut self, consumer: ConsumerKey) {
        self.consumers.retain(|(_, known)| *known != consumer);
    }

    /// Closes a transport; `true` where the producer went with it.
    pub(super) async fn close(&mut self, key: Option<TransportKey>) -> Result<bool, Fault> {
        let key = self.pick(key)?;
        self.port.close(key).await;
        Ok(self.lost(key))
    }

    pub(super) async fn close_all(&mut self) {
        for key in std::mem::take(&mut self.transports) {
            self.port.close(key).await;
        }
    }

    /// A transport is gone; `true` where the producer went with it.
    pub(super) fn lost(&mut self, key: TransportKey) -> bool {
        self.transports.retain(|known| *known != key);
        self.consumers.retain(|(of, _)| *of != key);
        self.producer.take_if(|(of, _)| *of == key).is_some()
    }

    /// The client's transport of this name, else its newest.
    fn pick(&self, key: Option<TransportKey>) -> Result<TransportKey, Fault> {
        match key {
            Some(key) if self.transports.contains(&key) => Ok(key),
            Some(_) => Err(Fault::UnknownTransport),
            None => self.transports.last().copied().ok_or(Fault::NoTransport),
        }
    }
}
