//! Explicit congestion notification (RFC 9000, section 13.4): used where the path carries it, given up where it doesn't.

use quinn_udp::EcnCodepoint;

use crate::kit::{Client, MarkedPath, Server};

/// Enough for QUIC to make up its mind.
const ECHOES: u8 = 40;

/// The codepoints of what the server sent over a path, first and last.
async fn marks(marking: fn(Option<EcnCodepoint>) -> Option<EcnCodepoint>) -> Vec<Option<EcnCodepoint>> {
    let server = Server::start(|_| {});
    let path = MarkedPath::start(server.address(), marking).await;
    let client = Client::connect(path.address).await;
    for n in 0..ECHOES {
        assert_eq!(client.echo(&[n]).await, [n]);
    }
    server.stop().await;
    let sent = path.sent.lock().unwrap().clone();
    assert!(sent.len() >= ECHOES.into(), "{sent:?}");
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_are_marked_where_the_path_carries_marks() {
    let sent = marks(|ecn| ecn).await;
    assert!(sent.iter().all(|ecn| *ecn == Some(EcnCodepoint::Ect0)), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn congestion_that_is_marked_is_no_reason_to_stop() {
    let sent = marks(|ecn| ecn.map(|_| EcnCodepoint::Ce)).await;
    assert_eq!(*sent.last().unwrap(), Some(EcnCodepoint::Ect0), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_are_given_up_where_the_path_wipes_them_off() {
    let sent = marks(|_| None).await;
    assert_eq!(*sent.first().unwrap(), Some(EcnCodepoint::Ect0), "{sent:?}");
    assert_eq!(*sent.last().unwrap(), None, "{sent:?}");
}
