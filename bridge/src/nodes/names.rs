//! Names in Redis: each key is by itself, in whatever slot of a cluster.

use std::sync::Arc;

use suara_redis::Prefix;

use super::node::NodeId;

/// What a deployment's nodes call things; clones share it.
#[derive(Clone)]
pub(crate) struct Names(Arc<Inner>);

struct Inner {
    prefix: Prefix,
    /// Of what nodes hold.
    kind: &'static str,
}

impl Names {
    /// For things of that kind.
    pub(crate) fn new(prefix: Prefix, kind: &'static str) -> Self {
        Self(Arc::new(Inner { prefix, kind }))
    }

    /// The ids of all nodes, by when they were last renewed; what is there has to be looked up one by one.
    pub(super) fn index(&self) -> String {
        format!("{}:nodes", self.0.prefix)
    }

    /// Where a node is.
    pub(super) fn entry(&self, node: NodeId) -> String {
        format!("{}:node:{node}", self.0.prefix)
    }

    /// Whose something is.
    pub(super) fn claim(&self, key: &str) -> String {
        format!("{}:{}:{key}", self.0.prefix, self.0.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_begin_with_the_deployments_prefix() {
        let names = Names::new(Prefix::new("site-2").unwrap(), "sid");
        let id = NodeId::random();
        let all = [names.index(), names.entry(id), names.claim("a")];
        assert_eq!(all, ["site-2:nodes".to_owned(), format!("site-2:node:{id}"), "site-2:sid:a".to_owned()]);
    }
}
