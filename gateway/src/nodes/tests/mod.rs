//! Nodes against a real Redis.

mod kit;
mod leases;
mod talk;
