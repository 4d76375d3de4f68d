//! The addresses really bound: printed, and written to a file for programs that start this one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::logging::print;
use crate::processes::Role;
use crate::secrets::replace;

/// A list of names and addresses; of a name that is there twice the file has the first.
pub(crate) struct Addresses {
    path: PathBuf,
    list: Vec<(&'static str, SocketAddr)>,
}

impl Addresses {
    /// Nothing yet; the file of an earlier run is gone from here on.
    pub(crate) fn new(data: &Path, role: Role) -> Self {
        let name = if role == Role::Bridge { "addresses-bridge.json" } else { "addresses.json" };
        let path = data.join(name);
        // It need not be there.
        std::fs::remove_file(&path).unwrap_or_default();
        Self { path, list: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: &'static str, address: SocketAddr) {
        self.list.push((name, address));
    }

    pub(crate) fn add_all(&mut self, name: &'static str, addresses: impl Iterator<Item = SocketAddr>) {
        self.list.extend(addresses.map(|address| (name, address)));
    }

    /// Says that this process serves.
    pub(crate) fn publish(&self) -> Result<()> {
        let mut file = serde_json::Map::new();
        for (name, address) in &self.list {
            print(format_args!("{name}={address}"))?;
            file.entry(*name).or_insert_with(|| address.to_string().into());
        }
        replace(&self.path, &serde_json::to_vec_pretty(&file)?)
    }
}
