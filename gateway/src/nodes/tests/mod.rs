//! Nodes against a real Redis.

mod cluster;
mod faults;
mod kit;
mod leases;
mod talk;
