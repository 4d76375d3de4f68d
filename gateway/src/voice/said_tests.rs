//! What a talker's path does to its frames, and what listeners get.

use proptest::prelude::*;
use suara_proto::{ChannelNumber, TalkerNumber};

use super::*;

const GRANT: Grant = Grant(65_541);
const START: Flags = Flags { start: true, end: false, talk_ahead: false };
const END: Flags = Flags { start: false, end: true, talk_ahead: false };
const NONE: Flags = Flags { start: false, end: false, talk_ahead: false };

/// 20 ms that say their number.
fn packet(sequence: u16) -> Vec<u8> {
    [&[0x48][..], &sequence.to_be_bytes()].concat()
}

fn header(flags: Flags, sequence: u16) -> Header {
    Header {
        flags,
        sequence,
        timestamp: (i32::from(sequence as i16) * 960) as u32,
        channel: ChannelNumber(17),
        talker: TalkerNumber(4),
        grant: Grant(9),
    }
}

/// One datagram with so many earlier packets; the numbers that come of it.
fn hear(said: &mut Said, flags: Flags, sequence: u16, earlier: u16) -> Result<Vec<u16>, DropReason> {
    let before: Vec<_> = (1..=earlier).rev().map(|back| packet(sequence.wrapping_sub(back))).collect();
    let before: Vec<&[u8]> = before.iter().map(Vec::as_slice).collect();
    let packet = packet(sequence);
    let redundant = Redundant::new(&before).expect("two at most");
    let heard =
        said.take(&VoiceFrame { header: header(flags, sequence), redundant, packet: &packet }, GRANT)?;
    let all = heard.repaired.into_iter().flatten().chain([heard.spoken]);
    Ok(all.map(|spoken| check(&spoken)).collect())
}

/// A frame is what was said under that number, alone, and those before it are the ones before it.
fn check(spoken: &Spoken) -> u16 {
    let frame = VoiceFrame::decode(spoken.frame.payload()).expect("a voice frame");
    let sequence = frame.header.sequence;
    let wanted = Header { flags: frame.header.flags, grant: GRANT, ..header(NONE, sequence) };
    assert_eq!((frame.header, frame.packet), (wanted, &packet(sequence)[..]));
    assert!(frame.redundant.as_slice().is_empty() && !frame.header.flags.talk_ahead);
    for (back, earlier) in (1..).zip(&spoken.earlier.frames) {
        if let Some(earlier) = earlier {
            let earlier = VoiceFrame::decode(earlier.payload()).expect("a voice frame").header.sequence;
            assert_eq!(earlier, sequence.wrapping_sub(back));
        }
    }
    sequence
}

#[test]
fn a_lost_frame_comes_from_a_later_one_in_order_and_its_original_is_a_duplicate() {
    let mut said = Said::default();
    assert_eq!(hear(&mut said, START, 65_534, 0), Ok(vec![65_534]));
    assert_eq!(hear(&mut said, NONE, 1, 2), Ok(vec![65_535, 0, 1]));
    assert_eq!(hear(&mut said, NONE, 65_535, 1), Err(DropReason::Duplicate));
    assert_eq!(hear(&mut said, NONE, 2, 2), Ok(vec![2]));
    assert_eq!(hear(&mut said, NONE, 5, 1), Ok(vec![4, 5]), "3 is lost for good, or late");
    assert_eq!(hear(&mut said, NONE, 3, 2), Ok(vec![3]));
    assert_eq!(hear(&mut said, NONE, 5, 1), Err(DropReason::Duplicate));
}

#[test]
fn what_comes_under_a_request_is_stamped_and_repaired_too() {
    let mut said = Said::default();
    let ahead = Flags { talk_ahead: true, ..NONE };
    assert_eq!(hear(&mut said, Flags { start: true, ..ahead }, 7, 0), Ok(vec![7]));
    assert_eq!(hear(&mut said, ahead, 9, 1), Ok(vec![8, 9]));
    assert_eq!(hear(&mut said, NONE, 10, 2), Ok(vec![10]), "the grant is known by now");
}

#[test]
fn a_lost_start_is_made_up_for() {
    assert_eq!(hear(&mut Said::default(), NONE, 12, 2), Ok(vec![10, 11, 12]));
}

#[test]
fn every_end_goes_through() {
    let mut said = Said::default();
    hear(&mut said, START, 0, 0).unwrap();
    for _ in 0..3 {
        assert_eq!(hear(&mut said, END, 1, 1), Ok(vec![1]));
    }
}

#[test]
fn another_talkspurt_under_the_same_grant_is_not_mended_with_the_last() {
    let mut said = Said::default();
    hear(&mut said, START, 3, 0).unwrap();
    hear(&mut said, END, 4, 1).unwrap();
    assert_eq!(hear(&mut said, START, 40, 2), Ok(vec![40]));
    assert_eq!(hear(&mut said, END, 4, 1), Ok(vec![4]), "a late repeat");
    assert_eq!(hear(&mut said, START, 9_000, 0), Ok(vec![9_000]));
    assert_eq!(hear(&mut said, NONE, 9_001, 1), Ok(vec![9_001]));
}

