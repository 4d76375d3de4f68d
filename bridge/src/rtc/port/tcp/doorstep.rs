//! Connections that haven't proved yet whose they are, counted by where they come from: nobody takes all places that way.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of one IPv4 address or one IPv6 network of 64 bits, which is what one subscriber has at least (RFC 6177). Clients behind one
/// address prove in a moment each.
pub(super) const MAX_UNPROVEN: usize = 64;

type Counts = HashMap<IpAddr, usize>;

#[derive(Clone, Default)]
pub(super) struct Doorstep(Arc<Mutex<Counts>>);

/// One that hasn't proved yet, until it is dropped.
pub(super) struct Waiting {
    doorstep: Doorstep,
    network: IpAddr,
}

impl Doorstep {
    /// Counts one from there; nothing, where too many wait.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Waiting> {
        let network = network(address);
        let mut counts = self.lock();
        let count = counts.entry(network).or_default();
        if *count >= MAX_UNPROVEN {
            return None;
        }
        *count += 1;
        Some(Waiting { doorstep: self.clone(), network })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut counts = self.doorstep.lock();
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_own_bound_and_nothing_is_left_of_who_is_gone() {
        let doorstep = Doorstep::default();
        let mut waiting: Vec<_> = (0..MAX_UNPROVEN as u128)
            .map(|host| doorstep.enter(Ipv6Addr::from_bits((0x2001_0db8 << 96) | host).into()).unwrap())
            .collect();
        assert!(doorstep.enter("2001:db8::ffff".parse().unwrap()).is_none());
        assert!(doorstep.enter("2001:db8:0:1::1".parse().unwrap()).is_some(), "another network");
        assert!(doorstep.enter("192.0.2.1".parse().unwrap()).is_some());
        waiting.pop();
        waiting.push(doorstep.enter("2001:db8::ffff".parse().unwrap()).unwrap());
        waiting.clear();
        assert!(doorstep.lock().is_empty());
    }
}
