//! A worker before its thread: what can fail is done here, where the failure can be told.

use std::io;
use std::sync::Arc;

use quinn_proto::Endpoint;

use super::{Bounds, Inbox, Phase, Table, Worker};
use crate::application::Application;
use crate::cid::CidKey;
use crate::config::Config;
use crate::error::StartError;
use crate::transport;
use crate::udp::{Bound, ReceiveBatch, SendBatch, Source};

/// What a worker is made of.
pub(crate) struct Seed {
    number: u8,
    endpoint: Endpoint,
    sources: Vec<Source>,
    any_address: Vec<bool>,
    cids: CidKey,
    inboxes: Arc<[Arc<Inbox>]>,
    bounds: Bounds,
}

impl Seed {
    pub(crate) fn new(
        config: &Config,
        shared: &transport::Shared,
        number: usize,
        sockets: Vec<Bound>,
        inboxes: Arc<[Arc<Inbox>]>,
    ) -> Result<Self, StartError> {
        let number = u8::try_from(number).map_err(|_| StartError::Workers(number))?;
        let any_address = sockets.iter().map(|bound| bound.address.ip().is_unspecified()).collect();
        let prepared = |bound: Bound| {
            bound.prepare()?;
            Source::new(bound.socket)
        };
        let sources: Vec<_> = sockets.into_iter().map(prepared).collect::<io::Result<_>>()?;
        let endpoint_config = transport::endpoint(config, shared, number);
        let server_config = transport::server(config, shared, number)?;
        let discover = sources.iter().all(Source::never_fragments);
        let endpoint =
            Endpoint::new(Arc::new(endpoint_config), Some(Arc::new(server_config)), discover, None);
        let bounds = Bounds {
            retry_above: config.retry_above / config.workers,
            max_connections: config.max_connections.div_ceil(config.workers),
            max_age: config.max_age,
            send_buffer: transport::send_buffer(config),
        };
        Ok(Self { number, endpoint, sources, any_address, cids: shared.cids.clone(), inboxes, bounds })
    }

    /// On the worker's own thread.
    pub(crate) fn grow<A: Application>(self, application: Arc<A>) -> Worker<A> {
        Worker {
            number: self.number,
            application,
            endpoint: self.endpoint,
            batches: self.any_address.into_iter().map(SendBatch::new).collect(),
            sources: self.sources,
            cids: self.cids,
            inboxes: self.inboxes,
            bounds: self.bounds,
            phase: Phase::Serving,
            table: Table::default(),
            incoming: std::collections::VecDeque::new(),
            casts: Vec::new(),
            tally: crate::voice::Tally::default(),
            delivery: super::inbox::Delivery::default(),
            receive: ReceiveBatch::new(),
            stray: Vec::new(),
            woken: false,
        }
    }
}
