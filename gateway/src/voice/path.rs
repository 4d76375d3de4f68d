//! One session's path: what its client reports of the voice that it gets, and what the gateway reports of the voice that
//! comes from it. Pure.

use std::time::Duration;

use suara_proto::reception::Reporter;
use suara_proto::report::Report;
use suara_proto::voice::VoiceFrame;

use super::redundancy::Redundancy;

/// Both directions.
#[derive(Default)]
pub(super) struct Path {
    downlink: Redundancy,
    /// There once something was said. Boxed: most only listen.
    uplink: Option<Box<Uplink>>,
}

#[derive(Default)]
struct Uplink {
    reporter: Reporter,
    redundancy: Redundancy,
}

impl Path {
    /// The client reports; gives the earlier packets that its frames shall carry from now on.
    pub(super) fn reported(&mut self, report: &Report) -> u8 {
        self.downlink.report(report)
    }

    /// A frame came from the client; gives what it is to be told by now, if anything.
    pub(super) fn heard(&mut self, now: Duration, frame: &VoiceFrame<'_>) -> Option<Report> {
        let Uplink { reporter, redundancy } = &mut **self.uplink.get_or_insert_default();
        let report = reporter.frame(now, frame, redundancy.level() > 0)?;
        Some(Report { earlier: redundancy.report(&report), ..report })
    }
}
