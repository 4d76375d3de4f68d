//! Attacks below the protocol: streams that shouldn't be, handshakes that never end, noise.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn_proto::{Endpoint, EndpointConfig};
use rand::RngExt;
use suara_proto::frame::{STREAM_CHAT, STREAM_CONTROL};

use super::probe::ANSWER;
use super::{Scene, check};
use crate::LoadError;
use crate::client::Lane;
use crate::error::Tried;
use crate::report::Check;

/// Handshakes that are begun and left.
const HALF_OPEN: usize = 200;
/// Datagrams of noise.
const NOISE: usize = 2000;
/// A new session must be welcome within this, whatever else goes on.
const WELCOME: Duration = Duration::from_secs(2);

/// A stream of an unknown kind is turned away; a second control stream ends the session.
pub(super) fn streams(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let mut probe = scene.welcome("attacker-streams")?;
    for kind in [STREAM_CHAT, 0x77, 0xff] {
        probe.link.open_stream(&[kind, 1, 2, 3]);
    }
    probe.pause(Duration::from_millis(100));
    let lives = if probe.lives() { "goes on" } else { "is gone" };
    let turned_away = check("after 3 streams of unknown kinds its session", "goes on", lives);
    probe.link.open_stream(&[STREAM_CONTROL]);
    let end = probe.code("closing", ANSWER);
    Ok(vec![turned_away, check("a second control stream", "protocol_error", &end)])
}

/// Handshakes that are begun and never go on; the next client must be served all the same.
pub(super) fn half_open(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let mut lane = Lane::open(scene.site.target.address)?;
    let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None);
    let now = Instant::now();
    for _ in 0..HALF_OPEN {
        let remote = scene.site.target.address;
        let Ok((_, mut quic)) = endpoint.connect(now, scene.config.clone(), remote, "localhost") else {
            continue;
        };
        if quic.poll_transmit(now, 1, lane.slot()).is_some() {
            lane.push();
        }
    }
    lane.flush();
    served(scene, format!("with {HALF_OPEN} handshakes left half open, a new client"))
}

/// Datagrams of random bytes, some of which look like QUIC.
pub(super) fn noise(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let mut random = rand::rng();
    let socket = UdpSocket::bind((scene.site.target.address.ip(), 0)).tried("no socket for noise")?;
    for index in 0..NOISE {
        let mut bytes = vec![0; random.random_range(1..1400)];
        random.fill(&mut bytes[..]);
        if index % 2 == 0 {
            // A long header of version 1.
            bytes.splice(..bytes.len().min(5), [0xc3, 0, 0, 0, 1]);
        }
        // What the kernel doesn't take does no harm.
        socket.send_to(&bytes, scene.site.target.address).unwrap_or_default();
        if index % 50 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    served(scene, format!("after {NOISE} datagrams of noise, a new client"))
}

fn served(scene: &Scene, what: String) -> Result<Vec<Check>, LoadError> {
    let began = Instant::now();
    let good = scene.welcome("bystander")?.lives() && began.elapsed() < WELCOME;
    let took = began.elapsed().as_millis();
    let result = if good { format!("is served in {took} ms") } else { format!("is not served in {took} ms") };
    Ok(vec![Check { what, result, good }])
}
