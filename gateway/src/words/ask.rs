//! Questions to all other nodes: who asks waits a bounded time for what they answer.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::{Answer, NodeId, Question, Word, Words};

/// How long answers are waited for. They come within milliseconds; a caller hears nothing meanwhile.
pub const PATIENCE: Duration = Duration::from_millis(300);
/// When who hasn't answered is asked again: a word may have been lost.
const AGAIN: Duration = Duration::from_millis(120);
/// Who didn't answer at all isn't waited for so long: else a node that hangs would slow everybody down until it is known dead.
const SULK: Duration = Duration::from_secs(2);
/// Questions that wait for answers at a time. More aren't asked, and hear that nobody answered.
const MAX_WAITING: usize = 1024;

/// Those that wait for answers.
#[derive(Default)]
pub(super) struct Questions {
    last: AtomicU64,
    waiting: Mutex<HashMap<u64, mpsc::UnboundedSender<(NodeId, Answer)>>>,
    silent: Mutex<HashMap<NodeId, Instant>>,
}

impl Questions {
    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, mpsc::UnboundedSender<(NodeId, Answer)>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silent(&self) -> MutexGuard<'_, HashMap<NodeId, Instant>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question's place among those that wait; given up when dropped.
struct Waiting<'a> {
    questions: &'a Questions,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.questions.waiting().remove(&self.number);
    }
}

impl Words {
    /// Asks all other nodes, and gives what they answered within [`PATIENCE`]: one answer of each. It ends as soon as all
    /// have answered, or one of them said what is `enough`. A node may be asked twice, so a question asks for what can be done
    /// twice.
    pub async fn ask(&self, question: Question, enough: impl Fn(&Answer) -> bool) -> Vec<(NodeId, Answer)> {
        let begun = Instant::now();
        let mut open: BTreeSet<NodeId> = self.others().into_iter().collect();
        if open.is_empty() {
            return Vec::new();
        }
        let Some((waiting, mut answers)) = self.wait() else {
            self.0.metrics.unanswered(open.len());
            return Vec::new();
        };
        let word = Word::Ask { number: waiting.number, question };
        self.say(&word);
        self.0.questions.silent().retain(|_, until| *until > begun);
        let sulking: BTreeSet<NodeId> = self.0.questions.silent().keys().copied().collect();
        let mut heard: Vec<(NodeId, Answer)> = Vec::new();
        for (round, deadline) in [begun + AGAIN, begun + PATIENCE].into_iter().enumerate() {
            if round > 0 {
                open.iter().filter(|node| !sulking.contains(node)).for_each(|node| self.tell(*node, &word));
            }
            while open.iter().any(|node| !sulking.contains(node)) {
                let Ok(Some((from, answer))) = timeout_at(deadline, answers.recv()).await else { break };
                if open.remove(&from) {
                    let done = enough(&answer);
                    heard.push((from, answer));
                    if done {
                        return heard;
                    }
                }
            }
        }
        // Who wasn't waited for keeps its time, and is waited for again when that is over.
        open.retain(|node| !sulking.contains(node));
        self.0.metrics.unanswered(open.len());
        let until = Instant::now() + SULK;
        self.0.questions.silent().extend(open.into_iter().map(|node| (node, until)));
        heard
    }

    fn wait(&self) -> Option<(Waiting<'_>, mpsc::UnboundedReceiver<(NodeId, Answer)>)> {
        let questions = &self.0.questions;
        let (sender, answers) = mpsc::unbounded_channel();
        let number = questions.last.fetch_add(1, Relaxed) + 1;
        let mut waiting = questions.waiting();
        if waiting.len() >= MAX_WAITING {
            return None;
        }
        waiting.insert(number, sender);
        drop(waiting);
        Some((Waiting { questions, number }, answers))
    }

