//! A session's voice: what it hears, and what it says when.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::time::Duration;

use suara_proto::limits::MAX_DATAGRAM;
use suara_proto::report::KIND_REPORT;
use suara_proto::voice::{Flags, Header, Redundant, VoiceFrame};

use super::{Act, Context, Role, Session};
use crate::stamp::Stamp;

/// Ticks of the voice clock in a second.
const TICKS: u64 = 48_000;

impl Session {
    pub(super) fn datagram(&mut self, datagram: &[u8], context: &mut Context<'_>) {
        // What the gateway says of a talker's path is no frame.
        if datagram.first() == Some(&KIND_REPORT) {
            return;
        }
        let frame = VoiceFrame::decode(datagram).ok();
        let stamp =
            frame.and_then(|frame| Stamp::read(frame.packet).or_else(|| self.transcoded(&frame, context)));
        let Some(stamp) = stamp.filter(|stamp| u32::from(stamp.source) < context.shared.talkers) else {
            context.tally.foreign += 1;
            return;
        };
        if self.is_guest() {
            return;
        }
        let Some(into) = context.shared.phase.counted(stamp.intended) else { return };
        if self.seen.first(stamp.source, stamp.frame) {
            let age = context.shared.clock.of(context.now).saturating_sub(stamp.intended);
            context.tally.delivered(into, Duration::from_nanos(age).saturating_sub(self.waited));
        } else {
            context.tally.duplicates += 1;
        }
    }

    /// What the stamp was of a frame that came through a bridge's encoder: they are counted from the burst's first.
    fn transcoded(&mut self, frame: &VoiceFrame<'_>, context: &Context<'_>) -> Option<Stamp> {
        let voice = context.shared.phase.voice().filter(|_| context.shared.legacy_talkers)?;
        let Header { flags, sequence, .. } = frame.header;
        if flags.start {
            self.first = Some(sequence);
        }
        // The end of a burst is a frame of the bridge's own.
        let count = sequence.wrapping_sub(self.first.filter(|_| !flags.end)?);
        let source = self.plan.index as u16;
        let spread = context.voice.period / context.shared.talkers;
        let intended =
            voice + (spread * u32::from(source) + context.voice.period * u32::from(count)).as_nanos() as u64;
        Some(Stamp { source, frame: count.into(), intended })
    }

    /// Sends every frame that is due, however late, and sets the alarm for the next.
    pub(super) fn talk(&mut self, context: &mut Context<'_>) {
        let Role::Talker { source, offset } = self.plan.role else { return };
        let Some(voice) = context.shared.phase.voice() else { return };
        let now = context.shared.clock.of(context.now);
        let due = |frame: u32| voice + (offset + context.voice.period * frame).as_nanos() as u64;
        while due(self.frame) <= now && due(self.frame) < context.shared.phase.until() {
            let stamp = Stamp { source, frame: self.frame, intended: due(self.frame) };
            self.send(stamp, now, context);
            self.frame += 1;
        }
        if due(self.frame) < context.shared.phase.until() {
            let moment = context.shared.clock.at(due(self.frame));
            context.todo.push(Reverse((moment, self.me, Act::Talk)));
        }
    }

    fn send(&mut self, stamp: Stamp, now: u64, context: &mut Context<'_>) {
        let counted = context.shared.phase.counted(stamp.intended);
        let (Some(grant), Some(link)) = (self.grant, &mut self.link) else {
            context.tally.ungranted += u64::from(counted.is_some());
            return;
        };
        let mut packet = [0; MAX_DATAGRAM];
        stamp.write(&mut packet);
        let flags = Flags { start: std::mem::take(&mut self.start), ..Flags::default() };
        let elapsed = context.voice.period.as_micros() as u64 * u64::from(stamp.frame);
        let header = Header {
            flags,
            sequence: stamp.frame as u16,
            timestamp: (elapsed * TICKS / 1_000_000) as u32,
            channel: self.channel,
            talker: self.talker,
            grant,
        };
        let packet = &packet[..context.voice.size];
        let mut datagram = [0; MAX_DATAGRAM];
        let written = VoiceFrame { header, redundant: Redundant::default(), packet }.encode(&mut datagram);
        if !written.is_some_and(|length| link.datagram(&datagram[..length])) {
            context.tally.fault(|| "a datagram can't be sent".to_owned());
        }
        context.shared.sent.fetch_add(1, Ordering::Relaxed);
        if let Some(into) = counted {
            let late = Duration::from_nanos(now.saturating_sub(stamp.intended));
            context.tally.sent(into, late, context.shared.others(self.plan.index));
        }
    }
}
