//! A connection to Redis, or the connections to all masters of a cluster, behind one set of calls.

use std::time::Duration;

use redis::aio::{AsyncPushSender, ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ProtocolVersion, RedisError, RedisFuture, RedisResult, Value,
};

use crate::address::{Place, RedisAddress};

/// From the address to a connection that answers, at least: whoever waits longer for an answer waits as long for this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Cheap to clone; the clones share the connections. What is sent by one clone keeps its order.
#[derive(Clone)]
pub enum Link {
    /// To one Redis. What breaks off is lost, and to be made anew.
    Single(MultiplexedConnection),
    /// To all masters of a cluster. What breaks off is made anew by itself.
    Cluster(ClusterConnection),
}

impl Link {
    /// Connects; what Redis says unasked goes to `pushes`, on the task that reads. No command is waited for longer than `timeout`;
    /// a cluster may be asked several times.
    ///
    /// # Errors
    /// Says in words why not, without the address.
    pub async fn connect(
        address: &RedisAddress,
        timeout: Duration,
        pushes: impl AsyncPushSender,
    ) -> Result<Self, String> {
        let patience = timeout.max(CONNECT_TIMEOUT);
        let connecting = async {
            match &address.0 {
                Place::Single(info) => {
                    let config = AsyncConnectionConfig::new()
                        .set_connection_timeout(Some(patience))
                        .set_response_timeout(Some(timeout))
                        .set_push_sender(pushes);
                    let client = Client::open((**info).clone())?;
                    client.get_multiplexed_async_connection_with_config(&config).await.map(Self::Single)
                }
                Place::Cluster(nodes) => {
                    let client = ClusterClientBuilder::new(nodes.clone())
                        .use_protocol(ProtocolVersion::RESP3)
                        .connection_timeout(patience)
                        .response_timeout(timeout)
                        .retries(3)
                        .tcp_settings(tcp_settings())
                        .push_sender(pushes)
                        .build()?;
                    client.get_async_connection().await.map(Self::Cluster)
                }
            }
        };
        match tokio::time::timeout(2 * patience, connecting).await {
            Err(_) => Err("it doesn't answer".to_owned()),
            Ok(connected) => connected.map_err(|error| in_short(&error)),
        }
    }

    /// Whether the connection heals by itself, node by node.
    #[must_use]
    pub const fn heals(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Whether it answers; a cluster does if all masters do.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn ping(mut self) -> RedisResult<()> {
        let ping = redis::cmd("PING");
        match &mut self {
            Self::Single(link) => ping.query_async(link).await,
            Self::Cluster(link) => {
                let masters = MultipleNodeRoutingInfo::AllMasters;
                let all = RoutingInfo::MultiNode((masters, Some(ResponsePolicy::AllSucceeded)));
                link.route_command(ping, all).await.map(drop)
            }
        }
    }

    /// Asks for one thing; what Redis refuses is an error here, too.
    ///
    /// # Errors
    /// When Redis refuses it, or doesn't answer.
    pub async fn run(mut self, command: Cmd) -> RedisResult<Value> {
        self.req_packed_command(&command).await?.extract_error()
    }
}

/// Voice doesn't wait for more of it.
pub(crate) fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(link) => link.req_packed_command(command),
            Self::Cluster(link) => link.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(link) => link.req_packed_commands(commands, offset, count),
            Self::Cluster(link) => link.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(link) => link.get_db(),
            Self::Cluster(link) => link.get_db(),
        }
    }
}

/// What is wrong, without the address. What Redis itself says is left out but for its code: it repeats commands that it doesn't
/// know, and one of them has the password.
#[must_use]
pub fn in_short(error: &RedisError) -> String {
    if error.is_timeout() {
        return "it doesn't answer".to_owned();
    }
    match error.code() {
        Some(code) => format!("{} ({code})", error.category()),
        // The system's own words: a connection that is refused, a name that isn't known.
        None if error.is_io_error() && error.detail().is_none() => error.to_string(),
        None => error.category().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_wrong_is_said_without_where() {
        // Nobody listens on a port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = RedisAddress::parse(&format!("redis://user:secret@127.0.0.1:{port}")).unwrap();
        let tried = Link::connect(&address, CONNECT_TIMEOUT, |_| Ok::<_, redis::aio::SendError>(())).await;
        let reason = tried.err().unwrap();
        assert!(reason.contains("refused") && !reason.contains("secret"), "{reason}");
        let echo = RedisError::from((
            redis::ErrorKind::Server(redis::ServerErrorKind::ResponseError),
            "unknown command",
            "`HELLO`, with args beginning with: `3` `AUTH` `user` `secret`".to_owned(),
        ));
        assert_eq!(in_short(&echo), "response error (ERR)");
    }
}
