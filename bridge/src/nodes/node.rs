//! A node as others see it: its id, where its peers reach it, and how both are written down.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use axum::http::uri::Authority;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bytes of a written node. One has some 150; more is no node.
const MAX_ENTRY: usize = 1024;

/// The name of one run of a node: 128 random bits, so that who comes back after a crash is taken for another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct NodeId(u128);

impl NodeId {
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    #[cfg(test)]
    pub(crate) const fn of(number: u128) -> Self {
        Self(number)
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for NodeId {
    type Error = NodeFault;

    fn try_from(text: String) -> Result<Self, NodeFault> {
        text.parse()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl FromStr for NodeId {
    type Err = NodeFault;

    fn from_str(text: &str) -> Result<Self, NodeFault> {
        let is_plain = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_plain {
            return Err(NodeFault::Id);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| NodeFault::Id)
    }
}

/// Where peers reach a node: `HOST:PORT`, and nothing else that an address may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerAddress(Authority);

impl PeerAddress {
    /// Whether only this machine is reached by it.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.0.host().trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    pub(crate) const fn authority(&self) -> &Authority {
        &self.0
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PeerAddress {
    type Err = NodeFault;

    fn from_str(text: &str) -> Result<Self, NodeFault> {
        let authority: Authority = text.parse().map_err(|_| NodeFault::Address)?;
        let has_port = authority.port_u16().is_some_and(|port| port > 0);
        if !has_port || authority.host().is_empty() || text.contains('@') {
            return Err(NodeFault::Address);
        }
        Ok(Self(authority))
    }
}

/// A node that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) peer: PeerAddress,
    /// Milliseconds since 1970.
    pub(crate) started: u64,
    pub(crate) version: String,
}

/// What is wrong with what the registry says of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum NodeFault {
    #[error("too long")]
    Oversized,
    #[error("not what a node writes")]
    Malformed,
    #[error("no id of a node")]
    Id,
    #[error("no HOST:PORT")]
    Address,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    id: String,
    peer: String,
    started: u64,
    version: String,
}

impl Node {
    pub(crate) fn write(&self) -> String {
        let Self { id, peer, started, version } = self;
        let (id, peer) = (id.to_string(), peer.to_string());
        let entry = Entry { id, peer, started: *started, version: version.clone() };
        serde_json::to_string(&entry).unwrap_or_default()
    }

    /// Reads what is kept under `id`.
    pub(crate) fn read(id: NodeId, entry: &[u8]) -> Result<Self, NodeFault> {
        if entry.len() > MAX_ENTRY {
            return Err(NodeFault::Oversized);
        }
        let Entry { id: says, peer, started, version } =
            serde_json::from_slice(entry).map_err(|_| NodeFault::Malformed)?;
        if says.parse::<NodeId>()? != id {
            return Err(NodeFault::Id);
        }
        Ok(Self { id, peer: peer.parse()?, started, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        let peer = "10.0.0.7:9470".parse().unwrap();
        Node { id: NodeId::random(), peer, started: 1_795_190_400_123, version: "0.1.0".into() }
    }

    #[test]
    fn what_a_node_writes_is_read_again() {
        let node = node();
        assert_eq!(Node::read(node.id, node.write().as_bytes()), Ok(node));
    }

    #[test]
    fn what_no_node_wrote_is_refused_by_name() {
        let node = node();
        let (id, good) = (node.id, node.write());
        for end in 0..good.len() {
            assert_eq!(Node::read(id, &good.as_bytes()[..end]), Err(NodeFault::Malformed), "{end} bytes");
        }
        assert_eq!(Node::read(NodeId::random(), good.as_bytes()), Err(NodeFault::Id));
        assert_eq!(Node::read(id, &[b' '; MAX_ENTRY + 1]), Err(NodeFault::Oversized));
        let elsewhere = good.replace("10.0.0.7:9470", "user@10.0.0.7:9470");
        assert_eq!(Node::read(id, elsewhere.as_bytes()), Err(NodeFault::Address));
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["10.0.0.7:80", "[::1]:9470", "node-2.internal:9470"] {
            assert_eq!(good.parse::<PeerAddress>().unwrap().to_string(), good);
        }
        for bad in ["", "10.0.0.7", ":80", "a:0", "a:99999", "http://a:1", "a:1/x", "a b:1", "u@a:1", "a:1?x"]
        {
            assert_eq!(bad.parse::<PeerAddress>(), Err(NodeFault::Address), "{bad}");
        }
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        let is_loopback = |text: &str| text.parse::<PeerAddress>().unwrap().is_loopback();
        assert!(is_loopback("127.0.0.1:1") && is_loopback("[::1]:1") && is_loopback("localhost:1"));
        assert!(!is_loopback("10.0.0.7:1") && !is_loopback("localhost.example:1"));
    }

    #[test]
    fn an_id_is_32_small_hexadecimal_digits() {
        let id = NodeId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in
            ["", "0", &"g".repeat(32), &"A".repeat(32), &"0".repeat(33), &format!("+{}", "0".repeat(31))]
        {
            assert_eq!(bad.parse::<NodeId>(), Err(NodeFault::Id), "{bad}");
        }
    }
}
