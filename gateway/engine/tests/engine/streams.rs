//! Streams in both directions, and who doesn't read.

use std::time::Duration;

use tokio::time::timeout;

use crate::kit::{Server, soon};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_comes_back_whole() {
    let server = Server::start(|_| {});
    let client = server.client().await;
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();

    assert_eq!(client.echo(&bytes).await, bytes);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_streams_than_may_be_open_come_one_after_the_other() {
    let server = Server::start(|_| {});
    let client = server.client().await;
    for n in 0..40_u8 {
        assert_eq!(client.echo(&[n]).await, [n]);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_reset_carries_the_applications_code() {
    let server = Server::start(|_| {});
    let client = server.client().await;

    let (_send, mut receive) = client.open(b"r").await;

    let end = soon("the reset", receive.read_to_end(10)).await;
    let Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) = end else { panic!("{end:?}") };
    assert_eq!(web_transport_proto::error_from_http3(code.into_inner()), Some(5));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unidirectional_streams_of_a_session_are_turned_away() {
    let server = Server::start(|_| {});
    let client = server.client().await;
    for _ in 0..10 {
        let mut send = soon("a stream", client.connection.open_uni()).await.unwrap();
        send.write_all(b"\x40\x54\x00x").await.unwrap();
        let code = soon("the stop", send.stopped()).await.unwrap();
        assert_eq!(code, Some(quinn::VarInt::from_u32(0x3994_bd84)));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_up_itself_alone() {
    let server = Server::start(|_| {});
    let (slow, other, third) = (server.client().await, server.client().await, server.client().await);
    let (_send, _unread) = slow.open(b"f").await;
    tokio::time::sleep(Duration::from_millis(200)).await;

    for n in 0..20 {
        other.say(&[n]);
        assert_eq!(third.hear().await, &[n][..]);
    }
    assert_eq!(other.echo(b"quick").await, b"quick");
    assert_eq!(slow.echo(b"on another stream").await, b"on another stream");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_does_not_read_stops_its_client() {
    let server = Server::start(|_| {});
    let (client, other) = (server.client().await, server.client().await);
    let (mut send, _receive) = client.open(b"n").await;

    let written = async {
        let mut written = 0;
        while timeout(Duration::from_millis(300), send.write_all(&[0; 16 * 1024])).await.is_ok() {
            written += 16 * 1024;
        }
        written
    };
    let written = soon("the client to be stopped", written).await;

    assert!((64 << 10..=1 << 20).contains(&written), "{written}");
    assert_eq!(other.echo(b"quick").await, b"quick");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_come_before_their_session_wait_for_it() {
    let server = Server::start(|_| {});
    let endpoint = crate::kit::endpoint();
    let connection = endpoint.connect(server.address(), "localhost").unwrap().await.unwrap();
    let (mut connect, _answer) = connection.open_bi().await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(b"\x40\x41\x00early").await.unwrap();
    send.finish().unwrap();
    let (mut lost, mut reset) = connection.open_bi().await.unwrap();
    lost.write_all(b"\x40\x41\x08early").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;

    let request = web_transport_proto::ConnectRequest::new("https://x/room".parse::<url::Url>().unwrap());
    request.write(&mut connect).await.unwrap();

    assert_eq!(soon("the echo", receive.read_to_end(10)).await.unwrap(), b"arly");
    assert!(soon("the reset", reset.read_to_end(10)).await.is_err(), "a stream of no session");
    server.stop().await;
}
