//! A local talker's granted press: chunks in, Opus packets and datagrams out.

use std::time::{Duration, Instant};

use bytes::Bytes;
use suara_proto::limits::MAX_DATAGRAM;
use suara_proto::opus::{TICKS_PER_MS, ticks};
use suara_proto::voice::{Flags, Header, Redundant, VoiceFrame};
use suara_proto::{ChannelNumber, Grant, RequestId, TalkerNumber};

use super::chunk::Stamp;
use super::pace::Pace;
use super::spread::Spread;
use super::wish::Wish;
use crate::audio::{Encoder, FRAME_MS, Format, Order, Reframer};
use crate::metrics::{DropReason, Metrics};

/// The last frame is repeated, so that listeners learn of the end even where one gets lost.
const END_REPEATS: u32 = 2;
const END_SPACING: Duration = Duration::from_millis(20);

/// What goes to the gateway, in this order.
#[derive(Debug)]
pub(super) enum Out {
    Voice(Frame),
    Request(RequestId, Wish),
    Cancel(RequestId),
    Release(Grant),
}

/// A frame on its way.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) datagram: Bytes,
    /// Whether clients of RTC on this bridge hear it when it goes, and not when its chunk came: a browser's jitter buffer takes
    /// the frames of a chunk that come at once for a road that is late, and the next chunk too late for what it plays.
    pub(super) to_rtc: bool,
}

/// How chunks become Opus.
enum Source {
    Pcm { reframer: Reframer, encoder: Encoder },
    Opus,
}

/// One granted press.
pub(super) struct Talk {
    source: Source,
    /// For this bridge's listeners of other formats.
    pub(super) spread: Spread,
    /// Chunks heard so far.
    pub(super) chunks: u64,
    /// Opus packets made so far.
    pub(super) packets: u64,
    /// Of packets with numbers of their own.
    pub(super) order: Order,
    header: Header,
    /// The first stamp, and what it became.
    origin: Option<(Stamp, Stamp)>,
}

impl Talk {
    pub(super) fn new(
        format: Format,
        channel: ChannelNumber,
        talker: TalkerNumber,
        grant: Grant,
    ) -> Result<Self, opus::Error> {
        let source = match format {
            Format::Opus => Source::Opus,
            Format::Pcm16(rate) => {
                Source::Pcm { reframer: Reframer::new(rate), encoder: Encoder::new(rate)? }
            }
        };
        let flags = Flags { start: true, ..Flags::default() };
        let header =
            Header { flags, sequence: rand::random(), timestamp: rand::random(), channel, talker, grant };
        let spread = Spread::default();
        Ok(Self { source, spread, chunks: 0, packets: 0, order: Order::default(), header, origin: None })
    }

    /// Whether its client sends chunks of any length, rather than packet by packet.
    pub(super) const fn is_chunked(&self) -> bool {
        matches!(self.source, Source::Pcm { .. })
    }

    pub(super) const fn grant(&self) -> Grant {
        self.header.grant
    }

    /// Frames carry another talker number from now on.
    pub(super) const fn renumber(&mut self, talker: TalkerNumber) {
        self.header.talker = talker;
    }

    /// Gives the next packet the place that its client gave it, as seen from the talkspurt's first.
    pub(super) fn place(&mut self, stamp: Stamp) {
        let Header { sequence, timestamp, .. } = self.header;
        let (first, own) = *self.origin.get_or_insert((stamp, Stamp { sequence, timestamp }));
        self.header.sequence = own.sequence.wrapping_add(stamp.sequence.wrapping_sub(first.sequence));
        self.header.timestamp = own.timestamp.wrapping_add(stamp.timestamp.wrapping_sub(first.timestamp));
    }

    /// The next packet as a frame.
    pub(super) fn frame<'a>(&self, packet: &'a [u8]) -> VoiceFrame<'a> {
        VoiceFrame { header: self.header, redundant: Redundant::default(), packet }
    }

    /// Of the next sample that is sent, on a clock of 48 000 Hz.
    pub(super) const fn timestamp(&self) -> u32 {
        self.header.timestamp
    }

    /// The Opus packets that a chunk completes.
    pub(super) fn packets(&mut self, chunk: &Bytes, metrics: &Metrics) -> Vec<Bytes> {
        match &mut self.source {
            Source::Opus => vec![chunk.clone()],
            Source::Pcm { reframer, encoder } => {
                let mut packets = Vec::new();
                reframer.push(chunk, |frame| packets.extend(encode(encoder, frame, metrics)));
                packets
            }
        }
    }

    /// The Opus packets that are left at the end of the press; an Opus talker leaves none.
    pub(super) fn last_packets(&mut self, metrics: &Metrics) -> Vec<Bytes> {
        match &mut self.source {
            Source::Opus => Vec::new(),
            Source::Pcm { reframer, encoder } => reframer
                .finish(encoder.lookahead())
                .iter()
                .filter_map(|frame| encode(encoder, frame, metrics))
                .collect(),
        }
    }

    /// Puts one packet on its way to the gateway.
    pub(super) fn send(&mut self, now: Instant, packet: &[u8], pace: &mut Pace<Out>, metrics: &Metrics) {
        let datagram = self.datagram(packet);
        let to_rtc = self.is_chunked();
        let sent = datagram.is_some_and(|datagram| pace.push(now, Out::Voice(Frame { datagram, to_rtc })));
        if !sent {
            metrics.dropped(DropReason::Datagram, 1);
        }
        let length = ticks(packet).unwrap_or(FRAME_MS * TICKS_PER_MS);
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(length);
        self.header.flags.start = false;
    }

    /// Puts the last frame on its way, and its repeats, and the release behind them.
    pub(super) fn end(mut self, now: Instant, packet: &[u8], pace: &mut Pace<Out>) {
        self.header.flags.end = true;
        if let Some(datagram) = self.datagram(packet) {
            for repeat in 0..=END_REPEATS {
                let frame = Frame { datagram: datagram.clone(), to_rtc: self.is_chunked() };
                pace.push_anyway(now + END_SPACING * repeat, Out::Voice(frame));
            }
        }
        pace.push_anyway(now, Out::Release(self.header.grant));
    }

    fn datagram(&self, packet: &[u8]) -> Option<Bytes> {
        let frame = self.frame(packet);
        let mut buffer = [0; MAX_DATAGRAM];
        let length = frame.encode(&mut buffer)?;
        Some(Bytes::copy_from_slice(&buffer[..length]))
    }
}

fn encode(encoder: &mut Encoder, frame: &[i16], metrics: &Metrics) -> Option<Bytes> {
    metrics.transcoded("encode");
    encoder.encode(frame).inspect_err(|error| tracing::debug!(%error, "a frame could not be encoded")).ok()
}
