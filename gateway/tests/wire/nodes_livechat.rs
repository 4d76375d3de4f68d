//! Two nodes on one database: a visitor is at one, staff at the other.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::kit::{ChatStream, Pair};
use crate::livechat::{visitor, watching};

async fn reply(staff: &mut ChatStream, session: &str, id: &str, text: &str) -> u64 {
    staff.say(json!({"type": "livechat_reply", "session": session, "id": id, "text": text})).await;
    staff.hear("livechat_ack").await["message"].as_u64().expect("a number")
}

/// The numbers of the next messages that staff hears.
async fn heard(staff: &mut ChatStream, count: usize) -> Vec<Value> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        numbers.push(staff.hear("livechat").await["message"].clone());
    }
    numbers
}

#[tokio::test]
async fn a_visitor_and_staff_of_another_node_write_to_each_other() {
    let pair = Pair::start().await;
    let (_far, mut admin, _) = watching(&pair.other, "sari").await;
    let (_near, mut near, _) = watching(&pair.one, "dewi").await;
    let mut budi = visitor(&pair.one, "Budi").await;
    let came = admin.hear("livechat_presence").await;
    assert_eq!(
        (&came["session"], &came["name"], &came["open"]),
        (&json!(budi.session), &json!("Budi"), &json!(true))
    );
    budi.chat.say(json!({"type": "chat_typing", "channel": budi.channel, "member": 1})).await;
    assert_eq!(admin.hear("livechat_typing").await["name"], "Budi");
    budi.send("m-1", "Request lagu").await;
    let said = admin.hear("livechat").await;
    assert_eq!(
        (&said["text"], &said["message"], &said["staff"]),
        (&json!("Request lagu"), &json!(1), &json!(false))
    );

    admin.say(json!({"type": "livechat_typing", "session": budi.session})).await;
    let typing = |said: &Value| said["user"] == "sari";
    while !typing(&budi.chat.hear("chat_typing").await) {}
    assert_eq!(reply(&mut admin, &budi.session, "r-1", "Segera!").await, 2);
    assert_eq!(budi.chat.hear("chat").await["message"], 1);
    let answer = budi.chat.hear("chat").await;
    assert_eq!((&answer["user"], &answer["text"]), (&json!("sari"), &json!("Segera!")));
    assert_eq!(heard(&mut near, 2).await, [1, 2]);
    budi.send("m-2", "Terima kasih").await;
    assert_eq!(heard(&mut admin, 2).await, [2, 3], "once each");

    admin.say(json!({"type": "livechat_watch", "request": 9})).await;
    let inbox = admin.hear("livechat_inbox").await;
    let talk = &inbox["conversations"][0];
    assert_eq!((&talk["session"], &talk["open"]), (&json!(budi.session), &json!(true)));
    drop(budi);
    assert_eq!(admin.hear("livechat_presence").await["open"], false);
}

#[tokio::test]
async fn who_was_there_before_a_node_came_is_known_to_it_and_gone_when_its_node_is() {
    let pair = Pair::start().await;
    let budi = visitor(&pair.one, "Budi").await;
    let (_far, mut admin, _) = watching(&pair.other, "sari").await;
    let open = async |admin: &mut ChatStream| {
        admin.say(json!({"type": "livechat_watch", "request": 2})).await;
        let inbox = admin.hear("livechat_inbox").await;
        inbox["conversations"].as_array().expect("a list").iter().filter(|talk| talk["open"] == true).count()
    };
    while open(&mut admin).await == 0 {}
    // A visitor who hasn't said anything yet can be answered.
    assert_eq!(reply(&mut admin, &budi.session, "r-1", "Halo?").await, 1);
    pair.ether.bury(Pair::ONE);
    let gone = loop {
        let presence = admin.hear("livechat_presence").await;
        if presence["open"] == false {
            break presence;
        }
    };
    assert_eq!((&gone["session"], &gone["name"]), (&json!(budi.session), &json!("Budi")));
    assert_eq!(open(&mut admin).await, 0);
}

#[tokio::test]
async fn what_was_said_while_no_word_was_heard_is_told_afterwards_once_and_in_order() {
    let pair = Pair::start().await;
    let (_far, mut admin, _) = watching(&pair.other, "sari").await;
    let mut budi = visitor(&pair.one, "Budi").await;
    budi.send("m-1", "satu").await;
    assert_eq!(heard(&mut admin, 1).await, [1]);
    pair.ether.cut_off(Pair::OTHER);
    for number in 2..=4 {
        budi.send(&format!("m-{number}"), "lagi").await;
    }
    // It stores what it is told, and knows by the number that it has missed something.
    assert_eq!(reply(&mut admin, &budi.session, "r-5", "lima").await, 5);
    assert_eq!(heard(&mut admin, 4).await, [2, 3, 4, 5]);
    budi.send("m-6", "enam").await;
    let mut dewi = visitor(&pair.one, "Dewi").await;
    dewi.send("m-1", "halo").await;
    assert!(timeout(Duration::from_millis(100), admin.hear("livechat")).await.is_err());
    pair.ether.restore(Pair::OTHER);
    let mut told = [admin.hear("livechat").await, admin.hear("livechat").await]
        .map(|said| (said["session"].as_str().unwrap().to_owned(), said["message"].as_u64().unwrap()));
    told.sort_by_key(|(_, message)| *message);
    assert_eq!(told, [(dewi.session.clone(), 1), (budi.session.clone(), 6)]);
    dewi.send("m-2", "ya").await;
    assert_eq!(heard(&mut admin, 1).await, [2]);
}
