//! Bridges and their members.

use serde_json::{Value, json};
use suara_gateway::auth::{Claims, Minter, Scope};

use crate::kit::{
    Client, Seat, TRUNK_SECRET, TestGateway, claims, frame, framed, kinds, mint, now, number, seat,
};

async fn attach(trunk: &mut Client, member: u32, claims: &Claims) -> Value {
    trunk.ask(json!({"type": "attach", "member": member, "token": mint(claims)})).await
}

async fn join(trunk: &mut Client, member: u32, channel: &str) -> (Seat, Value) {
    let joined = trunk.ask(json!({"type": "join", "member": member, "channel": channel})).await;
    assert_eq!(joined["member"], member, "{joined}");
    (seat(&joined), joined)
}

/// A trunk with members 0, 1, … of these names, all in one channel.
async fn with_members<const N: usize>(
    gateway: &TestGateway,
    names: [&str; N],
    channel: &str,
) -> (Client, [Seat; N]) {
    let mut trunk = gateway.trunk().await;
    let mut seats = Vec::new();
    for (member, name) in (0..).zip(names) {
        assert_eq!(attach(&mut trunk, member, &claims(name)).await["type"], "attached");
        seats.push(join(&mut trunk, member, channel).await.0);
    }
    (trunk, seats.try_into().expect("as many as members"))
}

#[tokio::test]
async fn a_bridge_may_come_with_the_key_that_vouches_for_bridges_alone() {
    let gateway = TestGateway::start();
    let token = Minter::new(TRUNK_SECRET).mint(&Claims { scope: Scope::Trunk, ..claims("bridge") }).unwrap();
    let mut trunk = gateway.bearer(&token).await;

    assert_eq!(trunk.next().await["user"], "bridge");
    let by_trunk_secret = Minter::new(TRUNK_SECRET).mint(&claims("mallory")).unwrap();
    let refusal = trunk.refusal(json!({"type": "attach", "member": 1, "token": by_trunk_secret})).await;
    assert_eq!(refusal, "unauthenticated", "a bridge can't invent its members");
}

#[tokio::test]
async fn attached_says_who_a_member_is() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let alice = claims("alice");

    let attached = attach(&mut trunk, u32::MAX, &alice).await;

    let expected = json!({"type": "attached", "request": attached["request"], "member": u32::MAX, "user": "alice",
        "name": "Name of alice", "role": "guard", "expires": alice.exp});
    assert_eq!(attached, expected);
    attach(&mut trunk, 0, &claims("bob")).await;
    attach(&mut trunk, 7, &claims("alice")).await;
    assert_eq!(gateway.metric("suara_trunk_members"), 3.0);
    assert_eq!((gateway.metric("suara_sessions"), gateway.gateway.population()), (1.0, 3));
    drop(trunk);
    gateway.deserted().await;
    gateway.finish().await;
}

#[tokio::test]
async fn who_may_not_be_attached_is_refused_with_its_number() {
    let gateway = TestGateway::start();
    let (mut trunk, mut user) = (gateway.trunk().await, gateway.user("alice").await);

    let refused = attach(&mut user, 4, &claims("alice")).await;
    assert_eq!((&refused["code"], &refused["member"]), (&json!("forbidden"), &json!(4)));
    let scopes = [Scope::Trunk, Scope::Livechat, Scope::Service];
    for claims in scopes.map(|scope| Claims { scope, ..claims("eve") }) {
        let refused = attach(&mut trunk, 5, &claims).await;
        assert_eq!((&refused["code"], &refused["member"]), (&json!("unauthenticated"), &json!(5)));
    }
    let expired = attach(&mut trunk, 6, &Claims { exp: now() - 60, ..claims("eve") }).await;
    assert_eq!(expired["code"], "unauthenticated");
    assert_eq!(gateway.metric("suara_trunk_members"), 0.0);
}

#[tokio::test]
async fn attaching_again_renews_and_another_users_token_does_not() {
    let gateway = TestGateway::start();
    let (mut trunk, [alice]) = with_members(&gateway, ["alice"], "lobby").await;
    let fresh = Claims { exp: now() + 7200, ..claims("alice") };

    assert_eq!(attach(&mut trunk, 0, &fresh).await["expires"], fresh.exp);
    assert_eq!(attach(&mut trunk, 0, &claims("bob")).await["code"], "wrong_user");

    assert_eq!(trunk.roster(alice.channel).await, [(alice.talker, "alice".to_owned())]);
    assert_eq!(gateway.metric("suara_trunk_members"), 1.0);
}

