//! The gateway: sessions, their rights, channels, voice, and the pages around them.
//!
//! Data flows one way: bytes → [`edge`] → [`session`] → [`hub`] → channel → effects → [`voice`] → bytes. The control
//! plane decides who hears whom and publishes that as an immutable [`voice::Route`]; the data plane looks it up. The
//! gateway knows no foreign protocol: a bridge is a client like any other.

pub mod auth;
pub mod chat;
pub mod clock;
pub mod core;
pub mod directory;
pub mod edge;
pub mod guests;
pub mod http;
pub mod hub;
pub mod kpi;
pub mod livechat;
pub mod metrics;
pub mod nodes;
pub mod notices;
pub mod session;
pub mod voice;
pub mod words;

mod start;

pub use edge::webtransport::EngineSettings;
pub use start::{Gateway, Settings};
pub use suara_engine::{Keys, Mtu, StartError};
