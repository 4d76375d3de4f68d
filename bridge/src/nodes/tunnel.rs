//! Two connections that became one: what comes by either goes out by the other, as fast as that one takes it.

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

/// Bytes that are read in one direction before they are written. What waits beyond is in the kernel's buffers, and a
/// peer that doesn't read holds up who writes to it.
const BUFFER: usize = 8 * 1024;

/// When one side has ended, the other has so long to say its last words.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

/// Carries bytes both ways until one side ends.
pub(super) async fn join<A, B>(a: A, b: B)
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let ((mut from_a, mut to_a), (mut from_b, mut to_b)) = (split(a), split(b));
    let (mut there, mut back) =
        (Box::pin(carry(&mut from_a, &mut to_b)), Box::pin(carry(&mut from_b, &mut to_a)));
    tokio::select! {
        () = &mut there => in_time(back).await,
        () = &mut back => in_time(there).await,
    }
}

async fn in_time(rest: impl Future<Output = ()>) {
    // One that never ends is cut off.
    tokio::time::timeout(LAST_WORDS, rest).await.unwrap_or_default();
}

async fn carry(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        if to.write_all(&buffer[..count]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    // The other side hears of the end; it may be gone already.
    to.shutdown().await.unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn both_directions_are_carried_and_an_end_is_passed_on() {
        let ((mut client, near), (far, mut server)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(async move { join(near, far).await });
        client.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        server.write_all(b"world").await.unwrap();
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"world");
        drop(client);
        assert_eq!(server.read(&mut heard).await.unwrap(), 0);
        drop(server);
        tunnel.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_never_ends_is_cut_off_when_the_other_has() {
        let ((client, near), (far, server)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(async move { join(near, far).await });
        drop(server);
        timeout(2 * LAST_WORDS, tunnel).await.expect("the client is silent for ever").unwrap();
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_holds_up_who_writes() {
        let ((mut client, near), (far, _server)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(async move { join(near, far).await });
        let flood = vec![7; 1 << 20];
        assert!(timeout(Duration::from_secs(60), client.write_all(&flood)).await.is_err());
        tunnel.abort();
    }
}
