//! The name of a certificate by which browsers and trunks pin it.

use std::{fmt, str::FromStr};

use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

const LENGTH: usize = 32;

/// SHA-256 over the DER of a certificate, as `serverCertificateHashes` wants it.
///
/// Written the way openssl and browsers show it: upper-case hexadecimal bytes separated by colons.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; LENGTH]);

/// A text is not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 32 hexadecimal bytes separated by colons")]
pub struct ParseFingerprintError;

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// The hash itself.
    pub const fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl From<[u8; LENGTH]> for Fingerprint {
    fn from(hash: [u8; LENGTH]) -> Self {
        Self(hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut hash = [0; LENGTH];
        let mut pairs = text.split(':');
        for byte in &mut hash {
            *byte = pairs.next().and_then(parse_byte).ok_or(ParseFingerprintError)?;
        }
        if pairs.next().is_some() {
            return Err(ParseFingerprintError);
        }
        Ok(Self(hash))
    }
}

fn parse_byte(pair: &str) -> Option<u8> {
    // `from_str_radix` alone would accept a sign and a single digit.
    let two_digits = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
    two_digits.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:\
                       B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";

    #[test]
    fn a_fingerprint_is_the_sha256_of_the_der() {
        let of_abc = Fingerprint::of(&CertificateDer::from(b"abc".to_vec()));
        assert_eq!(of_abc.to_string(), ABC);
        assert_eq!(of_abc.as_bytes()[..2], [0xba, 0x78]);
    }

    #[test]
    fn what_is_written_parses_back() {
        let fingerprint = Fingerprint::from(std::array::from_fn(|index| index as u8 * 7));
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert_eq!(fingerprint.to_string().to_lowercase().parse(), Ok(fingerprint));
    }

    #[test]
    fn anything_else_does_not_parse() {
        let too_long = format!("{ABC}:00");
        let signed = ABC.replacen("BA", "+A", 1);
        let single_digit = ABC.replacen("01", "1", 1);
        let without_colons = ABC.replace(':', "");
        for text in ["", ":", &ABC[..ABC.len() - 3], &too_long, &signed, &single_digit, &without_colons, "é"]
        {
            assert_eq!(text.parse::<Fingerprint>(), Err(ParseFingerprintError), "{text}");
        }
    }
}