    /// An answer came; one that is too late is nobody's, but whose it is answers again.
    pub(super) fn answered(&self, from: NodeId, number: u64, answer: Answer) {
        self.0.questions.silent().remove(&from);
        if let Some(waiting) = self.0.questions.waiting().get(&number) {
            // Whoever asked may have heard enough.
            waiting.send((from, answer)).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;

    use super::super::{Carrier, WordMetrics, decode};
    use super::*;

    /// Other nodes, and what they are asked.
    struct Others {
        nodes: Vec<NodeId>,
        asked: Mutex<Vec<(Option<NodeId>, u64)>>,
    }

    impl Others {
        fn note(&self, node: Option<NodeId>, word: &[u8]) -> bool {
            let Ok(Word::Ask { number, .. }) = decode(word) else { panic!("only questions are said") };
            self.asked.lock().unwrap().push((node, number));
            true
        }
    }

    impl Carrier for Others {
        fn others(&self) -> Vec<NodeId> {
            self.nodes.clone()
        }

        fn say(&self, word: Bytes) -> bool {
            self.note(None, &word)
        }

        fn tell(&self, node: NodeId, word: Bytes) -> bool {
            self.note(Some(node), &word)
        }
    }

    fn with(nodes: u64) -> (Words, Arc<Others>) {
        let others = Arc::new(Others { nodes: (1..=nodes).map(NodeId).collect(), asked: Mutex::default() });
        let words = Words::new(WordMetrics::default());
        assert!(words.0.carrier.set(others.clone()).is_ok());
        (words, others)
    }

    fn question() -> Question {
        Question::Here { user: "alice".into() }
    }

    async fn ask(words: &Words) -> Vec<(NodeId, Answer)> {
        words.ask(question(), |answer| *answer == Answer::Is(true)).await
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_all_have_answered_or_one_has_said_enough() {
        let (words, others) = with(2);
        let (begun, no) = (Instant::now(), Answer::Is(false));
        let answering = async {
            for node in [NodeId(1), NodeId(2), NodeId(1)] {
                words.answered(node, 1, Answer::Is(false));
            }
        };
        let (answers, ()) = tokio::join!(ask(&words), answering);
        assert_eq!(answers, [(NodeId(1), no.clone()), (NodeId(2), no)], "each counts once");
        let (answers, ()) =
            tokio::join!(ask(&words), async { words.answered(NodeId(2), 2, Answer::Is(true)) });
        assert_eq!(answers, [(NodeId(2), Answer::Is(true))]);
        assert_eq!(Instant::now(), begun, "nobody is waited for");
        assert_eq!(*others.asked.lock().unwrap(), [(None, 1), (None, 2)]);
        assert!(words.0.questions.waiting().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_asked_again_and_then_not_waited_for_until_it_has_spoken() {
        let (words, others) = with(2);
        let begun = Instant::now();
        let (answers, ()) =
            tokio::join!(ask(&words), async { words.answered(NodeId(1), 1, Answer::Is(false)) });
        assert_eq!((answers.len(), begun.elapsed()), (1, PATIENCE));
        assert_eq!(*others.asked.lock().unwrap(), [(None, 1), (Some(NodeId(2)), 1)]);

        let again = Instant::now();
        let (answers, ()) =
            tokio::join!(ask(&words), async { words.answered(NodeId(1), 2, Answer::Is(false)) });
        assert_eq!((answers.len(), again.elapsed()), (1, Duration::ZERO));
        // Too late for the question, and yet a sign of life.
        words.answered(NodeId(2), 2, Answer::Is(false));
        let third = Instant::now();
        let (_, ()) = tokio::join!(ask(&words), async { words.answered(NodeId(1), 3, Answer::Is(false)) });
        assert_eq!(third.elapsed(), PATIENCE);
    }

    #[tokio::test]
    async fn alone_there_is_nobody_to_be_asked_and_too_many_questions_are_not() {
        assert!(ask(&Words::default()).await.is_empty());
        let (words, others) = with(1);
        let waiting: Vec<_> = (0..MAX_WAITING).map(|_| words.wait().unwrap()).collect();
        assert!(ask(&words).await.is_empty() && others.asked.lock().unwrap().is_empty());
        drop(waiting);
        assert!(words.wait().is_some());
    }
}
