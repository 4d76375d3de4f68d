//! Nodes in one process, and what carries words between them: it can be cut off, and then loses all.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use suara_gateway::words::{Arrival, Carrier, NodeId};
use suara_store::{Store, file_url};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::TestGateway;

/// What all nodes speak by.
#[derive(Clone, Default)]
pub(crate) struct Ether(Arc<Mutex<BTreeMap<NodeId, Ear>>>);

struct Ear {
    arrivals: mpsc::Sender<Arrival>,
    hears: bool,
    /// What has not got there yet, where it is slow.
    late: Option<Vec<Arrival>>,
}

impl Ear {
    fn hear(&mut self, arrival: Arrival) -> bool {
        match &mut self.late {
            Some(late) => {
                late.push(arrival);
                true
            }
            None => self.arrivals.try_send(arrival).is_ok(),
        }
    }
}

struct Mouth {
    ether: Ether,
    node: NodeId,
}

impl Ether {
    /// A node joins: it and the others hear of each other.
    pub(crate) fn join(&self, node: NodeId, gateway: &TestGateway) {
        let (arrivals, inbox) = mpsc::channel(1024);
        arrivals.try_send(Arrival::Back).unwrap();
        let mut ears = self.0.lock().unwrap();
        for (other, ear) in ears.iter() {
            arrivals.try_send(Arrival::Came(*other)).unwrap();
            ear.arrivals.try_send(Arrival::Came(node)).unwrap();
        }
        ears.insert(node, Ear { arrivals, hears: true, late: None });
        drop(ears);
        gateway.gateway.speak(Arc::new(Mouth { ether: self.clone(), node }), inbox);
    }

    /// A node hears and says nothing, and nobody knows.
    pub(crate) fn cut_off(&self, node: NodeId) {
        self.0.lock().unwrap().get_mut(&node).unwrap().hears = false;
    }

    /// It does again, and knows that it missed something.
    pub(crate) fn restore(&self, node: NodeId) {
        let mut ears = self.0.lock().unwrap();
        let ear = ears.get_mut(&node).unwrap();
        ear.hears = true;
        ear.arrivals.try_send(Arrival::Back).unwrap();
    }

    /// What is said to a node takes its time, until it is quick again.
    pub(crate) fn slow_down(&self, node: NodeId) {
        self.0.lock().unwrap().get_mut(&node).unwrap().late = Some(Vec::new());
    }

    /// It hears all that it was told meanwhile.
    pub(crate) fn speed_up(&self, node: NodeId) {
        let mut ears = self.0.lock().unwrap();
        let ear = ears.get_mut(&node).unwrap();
        for arrival in ear.late.take().into_iter().flatten() {
            ear.arrivals.try_send(arrival).unwrap();
        }
    }

    /// A node is known to be dead.
    pub(crate) fn bury(&self, node: NodeId) {
        let mut ears = self.0.lock().unwrap();
        ears.remove(&node);
        for ear in ears.values() {
            ear.arrivals.try_send(Arrival::Gone(node)).unwrap();
        }
    }
}

impl Mouth {
    fn carry(&self, to: impl Fn(NodeId) -> bool, bytes: &Bytes) -> bool {
        let mut ears = self.ether.0.lock().unwrap();
        if !ears.get(&self.node).is_some_and(|own| own.hears) {
            return false;
        }
        let there = ears.iter_mut().filter(|(node, ear)| **node != self.node && to(**node) && ear.hears);
        let word = || Arrival::Word { from: self.node, bytes: bytes.clone() };
        there.filter_map(|(_, ear)| (!ear.hear(word())).then_some(())).count() == 0
    }
}

impl Carrier for Mouth {
    fn others(&self) -> Vec<NodeId> {
        self.ether.0.lock().unwrap().keys().copied().filter(|node| *node != self.node).collect()
    }

    fn say(&self, word: Bytes) -> bool {
        self.carry(|_| true, &word)
    }

    fn tell(&self, node: NodeId, word: Bytes) -> bool {
        self.carry(|other| other == node, &word)
    }
}

/// Two gateways on one database.
pub(crate) struct Pair {
    pub(crate) one: TestGateway,
    pub(crate) other: TestGateway,
    pub(crate) ether: Ether,
    _dir: TempDir,
}

impl Pair {
    pub(crate) const ONE: NodeId = NodeId(1);
    pub(crate) const OTHER: NodeId = NodeId(2);

    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = file_url(&dir.path().join("shared.db")).unwrap();
        let [one, other] = [Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap()]
            .map(|store| TestGateway::with(|settings| settings.store = store));
        let ether = Ether::default();
        ether.join(Self::ONE, &one);
        ether.join(Self::OTHER, &other);
        Self { one, other, ether, _dir: dir }
    }
}
