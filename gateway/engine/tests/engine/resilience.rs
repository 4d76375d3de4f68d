//! Rebinding, restarts, pressure, new certificates.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use quinn::ConnectionError;
use suara_engine::Mtu;

use crate::kit::{Client, Path, Proxy, Server, endpoint, endpoint_at, soon};

fn clear(server: &Server) -> Path {
    Path { server: server.address(), delay: Duration::ZERO, loss: 0, rate: None, hole: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebinding_is_survived_whatever_worker_gets_the_packets() {
    let server = Server::start(|config| config.workers = 2);
    let (client, other) = (server.client().await, server.client().await);
    // Each port has an even chance for the other worker's socket.
    for n in 0..8_u8 {
        client.endpoint.rebind(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).unwrap();

        assert_eq!(client.echo(&[n]).await, [n]);
        client.say(&[n]);
        assert_eq!(other.hear().await, &[n][..]);
        other.say(&[n]);
        assert_eq!(client.hear().await, &[n][..]);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_clients_learn_at_once_that_they_are_forgotten() {
    let (old, new) = (Server::start(|_| {}), Server::start(|_| {}));
    let proxy = Proxy::start(clear(&old)).await;
    let client = Client::connect(proxy.address).await;
    assert_eq!(client.echo(b"there").await, b"there");

    proxy.set(|path| path.server = new.address());
    client.say(b"are you there?");

    assert_eq!(client.closed().await, ConnectionError::Reset);
    old.stop().await;
    new.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_pressure_clients_prove_their_address_first() {
    const RETRY: u8 = 0xf0;
    let server = Server::start(|config| config.retry_above = 0);
    let proxy = Proxy::start(clear(&server)).await;
    let endpoint = endpoint();

    let client = Client::with(&endpoint, proxy.address).await;
    assert_eq!(client.echo(b"there").await, b"there");

    let retries =
        |proxy: &Proxy| proxy.seen.lock().unwrap().iter().filter(|first| **first & RETRY == RETRY).count();
    assert_eq!(retries(&proxy), 1);

    // By the token that it was given it is known the next time.
    let again = Client::with(&endpoint, proxy.address).await;
    assert_eq!(again.echo(b"again").await, b"again");
    assert_eq!(retries(&proxy), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_for_new_connections() {
    let server = Server::start(|_| {});
    let shown = |client: &Client| {
        let identity = client.connection.peer_identity().unwrap();
        identity.downcast::<Vec<rustls_pki_types::CertificateDer<'static>>>().unwrap()[0].clone()
    };
    let before = server.client().await;
    assert_eq!(shown(&before), server.identity.certificate());

    server.identity.renew();

    let after = server.client().await;
    assert_eq!(shown(&after), server.identity.certificate());
    assert_ne!(shown(&before), shown(&after));
    assert_eq!(before.echo(b"still here").await, b"still here");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_updated_in_mid_session() {
    let server = Server::start(|_| {});
    let client = server.client().await;
    for n in 0..5_u8 {
        client.connection.force_key_update();
        assert_eq!(client.echo(&[n]).await, [n]);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_is_kept_by_the_server_alone() {
    let server = Server::start(|config| {
        config.idle_timeout = Duration::from_millis(1500);
        config.keep_alive = Duration::from_millis(200);
    });
    let client = server.client().await;

    tokio::time::sleep(Duration::from_secs(3)).await;

    assert_eq!(client.echo(b"still here").await, b"still here");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_gone_is_noticed() {
    let server = Server::start(|config| config.idle_timeout = Duration::from_secs(1));
    let proxy = Proxy::start(clear(&server)).await;
    let _client = Client::connect(proxy.address).await;
    server.app.event().await;

    proxy.set(|path| path.hole = true);

    let closed = server.app.event().await;
    assert!(format!("{closed:?}").contains("Lost"), "{closed:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_no_session_is_let_go() {
    let server = Server::start(|_| {});
    let connection = endpoint().connect(server.address(), "localhost").unwrap().await.unwrap();

    let closed = tokio::time::timeout(Duration::from_secs(13), connection.closed()).await.unwrap();

    assert!(matches!(closed, ConnectionError::ApplicationClosed(_)), "{closed}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_mtu_is_kept_and_traces_are_written() {
    let dir = std::env::temp_dir().join(format!("suara-qlog-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let server = Server::start(|config| {
        config.mtu = Mtu::Discovered;
        config.qlog = Some(dir.clone());
    });
    let client = server.client().await;
    assert_eq!(client.echo(b"there").await, b"there");
    server.stop().await;
    let trace = std::fs::read_to_string(dir.join("worker-0.sqlog")).unwrap();
    assert!(trace.contains("packet_received"), "{trace}");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_address_families_have_one_port_and_hear_each_other() {
    for workers in [1, 2] {
        let server = Server::start(|config| {
            config.workers = workers;
            config.addresses.push((Ipv6Addr::LOCALHOST, 0).into());
        });
        let [four, six] = server.engine.addresses() else { panic!("two addresses") };
        assert_eq!(four.port(), six.port());
        let client = Client::connect(*four).await;
        let other = Client::with(&endpoint_at(Ipv6Addr::LOCALHOST.into()), *six).await;

        client.say(b"from four");
        assert_eq!(other.hear().await, &b"from four"[..]);
        other.say(b"from six");
        assert_eq!(client.hear().await, &b"from six"[..]);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_on_all_addresses_answers_from_the_one_that_was_asked() {
    let server = Server::start(|config| config.addresses = vec![(Ipv4Addr::UNSPECIFIED, 0).into()]);
    let other_loopback = (Ipv4Addr::new(127, 0, 0, 2), server.address().port()).into();

    let client = Client::connect(other_loopback).await;

    assert_eq!(client.echo(b"there").await, b"there");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_not_shared() {
    let server = Server::start(|config| config.workers = 2);
    let address = server.address();
    let identity = crate::kit::Identity::new();
    let config = suara_engine::Config {
        workers: 2,
        ..suara_engine::Config::new(vec![address], crate::kit::tls(&identity), suara_engine::Keys::random())
    };
    let second = suara_engine::Engine::start(config, server.app.clone());
    assert!(matches!(second.err(), Some(suara_engine::StartError::Bind { .. })));
    soon("the end", server.stop()).await;
}
