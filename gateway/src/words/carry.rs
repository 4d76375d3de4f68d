//! Words by the nodes' own way to each other.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Arrival, Carrier, start};
use crate::core::Core;
use crate::nodes::{News, NodeId, Nodes};

/// What is heard and not yet taken up.
const WAITING: usize = 1024;

/// Has `core` speak to the other nodes by `nodes`, until the gateway stops. To be called once, within a runtime.
pub fn speak_by(core: &Arc<Core>, nodes: &Nodes) {
    let (arrivals, inbox) = mpsc::channel(WAITING);
    let mut news = nodes.words();
    core.tasks.spawn({
        let core = core.clone();
        async move {
            loop {
                tokio::select! {
                    said = news.recv() => match said.map(arrival) {
                        // Whoever hears has ended, with the gateway.
                        Some(arrival) => if arrivals.send(arrival).await.is_err() { return },
                        None => return,
                    },
                    _ = core.dismissed() => return,
                }
            }
        }
    });
    start(core, Arc::new(nodes.clone()), inbox);
}

fn arrival(news: News) -> Arrival {
    match news {
        News::Word { from, bytes } => Arrival::Word { from, bytes },
        News::Came(node) => Arrival::Came(node),
        News::Gone(node) => Arrival::Gone(node),
        News::Reachable(true) => Arrival::Back,
        News::Reachable(false) => Arrival::Cut,
    }
}

impl Carrier for Nodes {
    fn others(&self) -> Vec<NodeId> {
        self.peers().into_iter().map(|peer| peer.node).collect()
    }

    fn say(&self, word: Bytes) -> bool {
        Self::say(self, word);
        true
    }

    fn tell(&self, node: NodeId, word: Bytes) -> bool {
        Self::tell(self, node, word);
        true
    }
}
