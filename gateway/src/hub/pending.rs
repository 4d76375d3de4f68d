//! Answers of a channel's task that may take a while, and that bring somebody into the channel: whoever gives one up is out
//! again, even if it was given at that very moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use suara_proto::LeaveReason;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::PATIENCE;
use super::command::Command;
use super::seats::Place;

/// Whether somebody's client may have heard by now that it is in, where the answer is still to come. Set before it is said, and
/// the answer comes at once after.
#[derive(Debug, Clone, Default)]
pub struct Told(Arc<AtomicBool>);

impl Told {
    /// From now on the client may know.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the client may know.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// An answer that is waited for.
pub(super) struct Pending<T> {
    answer: oneshot::Receiver<T>,
    /// The place that an answer gives.
    place: Box<dyn Fn(T) -> Option<Place> + Send>,
    commands: mpsc::Sender<Command>,
}

impl<T> Pending<T> {
    pub(super) fn new(
        answer: oneshot::Receiver<T>,
        commands: mpsc::Sender<Command>,
        place: impl Fn(T) -> Option<Place> + Send + 'static,
    ) -> Self {
        Self { answer, place: Box::new(place), commands }
    }

    /// The answer: nothing where the channel is gone, and `late` where none comes in time.
    pub(super) async fn within_patience(mut self, late: T) -> Option<T> {
        timeout(PATIENCE, &mut self.answer).await.unwrap_or(Ok(late)).ok()
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        // From now on the channel's task finds nobody who takes an answer; one that is there already is undone.
        self.answer.close();
        let Some(place) = self.answer.try_recv().ok().and_then(|answer| (self.place)(answer)) else { return };
        let leave = Command::Leave { place, reason: LeaveReason::Disconnected, confirm: false };
        if let Err(mpsc::error::TrySendError::Full(leave)) = self.commands.try_send(leave)
            && let Ok(runtime) = Handle::try_current()
        {
            let commands = self.commands.clone();
            // A channel that is gone has nobody in it.
            runtime.spawn(async move { commands.send(leave).await.unwrap_or_default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use suara_proto::TalkerNumber;

    use super::*;
    use crate::session::SessionId;

    fn pending() -> (oneshot::Sender<u16>, Pending<u16>, mpsc::Receiver<Command>) {
        let ((reply, answer), (commands, inbox)) = (oneshot::channel(), mpsc::channel(1));
        let session = SessionId::random();
        let place = move |talker| {
            (talker > 0).then_some(Place { talker: TalkerNumber(talker), session, member: None })
        };
        (reply, Pending::new(answer, commands, place), inbox)
    }

    fn is_left(inbox: &mut mpsc::Receiver<Command>) -> Option<u16> {
        match inbox.try_recv() {
            Ok(Command::Leave { place, confirm: false, .. }) => Some(place.talker.0),
            _ => None,
        }
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_any_more_is_undone() {
        let (reply, pending, mut inbox) = pending();
        reply.send(7).unwrap();
        drop(pending);
        assert_eq!(is_left(&mut inbox), Some(7));
    }

    #[tokio::test]
    async fn an_answer_that_is_taken_holds_and_one_that_gives_no_place_needs_no_undoing() {
        let (reply, waits, mut inbox) = pending();
        reply.send(7).unwrap();
        assert_eq!(waits.within_patience(0).await, Some(7));
        assert_eq!(is_left(&mut inbox), None);
        let (reply, refused, mut inbox) = pending();
        reply.send(0).unwrap();
        drop(refused);
        assert_eq!(is_left(&mut inbox), None);
        let (reply, given_up, _inbox) = pending();
        drop(given_up);
        assert!(reply.send(7).is_err(), "the channel's task undoes it by itself");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_too_late_is_undone_too() {
        let (reply, waits, mut inbox) = pending();
        assert_eq!(waits.within_patience(0).await, Some(0));
        assert!(reply.send(7).is_err());
        assert_eq!(is_left(&mut inbox), None);
    }

    #[tokio::test]
    async fn a_busy_channel_is_left_as_soon_as_it_takes_that() {
        let (reply, pending, mut inbox) = pending();
        let roster = Command::Roster { session: SessionId::random() };
        assert!(pending.commands.try_send(roster).is_ok());
        reply.send(7).unwrap();
        drop(pending);
        assert!(matches!(inbox.recv().await, Some(Command::Roster { .. })));
        assert!(matches!(inbox.recv().await, Some(Command::Leave { .. })));
    }
}
