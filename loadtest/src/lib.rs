//! Black-box load for a Suara gateway: sessions by the thousand that cost little, and reports that a person can read.
//!
//! A client of the protocol like any other: it finds the gateway by `/api/connect`, speaks `suara/1`, and knows nothing
//! of the gateway's inside. Data flows one way: `scenario` plans sessions → `client` runs them → `measure` counts →
//! `report` shows. Load goes to loopback alone ([`target::loopback`]), and every scenario is bounded in count and time.

pub mod args;
pub mod client;
mod error;
pub mod kpi;
pub mod livechat;
pub mod measure;
pub mod path;
pub mod peer;
pub mod report;
pub mod rtc;
pub mod scenario;
pub mod socketio;
pub mod stamp;
pub mod target;
pub mod token;
pub mod websocket;

pub use args::Command;
pub use error::LoadError;
pub use scenario::run;
