//! The one way to Redis, for gateway and bridge alike.
//!
//! Owns where Redis is (one, or a cluster), how it is connected to (TLS, credentials, time-outs), when a lost one is tried again,
//! and what names there begin with. Knows neither keys nor topics, and subscribes to nothing: who does keeps that itself.

mod address;
mod backoff;
mod link;
mod prefix;

pub use address::{AddressError, RedisAddress};
pub use backoff::backoff;
pub use link::{Link, in_short};
pub use prefix::{Prefix, PrefixError};
