//! Where the gateway is and which certificates to trust: `GET /api/connect`.

use std::net::IpAddr;
use std::time::Duration;

use suara_certs::Fingerprint;
use suara_proto::connect::{Connect, PROTOCOL, UnusableHashes};
use thiserror::Error;

use crate::BridgeError;

/// The answer is small and the gateway near.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The gateway's HTTP address, checked, and the client that asks there.
#[derive(Debug)]
pub(crate) struct Gateway {
    connect_url: String,
    client: reqwest::Client,
}

/// Where to connect to and whom to trust there.
#[derive(Debug)]
pub(super) struct Announcement {
    pub(super) url: String,
    /// Empty when a public authority vouches for the certificate.
    pub(super) certificates: Vec<Fingerprint>,
}

/// Why the announcement can't be used.
#[derive(Debug, Error)]
pub(super) enum AnnouncementError {
    #[error("the gateway can't be asked: {0}")]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Hashes(#[from] UnusableHashes),
    #[error("it speaks {0:?}")]
    Protocol(String),
}

impl Gateway {
    /// Takes `https` addresses, and `http` ones on loopback: the hashes that come by this road are what the trunk
    /// trusts, and its token goes to whoever they name.
    pub(crate) fn new(url: &str) -> Result<Self, BridgeError> {
        let refuse = |reason| BridgeError::Gateway { url: url.to_owned(), reason };
        let parsed = reqwest::Url::parse(url).map_err(|_| refuse("it is no URL"))?;
        let local = parsed.host_str().is_some_and(is_loopback);
        match parsed.scheme() {
            "https" => {}
            "http" if local => {}
            "http" => return Err(refuse("plain http is for loopback addresses; use https")),
            _ => return Err(refuse("it is neither http nor https")),
        }
        let mut client =
            reqwest::Client::builder().timeout(ANSWER_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if local {
            client = client.no_proxy();
        }
        let connect_url = format!("{}/api/connect", url.trim_end_matches('/'));
        Ok(Self { connect_url, client: client.build()? })
    }

    pub(super) async fn ask(&self) -> Result<Announcement, AnnouncementError> {
        let answer = self.client.get(&self.connect_url).send().await?.error_for_status()?;
        announcement(answer.json().await?)
    }
}

fn announcement(connect: Connect) -> Result<Announcement, AnnouncementError> {
    if connect.protocol != PROTOCOL {
        return Err(AnnouncementError::Protocol(connect.protocol));
    }
    let certificates = connect.webtransport.pins()?.into_iter().map(Fingerprint::from).collect();
    Ok(Announcement { url: connect.webtransport.url, certificates })
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1/", "https://suara.example"]
        {
            assert!(Gateway::new(good).is_ok(), "{good}");
        }
        for bad in [
            "http://suara.example",
            "http://10.0.0.1:8080",
            "ws://127.0.0.1",
            "suara",
            "http://127.0.0.1.evil.example",
        ] {
            assert!(Gateway::new(bad).is_err(), "{bad}");
        }
    }

    fn read(json: &str) -> Result<Announcement, AnnouncementError> {
        announcement(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn the_announced_hashes_are_pinned() {
        let read = read(
            r#"{"protocol":"suara/1","webtransport":{"url":"https://127.0.0.1:4433/v1/wt","certificate_hashes":
            [{"algorithm":"sha-256","value":"vyFlDiGvTSt7NMNKSTEFDxEoZTLCk2BMrXOFmxJkzGM="}]}}"#,
        )
        .unwrap();
        assert_eq!(read.certificates.len(), 1);
        assert_eq!(read.url, "https://127.0.0.1:4433/v1/wt");
    }

    #[test]
    fn another_protocol_is_not_spoken() {
        let other = read(r#"{"protocol":"suara/2","webtransport":{"url":"https://x/"}}"#);
        assert!(matches!(other, Err(AnnouncementError::Protocol(_))), "{other:?}");
    }
}
