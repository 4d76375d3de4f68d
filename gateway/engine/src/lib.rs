//! A QUIC and WebTransport server made for voice: one frame in, a thousand out.
//!
//! Shared-nothing: each of N workers is a thread with its own sockets and its own connections, and runs one loop over
//! the pure [`quinn_proto`]: *receive a batch → connections' events → the application's callbacks → fan-out → packets of
//! every connection that has some → send a batch → timers*. A frame crosses to another worker once, whatever number
//! listens there. Control streams and sessions' ends are joined to the application's tasks by bounded pipes.
//!
//! It knows connections, sessions, streams and datagrams; nothing of channels, users or messages.
//!
//! - An [`Application`] admits sessions and takes their datagrams, on the workers' threads.
//! - A [`Session`] is what its tasks have: streams to accept, an end to wait for or to make.
//! - An [`Audience`] says who hears a frame; [`Fanout`] and [`Sender`] send to it.

mod application;
mod breaker;
mod cid;
mod config;
mod congestion;
mod engine;
mod error;
mod h3;
mod session;
mod stream;
mod tls;
mod transport;
mod udp;
mod voice;
mod worker;

pub use application::{Application, Fanout, Peer};
pub use config::{Config, KEY_LENGTH, Keys, Mtu};
pub use engine::{Engine, Sender};
pub use error::StartError;
pub use h3::Request;
pub use session::{Closed, Session};
pub use stream::{ReceiveStream, SendStream, Stream, StreamError};
pub use voice::{Audience, Earlier, Frame, Handle, MAX_EARLIER, Tally};
