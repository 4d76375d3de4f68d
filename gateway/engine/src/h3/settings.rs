//! The server's SETTINGS: what browsers look for before they open a session.

use web_transport_proto::{Frame, Setting, StreamUni, VarInt};

/// Sessions of a connection.
const MAX_SESSIONS: u32 = 1;
/// The largest CONNECT, by HTTP/3's own count (RFC 9114, section 4.2.2).
const MAX_FIELD_SECTION_SIZE: u32 = 16 * 1024;

/// The control stream's type and the SETTINGS frame (RFC 9114, section 7.2.4), always the same bytes.
///
/// WebTransport is announced as draft 02 has it (`0x2b603742`, what Chromium and Firefox look for) and as draft 07 has
/// it (`0xc671706a`, Safari). Not as draft 13 has it (`0x14e9cd29`): without the flow control that belongs to it Safari
/// would refuse, or couldn't send.
pub(crate) fn settings() -> Vec<u8> {
    let one = VarInt::from_u32(1);
    let pairs = [
        // QPACK without a dynamic table (RFC 9204, section 5).
        (Setting::QPACK_MAX_TABLE_CAPACITY, VarInt::from_u32(0)),
        (Setting::MAX_FIELD_SECTION_SIZE, VarInt::from_u32(MAX_FIELD_SECTION_SIZE)),
        (Setting::QPACK_BLOCKED_STREAMS, VarInt::from_u32(0)),
        // Extended CONNECT (RFC 9220) and HTTP datagrams (RFC 9297), with the number of its draft.
        (Setting::ENABLE_CONNECT_PROTOCOL, one),
        (Setting::ENABLE_DATAGRAM, one),
        (Setting::ENABLE_DATAGRAM_DEPRECATED, one),
        (Setting::WEBTRANSPORT_ENABLE_DEPRECATED, one),
        (Setting::WEBTRANSPORT_MAX_SESSIONS_DEPRECATED, VarInt::from_u32(MAX_SESSIONS)),
        (Setting::WEBTRANSPORT_MAX_SESSIONS, VarInt::from_u32(MAX_SESSIONS)),
    ];
    let mut payload = Vec::new();
    for (setting, value) in pairs {
        setting.encode(&mut payload);
        value.encode(&mut payload);
    }
    let mut bytes = Vec::new();
    StreamUni::CONTROL.encode(&mut bytes);
    Frame::SETTINGS.encode(&mut bytes);
    VarInt::from_u32(payload.len() as u32).encode(&mut bytes);
    bytes.extend_from_slice(&payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_find_the_settings_that_they_need() {
        #[rustfmt::skip]
        let expected = [
            0x00,                                                   // control stream
            0x04, 41,                                               // SETTINGS
            0x01, 0x00,                                             // QPACK: no dynamic table
            0x06, 0x80, 0x00, 0x40, 0x00,                           // field section: 16384
            0x07, 0x00,                                             // QPACK: no blocked streams
            0x08, 0x01,                                             // extended CONNECT
            0x33, 0x01,                                             // datagrams
            0x80, 0xff, 0xd2, 0x77, 0x01,                           // datagrams, as a draft had them
            0xab, 0x60, 0x37, 0x42, 0x01,                           // WebTransport, draft 02: Chromium, Firefox
            0xab, 0x60, 0x37, 0x43, 0x01,                           // its number of sessions
            0xc0, 0x00, 0x00, 0x00, 0xc6, 0x71, 0x70, 0x6a, 0x01,   // WebTransport, draft 07: Safari
        ];
        let settings = settings();
        assert_eq!(settings[3..].len(), expected[3..].len());
        assert_eq!(settings[3..], expected[3..]);
        assert_eq!(settings[..3], [0x00, 0x04, settings.len() as u8 - 3]);
        // Draft 13's, without the flow control that belongs to it.
        assert!(!settings.windows(4).any(|bytes| bytes == [0x94, 0xe9, 0xcd, 0x29]));
    }
}
