//! Which pages may open sessions: the `Origin` of a request against where it was sent.

use wildmatch::WildMatch;

/// Patterns of origins that are admitted beside the same origin.
///
/// A page may always reach the host that it came from, whatever the port (the console and the WebTransport server are
/// two ports of one host), and a page from this very machine may reach this very machine. A client that sends no
/// `Origin` is no page, and isn't asked.
#[derive(Debug, Clone, Default)]
pub struct OriginPolicy {
    patterns: Vec<WildMatch>,
}

impl OriginPolicy {
    /// With patterns such as `https://*.example.com`.
    #[must_use]
    pub fn new(patterns: &[String]) -> Self {
        Self { patterns: patterns.iter().map(|pattern| WildMatch::new(pattern)).collect() }
    }

    /// Whether a page from `origin` may talk to `authority`, the host and port that it asked for.
    #[must_use]
    pub fn admits(&self, origin: &str, authority: &str) -> bool {
        if self.patterns.iter().any(|pattern| pattern.matches(origin)) {
            return true;
        }
        let Some(origin_host) = origin.split_once("://").map(|(_, rest)| host(rest)) else { return false };
        let asked = host(authority);
        !origin_host.is_empty()
            && (origin_host.eq_ignore_ascii_case(asked) || is_local(origin_host) && is_local(asked))
    }
}

fn host(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6,
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    }
}

fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reaches_its_own_host_on_any_port() {
        let policy = OriginPolicy::default();
        assert!(policy.admits("https://radio.example", "radio.example:4433"));
        assert!(policy.admits("http://localhost:8080", "127.0.0.1:4433"));
        assert!(policy.admits("http://127.0.0.1:8080", "[::1]:4433"));
    }

    #[test]
    fn a_foreign_page_needs_a_pattern() {
        let policy = OriginPolicy::new(&["https://*.partner.example".into()]);
        assert!(policy.admits("https://app.partner.example", "radio.example"));
        assert!(!policy.admits("https://evil.example", "radio.example"));
        assert!(!policy.admits("http://localhost:3000", "radio.example"), "a page on the user's own machine");
        for nonsense in ["null", "", "://", "localhost"] {
            assert!(!policy.admits(nonsense, "localhost:4433"), "{nonsense}");
        }
    }
}
