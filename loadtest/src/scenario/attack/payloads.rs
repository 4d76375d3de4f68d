//! Bytes that a gateway must refuse, each with what it must say.

use suara_proto::limits::MAX_CLIENT_MESSAGE;

/// Messages that are framed well and say nothing good, with the code of the answer.
pub(super) const MESSAGES: &[(&[u8], &str)] = &[
    (b"{", "malformed"),
    (b"[]", "malformed"),
    (b"null", "malformed"),
    (b"{\"type\":7}", "malformed"),
    (b"{\"nonce\":7}", "malformed"),
    (b"\xff\xfe{\"type\":\"ping\"}", "malformed"),
    (b"[\"ping\",{\"nonce\":7}]", "malformed"),
    (b"{\"type\":\"grant_me_everything\"}", "unknown_type"),
    (b"{\"type\":\"ping\"}", "bad_field"),
    (b"{\"type\":\"ping\",\"nonce\":-1}", "bad_field"),
    (b"{\"type\":\"ping\",\"nonce\":4294967296}", "bad_field"),
    (b"{\"type\":\"join\",\"request\":1,\"channel\":17}", "bad_field"),
    (b"{\"type\":\"floor_request\",\"request\":\"1\",\"channel\":1}", "bad_field"),
];

/// Heads of frames after which nothing can be told apart.
pub(super) fn frames() -> [Vec<u8>; 3] {
    let too_long = (MAX_CLIENT_MESSAGE as u32 + 1).to_be_bytes();
    [vec![0; 4], too_long.to_vec(), vec![0xff; 4]]
}

/// Datagrams that are no voice. Their channel, talker and grant are filled in by the attacker, so that nothing but their
/// shape can be why they are refused.
pub(super) fn datagrams(good: &[u8]) -> Vec<Vec<u8>> {
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bad = good.to_vec();
        change(&mut bad);
        bad
    };
    vec![
        Vec::new(),
        with(&|bad| bad.truncate(1)),
        with(&|bad| bad.truncate(19)),
        with(&|bad| bad.truncate(20)),
        with(&|bad| bad[0] = 9),
        with(&|bad| bad[1] = 2),
        with(&|bad| bad[2] = 0xf8),
        with(&|bad| bad[3] = 3),
        with(&|bad| {
            bad[3] = 2;
            bad[20..22].copy_from_slice(&[0xff, 0xff]);
        }),
        // Two frames of 60 ms are longer than a packet may be.
        with(&|bad| bad[20] = 0x59),
        with(&|bad| bad.resize(1001, 0)),
        with(&|bad| bad.resize(1150, 0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use suara_proto::frame::split;
    use suara_proto::message::decode_client;
    use suara_proto::voice::VoiceFrame;

    #[test]
    fn every_message_is_refused_under_its_name() {
        for (message, code) in MESSAGES {
            let fault = decode_client(message).expect_err(&String::from_utf8_lossy(message));
            assert_eq!(fault.code().name(), *code, "{}", String::from_utf8_lossy(message));
        }
    }

    #[test]
    fn no_frame_can_be_split_off() {
        for frame in frames() {
            assert!(split(&mut BytesMut::from(&frame[..]), MAX_CLIENT_MESSAGE).is_err(), "{frame:?}");
        }
    }

    #[test]
    fn every_datagram_is_refused_but_the_one_that_they_are_made_of() {
        let mut good = vec![1, 1, 0, 0];
        good.resize(20, 0);
        good.push(0x78);
        good.resize(120, 7);
        assert!(VoiceFrame::decode(&good).is_ok());
        for (index, bad) in datagrams(&good).iter().enumerate() {
            assert!(VoiceFrame::decode(bad).is_err(), "datagram {index}");
        }
    }
}