#[tokio::test]
async fn a_trunk_gets_the_members_of_a_channel_with_its_first_member_only() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    for (member, name) in [(1, "alice"), (2, "bob")] {
        attach(&mut trunk, member, &claims(name)).await;
    }

    let (one, first) = join(&mut trunk, 1, "lobby").await;
    let (two, second) = join(&mut trunk, 2, "lobby").await;
    assert_eq!(first["members"].as_array().map(Vec::len), Some(1));
    assert!(second["members"].is_null(), "{second}");
    assert_eq!(one.channel, two.channel);

    // Once all have left it knows the channel no more.
    for member in [1, 2] {
        trunk.say(json!({"type": "leave", "member": member, "channel": one.channel})).await;
        let left = json!({"type": "left", "member": member, "channel": one.channel, "reason": "left"});
        assert_eq!(trunk.hear("left").await, left);
    }
    assert!(join(&mut trunk, 2, "lobby").await.1["members"].is_array());
}

#[tokio::test]
async fn what_concerns_a_channel_comes_once_and_what_concerns_a_member_names_it() {
    let gateway = TestGateway::start();
    let mut user = gateway.user("user").await;
    let own = user.join("lobby").await;
    let (mut trunk, [_, bob, _]) = with_members(&gateway, ["alice", "bob", "eve"], "lobby").await;
    trunk.so_far().await;

    trunk.say(json!({"type": "floor_request", "request": 1, "member": 1, "channel": bob.channel})).await;
    let granted = trunk.next().await;
    let grant = number(&granted["grant"]);
    assert_eq!((&granted["type"], &granted["member"]), (&json!("floor_granted"), &json!(1)));
    let taken = trunk.next().await;
    assert_eq!((&taken["type"], &taken["talker"]), (&json!("floor_taken"), &json!(bob.talker)));
    assert!(taken["member"].is_null());

    let denied = trunk.ask(json!({"type": "floor_request", "member": 0, "channel": bob.channel})).await;
    assert_eq!((&denied["type"], &denied["member"]), (&json!("floor_deny"), &json!(0)));
    trunk.say(json!({"type": "floor_release", "member": 2, "channel": bob.channel, "grant": grant})).await;
    let wrong = trunk.next().await;
    assert_eq!((&wrong["code"], &wrong["member"]), (&json!("wrong_grant"), &json!(2)));
    trunk.say(json!({"type": "floor_release", "member": 1, "channel": bob.channel, "grant": grant})).await;
    user.hear("floor_idle").await;
    user.leave(own.channel).await;
    trunk.roster(bob.channel).await;
    assert_eq!(kinds(&trunk.so_far().await), ["floor_idle", "roster"]);
    gateway.finish().await;
}

#[tokio::test]
async fn a_member_that_is_missing_or_unknown_is_said_so() {
    let gateway = TestGateway::start();
    let (mut trunk, [alice]) = with_members(&gateway, ["alice"], "lobby").await;
    trunk.so_far().await;
    let channel = alice.channel;

    for message in [
        json!({"type": "join", "request": 1, "member": 9, "channel": "lobby"}),
        json!({"type": "join", "request": 2, "channel": "lobby"}),
        json!({"type": "leave", "member": 9, "channel": channel}),
        json!({"type": "floor_request", "request": 3, "member": 9, "channel": channel}),
        json!({"type": "floor_request", "request": 4, "channel": channel}),
        json!({"type": "floor_release", "member": 9, "channel": channel, "grant": 65537}),
        json!({"type": "detach", "member": 9}),
    ] {
        trunk.say(message.clone()).await;
        let error = trunk.next().await;
        assert_eq!(error["code"], "unknown_member", "{message}");
        assert_eq!((&error["request"], &error["member"]), (&message["request"], &message["member"]));
    }
    trunk.say(json!({"type": "floor_request", "request": 5, "member": 0, "channel": channel + 1})).await;
    let error = trunk.next().await;
    assert_eq!((&error["code"], &error["member"]), (&json!("not_joined"), &json!(0)));
    let join = json!({"type": "join", "member": 0, "channel": "lobby"});
    assert_eq!(trunk.refusal(join).await, "already_joined");
    let join = json!({"type": "join", "member": 0, "channel": ""});
    assert_eq!(trunk.refusal(join).await, "bad_field");
}

