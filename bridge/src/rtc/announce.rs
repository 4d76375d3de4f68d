//! The addresses by which clients reach the port: as given, or what a host name means at the moment.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::BridgeError;

/// How old an answer of the name service may get. Transports that are there keep the address that they were told.
const REFRESH: Duration = Duration::from_secs(60);
/// How soon one that means nothing yet is asked again: a machine may be up before its name service.
const AGAIN: Duration = Duration::from_secs(2);

/// What is announced in place of the port's own address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    name: String,
    /// 0 for the port's own.
    port: u16,
}

impl Host {
    /// An address or a host name, with or without a port of its own: `radio.example`, `203.0.113.7:3478`, `[2001:db8::1]`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Some(Self { name: address.ip().to_string(), port: address.port() });
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Some(Self { name: ip.to_string(), port: 0 });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, port.parse().ok()?),
            None => (text, 0),
        };
        let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
        named.then(|| Self { name: name.to_owned(), port })
    }

    async fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        let mut found: Vec<_> = tokio::net::lookup_host((self.name.as_str(), self.port)).await?.collect();
        found.retain(|address| !address.ip().is_unspecified());
        found.sort_unstable();
        found.dedup();
        if found.is_empty() { Err(std::io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }
}

/// The addresses to announce, kept up to date until `stop`. None for as long as a name means nothing: what serves without RTC isn't
/// ended, or kept from starting, by a name service that is away.
pub(super) async fn announce(
    bound: SocketAddr,
    host: Option<&str>,
    stop: CancellationToken,
) -> Result<watch::Receiver<Vec<SocketAddr>>, BridgeError> {
    let Some(host) = host else {
        if bound.ip().is_unspecified() {
            return Err(BridgeError::RtcAnnounce {
                host: String::new(),
                reason: "it is needed for this address",
            });
        }
        return Ok(watch::channel(vec![SocketAddr::new(bound.ip(), 0)]).1);
    };
    let refuse = |reason| BridgeError::RtcAnnounce { host: host.to_owned(), reason };
    let host = Host::parse(host).ok_or_else(|| refuse("it is neither an address nor a host name"))?;
    let (announced, receiver) = watch::channel(Vec::new());
    look_up(&host, &announced).await;
    tokio::spawn(async move {
        loop {
            let wait = if announced.borrow().is_empty() { AGAIN } else { REFRESH };
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
            look_up(&host, &announced).await;
        }
    });
    Ok(receiver)
}

/// What was found last stays until something else is.
async fn look_up(host: &Host, announced: &watch::Sender<Vec<SocketAddr>>) {
    match host.resolve().await {
        Ok(found) => drop(announced.send_if_modified(|known| {
            let changed = *known != found;
            *known = found;
            changed
        })),
        Err(error) => {
            tracing::warn!(host = host.name, %error, "--rtc-announce can't be resolved; it is tried again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, u16)> {
        Host::parse(text).map(|host| (host.name, host.port))
    }

    #[test]
    fn addresses_and_names_with_and_without_ports() {
        assert_eq!(parsed("203.0.113.7"), Some(("203.0.113.7".into(), 0)));
        assert_eq!(parsed("203.0.113.7:3478"), Some(("203.0.113.7".into(), 3478)));
        assert_eq!(parsed("2001:db8::1"), Some(("2001:db8::1".into(), 0)));
        assert_eq!(parsed("[2001:db8::1]"), Some(("2001:db8::1".into(), 0)));
        assert_eq!(parsed("[2001:db8::1]:9"), Some(("2001:db8::1".into(), 9)));
        assert_eq!(parsed("radio.example"), Some(("radio.example".into(), 0)));
        assert_eq!(parsed("radio.example:9"), Some(("radio.example".into(), 9)));
        for bad in ["", ":9", "radio.example:x", "https://radio.example", "a b"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_name_is_resolved_and_the_unspecified_address_needs_one() {
        let stop = CancellationToken::new();
        let bound = "0.0.0.0:4434".parse().unwrap();
        assert!(announce(bound, None, stop.clone()).await.is_err());
        let local = announce(bound, Some("localhost"), stop.clone()).await.unwrap();
        assert!(local.borrow().iter().all(|address| address.ip().is_loopback() && address.port() == 0));
        let own = announce("127.0.0.1:7".parse().unwrap(), None, stop).await.unwrap();
        assert_eq!(*own.borrow(), ["127.0.0.1:0".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_name_that_means_nothing_yet_is_no_reason_not_to_start_and_nonsense_is() {
        let (bound, stop) = ("0.0.0.0:4434".parse().unwrap(), CancellationToken::new());
        let unknown = announce(bound, Some("nobody.invalid"), stop.clone()).await.unwrap();
        assert!(unknown.borrow().is_empty());
        assert!(announce(bound, Some("https://radio.example"), stop).await.is_err());

        let (announced, known) = watch::channel(Vec::new());
        look_up(&Host::parse("127.0.0.1").unwrap(), &announced).await;
        look_up(&Host::parse("nobody.invalid").unwrap(), &announced).await;
        assert_eq!(*known.borrow(), ["127.0.0.1:0".parse().unwrap()], "what was found stays");
    }
}
