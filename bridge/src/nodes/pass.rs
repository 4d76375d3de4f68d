//! What a node shows another so that it is taken for one: a keyed digest over what it asks, of whom, and when.
//!
//! The secret itself never travels, so that an address in Redis that isn't a node's learns nothing by being asked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use axum::http::{HeaderValue, Method};

use super::node::NodeId;

/// The header that carries it.
pub(crate) const PASS: &str = "x-suara-pass";

/// Clocks of nodes may differ by so much, and what was overheard can be said again for so long.
const SKEW: Duration = Duration::from_secs(30);

/// What is put in front, so that the secret's digests for another use are none here.
const PURPOSE: &str = "suara-peer/1";

/// The nodes' shared secret, where there is one. It has no `Debug`.
#[derive(Clone)]
pub(crate) struct Pass(Option<hmac::Key>);

impl Pass {
    pub(crate) fn new(secret: Option<&[u8]>) -> Self {
        Self(secret.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// Whether there is a secret at all.
    pub(crate) const fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// For a request to the node `to`; nothing where there is no secret.
    pub(crate) fn write(
        &self,
        to: NodeId,
        method: &Method,
        path: &str,
        now: SystemTime,
    ) -> Option<HeaderValue> {
        let seconds = seconds(now);
        let tag = hmac::sign(self.0.as_ref()?, words(to, method, path, seconds).as_bytes());
        let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        HeaderValue::try_from(format!("{seconds}.{digits}")).ok()
    }

    /// Whether a request to `me` comes from a node. Without a secret all do: only this machine can ask then.
    pub(crate) fn admits(
        &self,
        shown: Option<&HeaderValue>,
        me: NodeId,
        method: &Method,
        path: &str,
        now: SystemTime,
    ) -> bool {
        let Some(key) = &self.0 else { return true };
        let Some((written, digits)) = shown.and_then(|shown| shown.to_str().ok()?.split_once('.')) else {
            return false;
        };
        let (Ok(at), Some(tag)) = (written.parse::<u64>(), bytes(digits)) else { return false };
        // Compared in constant time.
        let good = hmac::verify(key, words(me, method, path, at).as_bytes(), &tag).is_ok();
        good && at.abs_diff(seconds(now)) <= SKEW.as_secs()
    }
}

fn words(to: NodeId, method: &Method, path: &str, seconds: u64) -> String {
    format!("{PURPOSE}\n{to}\n{method}\n{path}\n{seconds}")
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const PATH: &str = "/socket.io/?sid=a";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_pass_holds_for_what_it_was_written_for_and_nothing_else() {
        let (pass, me) = (Pass::new(Some(SECRET)), NodeId::random());
        let shown = pass.write(me, &Method::GET, PATH, at(1000)).unwrap();
        let admits = |shown: Option<&HeaderValue>, me, method: &Method, path: &str, now| {
            pass.admits(shown, me, method, path, at(now))
        };
        assert!(admits(Some(&shown), me, &Method::GET, PATH, 1000));
        assert!(admits(Some(&shown), me, &Method::GET, PATH, 1030), "clocks differ");
        assert!(!admits(Some(&shown), me, &Method::GET, PATH, 1031));
        assert!(!admits(Some(&shown), me, &Method::GET, PATH, 969));
        assert!(!admits(Some(&shown), me, &Method::POST, PATH, 1000));
        assert!(!admits(Some(&shown), me, &Method::GET, "/socket.io/?sid=b", 1000));
        assert!(!admits(Some(&shown), NodeId::random(), &Method::GET, PATH, 1000));
        assert!(!admits(None, me, &Method::GET, PATH, 1000));
    }

    #[test]
    fn another_secret_and_nonsense_are_refused() {
        let (pass, me) = (Pass::new(Some(SECRET)), NodeId::random());
        let other = Pass::new(Some(&SECRET[1..])).write(me, &Method::GET, PATH, at(1000)).unwrap();
        assert!(!pass.admits(Some(&other), me, &Method::GET, PATH, at(1000)));
        let nonsense =
            ["", ".", "1000", "1000.", "x.y", &format!("1000.{}", "é".repeat(32)), &"f".repeat(99)];
        for shown in nonsense {
            let shown = HeaderValue::from_bytes(shown.as_bytes()).unwrap();
            assert!(!pass.admits(Some(&shown), me, &Method::GET, PATH, at(1000)), "{shown:?}");
        }
    }

    #[test]
    fn without_a_secret_nothing_is_shown_and_nothing_asked() {
        let (pass, me) = (Pass::new(None), NodeId::random());
        assert!(pass.write(me, &Method::GET, PATH, at(1000)).is_none() && !pass.is_kept());
        assert!(pass.admits(None, me, &Method::GET, PATH, at(1000)));
    }
}
