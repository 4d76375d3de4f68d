//! Group commit: what many sessions send at a time is one transaction, and one wait for the disk.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::{Draft, Store, StoreError, Stored};

/// Drafts that wait. Who comes when it is full is refused, and sends again: waiting longer would help nobody.
const QUEUE: usize = 1024;
/// Drafts of one transaction.
const BATCH: usize = 256;

/// Takes drafts to the store, in their order. Each has a tag of the caller's, which comes back with what became of it.
pub struct Writer<T> {
    queue: mpsc::Sender<(Draft, T)>,
}

/// One transaction's outcome.
pub struct Batch<T> {
    /// The drafts with their tags, and what became of each; in the order in which they came. Those of one channel that are
    /// fresh are in the order of their numbers.
    pub outcomes: Vec<(Draft, T, Result<Stored, StoreError>)>,
    /// How long it took.
    pub took: Duration,
}

impl<T: Send + 'static> Writer<T> {
    /// Begins to write into `store`; says what became of each draft on `done`, transaction by transaction. Ends with its last
    /// caller, once everything is written.
    #[must_use]
    pub fn start(store: Store, done: mpsc::Sender<Batch<T>>) -> Self {
        let (queue, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(run(store, inbox, done));
        Self { queue }
    }

    /// Hands a draft over; `Err` gives the tag back when too many wait. Never waits.
    ///
    /// # Errors
    /// When the store can't keep up.
    pub fn post(&self, draft: Draft, tag: T) -> Result<(), T> {
        self.queue.try_send((draft, tag)).map_err(|refused| refused.into_inner().1)
    }
}

async fn run<T>(store: Store, mut inbox: mpsc::Receiver<(Draft, T)>, done: mpsc::Sender<Batch<T>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while inbox.recv_many(&mut batch, BATCH).await > 0 {
        let begun = Instant::now();
        let (drafts, tags): (Vec<Draft>, Vec<T>) = batch.drain(..).unzip();
        let answers = write(&store, &drafts).await;
        let outcomes = drafts.into_iter().zip(tags).zip(answers);
        let outcomes = outcomes.map(|((draft, tag), answer)| (draft, tag, answer)).collect();
        if done.send(Batch { outcomes, took: begun.elapsed() }).await.is_err() {
            return;
        }
    }
}

async fn write(store: &Store, drafts: &[Draft]) -> Vec<Result<Stored, StoreError>> {
    let all: Vec<&Draft> = drafts.iter().collect();
    match store.within(store.commit(&all)).await {
        Ok(stored) => stored.into_iter().map(Ok).collect(),
        // One that the database won't have takes no other with it.
        Err(error) if error.is_refusal() && drafts.len() > 1 => {
            let mut answers = Vec::with_capacity(drafts.len());
            for draft in all {
                let answer = store.within(store.commit(&[draft])).await;
                answers.push(answer.and_then(|stored| stored.first().copied().ok_or(StoreError::TimedOut)));
            }
            answers
        }
        Err(error) => {
            tracing::warn!(%error, drafts = drafts.len(), "messages were not stored");
            drafts.iter().map(|_| Err(StoreError::TimedOut)).collect()
        }
    }
}
