//! Sessions from their request to their close.

use bytes::Bytes;
use quinn::ConnectionError;
use suara_engine::Closed;

use crate::kit::{Client, Event, Server, endpoint, soon, trusting};

const H3_NO_ERROR: u32 = 0x100;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_library_opens_a_session() {
    let server = Server::start(|_| {});
    let config = wtransport::ClientConfig::builder().with_bind_default().with_custom_tls(trusting()).build();
    let client = wtransport::Endpoint::client(config).unwrap();
    let url = format!("https://{}/room", server.address());

    let connection = soon("a session", client.connect(&url)).await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap().await.unwrap();
    send.write_all(b"ehello").await.unwrap();
    send.finish().await.unwrap();

    let mut echo = [0; 5];
    soon("the echo", receive.read_exact(&mut echo)).await.unwrap();
    assert_eq!(&echo, b"hello");
    assert_eq!(server.app.event().await, Event::Opened(None, server.address().to_string()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_tells_the_page_and_the_host() {
    let server = Server::start(|_| {});
    let _client = server.client().await;

    let opened = Event::Opened(Some("https://page.example".into()), "localhost:4433".into());
    assert_eq!(server.app.event().await, opened);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_hears_everybody_but_themselves_on_all_workers() {
    let server = Server::start(|config| config.workers = 2);
    let mut clients = Vec::new();
    for _ in 0..12 {
        clients.push(server.client().await);
    }

    clients[0].say(b"hello");

    for client in &clients[1..] {
        assert_eq!(client.hear().await, &b"hello"[..]);
    }
    clients[1].say(b"you too");
    assert_eq!(clients[0].hear().await, &b"you too"[..], "and not its own");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_earlier_frames_gets_them_and_nobody_else_does() {
    let server = Server::start(|config| config.workers = 2);
    let [talker, one, two, none] =
        [server.client().await, server.client().await, server.client().await, server.client().await];
    for (client, count) in [(&one, 1), (&two, 200)] {
        client.say(&[b'E', count]);
        assert_eq!(client.hear().await, &b"E"[..], "an answer to nobody else");
    }

    for word in [&b"a"[..], b"b", b"c", &[b'd'; 999], b"e"] {
        talker.say(word);
        none.hear().await;
    }

    for expected in
        [&b"a"[..], b"ab", b"bc", &[b"c", &[b'd'; 999][..]].concat(), &[&[b'd'; 999][..], b"e"].concat()]
    {
        assert_eq!(one.hear().await, expected);
    }
    // Three don't fit: two do.
    for expected in [&b"a"[..], b"ab", b"abc", &[b"c", &[b'd'; 999][..]].concat()] {
        assert_eq!(two.hear().await, expected);
    }
    // The newest turn's may not be told yet.
    soon("the count", async {
        while server.app.totals().with_earlier[1] != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;

    two.say(&[b'E', 0]);
    talker.say(b"f");
    assert_eq!(none.hear().await, &b"f"[..], "and not the answer");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn earlier_frames_go_to_all_where_nobody_can_have_asked_yet() {
    let server = Server::start(|config| config.workers = 2);
    let [talker, first, second] = [server.client().await, server.client().await, server.client().await];
    talker.say(b"L\x02\x00");
    for (word, expected) in [(b"a", &b"a"[..]), (b"b", b"ab"), (b"c", b"abc")] {
        talker.say(word);
        assert_eq!(first.hear().await, expected);
        assert_eq!(second.hear().await, expected);
    }

    // Two frames with others behind them have gone to both.
    talker.say(b"L\x00\x04");
    let late = server.client().await;
    for (word, of_old, of_new) in [
        (b"d", &b"bcd"[..], &b"bcd"[..]),
        (b"e", b"cde", b"cde"),
        (b"f", b"f", b"def"),
        (b"g", b"g", b"efg"),
        (b"h", b"h", b"h"),
    ] {
        talker.say(word);
        assert_eq!(first.hear().await, of_old);
        assert_eq!(late.hear().await, of_new);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_closes_with_the_capsule_that_a_page_reads() {
    let server = Server::start(|_| {});
    let mut client = server.client().await;

    let (_send, _receive) = client.open(b"c").await;

    let rest = soon("the capsule", client.receive.read_to_end(1000)).await.unwrap();
    assert_eq!(rest, b"\x00\x0e\x68\x43\x0b\x00\x00\x00\x07because");
    client.send.finish().unwrap();
    let ConnectionError::ApplicationClosed(close) = client.closed().await else { panic!("closed otherwise") };
    assert_eq!(close.error_code, H3_NO_ERROR.into());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_answer_the_close_is_left_after_a_while() {
    let server = Server::start(|_| {});
    let client = server.client().await;

    let (_send, _receive) = client.open(b"c").await;

    assert!(matches!(client.closed().await, ConnectionError::ApplicationClosed(_)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_capsule_is_read_and_its_silence_is_code_zero() {
    let server = Server::start(|_| {});
    let mut client = server.client().await;
    server.app.event().await;
    client.send.write_all(b"\x00\x0c\x68\x43\x09\x00\x00\x01\x00leave").await.unwrap();
    let closed = Closed::ByClient { code: 256, reason: "leave".into() };
    assert_eq!(server.app.event().await, Event::Closed(closed));

    let mut client = server.client().await;
    server.app.event().await;
    client.send.finish().unwrap();
    let closed = Closed::ByClient { code: 0, reason: String::new() };
    assert_eq!(server.app.event().await, Event::Closed(closed));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_are_not_found_and_other_requests_neither() {
    let server = Server::start(|_| {});
    let client = server.client().await;
    // A second session of the same connection.
    let (mut send, mut receive) = client.connection.open_bi().await.unwrap();
    let request = web_transport_proto::ConnectRequest::new("https://x/room".parse::<url::Url>().unwrap());
    request.write(&mut send).await.unwrap();
    assert!(soon("the rejection", receive.read_to_end(100)).await.is_err());

    let connection = endpoint().connect(server.address(), "localhost").unwrap().await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let request = web_transport_proto::ConnectRequest::new("https://x/other".parse::<url::Url>().unwrap());
    request.write(&mut send).await.unwrap();
    let answer = soon("the answer", web_transport_proto::ConnectResponse::read(&mut receive)).await;
    assert!(answer.unwrap_err().to_string().contains("404"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_thing_that_a_server_says_is_its_settings() {
    let server = Server::start(|_| {});
    let client = server.client().await;
    let mut control = soon("the control stream", client.connection.accept_uni()).await.unwrap();

    let settings = soon("the settings", web_transport_proto::Settings::read(&mut control)).await.unwrap();

    assert_eq!(settings.supports_webtransport(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_violations_end_the_connection_with_their_code() {
    let server = Server::start(|_| {});
    // SETTINGS twice; a push stream; a stream of a session that can't be.
    let cases: [(bool, &[u8], u32); 3] =
        [(false, b"\x00\x04\x00", 0x103), (false, b"\x01", 0x103), (true, b"\x40\x41\x01", 0x108)];
    for (bidirectional, bytes, code) in cases {
        let client = server.client().await;
        let mut send = match bidirectional {
            true => client.connection.open_bi().await.unwrap().0,
            false => client.connection.open_uni().await.unwrap(),
        };
        send.write_all(bytes).await.unwrap();
        let ConnectionError::ApplicationClosed(close) = client.closed().await else { panic!("{bytes:?}") };
        assert_eq!(close.error_code, code.into(), "{bytes:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_that_make_no_sense_harm_nobody_else() {
    let server = Server::start(|_| {});
    let (client, other) = (server.client().await, server.client().await);
    for bytes in [&b""[..], b"\x40", b"\x05of another session"] {
        client.connection.send_datagram(Bytes::copy_from_slice(bytes)).unwrap();
    }

    other.say(b"still here");
    let third = Client::connect(server.address()).await;
    other.say(b"and now");

    let mut heard = third.hear().await;
    if heard == b"still here"[..] {
        heard = third.hear().await;
    }
    assert_eq!(heard, &b"and now"[..]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_drain_nobody_comes_and_nobody_has_to_go() {
    let server = Server::start(|_| {});
    let client = server.client().await;
    server.engine.drain();
    let refused = soon("the refusal", async {
        loop {
            // The command is on its way.
            match endpoint().connect(server.address(), "localhost").unwrap().await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => break error,
            }
        }
    });
    assert!(matches!(refused.await, ConnectionError::ConnectionClosed(_)));

    assert_eq!(client.echo(b"still here").await, b"still here");
    server.stop().await;
    assert!(matches!(client.closed().await, ConnectionError::ApplicationClosed(_)));
}
