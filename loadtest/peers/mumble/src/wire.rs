//! Mumble's messages, as much as a client that talks and listens needs: framing, a little of protobuf, its integers.

/// Kinds of control messages.
pub(crate) const VERSION: u16 = 0;
pub(crate) const AUTHENTICATE: u16 = 2;
pub(crate) const PING: u16 = 3;
pub(crate) const REJECT: u16 = 4;
pub(crate) const SERVER_SYNC: u16 = 5;
pub(crate) const CRYPT_SETUP: u16 = 15;
/// A control message's kind and length.
pub(crate) const HEAD: usize = 6;
/// First byte of a datagram of Opus to the current channel.
pub(crate) const OPUS: u8 = 4 << 5;
/// First byte of a datagram that the server sends back.
pub(crate) const ECHO: u8 = 1 << 5;

/// A control message.
pub(crate) fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Kind and length of the control message that begins here.
pub(crate) fn head(bytes: &[u8]) -> Option<(u16, usize)> {
    let [k0, k1, length @ ..] = *bytes.first_chunk::<HEAD>()?;
    Some((u16::from_be_bytes([k0, k1]), u32::from_be_bytes(length) as usize))
}

/// A protobuf field that is a number.
pub(crate) fn number(field: u8, mut value: u64, body: &mut Vec<u8>) {
    body.push(field << 3);
    while value > 0x7f {
        body.push(value as u8 | 0x80);
        value >>= 7;
    }
    body.push(value as u8);
}

/// A protobuf field that is text, shorter than 128 bytes.
pub(crate) fn text(field: u8, value: &str, body: &mut Vec<u8>) {
    body.extend_from_slice(&[field << 3 | 2, value.len() as u8]);
    body.extend_from_slice(value.as_bytes());
}

/// Keys and nonces of `CryptSetup`: three fields of 16 bytes.
pub(crate) fn crypt_setup(mut body: &[u8]) -> Option<[[u8; 16]; 3]> {
    let mut found = [None; 3];
    while let [tag, length, rest @ ..] = body {
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if let Some(slot) = found.get_mut(usize::from(tag >> 3).checked_sub(1)?) {
            *slot = <[u8; 16]>::try_from(value).ok();
        }
        body = rest;
    }
    let [key, client, server] = found;
    Some([key?, client?, server?])
}

/// Mumble's own integer, up to 28 bits.
pub(crate) fn put(value: u32, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    match value {
        0..0x80 => out.push(bytes[3]),
        0x80..0x4000 => out.extend_from_slice(&[0x80 | bytes[2], bytes[3]]),
        0x4000..0x20_0000 => out.extend_from_slice(&[0xc0 | bytes[1], bytes[2], bytes[3]]),
        _ => out.extend_from_slice(&[0xe0 | bytes[0], bytes[1], bytes[2], bytes[3]]),
    }
}

/// Takes one of them off the front.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u32> {
    let (&first, rest) = bytes.split_first()?;
    let (more, high) = match first {
        0..0x80 => (0, first),
        0x80..0xc0 => (1, first & 0x3f),
        0xc0..0xe0 => (2, first & 0x1f),
        0xe0..0xf0 => (3, first & 0x0f),
        _ => return None,
    };
    let (tail, rest) = rest.split_at_checked(more)?;
    *bytes = rest;
    Some(tail.iter().fold(u32::from(high), |value, byte| value << 8 | u32::from(*byte)))
}

/// A frame of Opus as a client sends it.
pub(crate) fn voice(sequence: u32, packet: &[u8]) -> Vec<u8> {
    let mut bytes = vec![OPUS];
    put(sequence, &mut bytes);
    put(packet.len() as u32, &mut bytes);
    bytes.extend_from_slice(packet);
    bytes
}

/// The packet in a frame of Opus from the server.
pub(crate) fn packet(bytes: &[u8]) -> Option<&[u8]> {
    let (first, mut rest) = bytes.split_first()?;
    if first & 0xe0 != OPUS {
        return None;
    }
    let (_session, _sequence) = (take(&mut rest)?, take(&mut rest)?);
    let length = take(&mut rest)? & 0x1fff;
    rest.get(..length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 0x0fff_ffff] {
            let mut bytes = Vec::new();
            put(value, &mut bytes);
            assert_eq!(take(&mut &bytes[..]), Some(value));
        }
    }

    #[test]
    fn a_frame_from_the_server_has_the_session_in_front() {
        let sent = voice(300, &[7; 100]);
        let mut heard = vec![OPUS, 5];
        heard.extend_from_slice(&sent[1..]);
        assert_eq!(packet(&heard), Some(&[7; 100][..]));
        assert_eq!(packet(&[ECHO, 1]), None);
    }

    #[test]
    fn crypt_setup_has_three_parts() {
        let mut body = Vec::new();
        for field in 1..=3_u8 {
            body.extend_from_slice(&[field << 3 | 2, 16]);
            body.extend_from_slice(&[field; 16]);
        }
        assert_eq!(crypt_setup(&body), Some([[1; 16], [2; 16], [3; 16]]));
        assert_eq!(crypt_setup(&body[..20]), None);
    }
}
