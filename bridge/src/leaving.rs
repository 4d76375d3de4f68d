//! How those who are here leave a node that is about to stop: one after the other, so that the nodes that take them in aren't stormed,
//! and between two bursts, so that next to nothing is missed while they come back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Everybody's turn comes within this part of the time that there is, and within [`TURNS`]; then it has as long again to find
/// a pause. What is left is for those who don't take it.
const PART: u32 = 3;
const TURNS: Duration = Duration::from_secs(5);

/// How often one whose turn it is looks whether it is calm.
const LOOK: Duration = Duration::from_millis(50);

/// A pause that is younger than this may still be on its way to the client.
const SETTLED: Duration = Duration::from_millis(60);
/// One that is older may be over before the client is back, which takes it a second or so. So may one whose beginning nobody
/// here has heard: it counts as old as this from the start.
pub(crate) const FRESH: Duration = Duration::from_millis(400);
/// After so long nobody is about to answer.
const LONG: Duration = Duration::from_secs(3);

/// Begins it, and tells all [`Departure`]s.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leaving(Arc<watch::Sender<Option<Window>>>);

#[derive(Debug, Clone, Copy)]
struct Window {
    begun: Instant,
    /// Everybody's turn comes within this,
    turns: Duration,
    /// and ends after so long.
    patience: Duration,
}

impl Leaving {
    /// From now on everybody is to go, within `most`. Said again, it is this `most` that counts.
    pub(crate) fn begin(&self, most: Duration) {
        let part = (most / PART).min(TURNS);
        self.0.send_replace(Some(Window { begun: Instant::now(), turns: part, patience: part }));
    }

    /// The same for one whose turn has come elsewhere: it goes in its next pause, or else after `patience`.
    pub(crate) fn hurry(&self, patience: Duration) {
        self.0.send_replace(Some(Window { begun: Instant::now(), turns: Duration::ZERO, patience }));
    }

    /// Whether it is no use any more to come.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// For one who is here.
    pub(crate) fn departure(&self) -> Departure {
        Departure { window: self.0.subscribe(), turn: None }
    }
}

/// When one client goes.
#[derive(Debug)]
pub(crate) struct Departure {
    window: watch::Receiver<Option<Window>>,
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Turn {
    next: Instant,
    by: Instant,
}

impl Departure {
    /// Waits until it is to be seen whether the client [goes](Self::goes); for ever as long as nobody has to. Cancel-safe.
    pub(crate) async fn look(&mut self) {
        loop {
            let Some(turn) = &mut self.turn else {
                let window = self.window.wait_for(Option::is_some).await.map(|window| *window);
                let Ok(Some(Window { begun, turns, patience })) = window else {
                    return std::future::pending().await;
                };
                let next = begun + turns.mul_f32(rand::random());
                self.turn = Some(Turn { next, by: next + patience });
                continue;
            };
            tokio::select! {
                () = sleep_until(turn.next) => {
                    turn.next = Instant::now() + LOOK;
                    return;
                }
                Ok(()) = self.window.changed() => self.turn = None,
            }
        }
    }

    /// Whether it goes now. `calm`: for how long nobody has spoken whom it hears, nor it itself; none, while somebody does.
    pub(crate) fn goes(&self, calm: Option<Duration>) -> bool {
        let is_pause = |calm| (SETTLED..FRESH).contains(&calm) || calm >= LONG;
        let is_due = |turn: &Turn| Instant::now() >= turn.by;
        calm.is_some_and(is_pause) || self.turn.as_ref().is_some_and(is_due)
    }

    /// For how long it may still wait for a pause; nothing before its turn.
    pub(crate) fn patience(&self) -> Duration {
        let by = self.turn.as_ref().map(|turn| turn.by);
        by.unwrap_or_else(Instant::now).saturating_duration_since(Instant::now())
    }

    /// That of a client who goes for either reason: this one, or `other`.
    pub(crate) const fn or(self, other: Self) -> Departures {
        Departures(self, other)
    }
}

/// When one client goes that has two reasons to: the node that it is at stops, or the one that its way leads through.
#[derive(Debug)]
pub(crate) struct Departures(Departure, Departure);

impl Departures {
    /// As [`Departure::look`].
    pub(crate) async fn look(&mut self) {
        tokio::select! {
            () = self.0.look() => {}
            () = self.1.look() => {}
        }
    }

