//! One policy about pages for gateway and bridge.

use std::sync::Arc;

use suara_gateway::http::OriginPolicy;

/// The gateway's policy as the bridge takes it.
pub(crate) fn for_bridge(policy: OriginPolicy) -> suara_bridge::OriginPolicy {
    Arc::new(move |origin, host| policy.admits(origin, host.unwrap_or_default()))
}
