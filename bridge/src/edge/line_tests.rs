use super::*;

fn handshake() -> axum::http::request::Parts {
    Request::builder().body(()).unwrap().into_parts().0
}

#[test]
fn voice_for_a_client_that_stopped_polling_is_late() {
    let lines = Lines::default();
    let hold = lines.hold(Sid::new(), &handshake(), || false);
    let now = Instant::now();
    assert!(!hold.line().is_late(now));
    assert!(hold.line().is_late(now + Duration::from_millis(1500)));
    let poll = Poll::begin(Arc::clone(hold.line()));
    assert!(!hold.line().is_late(now + Duration::from_secs(30)), "a poll waits");
    drop(poll);
    assert!(hold.line().is_late(Instant::now() + Duration::from_millis(1500)));
}

#[test]
fn a_line_is_forgotten_with_its_last_namespace() {
    let lines = Lines::default();
    let sid = Sid::new();
    let first = lines.hold(sid, &handshake(), || false);
    let second = lines.hold(sid, &handshake(), || false);
    assert!(Arc::ptr_eq(first.line(), second.line()));
    drop(first);
    assert!(lines.get(sid).is_some());
    drop(second);
    assert!(lines.get(sid).is_none());
}

#[test]
fn a_severed_client_gets_no_more_voice() {
    let lines = Lines::default();
    let hold = lines.hold(Sid::new(), &handshake(), || false);
    assert!(!hold.line().is_late(Instant::now()));
    assert!(hold.sever());
    assert!(hold.line().is_late(Instant::now()));
}

#[tokio::test]
async fn a_severed_session_is_refused_though_nobody_holds_its_line() {
    use tower::ServiceExt as _;

    let (lines, sid) = (Lines::default(), Sid::new());
    assert!(lines.hold(sid, &handshake(), || false).sever());
    let router = axum::Router::new()
        .route("/", axum::routing::any(|| async {}))
        .layer(axum::middleware::from_fn_with_state(lines, watch_requests));
    let ask = async |method: Method, version: u8, sid: Sid| {
        let request = Request::builder().method(method);
        let request = request.uri(format!("/?EIO={version}&transport=polling&sid={sid}"));
        let answer = router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        let status = answer.status();
        (status, axum::body::to_bytes(answer.into_body(), 100).await.unwrap())
    };
    assert_eq!(ask(Method::POST, 4, sid).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(ask(Method::GET, 4, sid).await, (StatusCode::OK, "1".into()), "the session is over");
    assert_eq!(ask(Method::GET, 3, sid).await, (StatusCode::OK, "1:1".into()));
    assert_eq!(ask(Method::GET, 4, Sid::new()).await, (StatusCode::OK, "".into()));
}

#[tokio::test]
async fn a_poll_that_waits_ends_when_its_client_is_broken_off() {
    use tower::ServiceExt as _;

    let (lines, sid) = (Lines::default(), Sid::new());
    let hold = lines.hold(sid, &handshake(), || false);
    let router = axum::Router::new()
        .route("/", axum::routing::any(std::future::pending::<()>))
        .layer(axum::middleware::from_fn_with_state(lines, watch_requests));
    let poll = Request::get(format!("/?EIO=4&transport=polling&sid={sid}"));
    let poll = tokio::spawn(router.oneshot(poll.body(axum::body::Body::empty()).unwrap()));
    tokio::task::yield_now().await;
    assert!(!poll.is_finished() && hold.sever());
    assert_eq!(poll.await.unwrap().unwrap().status(), StatusCode::OK);
}

#[test]
fn an_upgrade_that_comes_before_the_log_in_counts() {
    let (lines, sid, stall) = (Lines::default(), Sid::new(), StallHandle::default());
    lines.upgrade(Instant::now(), sid, Some(stall));
    let hold = lines.hold(sid, &handshake(), || true);
    assert!(!hold.line().is_late(Instant::now() + Duration::from_secs(60)));
    assert!(lines.lock().upgrades.is_empty());
}

#[test]
fn a_client_whose_upgrade_went_unseen_is_not_late_for_want_of_polls() {
    let lines = Lines::default();
    let hold = lines.hold(Sid::new(), &handshake(), || true);
    assert!(!hold.line().is_late(Instant::now() + Duration::from_secs(60)));
}

#[test]
fn invented_upgrades_are_forgotten() {
    let (lines, start) = (Lines::default(), Instant::now());
    for _ in 0..2 * MAX_UPGRADES {
        lines.upgrade(start, Sid::new(), Some(StallHandle::default()));
    }
    assert_eq!(lines.lock().upgrades.len(), MAX_UPGRADES);
    lines.upgrade(start + Duration::from_secs(16), Sid::new(), Some(StallHandle::default()));
    assert_eq!(lines.lock().upgrades.len(), 1);
}
