//! Where the load goes: found by `GET /api/connect` like any client, and refused unless it is this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use suara_certs::Fingerprint;
use suara_proto::connect::{Connect, PROTOCOL};
use url::{Host, Url};

use crate::LoadError;

/// A gateway on this machine.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where its WebTransport sessions are opened.
    pub url: Url,
    /// The same as a socket's address.
    pub address: SocketAddr,
    /// The certificates that it may show.
    pub pins: Vec<Fingerprint>,
}

impl Target {
    /// Asks a gateway's HTTP address where to connect.
    ///
    /// # Errors
    /// When either address is not on loopback, nobody answers, or what is answered isn't `suara/1`.
    pub async fn find(http: &Url) -> Result<Self, LoadError> {
        loopback(http)?;
        let asked =
            http.join("/api/connect").map_err(|_| LoadError::Settings(format!("{http} is no base")))?;
        let url = asked.to_string();
        let failed = |source| LoadError::Connect { url: url.clone(), source };
        let client = reqwest::Client::builder().no_proxy().build().map_err(failed)?;
        let answer = client.get(asked).send().await.map_err(failed)?.error_for_status().map_err(failed)?;
        Self::from_answer(&url, answer.json().await.map_err(failed)?)
    }

    fn from_answer(asked: &str, connect: Connect) -> Result<Self, LoadError> {
        let wrong = |what: String| LoadError::Answer { url: asked.to_owned(), what };
        if connect.protocol != PROTOCOL {
            return Err(wrong(format!("it speaks {}", connect.protocol)));
        }
        let pins = connect.webtransport.pins().map_err(|error| wrong(error.to_string()))?;
        let pins: Vec<_> = pins.into_iter().map(Fingerprint::from).collect();
        let url = connect.webtransport.url;
        let url: Url = url.parse().map_err(|_| wrong(format!("{url} is no URL")))?;
        let address = loopback(&url)?;
        if pins.is_empty() {
            return Err(wrong("no certificate hash to pin".to_owned()));
        }
        Ok(Self { url, address, pins })
    }
}

/// The address of a URL on this machine.
///
/// # Errors
/// When it is anywhere else.
pub fn loopback(url: &Url) -> Result<SocketAddr, LoadError> {
    let refused = || LoadError::NotLoopback(url.to_string());
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        Some(Host::Domain(name)) if name.eq_ignore_ascii_case("localhost") => Ipv4Addr::LOCALHOST.into(),
        _ => return Err(refused()),
    };
    let port = url.port_or_known_default().ok_or_else(refused)?;
    if ip.is_loopback() { Ok(SocketAddr::new(ip, port)) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use suara_proto::connect::CertificateHash;

    use super::*;

    #[test]
    fn only_this_machine_is_loaded() {
        let address = |url: &str| loopback(&url.parse().unwrap());
        assert_eq!(address("http://127.0.0.1:8080").unwrap().port(), 8080);
        assert_eq!(address("https://localhost/v1/wt").unwrap().port(), 443);
        assert!(address("http://[::1]:1").is_ok());
        for url in
            ["http://192.0.2.1/", "https://radio.example/", "http://0.0.0.0:80", "http://localhost.example"]
        {
            assert!(matches!(address(url), Err(LoadError::NotLoopback(_))), "{url}");
        }
    }

    #[test]
    fn an_answer_needs_a_hash_and_a_loopback_url() {
        let answer = |json: &str| Target::from_answer("asked", serde_json::from_str(json).unwrap());
        let hash = CertificateHash::sha_256(&[7; 32]).value;
        let good = format!(
            r#"{{"protocol":"suara/1","webtransport":{{"url":"https://127.0.0.1:4433/v1/wt",
            "certificate_hashes":[{{"algorithm":"sha-256","value":"{hash}"}},{{"algorithm":"x","value":""}}]}}}}"#
        );
        assert_eq!(answer(&good).unwrap().pins.len(), 1);
        assert!(matches!(answer(&good.replace("127.0.0.1", "192.0.2.7")), Err(LoadError::NotLoopback(_))));
        assert!(matches!(answer(&good.replace("suara/1", "suara/2")), Err(LoadError::Answer { .. })));
        assert!(matches!(answer(&good.replace("sha-256", "md5")), Err(LoadError::Answer { .. })));
    }
}
