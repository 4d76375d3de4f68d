//! One poll of a session at a time. The library ends a session whose client polls twice at once; but where a node that
//! passed a poll on dies, the balancer may ask again before its end is known here. So the second one waits for the end of
//! the first, for a moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::UPGRADE;
use axum::middleware::Next;
use axum::response::Response;
use socketioxide::socket::Sid;
use tokio::sync::Semaphore;

use super::elsewhere::sid_of;

/// The end of a connection is known much sooner, even on a busy machine. One who really polls twice waits so long for
/// the library's refusal.
const PATIENCE: Duration = Duration::from_millis(500);

/// The polls that wait for packets; clones share them.
#[derive(Clone, Default)]
pub(super) struct Polls(Arc<Mutex<HashMap<Sid, Arc<Semaphore>>>>);

/// A poll's place; its end makes room for the next one.
struct Place {
    polls: Polls,
    sid: Sid,
    room: Arc<Semaphore>,
}

impl Polls {
    fn place(&self, sid: Sid) -> Place {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = waiting.entry(sid).or_insert_with(|| Arc::new(Semaphore::new(1))).clone();
        Place { polls: self.clone(), sid, room }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.polls.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The table's and this one: nobody else has it.
        if Arc::strong_count(&self.room) <= 2 {
            waiting.remove(&self.sid);
        }
    }
}

/// Lets a session's polls through one after the other.
pub(super) async fn one_at_a_time(State(polls): State<Polls>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET || request.headers().contains_key(UPGRADE) {
        return next.run(request).await;
    }
    let Some(sid) = sid_of(&request) else { return next.run(request).await };
    let place = polls.place(sid);
    // Without a permit the library says what is wrong.
    let _permit = tokio::time::timeout(PATIENCE, place.room.acquire()).await;
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tokio::time::{Instant, sleep, timeout};
    use tower::ServiceExt as _;

    use super::*;

    /// Each poll takes a minute.
    fn router(polls: &Polls) -> Router {
        let slow = get(async || sleep(Duration::from_secs(60)).await);
        Router::new()
            .route("/", slow)
            .layer(axum::middleware::from_fn_with_state(polls.clone(), one_at_a_time))
    }

    fn poll(sid: Sid) -> Request {
        Request::get(format!("/?EIO=4&transport=polling&sid={sid}")).body(Body::empty()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_whose_connection_broke_makes_room_for_the_next() {
        let polls = Polls::default();
        let (router, sid) = (router(&polls), Sid::new());
        let first = tokio::spawn(router.clone().oneshot(poll(sid)));
        sleep(Duration::from_millis(10)).await;
        let second = tokio::spawn(router.oneshot(poll(sid)));
        sleep(Duration::from_millis(100)).await;
        let (begun, _) = (Instant::now(), first.abort());
        second.await.unwrap().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(61), "it began when the first one ended");
        assert!(polls.0.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn two_polls_at_once_both_get_to_the_library() {
        let polls = Polls::default();
        let (router, sid) = (router(&polls), Sid::new());
        let begun = Instant::now();
        let both = [router.clone(), router].map(|router| tokio::spawn(router.oneshot(poll(sid))));
        for answer in both {
            timeout(Duration::from_secs(70), answer)
                .await
                .expect("none waits for the other")
                .unwrap()
                .unwrap();
        }
        assert_eq!(begun.elapsed().as_millis(), 60_500);
        assert!(polls.0.lock().unwrap().is_empty());
    }
}
