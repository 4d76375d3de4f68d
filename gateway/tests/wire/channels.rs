//! Joining, leaving, rights, and what others see of it.

use serde_json::json;
use suara_channel::Settings;
use suara_gateway::auth::Claims;
use suara_proto::message::{Right, Rights};
use wildmatch::WildMatch;

use crate::kit::{Client, TestGateway, claims, mint, number, seat};

#[tokio::test]
async fn joined_says_all_that_a_newcomer_has_to_know() {
    let gateway = TestGateway::start();
    let (mut alice, mut bob) = (gateway.user("alice").await, gateway.user("bob").await);

    let (first, mut joined) = alice.joined("ops/gate-1").await;
    // Said where the store is there already.
    joined.as_object_mut().expect("an object").remove("last_message");
    let member = |name: &str, talker| json!({"talker": talker, "user": name, "name": format!("Name of {name}"), "role": "guard"});
    let expected = json!({
        "type": "joined", "request": joined["request"], "channel": first.channel, "name": "ops/gate-1",
        "talker": first.talker, "rights": ["listen", "talk"], "mode": "ptt", "version": 1,
        "members": [member("alice", first.talker)],
    });
    assert_eq!(joined, expected);

    let grant = alice.floor(first.channel).await;
    let (second, mut joined) = bob.joined("ops/gate-1").await;
    assert_eq!(second.channel, first.channel);
    assert_ne!(second.talker, first.talker);
    assert_eq!(joined["members"], json!([member("alice", first.talker), member("bob", second.talker)]));
    assert!((1..=30_000).contains(&number(&joined["talking"]["remaining_ms"].take())));
    let talking = json!({"talker": first.talker, "user": "alice", "name": "Name of alice", "grant": grant, "remaining_ms": null});
    assert_eq!(joined["talking"], talking);
    gateway.finish().await;
}

#[tokio::test]
async fn rights_come_from_the_token() {
    let gateway = TestGateway::start();
    let channels = ["ops*:listen", "ops-1:talk", "mute:talk", "site:7:listen,talk,emergency,dispatch"];
    let channels = Some(channels.map(str::to_owned).to_vec());
    let mut client = gateway.welcome(&Claims { channels, ..claims("alice") }).await;

    let rights = async |client: &mut Client, name: &str| client.joined(name).await.1;
    assert_eq!(rights(&mut client, "ops-1").await["rights"], json!(["listen", "talk"]));
    let listening = rights(&mut client, "ops-2").await;
    assert_eq!(
        (&listening["rights"], &listening["members"][0]["listen_only"]),
        (&json!(["listen"]), &json!(true))
    );
    let all = rights(&mut client, "site:7").await;
    assert_eq!(all["rights"], json!(["listen", "talk", "emergency", "dispatch"]));
    for forbidden in ["lobby", "Ops-1", "mute", "site"] {
        assert_eq!(client.refusal(json!({"type": "join", "channel": forbidden})).await, "forbidden");
    }
}

#[tokio::test]
async fn a_token_that_lists_no_channels_has_the_default_rights() {
    let listen: Rights = [Right::Listen].into_iter().collect();
    let gateway = TestGateway::with(|settings| settings.default_rights = listen);
    let mut unlisted = gateway.welcome(&Claims { channels: None, ..claims("alice") }).await;
    let mut nothing = gateway.welcome(&Claims { channels: Some(Vec::new()), ..claims("bob") }).await;

    assert_eq!(unlisted.joined("lobby").await.1["rights"], json!(["listen"]));
    assert_eq!(nothing.refusal(json!({"type": "join", "channel": "lobby"})).await, "forbidden");
}

#[tokio::test]
async fn a_channels_name_is_plain_text_of_1_to_128_bytes() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;
    let long = "é".repeat(64);
    assert_eq!(client.joined(&long).await.1["name"], json!(long));
    client.join("警備 / Pos 1 – Gerbang").await;

    let bad = [
        "",
        &format!("{long}x"),
        "a\nb",
        "a\u{0}",
        "a\u{7f}",
        "a\u{85}",
        "\u{202e}abc",
        "\u{2066}a",
        "\u{61c}a",
        "\u{200f}",
    ];
    for name in bad {
        assert_eq!(client.refusal(json!({"type": "join", "channel": name})).await, "bad_field", "{name:?}");
    }
}