#[tokio::test]
async fn voice_of_a_member_reaches_other_sessions_once_and_never_its_own_trunk() {
    let gateway = TestGateway::start();
    let (mut trunk, [alice, bob]) = with_members(&gateway, ["alice", "bob"], "lobby").await;
    let (other_trunk, _) = with_members(&gateway, ["eve", "oscar"], "lobby").await;
    let mut user = gateway.user("user").await;
    let own = user.join("lobby").await;
    let granted = trunk.ask(json!({"type": "floor_request", "member": 0, "channel": alice.channel})).await;
    let grant = number(&granted["grant"]);

    trunk.send_voice(&frame(alice, grant, 1));
    // Of the trunk, too, only the holder's number is let through.
    trunk.send_voice(&frame(bob, grant, 2));
    trunk.send_voice(&frame(own, grant, 2));
    trunk.send_voice(&frame(alice, grant, 3));

    for listener in [&user, &other_trunk] {
        assert_eq!(listener.voice().await, frame(alice, grant, 1));
        assert_eq!(listener.voice().await, frame(alice, grant, 3));
    }
    assert_eq!((gateway.dropped("no_grant"), gateway.dropped("wrong_talker")), (1.0, 1.0));
    trunk.say(json!({"type": "floor_release", "member": 0, "channel": alice.channel, "grant": grant})).await;
    user.hear("floor_idle").await;
    let grant = user.floor(own.channel).await;
    user.send_voice(&frame(own, grant, 9));
    user.send_voice(&frame(own, grant, 10));
    // Its own members' frames never came to the trunk, and others' come once.
    assert_eq!(trunk.voice().await, frame(own, grant, 9));
    assert_eq!(trunk.voice().await, frame(own, grant, 10));
    gateway.finish().await;
}

#[tokio::test]
async fn a_detached_member_is_out_of_all_channels_and_its_number_is_free() {
    let gateway = TestGateway::start();
    let mut watch = gateway.user("watch").await;
    watch.join("lobby").await;
    watch.join("ops").await;
    let (mut trunk, [alice]) = with_members(&gateway, ["alice"], "lobby").await;
    let (ops, _) = join(&mut trunk, 0, "ops").await;
    let granted = trunk.ask(json!({"type": "floor_request", "member": 0, "channel": ops.channel})).await;
    trunk.so_far().await;

    trunk.say(json!({"type": "detach", "member": 0})).await;

    assert_eq!(watch.hear("floor_idle").await["grant"], granted["grant"]);
    let gone = |said: &Value, seat: Seat| {
        said["channel"] == seat.channel
            && said["left"][0]["talker"] == seat.talker
            && said["left"][0]["reason"] == "left"
    };
    for seat in [alice, ops] {
        watch.hear_that("the leave", |said| gone(said, seat)).await;
    }
    assert_eq!(attach(&mut trunk, 0, &claims("bob")).await["user"], "bob");
    let said = trunk.so_far().await;
    assert_eq!(kinds(&said), Vec::<&str>::new(), "no left, no detached");
    trunk.send_voice(&frame(ops, number(&granted["grant"]), 1));
    gateway.until("it is dropped", |gateway| gateway.dropped("not_joined") == 1.0).await;
}

#[tokio::test]
async fn a_member_whose_token_ends_is_detached_and_the_others_stay() {
    let gateway = TestGateway::start();
    let (mut trunk, [alice]) = with_members(&gateway, ["alice"], "lobby").await;
    let brief = Claims { exp: now() + 2, ..claims("brief") };
    attach(&mut trunk, 5, &brief).await;
    let (seat, _) = join(&mut trunk, 5, "lobby").await;
    let renewed = Claims { exp: now() + 2, ..claims("renewed") };
    attach(&mut trunk, 6, &renewed).await;
    attach(&mut trunk, 6, &claims("renewed")).await;

    let detached = trunk.hear("detached").await;

    assert_eq!(detached, json!({"type": "detached", "member": 5, "code": "token_expired"}));
    assert!(now() >= brief.exp);
    assert_eq!(trunk.sees_leave(seat.talker).await, "expired");
    assert_eq!(trunk.roster(alice.channel).await.len(), 1);
    assert_eq!(trunk.refusal(json!({"type": "join", "member": 5, "channel": "ops"})).await, "unknown_member");
    let (_, joined) = join(&mut trunk, 6, "ops").await;
    assert_eq!(joined["type"], "joined");
    assert!(!kinds(&trunk.so_far().await).contains(&"left"));
    gateway.finish().await;
}

