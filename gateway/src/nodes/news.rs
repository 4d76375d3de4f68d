//! What is heard of all nodes. Words may be lost, for nobody waits for who doesn't take them; who lives, and whether Redis is
//! there, is a state that is compared, and never missed.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::NodeId;

/// What is heard besides channels' own: from all nodes, by who listens to [`Nodes::words`](super::Nodes::words).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A node said something.
    Word {
        /// Which; never this one.
        from: NodeId,
        /// [`MAX_WORD`](super::MAX_WORD) bytes at most.
        bytes: Bytes,
    },
    /// A node is there.
    Came(NodeId),
    /// A node is dead, or has said that it ends. What it said before has been heard.
    Gone(NodeId),
    /// Whether Redis is there. What others said while it wasn't, wasn't heard.
    Reachable(bool),
}

/// What is so at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Around {
    /// Whether Redis is there; nothing is known before it is first looked at.
    reachable: Option<bool>,
    /// How often it went away.
    outages: u64,
    /// The nodes that live, each with the number of its coming.
    nodes: BTreeMap<NodeId, u64>,
    comings: u64,
}

impl Around {
    pub(super) fn came(&mut self, node: NodeId) {
        self.comings += 1;
        self.nodes.insert(node, self.comings);
    }

    pub(super) fn gone(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    pub(super) fn reachable(&mut self, is_reachable: bool) {
        self.outages += u64::from(!is_reachable);
        self.reachable = Some(is_reachable);
    }

    /// What has happened until `now`, as far as it matters still.
    fn until(&self, now: &Self) -> VecDeque<News> {
        let mut news = VecDeque::new();
        let is_reachable = now.reachable.unwrap_or(false);
        if self.reachable != now.reachable {
            news.push_back(News::Reachable(is_reachable));
        } else if self.outages != now.outages && is_reachable {
            news.extend([News::Reachable(false), News::Reachable(true)]);
        }
        let differs = |(node, coming): &(&NodeId, &u64), other: &Self| other.nodes.get(node) != Some(coming);
        let gone = self.nodes.iter().filter(|known| differs(known, now));
        news.extend(gone.map(|(node, _)| News::Gone(*node)));
        let came = now.nodes.iter().filter(|known| differs(known, self));
        news.extend(came.map(|(node, _)| News::Came(*node)));
        news
    }
}

/// Where news are heard.
pub struct NewsFeed {
    words: mpsc::Receiver<(NodeId, Bytes)>,
    around: watch::Receiver<Around>,
    /// What has been told.
    told: Around,
    /// Words that were said before something changed, and come before that is told.
    ahead: Option<usize>,
    due: VecDeque<News>,
}

impl NewsFeed {
    pub(super) fn new(words: mpsc::Receiver<(NodeId, Bytes)>, mut around: watch::Receiver<Around>) -> Self {
        let told = around.borrow_and_update().clone();
        let due = Around::default().until(&told);
        Self { words, around, told, ahead: None, due }
    }

    /// The next; first of all whether Redis is there and which nodes are. Nothing once nobody brings any more. Cancel-safe.
    pub async fn recv(&mut self) -> Option<News> {
        loop {
            if let Some(news) = self.due.pop_front() {
                return Some(news);
            }
            if self.ahead == Some(0) {
                self.ahead = None;
                let now = self.around.borrow_and_update().clone();
                self.due = self.told.until(&now);
                self.told = now;
                continue;
            }
            tokio::select! {
                biased;
                changed = self.around.changed(), if self.ahead.is_none() => {
                    changed.ok()?;
                    self.ahead = Some(self.words.len());
                }
                word = self.words.recv() => {
                    let (from, bytes) = word?;
                    self.ahead = self.ahead.map(|ahead| ahead - 1);
                    return Some(News::Word { from, bytes });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);

    struct Desk {
        words: mpsc::Sender<(NodeId, Bytes)>,
        around: watch::Sender<Around>,
        feed: NewsFeed,
    }

    fn desk(around: Around) -> Desk {
        let ((words, inbox), (around, now)) = (mpsc::channel(2), watch::channel(around));
        Desk { words, around, feed: NewsFeed::new(inbox, now) }
    }

    impl Desk {
        fn says(&self, from: NodeId) -> bool {
            self.words.try_send((from, Bytes::new())).is_ok()
        }

        fn heard(&mut self) -> Vec<News> {
            std::iter::from_fn(|| self.feed.recv().now_or_never().flatten()).collect()
        }
    }

    fn word(from: NodeId) -> News {
        News::Word { from, bytes: Bytes::new() }
    }

    #[tokio::test]
    async fn who_is_gone_is_heard_of_however_many_words_wait_and_after_its_own() {
        let mut around = Around::default();
        around.reachable(true);
        around.came(A);
        let mut desk = desk(around);
        assert_eq!(desk.heard(), [News::Reachable(true), News::Came(A)]);
        assert!(desk.says(A) && desk.says(B) && !desk.says(B), "the queue is full");
        desk.around.send_modify(|around| around.gone(A));
        desk.around.send_modify(|around| around.came(B));
        assert_eq!(desk.heard(), [word(A), word(B), News::Gone(A), News::Came(B)]);
        assert!(desk.says(B));
        assert_eq!(desk.heard(), [word(B)]);
    }

    #[tokio::test]
    async fn what_has_come_and_gone_unseen_is_told_where_it_matters_still() {
        let mut around = Around::default();
        around.reachable(true);
        around.came(A);
        let mut desk = desk(around);
        desk.heard();
        desk.around.send_modify(|around| {
            around.reachable(false);
            around.came(B);
            around.gone(B);
            around.gone(A);
            around.came(A);
            around.reachable(true);
        });
        let again = [News::Reachable(false), News::Reachable(true), News::Gone(A), News::Came(A)];
        assert_eq!(desk.heard(), again);
        drop(desk.around);
        assert_eq!(desk.feed.recv().await, None);
    }
}
