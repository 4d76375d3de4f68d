//! Reports of bursts: who says it, on which transport, and whether it can know.

use suara_proto::message::{Heard, Said};
use suara_proto::{ChannelNumber, Grant, MemberRef};

use super::serve::Session;
use crate::auth::Scope;
use crate::kpi::{Burst, Fault, Report, Seen, Transport};
use crate::voice::Ear;

impl Session<'_> {
    /// Takes a report, or counts why not: it has no answer.
    pub(super) fn burst_report(
        &self,
        channel: ChannelNumber,
        grant: Grant,
        member: Option<MemberRef>,
        sides: (Option<Said>, Option<Heard>),
    ) {
        match self.report(channel, grant, member, sides) {
            Ok(report) => {
                let now = self.core.clock.micros(std::time::Instant::now());
                self.core.kpis.report(now, Burst { channel, grant }, report);
            }
            Err(fault) => self.core.kpis.refuse(fault),
        }
    }

    fn report(
        &self,
        channel: ChannelNumber,
        grant: Grant,
        member: Option<MemberRef>,
        sides: (Option<Said>, Option<Heard>),
    ) -> Result<Report, Fault> {
        let attached = self.members.get(member).ok_or(Fault::UnknownBurst)?;
        let seat = attached.seats.get(&channel).ok_or(Fault::UnknownBurst)?;
        let tape = seat.room.tapes.find(Some(grant)).ok_or(Fault::UnknownBurst)?;
        let talker = tape.talking().ok_or(Fault::UnknownBurst)?.talker;
        let seen = match sides {
            (Some(said), None) if talker == seat.talker => Seen::Said(said),
            (None, Some(heard)) if talker != seat.talker => Seen::Heard(heard),
            _ => return Err(Fault::WrongSide),
        };
        let transport = match (self.scope, &self.port.ear) {
            (Scope::Trunk, _) => Transport::SocketIo,
            (_, Ear::Connection(_)) => Transport::WebTransport,
            (_, Ear::Queue(_)) => Transport::WebSocket,
        };
        Ok(Report { by: seat.talker, transport, seen })
    }
}