    /// As [`Departure::goes`], when one of them has to be seen.
    pub(crate) fn goes(&self, calm: Option<Duration>) -> bool {
        self.0.goes(calm) || self.1.goes(calm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(9);

    /// How long one stays that finds it so calm.
    async fn stays(departure: &mut Departure, calm: impl Fn() -> Option<Duration>) -> Duration {
        let begun = Instant::now();
        loop {
            departure.look().await;
            if departure.goes(calm()) {
                return begun.elapsed();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_goes_before_it_has_begun() {
        let mut departure = Leaving::default().departure();
        tokio::time::timeout(Duration::from_secs(3600), departure.look()).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_spread_over_a_third_of_the_time() {
        let leaving = Leaving::default();
        let mut all: Vec<_> = (0..200).map(|_| leaving.departure()).collect();
        leaving.begin(MOST);
        let begun = Instant::now();
        let mut turns = Vec::new();
        for departure in &mut all {
            departure.look().await;
            turns.push(departure.turn.as_ref().unwrap().by - MOST / PART);
        }
        let turns: Vec<_> = turns.into_iter().map(|turn| turn - begun).collect();
        assert!(turns.iter().all(|turn| *turn <= MOST / PART), "{turns:?}");
        let early = turns.iter().filter(|turn| **turn < MOST / PART / 2).count();
        assert!((50..150).contains(&early), "{early} of 200 in the first half");
    }

    #[tokio::test(start_paused = true)]
    async fn one_waits_for_a_pause_that_has_just_begun_and_not_for_ever() {
        let leaving = Leaving::default();
        let (mut hearing, mut between) = (leaving.departure(), leaving.departure());
        leaving.begin(MOST);
        assert!(stays(&mut hearing, || None).await >= MOST / PART, "somebody speaks");
        // What has been calm for a second may be over in the next.
        let begun = Instant::now();
        let calm =
            || Some(if begun.elapsed() < MOST / PART / 2 { Duration::from_secs(1) } else { FRESH / 2 });
        leaving.begin(MOST);
        let stayed = stays(&mut between, calm).await;
        assert!(stayed >= MOST / PART / 2 && stayed < MOST * 2 / PART, "{stayed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn where_nobody_has_spoken_for_long_ones_turn_is_ones_time() {
        let leaving = Leaving::default();
        let mut departure = leaving.departure();
        leaving.begin(MOST);
        assert!(stays(&mut departure, || Some(Duration::MAX)).await <= MOST / PART);
    }

    #[tokio::test(start_paused = true)]
    async fn one_whose_turn_came_elsewhere_waits_for_a_pause_and_no_longer_than_it_may() {
        let (node, way) = (Leaving::default(), Leaving::default());
        let mut departures = node.departure().or(way.departure());
        tokio::time::timeout(Duration::from_secs(3600), departures.look()).await.unwrap_err();
        way.hurry(MOST);
        departures.look().await;
        assert!(!departures.goes(None), "somebody speaks");
        assert!(departures.goes(Some(FRESH / 2)), "its turn is at once");
        let begun = Instant::now();
        while !departures.goes(None) {
            departures.look().await;
        }
        assert!(begun.elapsed().abs_diff(MOST) <= LOOK, "{:?}", begun.elapsed());
        assert!(way.has_begun() && !node.has_begun());
    }

    #[tokio::test(start_paused = true)]
    async fn one_says_how_long_it_may_wait() {
        let leaving = Leaving::default();
        let mut departure = leaving.departure();
        assert_eq!(departure.patience(), Duration::ZERO);
        leaving.begin(MOST);
        // The timer's grain is a millisecond.
        for waited in [Duration::ZERO, LOOK] {
            departure.look().await;
            let expected = MOST / PART - waited;
            assert!(departure.patience().abs_diff(expected) <= Duration::from_millis(5), "{departure:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_to_go_at_once_does() {
        let leaving = Leaving::default();
        let mut departure = leaving.departure();
        leaving.begin(Duration::from_secs(3600));
        drop(tokio::time::timeout(Duration::from_millis(1), departure.look()).await);
        leaving.begin(Duration::ZERO);
        assert_eq!(stays(&mut departure, || None).await, Duration::ZERO);
    }
}
