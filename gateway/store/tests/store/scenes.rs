//! What holds on either database.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use suara_store::{Batch, Draft, MAX_NOTICES, Notice, Span, Store, StoreError, Stored, Writer};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

pub(crate) fn draft(channel: &str, user: &str, id: &str, text: &str) -> Draft {
    let name = format!("Name of {user}");
    Draft {
        channel: channel.into(),
        user: user.into(),
        name: name.into(),
        role: "guard".into(),
        id: id.into(),
        text: text.into(),
        at: 1_795_190_400_123,
    }
}

/// Writes all, and waits for what became of each.
pub(crate) async fn send_all(store: &Store, drafts: Vec<Draft>) -> Vec<Result<Stored, StoreError>> {
    let (done, mut batches) = mpsc::channel(8);
    let count = drafts.len();
    let writer = Writer::start(store.clone(), done);
    tokio::spawn(async move {
        for (tag, draft) in drafts.into_iter().enumerate() {
            while writer.post(draft.clone(), tag).is_err() {
                sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let mut answers = Vec::new();
    while let Some(Batch { outcomes, .. }) = batches.recv().await {
        for (_, tag, answer) in outcomes {
            assert_eq!(tag, answers.len(), "in the order in which they came");
            answers.push(answer);
        }
    }
    assert_eq!(answers.len(), count);
    answers
}

pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn number(answer: &Result<Stored, StoreError>) -> u64 {
    answer.as_ref().unwrap().number
}

async fn numbers(store: &Store, channel: &str, span: Span) -> (Vec<u64>, bool) {
    let page = store.history(channel, span).await.unwrap();
    (page.messages.iter().map(|message| message.number).collect(), page.more)
}

const ALL: Span = Span { before: None, after: Some(0), limit: 10_000 };

pub(crate) async fn messages_are_numbered_without_gaps_in_the_order_in_which_they_came(store: Store) {
    let drafts = (0..600).map(|n| draft(["ops", "lobby"][n % 2], "alice", &n.to_string(), "x")).collect();
    let answers = send_all(&store, drafts).await;
    let ops: Vec<u64> = answers.iter().step_by(2).map(number).collect();
    assert_eq!(ops, (1..=300).collect::<Vec<_>>());
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().fresh));
    assert_eq!(store.last_message("lobby").await.unwrap(), 300);
    assert_eq!(store.last_message("nowhere").await.unwrap(), 0);
    assert_eq!(numbers(&store, "ops", ALL).await, ((1..=300).collect(), false));
}

pub(crate) async fn a_repetition_is_stored_once_and_answered_alike(store: Store) {
    let first =
        send_all(&store, vec![draft("ops", "alice", "1", "one"), draft("ops", "alice", "1", "one")]).await;
    assert_eq!((number(&first[0]), number(&first[1])), (1, 1));
    let fresh: Vec<bool> = first.iter().map(|answer| answer.as_ref().unwrap().fresh).collect();
    assert_eq!(fresh, [true, false]);
    let others = vec![
        Draft { at: 5, ..draft("ops", "alice", "1", "another text") },
        draft("ops", "bob", "1", "another user's"),
        draft("lobby", "alice", "1", "in another channel"),
    ];
    let again = send_all(&store, others).await;
    assert_eq!(*again[0].as_ref().unwrap(), Stored { number: 1, at: 1_795_190_400_123, fresh: false });
    assert_eq!((number(&again[1]), number(&again[2])), (2, 1));
    let texts: Vec<_> = store.history("ops", ALL).await.unwrap().messages;
    assert_eq!(texts.iter().map(|message| &*message.text).collect::<Vec<_>>(), ["one", "another user's"]);
}

pub(crate) async fn writers_of_two_gateways_share_one_order(store: Store) {
    let of =
        |user: &'static str| (0..300).map(|n| draft("ops", user, &n.to_string(), "x")).collect::<Vec<_>>();
    // The same user's on both, as after a move to another gateway: half of it is a repetition.
    let writers = ["alice", "bob", "alice"].map(|user| send_all(&store, of(user)));
    let [first, second, third] = writers;
    let (first, second, third) = tokio::join!(first, second, third);
    let all: HashSet<u64> = first.iter().chain(&second).map(number).collect();
    assert_eq!(all, (1..=600).collect());
    assert_eq!(first.iter().map(number).collect::<Vec<_>>(), third.iter().map(number).collect::<Vec<_>>());
    let fresh = first.iter().chain(&third).filter(|answer| answer.as_ref().unwrap().fresh).count();
    assert_eq!(fresh, 300, "each is shown by one of the two");
    assert_eq!(numbers(&store, "ops", ALL).await, ((1..=600).collect(), false));
}

pub(crate) async fn history_is_had_by_page_in_both_directions(store: Store) {
    send_all(&store, (1..=10).map(|n| draft("ops", "alice", &n.to_string(), &format!("text {n}"))).collect())
        .await;
    let span = |before, after, limit| Span { before, after, limit };
    assert_eq!(numbers(&store, "ops", span(None, None, 3)).await, (vec![8, 9, 10], true));
    assert_eq!(numbers(&store, "ops", span(Some(8), None, 3)).await, (vec![5, 6, 7], true));
    assert_eq!(numbers(&store, "ops", span(Some(3), None, 3)).await, (vec![1, 2], false));
    assert_eq!(numbers(&store, "ops", span(None, Some(4), 3)).await, (vec![5, 6, 7], true));
    assert_eq!(numbers(&store, "ops", span(None, Some(8), 3)).await, (vec![9, 10], false));
    assert_eq!(numbers(&store, "ops", span(Some(7), Some(4), 5)).await, (vec![5, 6], false));
    assert_eq!(numbers(&store, "ops", span(Some(u64::MAX), Some(u64::MAX), 5)).await, (vec![], false));
    assert_eq!(numbers(&store, "nowhere", span(None, None, 3)).await, (vec![], false));
    let newest = store.history("ops", span(None, None, 1)).await.unwrap().messages.remove(0);
    assert_eq!((&*newest.user, &*newest.name, &*newest.role), ("alice", "Name of alice", "guard"));
    assert_eq!((&*newest.text, newest.at), ("text 10", 1_795_190_400_123));
}

pub(crate) async fn any_text_is_kept_as_it_is(store: Store) {
    let texts = [
        "'; DROP TABLE messages; --",
        "\" OR 1=1 --",
        "$1 ? :a @b",
        "<script>alert(1)</script>",
        "one\ntwo\tthree",
        "سلام 警備 👩\u{200d}🚒 \u{feff}\u{fffd}\u{10ffff}",
        "%s %n {} \\x00 \\u0000 \\",
    ];
    let drafts = texts.iter().map(|text| Draft {
        name: (*text).into(),
        role: (*text).into(),
        ..draft(text, text, text, text)
    });
    for answer in send_all(&store, drafts.collect()).await {
        assert_eq!(answer.unwrap().number, 1);
    }
    for text in texts {
        let message = store.history(text, ALL).await.unwrap().messages.remove(0);
        assert_eq!([&*message.user, &*message.name, &*message.role, &*message.text], [text; 4]);
    }
}

fn notice(payload: &str, kept: Duration) -> Notice {
    let at = unix_ms();
    let expires_at = at + u64::try_from(kept.as_millis()).unwrap();
    let id = format!("id of {payload}");
    Notice { id, event: "incident".into(), payload: payload.into(), at, expires_at }
}

fn unix_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) async fn notices_are_kept_for_a_while_and_given_once(store: Store) {
    let (first, second, bobs) =
        (notice(r#"{"n":1}"#, HOUR), notice(r#"{"n":2}"#, HOUR), notice("null", HOUR));
    store.keep("alice", &first).await.unwrap();
    store.keep("bob", &bobs).await.unwrap();
    store.keep("alice", &notice("{}", Duration::ZERO)).await.unwrap();
    store.keep("alice", &second).await.unwrap();
    let (one, other) = tokio::join!(store.take("alice"), store.take("alice"));
    assert_eq!(
        [one.unwrap(), other.unwrap()].concat(),
        [first, second],
        "to one of the two that ask at a time"
    );
    assert_eq!(store.take("alice").await.unwrap(), []);
    assert_eq!(store.take("bob").await.unwrap(), [bobs]);
}

pub(crate) async fn of_gateways_that_heard_the_same_message_one_keeps_it(store: Store) {
    let kept = notice("1", HOUR);
    let keep = || store.keep_once("alice", &kept, "copy#1");
    let (one, other) = tokio::join!(keep(), keep());
    one.and(other).unwrap();
    assert_eq!(store.take("alice").await.unwrap(), std::slice::from_ref(&kept));
    keep().await.unwrap();
    assert_eq!(store.take("alice").await.unwrap(), [], "nor once it was taken");
    store.keep_once("alice", &kept, "copy#2").await.unwrap();
    assert_eq!(store.take("alice").await.unwrap(), [kept], "the same said again is another");
}

pub(crate) async fn what_was_kept_stays_and_one_more_is_refused(store: Store) {
    store.keep("alice", &notice("over", Duration::ZERO)).await.unwrap();
    for n in 1..=MAX_NOTICES {
        store.keep("alice", &notice(&n.to_string(), HOUR)).await.unwrap();
    }
    let refused = store.keep("alice", &notice("more", HOUR)).await;
    assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
    assert!(store.is_up(), "it is no fault of the store's");
    store.keep("bob", &notice("his", HOUR)).await.unwrap();
    let payloads: Vec<_> =
        store.take("alice").await.unwrap().into_iter().map(|notice| notice.payload).collect();
    assert_eq!(payloads, (1..=MAX_NOTICES).map(|n| n.to_string()).collect::<Vec<_>>());
    store.keep("alice", &notice("room again", HOUR)).await.unwrap();
}

pub(crate) async fn bans_hold_until_they_end_or_are_lifted(store: Store) {
    let now = unix_ms();
    store.ban("alice", now + 3_600_000).await.unwrap();
    store.ban("bob", now + 60_000).await.unwrap();
    store.ban("carol", now).await.unwrap();
    let bans = vec![("alice".to_owned(), now + 3_600_000), ("bob".to_owned(), now + 60_000)];
    assert_eq!(store.bans(10).await.unwrap(), bans);
    assert_eq!(store.bans(1).await.unwrap(), bans[..1]);
    store.ban("alice", 0).await.unwrap();
    assert_eq!(store.bans(10).await.unwrap(), bans[1..]);
}

pub(crate) async fn the_channels_in_which_something_was_said_last_come_first(store: Store) {
    let at = |at, draft: Draft| Draft { at, ..draft };
    let drafts = vec![
        at(3, draft("livechat/a", "livechat/a", "1", "halo")),
        at(9, draft("livechat/a", "sari", "2", "ya?")),
        at(5, draft("livechat/b", "livechat/b", "1", "hai")),
        at(7, draft("livechat/c", "sari", "1", "ada yang bisa dibantu?")),
        at(8, draft("lobby", "sari", "1", "not a visitor's")),
    ];
    send_all(&store, drafts).await;
    let recent = store.recent("livechat/", 10).await.unwrap();
    let listed: Vec<_> = recent
        .iter()
        .map(|recent| (&*recent.channel, &*recent.last.text, recent.visitor.as_deref()))
        .collect();
    assert_eq!(
        listed,
        [
            ("livechat/a", "ya?", Some("Name of livechat/a")),
            ("livechat/c", "ada yang bisa dibantu?", None),
            ("livechat/b", "hai", Some("Name of livechat/b")),
        ]
    );
    assert_eq!(store.recent("livechat/", 2).await.unwrap().len(), 2);
    assert!(store.recent("nobody/", 2).await.unwrap().is_empty());
}
