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

use super::address::{Place, RedisAddress};

/// From the address to a connection that answers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Cheap to clone; the clones share the connections. What is sent by one clone keeps its order.
#[derive(Clone)]
pub(super) enum Link {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    /// Connects; what Redis says unasked goes to `pushes`, on the task that reads. Nothing is waited for longer than `timeout`.
    pub(super) async fn connect(
        address: &RedisAddress,
        timeout: Duration,
        pushes: impl AsyncPushSender,
    ) -> Result<Self, String> {
        let connecting = async {
            match &address.0 {
                Place::Single(info) => {
                    let config = AsyncConnectionConfig::new()
                        .set_connection_timeout(Some(CONNECT_TIMEOUT))
                        .set_response_timeout(Some(timeout))
                        .set_push_sender(pushes);
                    let client = Client::open((**info).clone())?;
                    client.get_multiplexed_async_connection_with_config(&config).await.map(Self::Single)
                }
                Place::Cluster(nodes) => {
                    let client = ClusterClientBuilder::new(nodes.clone())
                        .use_protocol(ProtocolVersion::RESP3)
                        .connection_timeout(CONNECT_TIMEOUT)
                        .response_timeout(timeout)
                        .retries(3)
                        .tcp_settings(tcp_settings())
                        .push_sender(pushes)
                        .build()?;
                    client.get_async_connection().await.map(Self::Cluster)
                }
            }
        };
        match tokio::time::timeout(2 * CONNECT_TIMEOUT, connecting).await {
            Err(_) => Err("it doesn't answer".to_owned()),
            Ok(connected) => connected.map_err(|error| in_short(&error)),
        }
    }

    /// Whether the connection heals by itself, node by node.
    pub(super) fn heals(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Whether it answers; a cluster does if all masters do.
    pub(super) async fn ping(mut self) -> RedisResult<()> {
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

    pub(super) async fn subscribe(self, topic: std::sync::Arc<str>) -> RedisResult<()> {
        self.run(redis::cmd("SSUBSCRIBE").arg(&*topic).take()).await
    }

    pub(super) async fn unsubscribe(self, topic: std::sync::Arc<str>) -> RedisResult<()> {
        self.run(redis::cmd("SUNSUBSCRIBE").arg(&*topic).take()).await
    }

    async fn run(mut self, command: Cmd) -> RedisResult<()> {
        self.req_packed_command(&command).await?.extract_error().map(drop)
    }

    /// How many heard it.
    pub(super) async fn publish(mut self, message: Cmd) -> RedisResult<i64> {
        match self.req_packed_command(&message).await?.extract_error()? {
            Value::Int(listeners) => Ok(listeners),
            _ => Ok(0),
        }
    }
}

/// Voice doesn't wait for more of it.
pub(super) fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

/// A message for a topic, ready to be sent: its parts are put together without being copied in between.
pub(super) fn message(topic: &str, parts: &[&[u8]]) -> Cmd {
    use std::io::Write as _;
    let size: usize = parts.iter().map(|part| part.len()).sum();
    let mut command = Cmd::with_capacity(3, 16 + topic.len() + size);
    command.arg("SPUBLISH").arg(topic);
    let mut argument = redis::RedisWrite::writer_for_next_arg(&mut command);
    for part in parts {
        // A vector takes all that is written to it.
        argument.write_all(part).unwrap_or_default();
    }
    drop(argument);
    command
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

/// Without the address: it may hold a password.
pub(super) fn in_short(error: &RedisError) -> String {
    if error.is_timeout() { "it doesn't answer".to_owned() } else { error.category().to_owned() }
}
