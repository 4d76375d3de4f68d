//! Where a client goes, and which certificates it trusts there: the answer to `GET /api/connect` (PROTOCOL.md, section 2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What [`Connect::protocol`] says.
pub const PROTOCOL: &str = "suara/1";
/// The one algorithm of certificate hashes that is used today.
pub const SHA_256: &str = "sha-256";

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// [`PROTOCOL`].
    pub protocol: String,
    /// The road by UDP.
    pub webtransport: WebTransportRoad,
    /// The road by TCP, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebSocketRoad>,
    /// Which of several nodes that is; another one after each start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// Where WebTransport sessions are opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebTransportRoad {
    /// An `https` URL.
    pub url: String,
    /// Certificates to trust by their hashes; none when public authorities vouch for the server's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificate_hashes: Vec<CertificateHash>,
}

/// Where WebSockets are opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSocketRoad {
    /// Relative to the document's: what stands in front of the gateway knows its address, and whether it is TLS there.
    pub url: String,
}

/// A certificate's hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateHash {
    /// [`SHA_256`]; others are to be ignored.
    pub algorithm: String,
    /// Base64, with padding.
    pub value: String,
}

/// Hashes are announced, and there is none among them that can be used: nobody is to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the announced certificate hashes can't be used")]
pub struct UnusableHashes;

impl CertificateHash {
    /// The SHA-256 of a certificate in DER.
    #[must_use]
    pub fn sha_256(digest: &[u8; 32]) -> Self {
        Self { algorithm: SHA_256.to_owned(), value: STANDARD.encode(digest) }
    }
}

impl WebTransportRoad {
    /// The certificates to trust; none means the ordinary way, by issuer and name.
    ///
    /// # Errors
    /// When hashes are announced and one of SHA-256 is none, or there is none of that algorithm.
    pub fn pins(&self) -> Result<Vec<[u8; 32]>, UnusableHashes> {
        let digests = self.certificate_hashes.iter().filter(|hash| hash.algorithm == SHA_256).map(|hash| {
            let digest = STANDARD.decode(&hash.value).ok().and_then(|bytes| bytes.try_into().ok());
            digest.ok_or(UnusableHashes)
        });
        let pins = digests.collect::<Result<Vec<_>, _>>()?;
        if pins.is_empty() && !self.certificate_hashes.is_empty() { Err(UnusableHashes) } else { Ok(pins) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Connect {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_answer_of_the_page_is_read_and_written() {
        let text = r#"{"protocol":"suara/1","webtransport":{"url":"https://127.0.0.1:4433/v1/wt","certificate_hashes":[{"algorithm":"sha-256","value":"vyFlDiGvTSt7NMNKSTEFDxEoZTLCk2BMrXOFmxJkzGM="}]},"websocket":{"url":"/v1/ws"},"node":"1f0c9a4e00000001"}"#;
        let connect = read(text);
        let pins = connect.webtransport.pins().unwrap();
        assert_eq!(CertificateHash::sha_256(&pins[0]), connect.webtransport.certificate_hashes[0]);
        assert_eq!(serde_json::to_string(&connect).unwrap(), text);
    }

    #[test]
    fn what_is_not_known_is_ignored() {
        let connect = read(
            r#"{"protocol":"suara/1","carrier_pigeon":{},"webtransport":{"url":"https://x/","certificate_hashes":
            [{"algorithm":"sha-999","value":"?"},{"algorithm":"sha-256","value":"vyFlDiGvTSt7NMNKSTEFDxEoZTLCk2BMrXOFmxJkzGM="}]}}"#,
        );
        assert_eq!(connect.webtransport.pins().unwrap().len(), 1);
        assert_eq!((connect.websocket, connect.node), (None, None));
    }

    #[test]
    fn without_hashes_the_certificate_is_verified_the_ordinary_way() {
        let connect = read(r#"{"protocol":"suara/1","webtransport":{"url":"https://x/"}}"#);
        assert_eq!(connect.webtransport.pins(), Ok(vec![]));
    }

    #[test]
    fn hashes_that_cannot_be_used_do_not_turn_into_trust_in_anybody() {
        for hashes in [
            r#"[{"algorithm":"sha-999","value":"?"}]"#,
            r#"[{"algorithm":"sha-256","value":"AAEC"}]"#,
            r#"[{"algorithm":"sha-256","value":"%%%"}]"#,
        ] {
            let json = format!(r#"{{"url":"https://x/","certificate_hashes":{hashes}}}"#);
            let road: WebTransportRoad = serde_json::from_str(&json).unwrap();
            assert_eq!(road.pins(), Err(UnusableHashes), "{hashes}");
        }
    }
}
