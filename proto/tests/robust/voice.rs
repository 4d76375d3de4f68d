use proptest::collection::vec;
use proptest::prelude::*;
use suara_proto::limits::{MAX_DATAGRAM, MAX_FRAME};
use suara_proto::opus::{self, TICKS_PER_MS};
use suara_proto::voice::{Flags, HEADER_LEN, Header, KIND_VOICE, Redundant, VERSION, VoiceFrame};
use suara_proto::{ChannelNumber, Grant, TalkerNumber};

/// Owns what a [`VoiceFrame`] borrows.
#[derive(Debug)]
struct Frame {
    header: Header,
    redundant: Vec<Vec<u8>>,
    packet: Vec<u8>,
}

impl Frame {
    fn with<T>(&self, use_frame: impl FnOnce(VoiceFrame<'_>) -> T) -> T {
        let earlier: Vec<&[u8]> = self.redundant.iter().map(Vec::as_slice).collect();
        let redundant = Redundant::new(&earlier).expect("the strategy makes at most two");
        use_frame(VoiceFrame { header: self.header, redundant, packet: &self.packet })
    }
}

/// Valid Opus as far as this crate looks: one frame, or a count byte of at most 60 ms.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let single =
        (0u8..32, vec(any::<u8>(), 0..300)).prop_map(|(config, body)| [vec![config << 3], body].concat());
    let counted = (1u8..=24, any::<bool>(), vec(any::<u8>(), 0..300))
        .prop_map(|(count, padded, body)| [vec![0xe3, count | u8::from(padded) << 6], body].concat());
    prop_oneof![single, counted]
}

fn header() -> impl Strategy<Value = Header> {
    let flags =
        any::<(bool, bool, bool)>().prop_map(|(start, end, talk_ahead)| Flags { start, end, talk_ahead });
    (flags, any::<(u16, u32, u32, u16, u32)>()).prop_map(
        |(flags, (sequence, timestamp, channel, talker, grant))| {
            let (channel, talker, grant) = (ChannelNumber(channel), TalkerNumber(talker), Grant(grant));
            Header { flags, sequence, timestamp, channel, talker, grant }
        },
    )
}

fn frame() -> impl Strategy<Value = Frame> {
    (header(), vec(packet(), 0..=2), packet(), any::<bool>()).prop_map(
        |(header, redundant, packet, silent)| {
            let packet = if silent && header.flags.end { Vec::new() } else { packet };
            Frame { header, redundant, packet }
        },
    )
}

/// Bytes that get past the first checks more often than arbitrary ones do.
fn likely_datagram() -> impl Strategy<Value = Vec<u8>> {
    (0u8..8, 0u8..3, vec(any::<u8>(), 16), vec(prop_oneof![Just(0u8), any::<u8>()], 0..60)).prop_map(
        |(flags, count, numbers, rest)| [vec![KIND_VOICE, VERSION, flags, count], numbers, rest].concat(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_valid_frame_survives_the_wire(frame in frame()) {
        frame.with(|frame| {
            let mut out = vec![0; frame.encoded_len()];
            prop_assert_eq!(frame.encode(&mut out), Some(out.len()));
            prop_assert_eq!(VoiceFrame::decode(&out), Ok(frame));
            Ok(())
        })?;
    }

    #[test]
    fn accepted_bytes_are_written_again_as_they_were(
        bytes in prop_oneof![likely_datagram(), vec(any::<u8>(), 0..MAX_DATAGRAM + 100)],
    ) {
        if let Ok(frame) = VoiceFrame::decode(&bytes) {
            let mut out = vec![0; bytes.len()];
            prop_assert_eq!(frame.encode(&mut out), Some(bytes.len()));
            prop_assert_eq!(out, bytes);
        }
    }

    #[test]
    fn a_frame_cut_anywhere_is_no_other_frame_of_the_same_header(frame in frame(), cut in any::<prop::sample::Index>()) {
        let bytes = frame.with(|frame| {
            let mut out = vec![0; frame.encoded_len()];
            frame.encode(&mut out).map(|_| out)
        }).expect("at most 3 x 302 bytes");
        let cut = cut.index(bytes.len());
        match VoiceFrame::decode(&bytes[..cut]) {
            Ok(shorter) => prop_assert!(cut >= HEADER_LEN && shorter.header == frame.header),
            Err(fault) => prop_assert!(["truncated", "packet"].contains(&fault.name()), "{}", fault),
        }
    }

    #[test]
    fn encoding_into_too_small_a_slice_writes_nothing(frame in frame(), missing in 1usize..1000, fill in any::<u8>()) {
        frame.with(|frame| {
            let mut out = vec![fill; frame.encoded_len().saturating_sub(missing)];
            prop_assert_eq!(frame.encode(&mut out), None);
            prop_assert!(out.iter().all(|byte| *byte == fill));
            Ok(())
        })?;
    }

    #[test]
    fn encoding_leaves_the_rest_of_a_larger_slice_alone(frame in frame(), extra in 1usize..100) {
        frame.with(|frame| {
            let len = frame.encoded_len();
            let mut out = vec![0xa5; len + extra];
            prop_assert_eq!(frame.encode(&mut out), Some(len));
            prop_assert!(out[len..].iter().all(|byte| *byte == 0xa5));
            Ok(())
        })?;
    }

    #[test]
    fn an_oversized_frame_writes_nothing(header in header(), len in MAX_DATAGRAM - HEADER_LEN + 1..70_000) {
        let packet = vec![0x78; len];
        let redundant = Redundant::default();
        let earlier = Redundant::new(&[&packet]).expect("one is not too many");
        for frame in [
            VoiceFrame { header, redundant, packet: &packet },
            VoiceFrame { header, redundant: earlier, packet: &[0x78] },
        ] {
            let mut out = vec![0; frame.encoded_len()];
            prop_assert_eq!(frame.encode(&mut out), None);
            prop_assert!(out.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn a_packet_lasts_whole_steps_of_2_5_ms_up_to_60(packet in vec(any::<u8>(), 0..4)) {
        if let Ok(ticks) = opus::ticks(&packet) {
            prop_assert_eq!(ticks % (5 * TICKS_PER_MS / 2), 0);
            prop_assert!((1..=MAX_FRAME.as_millis() as u32 * TICKS_PER_MS).contains(&ticks));
        }
    }
}

#[test]
fn three_earlier_packets_are_too_many() {
    assert_eq!(Redundant::new(&[&[0x78][..]; 3]), None);
    assert_eq!(Redundant::new(&[&[0x78][..]; 2]).map(|two| two.as_slice().len()), Some(2));
}
