//! The store on both databases: the same tests, by SQLite in a file and by a PostgreSQL server of the test's own.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

mod postgres;
mod scenes;

use std::path::Path;

use postgres::Server;
use suara_store::{Store, file_url};
use tempfile::TempDir;

async fn sqlite(dir: &Path) -> Store {
    Store::open(&file_url(&dir.join("suara.db")).unwrap()).await.unwrap()
}

/// A test for each scene on SQLite, and one for all of them on one PostgreSQL, which takes a while to start.
macro_rules! on_both {
    ($($scene:ident),* $(,)?) => {
        mod on_sqlite { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $scene() {
                let dir = tempfile::tempdir().unwrap();
                crate::scenes::$scene(crate::sqlite(dir.path()).await).await;
            }
        )* }

        #[tokio::test(flavor = "multi_thread")]
        async fn all_of_it_holds_on_postgresql() {
            let server = Server::new();
            $(
                let store = Store::open(&server.database(stringify!($scene))).await.unwrap();
                scenes::$scene(store.clone()).await;
                store.close().await;
            )*
        }
    };
}

on_both![
    messages_are_numbered_without_gaps_in_the_order_in_which_they_came,
    a_repetition_is_stored_once_and_answered_alike,
    writers_of_two_gateways_share_one_order,
    history_is_had_by_page_in_both_directions,
    any_text_is_kept_as_it_is,
    the_channels_in_which_something_was_said_last_come_first,
    notices_are_kept_for_a_while_and_given_once,
    of_gateways_that_heard_the_same_message_one_keeps_it,
    what_was_kept_stays_and_one_more_is_refused,
    bans_hold_until_they_end_or_are_lifted,
];

#[tokio::test]
async fn what_was_stored_is_there_when_the_file_is_opened_again() {
    let dir = TempDir::new().unwrap();
    let store = sqlite(dir.path()).await;
    scenes::send_all(&store, vec![scenes::draft("ops", "alice", "1", "hello")]).await;
    store.close().await;
    assert_eq!(sqlite(dir.path()).await.last_message("ops").await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_late_or_goes_is_waited_for() {
    let mut server = Server::new();
    let url = server.database("postgres");
    server.stop();
    let store = Store::open(&url).await.unwrap();
    assert!(!store.is_up());
    let refused = scenes::send_all(&store, vec![scenes::draft("ops", "alice", "1", "hello")]).await;
    assert!(refused[0].is_err());
    server.start();
    scenes::until("the server is found", || store.is_up()).await;
    // The same message again, as a client does that had no answer.
    let stored = scenes::send_all(&store, vec![scenes::draft("ops", "alice", "1", "hello")]).await;
    assert_eq!(stored[0].as_ref().unwrap().number, 1);
    server.stop();
    assert!(store.last_message("ops").await.is_err());
    assert!(!store.is_up());
    server.start();
    scenes::until("the server is back", || store.is_up()).await;
    assert_eq!(store.last_message("ops").await.unwrap(), 1);
}
