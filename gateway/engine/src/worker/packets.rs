//! Packets in and out: which connection, which worker, which socket.

use std::time::Instant;

use quinn_proto::{DatagramEvent, Incoming, Transmit};

use super::connection::Connection;
use super::inbox::Forwarded;
use super::{BATCHES_A_TURN, HANDSHAKES_A_TURN, Park, Phase, Worker};
use crate::application::Application;
use crate::cid::short_header_cid;
use crate::udp::{ReceiveBatch, Received};
use crate::voice::Handle;

/// Packets of this many bytes are ACKs, or hardly more: a datagram of 20 bytes doesn't fit. One is seldom urgent, so it
/// waits until its connection has something to do, or the others of its kind are looked at together.
const SMALL: usize = 48;
/// A packet of this many bytes or more may have been too full for all that there was to send.
const FULL: usize = 1000;

/// Handshakes that wait for their turn; more are told nothing, and try again.
const MAX_INCOMING: usize = 1024;

impl<A: Application> Worker<A> {
    /// Takes packets from the sockets that have some; says how to wait for more.
    pub(super) fn receive(&mut self, now: Instant, readable: &[bool]) -> Park {
        let (mut any, mut more) = (false, false);
        for (socket, readable) in readable.iter().enumerate() {
            let mut left = if *readable { BATCHES_A_TURN } else { 0 };
            while left > 0 {
                left -= 1;
                let count = self.receive.receive(&self.sources[socket]).unwrap_or_else(|error| {
                    tracing::warn!(%error, "can't receive");
                    0
                });
                for index in 0..count {
                    let packet = self.receive.take(index);
                    self.route(now, socket as u8, packet);
                }
                any |= count > 0;
                if count < ReceiveBatch::SIZE {
                    break;
                }
                more |= left == 0;
            }
        }
        match (more, any && self.table.marked.is_empty()) {
            (true, _) => Park::Look,
            (false, true) => Park::Linger,
            (false, false) => Park::Wait,
        }
    }

    /// Keeps a packet or hands it to the worker whose connection it is for.
    fn route(&mut self, now: Instant, socket: u8, packet: Received) {
        if self.inboxes.len() > 1
            && let Some(cid) = short_header_cid(&packet.bytes)
            && let Some(worker) = self.cids.worker(cid)
            && worker != self.number
            && let Some(inbox) = self.inboxes.get(usize::from(worker))
        {
            return inbox.packet(Forwarded { socket, packet });
        }
        self.handle(now, socket, packet);
    }

    /// Gives a packet to its connection, or answers it.
    pub(super) fn handle(&mut self, now: Instant, socket: u8, packet: Received) {
        let Received { from, to, ecn, bytes } = packet;
        let small = bytes.len() <= SMALL;
        self.stray.clear();
        match self.endpoint.handle(now, from, to, ecn, bytes, &mut self.stray) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let slot = handle.0 as u32;
                let Some(connection) = self.table.get(slot) else { return };
                if small && connection.is_patient() {
                    connection.put_aside(socket, event);
                    self.table.rest(now, slot);
                } else {
                    connection.packet(now, socket, event);
                    self.table.mark(slot);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.consider(incoming, socket),
            Some(DatagramEvent::Response(transmit)) => self.respond(socket, &transmit),
            None => {}
        }
    }

    /// Someone knocks: in line, asked to prove its address first, or turned away.
    fn consider(&mut self, incoming: Incoming, socket: u8) {
        let pending = self.table.handshaking + self.incoming.len();
        let full = self.table.len() + self.incoming.len() >= self.bounds.max_connections;
        if self.is_closed() || full {
            self.refuse(incoming, socket);
        } else if pending >= self.bounds.retry_above
            && !incoming.remote_address_validated()
            && incoming.may_retry()
        {
            match self.endpoint.retry(incoming, &mut self.stray) {
                Ok(transmit) => self.respond(socket, &transmit),
                Err(error) => self.endpoint.ignore(error.into_incoming()),
            }
        } else if self.incoming.len() < MAX_INCOMING {
            self.incoming.push_back((incoming, socket));
        } else {
            self.endpoint.ignore(incoming);
        }
    }

    fn is_closed(&self) -> bool {
        self.phase != Phase::Serving || self.inboxes[usize::from(self.number)].is_draining()
    }

    fn refuse(&mut self, incoming: Incoming, socket: u8) {
        let transmit = self.endpoint.refuse(incoming, &mut self.stray);
        self.respond(socket, &transmit);
    }

    /// Begins a few of the handshakes that wait; whether there were any.
    pub(super) fn begin_handshakes(&mut self, now: Instant) -> bool {
        let count = self.incoming.len().min(HANDSHAKES_A_TURN);
        for (incoming, socket) in self.incoming.drain(..count).collect::<Vec<_>>() {
            self.stray.clear();
            if self.is_closed() {
                self.refuse(incoming, socket);
                continue;
            }
            match self.endpoint.accept(incoming, now, &mut self.stray, None) {
                Ok((handle, quic)) => {
                    let seat = self.table.seat(handle);
                    let handle = Handle { worker: self.number, seat };
                    self.table.insert(Box::new(Connection::new(now, handle, socket, quic)));
                }
                Err(error) => {
                    tracing::debug!(cause = %error.cause, "handshake failed");
                    if let Some(transmit) = error.response {
                        self.respond(socket, &transmit);
                    }
                }
            }
        }
        count > 0
    }

    /// Sends what belongs to no connection; it was written to `stray`.
    fn respond(&mut self, socket: u8, transmit: &Transmit) {
        let batch = &mut self.batches[usize::from(socket)];
        batch.packet().extend_from_slice(&self.stray);
        batch.commit(&self.sources[usize::from(socket)].socket, transmit);
    }

    /// Sends what a connection has to send, notes its next deadline, and lets go of it when it is over.
    pub(super) fn transmit(&mut self, now: Instant, slot: u32) {
        let Some(connection) = self.table.get(slot) else { return };
        if !connection.marked {
            return;
        }
        loop {
            connection.feed(now, &self.bounds, &mut self.tally);
            let socket = usize::from(connection.socket);
            let batch = &mut self.batches[socket];
            let Some(transmit) = connection.quic.poll_transmit(now, 1, batch.packet()) else { break };
            batch.commit(&self.sources[socket].socket, &transmit);
            // Asking QUIC once more costs a third of the first time.
            if transmit.size < FULL && connection.has_sent_all(&self.bounds) {
                break;
            }
        }
        connection.exchange_events(&mut self.endpoint);
        connection.settled(&self.bounds);
        let deadline = connection.next_deadline(self.bounds.max_age);
        if connection.quic.is_drained() {
            self.table.remove(slot);
        } else {
            self.table.timers.set(slot as usize, deadline);
        }
    }
}
