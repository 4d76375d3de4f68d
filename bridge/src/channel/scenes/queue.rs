//! A client that knows no floor, and waits for it.

use super::*;

#[test]
fn who_talks_while_another_does_waits_in_the_gateways_queue_until_it_falls_silent() {
    let mut scene = Scene::new();
    let sid = scene.enter(1, pcm(16_000), json!(5));
    scene.voice(1, &[1; 640]);
    let requests = scene.record.take_control();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((&request["type"], &request["queue"]), (&json!("floor_request"), &json!(true)));
    let request = RequestId(request["request"].as_u64().unwrap() as u32);
    for position in [2, 1] {
        let member = MemberRef(1);
        scene.handle(Input::Floor(FloorEvent::Queued { member, request, position, size: 2 }));
    }
    let denied = json!({"channel_id": 5, "cause": "another_has_permission"});
    let place =
        |position| Heard::Event("floor_queued", json!({"channel_id": 5, "position": position, "size": 2}));
    assert_eq!(scene.ears.of(sid), [Heard::Event("floor_denied", denied), place(2), place(1)]);
    scene.pass(500);
    scene.voice(1, &[2; 640]);
    assert!(scene.record.take_control().is_empty(), "it waits, and asks no more");
    scene.pass(600);
    let said = scene.record.take_control();
    let [cancel] = &said[..] else { panic!("{said:?}") };
    assert_eq!((&cancel["type"], &cancel["request"]), (&json!("floor_cancel"), &json!(request.0)));
}

#[test]
fn who_waited_is_heard_with_what_it_said_last_and_its_wait_is_no_access_time() {
    let mut scene = Scene::new();
    scene.record.set_clock(scene.now);
    scene.enter(1, pcm(16_000), json!(5));
    let listener = scene.enter(2, pcm(16_000), json!(5));
    scene.voice(1, &[1; 640]);
    let requests = scene.record.take_control();
    let request = RequestId(requests[0]["request"].as_u64().unwrap() as u32);
    let member = MemberRef(1);
    scene.handle(Input::Floor(FloorEvent::Queued { member, request, position: 1, size: 1 }));
    scene.pass(200);
    scene.voice(1, &[2; 640]);
    let granted = FloorEvent::Granted { member, request, grant: GRANT, duration_ms: 30_000 };
    scene.handle(Input::Floor(granted));
    assert_eq!(chunks(&scene.ears.of(listener)), [1, 2].map(|byte| Bytes::from(vec![byte; 640])));
    scene.pass(700);
    let said = scene.record.take_control();
    assert!(said.iter().any(|message| message["type"] == "floor_release"), "{said:?}");
    assert!(said.iter().all(|message| message["type"] != "burst_report"), "{said:?}");
}
