//! Where transports meet sessions. An edge knows bytes and connections; it parses no message and knows no rule.

mod control;
pub mod webtransport;
