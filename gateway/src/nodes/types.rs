//! What nodes, epochs and questions about leases are: the words of the replicas, which this carries.

pub use suara_cluster::{Epoch, LeaseAnswer, LeaseAsk, NodeId};
