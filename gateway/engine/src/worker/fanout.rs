//! One frame in, a thousand out: the hot path.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::connection::{Connection, report};
use super::{Bounds, Worker};
use crate::application::Application;
use crate::breaker::Passage;
use crate::transport;
use crate::voice::{Cast, Frame, MAX_EARLIER, Seat, Tally, Variants};

/// A frame that has waited so long waits for its path, and not for this turn's end.
const HELD_UP: Duration = Duration::from_millis(5);

impl<A: Application> Worker<A> {
    /// Sends the frames that have come in to those who hear them.
    pub(super) fn fan_out(&mut self, now: Instant) {
        let mut casts = std::mem::take(&mut self.casts);
        // Alone in its turn, as nearly always, a frame goes out while its listener's state is at hand. Several are put
        // in line first, so that those for the same listener share a packet.
        let alone = casts.len() == 1;
        for cast in casts.drain(..) {
            self.pass_on(&cast);
            let mut variants = Variants::default();
            for &seat in cast.audience.at(self.number) {
                self.deliver(now, &cast, &mut variants, seat, alone);
            }
        }
        // What came up meanwhile has its turn next.
        casts.append(&mut self.casts);
        self.casts = casts;
    }

    /// A frame of one's own connection goes to each other worker once.
    fn pass_on(&self, cast: &Cast) {
        if cast.sender.is_none_or(|sender| sender.worker != self.number) {
            return;
        }
        for worker in cast.audience.workers().filter(|worker| *worker != self.number) {
            if let Some(inbox) = self.inboxes.get(usize::from(worker)) {
                inbox.cast(cast.clone());
            }
        }
    }

    fn deliver(&mut self, now: Instant, cast: &Cast, variants: &mut Variants, seat: Seat, at_once: bool) {
        if cast.sender.is_some_and(|sender| sender.seat == seat && sender.worker == self.number) {
            return;
        }
        if self.table.at(seat).is_some_and(|connection| connection.resting) {
            self.events(now, seat.slot);
            // Whatever that was: if it was the end, the seat has to be empty before QUIC gives it to somebody else.
            self.table.mark(seat.slot);
        }
        let Some(connection) = self.table.at(seat) else { return };
        let Some(quarter) = connection.quarter() else { return };
        let frame = match connection.wants(cast) {
            0 => &cast.frame,
            wanted => {
                let build = |frame: &Frame, earlier: &[&Frame]| self.application.with_earlier(frame, earlier);
                let (frame, count) = variants.get(cast, wanted, build);
                connection.choose(now, &cast.frame, frame, count, &mut self.tally)
            }
        };
        connection.offer(now, cast.since, frame.datagram(quarter), &self.bounds, &mut self.tally);
        self.table.mark(seat.slot);
        if at_once {
            self.transmit(now, seat.slot);
        }
    }
}

impl<P> Connection<P> {
    /// How many earlier frames go with this one: as many as were asked for, and more where nobody can have asked yet.
    fn wants(&mut self, cast: &Cast) -> u8 {
        let is_new = self.tried < cast.earlier.trial;
        if cast.earlier.frames[0].is_some() {
            self.tried = self.tried.saturating_add(1);
        }
        let all = if is_new { MAX_EARLIER as u8 } else { 0 };
        self.earlier.max(cast.earlier.least).max(all)
    }

    /// The variant with so many earlier frames; the plain one where its client takes no datagrams as large as that, and while
    /// its path holds voice up: what is lost there is lost to want of room, and more would make it worse.
    fn choose<'a>(
        &mut self,
        now: Instant,
        plain: &'a Frame,
        variant: &'a Frame,
        count: usize,
        tally: &mut Tally,
    ) -> &'a Frame {
        let Some(place) = count.checked_sub(1) else { return plain };
        if self.voice.deadline(HELD_UP).is_some_and(|late| late <= now) {
            return plain;
        }
        if self.quic.datagrams().max_size().is_none_or(|largest| variant.payload().len() >= largest) {
            return plain;
        }
        tally.with_earlier[place] += 1;
        variant
    }

    /// Sends a frame if the path takes it now; otherwise it waits, for as long as voice is worth something.
    fn offer(&mut self, now: Instant, since: Instant, frame: Bytes, bounds: &Bounds, tally: &mut Tally) {
        if self.voice.is_empty() && self.may_send(now, bounds) {
            self.hand_over(now, since, frame, tally);
        } else {
            self.voice.expire(now, bounds.max_age, tally);
            self.voice.push(since, frame, tally);
        }
    }

    /// Hands waiting frames to QUIC, as many as share a packet, if it sends them at once.
    pub(super) fn feed(&mut self, now: Instant, bounds: &Bounds, tally: &mut Tally) {
        if self.voice.is_empty() {
            return;
        }
        self.voice.expire(now, bounds.max_age, tally);
        if !self.may_send(now, bounds) {
            return;
        }
        while let Some((since, frame)) = self.voice.pop_within(self.quic.datagrams().send_buffer_space()) {
            self.hand_over(now, since, frame, tally);
        }
    }

    /// Whether nothing waits inside QUIC and the path is alive.
    fn may_send(&mut self, now: Instant, bounds: &Bounds) -> bool {
        if !self.sends_at_once(bounds) {
            return false;
        }
        let quic = &self.quic;
        self.breaker.frame(now, || report(quic)) == Passage::Open
    }

    /// Whether no datagram waits inside QUIC.
    pub(super) fn sends_at_once(&mut self, bounds: &Bounds) -> bool {
        transport::is_empty(bounds.send_buffer, self.quic.datagrams().send_buffer_space())
    }

    fn hand_over(&mut self, now: Instant, since: Instant, frame: Bytes, tally: &mut Tally) {
        let bytes = frame.len();
        match self.quic.datagrams().send(frame, false) {
            Ok(()) => tally.sent(bytes - 1, now.saturating_duration_since(since)),
            // Its client hears small frames only, or none; the session goes on.
            Err(_) => tally.too_large += 1,
        }
    }
}