#[tokio::test]
async fn one_is_in_a_channel_once_and_in_no_more_than_64() {
    let gateway = TestGateway::start();
    let mut client = gateway.user("alice").await;
    let first = client.join("channel 0").await;
    assert_eq!(client.refusal(json!({"type": "join", "channel": "channel 0"})).await, "already_joined");
    for index in 1..64 {
        client.join(&format!("channel {index}")).await;
    }

    assert_eq!(client.refusal(json!({"type": "join", "channel": "channel 64"})).await, "too_many_channels");
    assert_eq!(gateway.metric("suara_channels"), 64.0);
    client.leave(first.channel).await;
    client.join("channel 64").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_full_channel_takes_nobody_until_somebody_leaves() {
    let settings = Settings { max_members: 2, ..Settings::default() };
    let gateway = TestGateway::with(|all| all.channels = vec![(WildMatch::new("small*"), settings)]);
    let (mut alice, mut bob) = (gateway.user("alice").await, gateway.user("bob").await);
    let seat = alice.join("small").await;
    bob.join("small").await;
    let mut eve = gateway.user("eve").await;

    assert_eq!(eve.refusal(json!({"type": "join", "channel": "small"})).await, "channel_full");
    alice.leave(seat.channel).await;
    eve.join("small").await;
    assert_eq!(gateway.metric("suara_members"), 2.0);
}

#[tokio::test]
async fn others_see_who_comes_and_who_goes_and_why() {
    let gateway = TestGateway::start();
    let mut watch = gateway.user("watch").await;
    let (own, joined) = watch.joined("lobby").await;
    assert_eq!(watch.sees_join("watch").await["joined"], joined["members"], "one's own coming is told, too");
    let (mut polite, mut lost) = (gateway.user("polite").await, gateway.user("lost").await);

    let (polite_seat, joined) = polite.joined("lobby").await;
    let delta = watch.sees_join("polite").await;
    assert_eq!((number(&delta["since"]), number(&delta["version"])), (1, 2));
    assert_eq!(delta["joined"], json!([joined["members"][1]]));
    assert!(delta["left"].is_null() && delta["members"].is_null());
    let lost_seat = lost.join("lobby").await;

    polite.leave(own.channel).await;
    assert_eq!(watch.sees_leave(polite_seat.talker).await, "left");
    lost.vanish();
    assert_eq!(watch.sees_leave(lost_seat.talker).await, "disconnected");
    assert_eq!(watch.roster(own.channel).await, [(own.talker, "watch".to_owned())]);
    let after: Vec<_> = polite
        .so_far()
        .await
        .into_iter()
        .filter(|said| said["left"][0]["talker"] == lost_seat.talker)
        .collect();
    assert!(after.is_empty(), "who has left hears nothing more: {after:?}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_channel_that_one_is_not_in_is_not_joined() {
    let gateway = TestGateway::start();
    let (mut alice, mut bob) = (gateway.user("alice").await, gateway.user("bob").await);
    let channel = alice.join("lobby").await.channel;

    for message in [
        json!({"type": "leave", "channel": channel}),
        json!({"type": "roster_request", "channel": channel}),
        json!({"type": "floor_release", "channel": channel, "grant": 65537}),
        json!({"type": "floor_request", "channel": channel, "request": 3}),
        json!({"type": "leave", "channel": u32::MAX}),
    ] {
        bob.say(message.clone()).await;
        let error = bob.next().await;
        assert_eq!(
            (&error["code"], &error["request"]),
            (&json!("not_joined"), &message["request"]),
            "{message}"
        );
    }
    assert_eq!(alice.roster(channel).await.len(), 1);
}

#[tokio::test]
async fn an_emptied_channel_can_be_joined_again_under_another_number() {
    let gateway = TestGateway::start();
    let mut alice = gateway.user("alice").await;
    let first = alice.join("lobby").await;
    alice.leave(first.channel).await;
    gateway.until("the channel is gone", |gateway| gateway.metric("suara_channels") == 0.0).await;

    let second = alice.join("lobby").await;

    assert_ne!(second.channel, first.channel);
    assert_eq!(alice.roster(second.channel).await, [(second.talker, "alice".to_owned())]);
}

#[tokio::test]
async fn a_talker_number_is_not_given_to_the_next() {
    let gateway = TestGateway::start();
    let (mut watch, mut alice) = (gateway.user("watch").await, gateway.user("alice").await);
    watch.join("lobby").await;
    let mut seen = Vec::new();

    for _ in 0..10 {
        let seat = alice.join("lobby").await;
        assert!(!seen.contains(&seat.talker));
        seen.push(seat.talker);
        alice.leave(seat.channel).await;
    }
}

#[tokio::test]
async fn the_same_user_may_be_there_several_times() {
    let gateway = TestGateway::start();
    let (mut phone, mut radio) = (gateway.user("alice").await, gateway.user("alice").await);
    let one = phone.join("lobby").await;
    let two = radio.join("lobby").await;

    let both = vec![(one.talker, "alice".to_owned()), (two.talker, "alice".to_owned())];
    assert_eq!(phone.roster(one.channel).await, both);
}

#[tokio::test]
async fn who_leaves_without_a_word_leaves_all_channels() {
    let gateway = TestGateway::start();
    let mut alice = gateway.bearer(&mint(&claims("alice"))).await;
    for request in 0..20 {
        alice.say(json!({"type": "join", "request": request, "channel": format!("channel {request}")})).await;
    }
    // It doesn't wait for an answer.
    let last = alice.hear_that("the last answer", |said| said["request"] == 19).await;
    assert_eq!(seat(&last).talker, 1);
    drop(alice);

    gateway.deserted().await;
    gateway.finish().await;
}
