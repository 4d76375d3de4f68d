//! A byte stream that knows since when its peer hasn't taken what it was given.
//!
//! A count of waiting packets bounds no age: the kernel's buffer alone can hold seconds of voice. So the send buffer of
//! a connection that carries voice is kept small, and what sits in front of it is timed: from the first write that
//! found no room until everything handed over was taken. The state handle is apart from the stream, so that the same
//! works beneath TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Kernel send buffer of a connection that carries voice, in bytes. The kernel doubles it for its bookkeeping. Higher
/// would let a listener hear older voice after a stall (this holds about half a second of 16 kHz PCM), lower would
/// starve 48 kHz PCM on a road of 250 ms.
const VOICE_SEND_BUFFER: usize = 16 * 1024;

/// What the kernel takes beyond what it has sent (`TCP_NOTSENT_LOWAT`), in bytes: while TCP waits for acknowledgements,
/// voice waits here, where it gets old and is dropped. Higher would hold more old voice behind a stall (these are 100 ms
/// of Opus in 20 ms frames, or one chunk of PCM); lower would save nothing, for a write isn't cut.
const UNSENT: u32 = 512;

/// A peer that takes not one byte for so long of what waits for it is hung up on: it reads no more, though
/// it may still send, and everything of its would wait for ever. As long as the pings wait for a sign of life.
const HANG_UP: Duration = Duration::from_secs(20);

const FLOWING: u64 = 0;

/// What a connection tells about itself; clones share it.
#[derive(Debug, Clone)]
pub struct StallHandle(Arc<State>);

#[derive(Debug)]
struct State {
    origin: Instant,
    /// Microseconds after `origin`, or [`FLOWING`].
    stalled_at: AtomicU64,
    carries_voice: AtomicBool,
    severed: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Default for StallHandle {
    fn default() -> Self {
        Self(Arc::new(State {
            origin: Instant::now(),
            stalled_at: AtomicU64::new(FLOWING),
            carries_voice: AtomicBool::new(false),
            severed: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        }))
    }
}

impl StallHandle {
    /// For how long the peer hasn't taken what it was given; `None` while everything flows.
    #[must_use]
    pub fn stalled_for(&self, now: Instant) -> Option<Duration> {
        match self.0.stalled_at.load(Ordering::Relaxed) {
            FLOWING => None,
            at => Some(now.saturating_duration_since(self.0.origin + Duration::from_micros(at))),
        }
    }

    /// From now on this connection carries voice: the kernel holds little of it back.
    pub fn carry_voice(&self) {
        self.0.carries_voice.store(true, Ordering::Relaxed);
    }

    /// Breaks the connection off, as if the network had: the client reconnects by itself.
    pub fn sever(&self) {
        self.0.severed.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    fn is_severed(&self) -> bool {
        self.0.severed.load(Ordering::Acquire)
    }

    fn stalled(&self) {
        let at = u64::try_from(self.0.origin.elapsed().as_micros()).unwrap_or(u64::MAX).max(FLOWING + 1);
        // Fails when it was stalled already, and then since when matters.
        self.0.stalled_at.compare_exchange(FLOWING, at, Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    fn flows(&self) {
        self.0.stalled_at.store(FLOWING, Ordering::Relaxed);
    }
}

/// A TCP connection with a [`StallHandle`].
#[derive(Debug)]
pub struct StallAware {
    stream: TcpStream,
    handle: StallHandle,
    small_buffer: bool,
    /// When it is hung up on; set while a write finds no room.
    hang_up: Option<Pin<Box<Sleep>>>,
}

impl StallAware {
    /// Watches `stream`.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, handle: StallHandle::default(), small_buffer: false, hang_up: None }
    }

    /// What it tells about itself.
    #[must_use]
    pub fn handle(&self) -> StallHandle {
        self.handle.clone()
    }

    fn before_write(&mut self, cx: &Context<'_>) -> io::Result<()> {
        if !self.small_buffer && self.handle.0.carries_voice.load(Ordering::Relaxed) {
            self.small_buffer = true;
            let socket = socket2::SockRef::from(&self.stream);
            socket.set_send_buffer_size(VOICE_SEND_BUFFER)?;
            socket.set_tcp_notsent_lowat(UNSENT)?;
        }
        self.handle.0.writer.register(cx.waker());
        if self.handle.is_severed() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        offered: usize,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => {
                self.handle.stalled();
                let hang_up = self.hang_up.get_or_insert_with(|| Box::pin(tokio::time::sleep(HANG_UP)));
                if hang_up.as_mut().poll(cx).is_ready() {
                    // The reader has to end, too.
                    self.handle.sever();
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            Poll::Ready(written) => {
                self.hang_up = None;
                if matches!(written, Ok(count) if *count >= offered) {
                    self.handle.flows();
                }
            }
        }
        written
    }
}

impl AsyncRead for StallAware {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.handle.0.reader.register(cx.waker());
        if self.handle.is_severed() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for StallAware {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.before_write(cx)?;
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.after_write(cx, written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.before_write(cx)?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.after_write(cx, written, parts.iter().map(|part| part.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (StallAware, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (StallAware::new(listener.accept().await.unwrap().0), client)
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_stalls_and_one_that_reads_again_flows() {
        let (mut served, mut peer) = pair().await;
        let handle = served.handle();
        handle.carry_voice();
        assert_eq!(handle.stalled_for(Instant::now()), None);

        let writer = tokio::spawn(async move {
            for _ in 0..32 {
                served.write_all(&[7; 256 * 1024]).await.unwrap();
            }
            served
        });
        while handle.stalled_for(Instant::now()).is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert!(handle.stalled_for(Instant::now()).unwrap() >= Duration::from_millis(120));

        let mut received = 0;
        let mut buffer = vec![0; 1 << 20];
        while received < 32 * 256 * 1024 {
            received += peer.read(&mut buffer).await.unwrap();
        }
        let _served = writer.await.unwrap();
        assert_eq!(handle.stalled_for(Instant::now()), None);
    }

    #[tokio::test]
    async fn one_who_takes_nothing_any_more_is_hung_up_on() {
        let (mut served, _peer) = pair().await;
        served.handle().carry_voice();
        let full = async {
            loop {
                served.write_all(&[7; 256 * 1024]).await.unwrap();
            }
        };
        assert!(tokio::time::timeout(Duration::from_millis(300), full).await.is_err());
        tokio::time::pause();
        let error = served.write_all(&[7; 256 * 1024]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(served.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn a_severed_connection_ends_a_read_that_waits() {
        let (mut served, _peer) = pair().await;
        let handle = served.handle();
        let reader = tokio::spawn(async move { served.read_u8().await });
        tokio::task::yield_now().await;
        handle.sever();
        assert_eq!(reader.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
}
