use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use suara_proto::frame::{self, FrameError};

const LIMIT: usize = 300;

/// Reads `stream` in chunks that end at `borders`: the messages, the rest, and the fault that ended it.
fn read(stream: &[u8], mut borders: Vec<usize>) -> (Vec<Bytes>, usize, Option<FrameError>) {
    borders.extend([0, stream.len()]);
    borders.sort_unstable();
    let (mut buffer, mut messages) = (BytesMut::new(), Vec::new());
    for chunk in borders.windows(2) {
        buffer.extend_from_slice(&stream[chunk[0]..chunk[1]]);
        loop {
            match frame::split(&mut buffer, LIMIT) {
                Ok(None) => break,
                Ok(Some(message)) => messages.push(message),
                Err(fault) => return (messages, 0, Some(fault)),
            }
        }
    }
    (messages, buffer.len(), None)
}

fn borders(stream_len: usize) -> impl Strategy<Value = Vec<usize>> {
    vec(0..=stream_len, 0..20)
}

fn cut_stream() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>, Vec<usize>)> {
    let messages = vec(vec(any::<u8>(), 1..=LIMIT), 0..6);
    messages.prop_flat_map(|messages| {
        let stream: Vec<u8> = messages.iter().flat_map(|message| frame::join(message)).collect();
        let borders = borders(stream.len());
        (Just(messages), Just(stream), borders)
    })
}

/// Streams in which lengths are often small, so that frames follow each other.
fn any_stream() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let byte = prop_oneof![4 => Just(0u8), 1 => 0u8..8, 1 => any::<u8>()];
    vec(byte, 0..200).prop_flat_map(|stream| {
        let borders = borders(stream.len());
        (Just(stream), borders)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn messages_come_out_as_they_went_in_wherever_the_stream_is_cut((messages, stream, borders) in cut_stream()) {
        let (read, rest, fault) = read(&stream, borders);
        prop_assert_eq!(read, messages);
        prop_assert_eq!((rest, fault), (0, None));
    }

    #[test]
    fn a_stream_without_its_last_byte_needs_more((messages, stream, borders) in cut_stream()) {
        prop_assume!(!stream.is_empty());
        let end = stream.len() - 1;
        let (read, rest, fault) = read(&stream[..end], borders.into_iter().map(|border| border.min(end)).collect());
        prop_assert_eq!(&read[..], &messages[..messages.len() - 1]);
        prop_assert_eq!((rest, fault), (messages[messages.len() - 1].len() + 3, None));
    }

    #[test]
    fn any_stream_reads_the_same_in_one_chunk_and_in_many((stream, borders) in any_stream()) {
        prop_assert_eq!(read(&stream, borders), read(&stream, Vec::new()));
    }

    #[test]
    fn a_length_is_judged_before_its_message_comes(length in any::<u32>()) {
        let mut buffer = BytesMut::from(&length.to_be_bytes()[..]);
        let fault = match length {
            0 => Some(FrameError::Empty),
            length if length as usize > LIMIT => Some(FrameError::TooLong { length, limit: LIMIT }),
            _ => None,
        };
        prop_assert_eq!(frame::split(&mut buffer, LIMIT).err(), fault);
    }
}
