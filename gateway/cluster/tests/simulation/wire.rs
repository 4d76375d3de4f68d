//! What goes from a process to Redis, and by Redis to others.

use std::sync::Arc;

use suara_cluster::{LeaseAnswer, Output, Packet};

use crate::world::{Event, World};

impl World<'_> {
    /// As it comes out of its bytes, in some schedules.
    pub(crate) fn carried(&self, packet: &Packet) -> Result<Packet, String> {
        if !self.by_wire {
            return Ok(packet.clone());
        }
        let bytes = packet.encode().map_err(|error| error.to_string())?;
        Packet::decode(&bytes).map_err(|error| format!("{error}: {packet:?}"))
    }

    /// To every other process, as the network has it.
    pub(crate) fn publish(&mut self, from: usize, event: impl Fn(usize) -> Event) {
        for slot in (0..self.processes.len()).filter(|slot| *slot != from) {
            for wait in self.network.flights(&mut self.random) {
                self.later(slot, wait, event(slot));
            }
        }
    }

    pub(crate) fn out(&mut self, slot: usize, output: Output) {
        let node = self.processes[slot].node;
        let reached = self.processes[slot].linked && !self.redis.down;
        match output {
            Output::Send { to, packet } => {
                if matches!(packet, Packet::Bye { heir: Some(_) }) {
                    self.note("handed over");
                }
                self.log(|| format!("{node} to {to:?}: {}", brief(&packet)));
                if matches!(packet, Packet::Taking { .. }) {
                    self.asks_round(slot);
                }
                if !reached {
                    return;
                }
                let packet = Arc::new(packet);
                let others = (0..self.processes.len()).filter(|other| *other != slot);
                for other in others.collect::<Vec<_>>() {
                    if to.is_none_or(|to| self.processes[other].node == to) {
                        for wait in self.network.flights(&mut self.random) {
                            self.later(other, wait, Event::Packet(node, packet.clone()));
                        }
                    }
                }
            }
            Output::Lease { number, ask } => {
                let wait = self.network.flight(&mut self.random);
                if reached {
                    self.later(slot, wait, Event::Ask(number, ask));
                }
                self.later(slot, 1_000, Event::Answer(number, LeaseAnswer::Away));
            }
            _ => {}
        }
    }
}

fn brief(packet: &Packet) -> String {
    match packet {
        Packet::Snapshot { epoch, .. } => format!("Snapshot in {epoch}"),
        packet => format!("{packet:?}"),
    }
}
