//! Where Redis is.

use std::{fmt, slice};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion};

use crate::link::tcp_settings;

/// One Redis, or the cluster that some of its nodes tell of. Has no `Debug`: it may hold a password.
#[derive(Clone)]
pub struct RedisAddress(pub(crate) Place);

#[derive(Clone)]
pub(crate) enum Place {
    Single(Box<ConnectionInfo>),
    Cluster(Vec<ConnectionInfo>),
}

/// What is wrong with an address. Says nothing of what stands in it: there may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No URL of Redis.
    #[error("it must be redis://HOST:PORT, rediss://… (TLS), or redis+cluster://HOST:PORT,HOST:PORT")]
    Malformed,
    /// A cluster without a host, or one by a socket of this machine.
    #[error("a cluster's nodes are HOST:PORT, at least one")]
    NoHost,
}

impl RedisAddress {
    /// Reads `redis://[user:password@]host[:port][/db]` (`rediss://` by TLS), or, for a Redis Cluster,
    /// `redis+cluster://[user:password@]host:port[,host:port…]` (`rediss+cluster://`): one node is enough, the others
    /// are asked of it; more are for when it is away at the start.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Malformed)?;
        let Some(scheme) = scheme.strip_suffix("+cluster") else {
            return Ok(Self(Place::Single(Box::new(info(text)?))));
        };
        let (credentials, hosts) =
            rest.rsplit_once('@').map_or(("", rest), |(before, hosts)| (before, hosts));
        let at = if credentials.is_empty() { "" } else { "@" };
        let one = |host: &str| match info(&format!("{scheme}://{credentials}{at}{host}"))? {
            unix if matches!(unix.addr(), ConnectionAddr::Unix(_)) => Err(AddressError::NoHost),
            tcp => Ok(tcp),
        };
        let nodes: Vec<_> = hosts.trim_end_matches('/').split(',').map(one).collect::<Result<_, _>>()?;
        Ok(Self(Place::Cluster(nodes)))
    }

    /// Whether it is a cluster's.
    #[must_use]
    pub const fn is_cluster(&self) -> bool {
        matches!(self.0, Place::Cluster(_))
    }

    /// One of the nodes that are named, another with each `turn`: ordinary pub/sub goes by any node of a cluster, and who
    /// hears by one of them can see whether that one is there.
    #[must_use]
    pub fn one(&self, turn: usize) -> Self {
        let Place::Cluster(nodes) = &self.0 else { return self.clone() };
        // There is one at least.
        let node = turn.checked_rem(nodes.len()).and_then(|at| nodes.get(at));
        node.map_or_else(|| self.clone(), |node| Self(Place::Single(Box::new(node.clone()))))
    }
}

/// Hosts and ports alone, to be read in a log.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = match &self.0 {
            Place::Single(info) => slice::from_ref(&**info),
            Place::Cluster(nodes) => nodes,
        };
        for (number, info) in nodes.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { "," })?;
            match info.addr() {
                ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                    write!(f, "{host}:{port}")?;
                }
                ConnectionAddr::Unix(path) => write!(f, "{}", path.display())?,
                _ => f.write_str("?")?,
            }
        }
        Ok(())
    }
}

/// Messages are pushed beside replies, on one connection: that is RESP3's.
fn info(url: &str) -> Result<ConnectionInfo, AddressError> {
    let info = url.into_connection_info().map_err(|_| AddressError::Malformed)?;
    if matches!(info.addr(), ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } if host.is_empty())
    {
        return Err(AddressError::NoHost);
    }
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(redis).set_tcp_settings(tcp_settings()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(text: &str) -> Vec<(String, u16)> {
        of(&RedisAddress::parse(text).unwrap())
    }

    fn of(address: &RedisAddress) -> Vec<(String, u16)> {
        let infos = match &address.0 {
            Place::Single(info) => vec![(**info).clone()],
            Place::Cluster(infos) => infos.clone(),
        };
        let port = |info: &ConnectionInfo| match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                (host.clone(), *port)
            }
            _ => panic!(),
        };
        infos.iter().map(port).collect()
    }

    #[test]
    fn one_redis_or_a_cluster() {
        assert_eq!(ports("redis://a:1"), [("a".to_owned(), 1)]);
        assert_eq!(ports("rediss://u:p@a"), [("a".to_owned(), 6379)]);
        assert!(matches!(RedisAddress::parse("redis+cluster://a:1").unwrap().0, Place::Cluster(_)));
        let three = "rediss+cluster://u:p%40@a:1,b:2,c:3/";
        assert_eq!(ports(three), [("a".to_owned(), 1), ("b".to_owned(), 2), ("c".to_owned(), 3)]);
    }

    #[test]
    fn a_log_is_told_hosts_and_no_password() {
        let shown = |text| RedisAddress::parse(text).unwrap().to_string();
        assert_eq!(shown("redis://user:secret@a"), "a:6379");
        assert_eq!(shown("rediss+cluster://user:secret@a:1,b:2"), "a:1,b:2");
        assert_eq!(shown("unix:///run/redis.sock?user=u&pass=secret"), "/run/redis.sock");
    }

    #[test]
    fn what_is_none_is_refused_without_being_repeated() {
        for bad in
            ["", "redis", "http://a", "redis+cluster://", "redis+cluster://a:1,,b:2", "redis+cluster://a:x"]
        {
            let Err(error) = RedisAddress::parse(bad) else { panic!("{bad}") };
            assert!(bad.is_empty() || !error.to_string().contains(":x"), "{error}");
        }
    }

    #[test]
    fn each_turn_is_another_node_of_a_cluster() {
        let address = RedisAddress::parse("rediss+cluster://u:p@a:1,b:2").unwrap();
        let turns: Vec<_> = (0..3).flat_map(|turn| of(&address.one(turn))).collect();
        assert_eq!(turns, [("a".to_owned(), 1), ("b".to_owned(), 2), ("a".to_owned(), 1)]);
        let (Place::Single(one), Place::Cluster(all)) = (address.one(1).0, address.0) else { panic!() };
        assert!(matches!(one.addr(), ConnectionAddr::TcpTls { .. }));
        assert_eq!(one.redis_settings().password(), all[1].redis_settings().password());
        assert_eq!(of(&RedisAddress::parse("redis://a:1").unwrap().one(7)), [("a".to_owned(), 1)]);
    }
}