#[test]
fn a_frame_takes_along_those_before_it() {
    let mut said = Said::default();
    let mut earlier = |flags, sequence| {
        let packet = packet(sequence);
        let frame =
            VoiceFrame { header: header(flags, sequence), redundant: Redundant::default(), packet: &packet };
        let spoken = said.take(&frame, GRANT).map_err(|reason| format!("{reason:?}")).unwrap().spoken;
        check(&spoken);
        spoken.earlier.frames.map(|frame| frame.is_some())
    };
    assert_eq!(earlier(START, 1), [false, false]);
    assert_eq!(earlier(NONE, 2), [true, false]);
    assert_eq!(earlier(NONE, 3), [true, true]);
    assert_eq!(earlier(NONE, 5), [false, true], "the engine takes none behind a gap");
    assert_eq!(earlier(START, 6), [false, false], "another talkspurt");
}

#[test]
fn at_its_edges_and_behind_a_repair_a_frame_takes_all_along_for_everybody() {
    let mut said = Said::default();
    let mut least = |flags, sequence, earlier: u16| {
        let (own, before) = (packet(sequence), packet(sequence.wrapping_sub(1)));
        let before = [&before[..]];
        let redundant = Redundant::new(&before[..earlier.into()]).unwrap();
        let frame = VoiceFrame { header: header(flags, sequence), redundant, packet: &own };
        said.take(&frame, GRANT).map_err(|reason| format!("{reason:?}")).unwrap().spoken.earlier.least
    };
    // START was lost, and comes with the next one.
    assert_eq!(least(NONE, 65_535, 1), 2);
    assert!((0..8).all(|number| least(NONE, number, 0) == 2), "the rest of the opening");
    assert_eq!(least(NONE, 8, 0), 0);
    assert_eq!(least(NONE, 10, 1), 2, "it leaves in one packet with what it repairs");
    assert_eq!([least(NONE, 11, 0), least(NONE, 12, 0), least(NONE, 13, 0)], [2, 2, 0]);
    assert_eq!([least(END, 14, 0), least(END, 14, 0)], [2, 2]);
}

#[test]
fn the_variants_are_what_a_client_decodes() {
    let plain = |sequence, packet: &[u8]| {
        let mut bytes = [0; MAX_DATAGRAM];
        let frame = VoiceFrame { header: header(NONE, sequence), redundant: Redundant::default(), packet };
        let length = frame.encode(&mut bytes).unwrap();
        Frame::new(&bytes[..length])
    };
    let [a, b, c] = [1, 2, 3].map(|sequence| plain(sequence, &packet(sequence)));
    let both = with_earlier(&c, &[&b, &a]).unwrap();
    let both = VoiceFrame::decode(both.payload()).unwrap();
    assert_eq!(both.redundant.as_slice(), [packet(1), packet(2)]);
    assert_eq!((both.header, both.packet), (header(NONE, 3), &packet(3)[..]));

    let large = plain(2, &[&[0x48][..], &[0; 970]].concat());
    assert!(with_earlier(&c, &[&large, &a]).is_none() && with_earlier(&c, &[&large]).is_some(), "1000 bytes");
    let nothing = Frame::new(&[&a.payload()[..2], &[2], &a.payload()[3..20]].concat());
    assert!(with_earlier(&c, &[&nothing]).is_none(), "an END without a packet");
}

proptest! {
    /// Whatever is lost, doubled and overtaken: no number but END's twice, a lost one only if no packet carried it, and
    /// on a path that only loses, all in order.
    #[test]
    fn listeners_get_each_frame_once(
        fates in prop::collection::vec((0u8..10, any::<bool>()), 1..120), level in 0u16..=2, swaps in any::<bool>(),
    ) {
        let mut said = Said::default();
        let mut sent: Vec<u16> = Vec::new();
        for (index, &(fate, twice)) in fates.iter().enumerate() {
            let number = index as u16;
            // 0 and 1 are lost; 2 comes behind the next one.
            match fate {
                0 | 1 => {}
                2 if swaps => sent.insert(sent.len().saturating_sub(1), number),
                _ => sent.push(number),
            }
            if twice && swaps && fate > 1 {
                sent.push(number);
            }
        }
        let mut got = Vec::new();
        for &number in &sent {
            let flags = if number == 0 { START } else { NONE };
            got.extend(hear(&mut said, flags, number, level.min(number)).unwrap_or_default());
        }
        let mut once = got.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), got.len(), "nothing twice: {:?}", &got);
        prop_assert!(sent.iter().all(|number| once.contains(number)), "{:?} of {:?}", &got, &sent);
        if !swaps {
            let carried = |number: &u16| (*number..=number + level).any(|by| sent.contains(&by));
            let expected: Vec<_> = (0..fates.len() as u16).filter(carried).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