#[tokio::test]
async fn a_trunk_whose_own_token_ends_takes_its_members_along() {
    let gateway = TestGateway::start();
    let mut watch = gateway.user("watch").await;
    watch.join("lobby").await;
    let mut trunk =
        gateway.welcome(&Claims { scope: Scope::Trunk, exp: now() + 2, ..claims("bridge") }).await;
    attach(&mut trunk, 1, &claims("alice")).await;
    let (alice, _) = join(&mut trunk, 1, "lobby").await;

    assert_eq!(trunk.closing().await, "token_expired");

    assert_eq!(watch.sees_leave(alice.talker).await, "disconnected", "its own token is good");
    gateway.until("nobody is attached", |gateway| gateway.metric("suara_trunk_members") == 0.0).await;
}

#[tokio::test]
async fn a_trunk_renews_its_own_token_with_a_trunks() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let fresh = Claims { scope: Scope::Trunk, exp: now() + 7200, ..claims("bridge") };

    assert_eq!(trunk.ask(json!({"type": "renew", "token": mint(&fresh)})).await["expires"], fresh.exp);
    for scope in [Scope::User, Scope::Service] {
        let token = mint(&Claims { scope, ..claims("bridge") });
        assert_eq!(trunk.refusal(json!({"type": "renew", "token": token})).await, "unauthenticated");
    }
    let token = mint(&Claims { scope: Scope::Trunk, ..claims("another bridge") });
    assert_eq!(trunk.refusal(json!({"type": "renew", "token": token})).await, "wrong_user");
}

#[tokio::test]
async fn a_member_that_is_detached_while_its_token_is_checked_is_not_attached() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let attach_it = json!({"type": "attach", "request": 1, "member": 3, "token": mint(&claims("alice"))});
    let detach_it = json!({"type": "detach", "member": 3});
    // In one piece, so that the second is there before the first is done.
    let both = [attach_it, detach_it].map(|message| framed(message.to_string().as_bytes()));
    trunk.write(&both.concat()).await;
    let answer = trunk.hear_that("the answer to attach", |said| said["request"] == 1).await;
    assert_eq!((&answer["code"], &answer["member"]), (&json!("unknown_member"), &json!(3)));

    let refusal = trunk.refusal(json!({"type": "join", "member": 3, "channel": "lobby"})).await;

    assert_eq!(refusal, "unknown_member");
    assert_eq!(gateway.metric("suara_trunk_members"), 0.0);
    assert_eq!(kinds(&trunk.so_far().await), Vec::<&str>::new(), "the detach found what it meant");
    assert_eq!(attach(&mut trunk, 3, &claims("bob")).await["user"], "bob");
}

#[tokio::test]
async fn a_lost_trunk_takes_all_its_members_along() {
    let gateway = TestGateway::start();
    let mut watch = gateway.user("watch").await;
    let own = watch.join("lobby").await;
    let (trunk, seats) = with_members(&gateway, ["alice", "bob", "eve"], "lobby").await;

    trunk.vanish();

    // In one message or in several.
    let mut gone = Vec::new();
    while gone.len() < seats.len() {
        let delta = watch.hear_that("leaves", |said| said["left"].is_array()).await;
        gone.extend(delta["left"].as_array().expect("a list").clone());
    }
    gone.sort_by_key(|left| number(&left["talker"]));
    assert_eq!(gone, seats.map(|seat| json!({"talker": seat.talker, "reason": "disconnected"})));
    assert_eq!(watch.roster(own.channel).await, [(own.talker, "watch".to_owned())]);
    gateway.finish().await;
}

#[tokio::test]
async fn what_a_member_may_do_in_a_channel_is_said_without_its_entering() {
    let gateway = TestGateway::start();
    let mut trunk = gateway.trunk().await;
    let guard = Claims { channels: Some(vec!["ops*:listen,talk".to_owned()]), ..claims("guard") };
    attach(&mut trunk, 1, &guard).await;

    let mut may = async |channel: &str, member: u32| {
        trunk.ask(json!({"type": "may", "member": member, "channel": channel})).await
    };
    let said = may("ops-1", 1).await;
    let expected =
        json!({"type": "rights", "request": said["request"], "member": 1, "rights": ["listen", "talk"]});
    assert_eq!(said, expected);
    assert_eq!(may("vault", 1).await["rights"], json!([]));
    assert_eq!(may("ops\n", 1).await["code"], "bad_field");
    assert_eq!(may("ops-1", 2).await["code"], "unknown_member");
    assert_eq!(gateway.metric("suara_channels"), 0.0, "nobody entered");
}
