//! The clock, and what becomes of reports of bursts.

use serde_json::{Value, json};
use suara_gateway::auth::{Claims, Scope};

use crate::kit::{TestGateway, claims, frame, mint, number, open_socket, opening};

/// A question for the clock.
fn question(echo: u64) -> Vec<u8> {
    [&[4, 1, 0, 0], &echo.to_be_bytes()[..], &[0; 8]].concat()
}

/// The time in an answer, once it is sure that it answers this question.
fn told(answer: &[u8], echo: u64) -> u64 {
    assert_eq!(answer.len(), 20);
    assert_eq!((&answer[..4], &answer[4..12]), (&[4, 1, 1, 0][..], &echo.to_be_bytes()[..]));
    u64::from_be_bytes(answer[12..].try_into().expect("64 bits"))
}

#[tokio::test]
async fn the_clock_is_told_on_both_roads_and_never_goes_back() {
    let gateway = TestGateway::start();
    let alice = gateway.user("alice").await;
    let mut carol = open_socket(opening(gateway.http().await)).await.expect("it takes WebSockets");
    carol.hello(&mint(&claims("carol"))).await;
    carol.hear("welcome").await;

    alice.send_voice(&question(7));
    let first = told(&alice.voice().await, 7);
    carol.send_voice(&question(u64::MAX)).await;
    let second = told(&carol.voice().await, u64::MAX);
    alice.send_voice(&question(8));
    let third = told(&alice.voice().await, 8);
    assert!(first <= second && second <= third, "{first} {second} {third}");
    assert_eq!(gateway.metric("suara_clock_answers_total"), 3.0);
}

#[tokio::test]
async fn what_is_no_question_or_one_too_many_has_no_answer_and_is_counted() {
    let gateway = TestGateway::start();
    let alice = gateway.user("alice").await;
    let mut answer = question(1);
    answer[2] = 1;
    for bad in [&question(1)[..19], &answer[..]] {
        alice.send_voice(bad);
    }
    gateway.until("both are counted", |gateway| gateway.dropped("malformed") == 2.0).await;
    (0..60).for_each(|echo| alice.send_voice(&question(echo)));
    let all =
        |gateway: &TestGateway| gateway.dropped("rate") + gateway.metric("suara_clock_answers_total") == 60.0;
    gateway.until("all are answered or counted", all).await;
    assert!(gateway.dropped("rate") > 0.0);
}

/// The scorecard, or the status in its place.
async fn scorecard(gateway: &TestGateway, token: Option<&str>) -> Result<Value, u16> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let asked = client.get(format!("http://{}/api/kpi", gateway.http().await));
    let asked = token.into_iter().fold(asked, |asked, token| asked.bearer_auth(token));
    let answer = asked.send().await.expect("it answers");
    match answer.status().as_u16() {
        200 => Ok(serde_json::from_str(&answer.text().await.expect("text")).expect("JSON")),
        status => Err(status),
    }
}

#[tokio::test]
async fn a_burst_that_both_sides_report_shows_in_histograms_and_on_the_scorecard() {
    let gateway = TestGateway::start();
    let (mut alice, mut bob) = (gateway.user("alice").await, gateway.user("bob").await);
    let seat = alice.join("ops").await;
    bob.join("ops").await;
    alice.send_voice(&question(1));
    let pressed = told(&alice.voice().await, 1);
    let grant = alice.floor(seat.channel).await;
    alice.send_voice(&frame(seat, grant, 1));
    bob.voice().await;
    alice.release(seat.channel, grant).await;
    bob.hear("floor_idle").await;

    let report = |side: &str, of: Value| json!({"type": "burst_report", "channel": seat.channel, "grant": grant, side: of});
    let said =
        json!({"pressed_us": pressed, "granted_us": pressed + 45_000, "at_us": pressed, "timestamp": 960});
    let heard = json!({"at_us": pressed + 90_000, "timestamp": 1920});
    bob.say(report("heard", heard.clone())).await;
    alice.say(report("said", said.clone())).await;
    // Who talked can't have heard it, and nobody says it twice; of another burst nothing is known.
    alice.say(report("heard", heard.clone())).await;
    bob.say(report("said", said)).await;
    bob.say(report("heard", heard.clone())).await;
    bob.say(json!({"type": "burst_report", "channel": seat.channel, "grant": grant + 1, "heard": heard}))
        .await;
    assert!(bob.so_far().await.iter().all(|said| said["type"] != "error"), "reports have no answer");
    alice.so_far().await;

    let metric = |line: &str| gateway.metric(line);
    let pair = "talker=\"webtransport\",listener=\"webtransport\"";
    assert_eq!(metric("suara_kpi_access_seconds_sum{talker=\"webtransport\"}"), 0.045);
    assert_eq!(metric(&format!("suara_kpi_end_to_end_access_seconds_sum{{{pair}}}")), 0.09);
    assert_eq!(metric(&format!("suara_kpi_mouth_to_ear_seconds_sum{{{pair}}}")), 0.07);
    for (reason, count) in [("wrong_side", 2.0), ("twice", 1.0), ("unknown_burst", 1.0), ("absurd", 0.0)] {
        let line = format!("suara_kpi_reports_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(metric(&line), count, "{reason}");
    }

    let service = Claims { scope: Scope::Service, ..claims("backend") };
    let card = scorecard(&gateway, Some(&mint(&service))).await.expect("a service may look");
    assert_eq!((&card["joined"], &card["alone"]), (&json!(1), &json!(0)));
    assert_eq!(metric("suara_kpi_heard_reports_total{joined=\"yes\"}"), 1.0);
    assert!(card["node"].is_string());
    let rows = card["rows"].as_array().expect("a list");
    let told: Vec<_> = rows.iter().map(|row| (number(&row["kpi"]), number(&row["p95_ms"]))).collect();
    assert_eq!(told, [(1, 45), (2, 90), (3, 70)]);
    assert_eq!((&rows[2]["within"], &rows[2]["listener"]), (&json!(1.0), &json!("webtransport")));
}

#[tokio::test]
async fn the_scorecard_is_for_admins_dispatchers_and_services() {
    let gateway = TestGateway::start();
    let dispatcher = Claims { channels: Some(vec!["ops:listen,dispatch".to_owned()]), ..claims("dave") };
    let admin = Claims { role: Some("admin".to_owned()), ..claims("root") };
    for who in [dispatcher, admin] {
        assert_eq!(scorecard(&gateway, Some(&mint(&who))).await.expect("it may look")["rows"], json!([]));
    }
    assert_eq!(scorecard(&gateway, Some(&mint(&claims("alice")))).await, Err(403));
    assert_eq!(scorecard(&gateway, Some("nonsense")).await, Err(401));
    assert_eq!(scorecard(&gateway, None).await, Err(401));
}
