//! What people do.

use suara_channel::{
    Asking, DispatchAction, Identity, LeaveReason, Level, RequestId, Right, Rights, Road, TalkerNumber,
};
use suara_cluster::Op;

use crate::room::Client;
use crate::world::{Event, Outcome, World};

impl World<'_> {
    pub(crate) fn somebody_acts(&mut self) -> Outcome {
        let slot = self.random.below(self.processes.len() as u64) as usize;
        let process = &self.processes[slot];
        let stalls = process.stalled.is_some_and(|until| until > self.now);
        if !process.up || stalls {
            return Ok(());
        }
        let seats = process.room.as_ref().map_or(0, |room| room.seats.len());
        let Some((client, talker)) = self.somebody(slot) else {
            return if seats < 4 { self.join(slot) } else { Ok(()) };
        };
        match self.random.below(100) {
            0..15 if seats < 4 => self.join(slot),
            0..22 => self.leave(slot, client),
            22..55 => self.press(slot, client, talker),
            55..62 => self.dispatch(slot, talker),
            62..68 => self.lose(slot, client, talker),
            68..76 => self.say(slot),
            76..82 => {
                let (key, value) = (format!("key {}", self.random.below(4)), self.random.next());
                let value = (value % 3 > 0).then(|| value.to_be_bytes().to_vec());
                self.submit(slot, Op::Share { key, value })
            }
            82..95 => {
                let wait = self.random.within(1, 30);
                self.later(slot, wait, Event::ChatStore);
                Ok(())
            }
            _ => {
                let road = Road::Stream;
                let seat = self.processes[slot].room.as_mut().and_then(|room| room.seats.get_mut(&client));
                match seat.and_then(|seat| seat.grant) {
                    Some(grant) => self.submit(slot, Op::FloorRelease { talker, grant, road }),
                    None => Ok(()),
                }
            }
        }
    }

    fn somebody(&mut self, slot: usize) -> Option<(Client, TalkerNumber)> {
        let room = self.processes[slot].room.as_ref()?;
        let there = room.seats.iter().filter_map(|(client, seat)| Some((*client, seat.talker?)));
        let there: Vec<_> = there.collect();
        self.random.pick(&there)
    }

    fn join(&mut self, slot: usize) -> Outcome {
        self.open_room(slot);
        self.clients += 1;
        let client = self.clients;
        // Some are one user with two devices.
        let user = format!("user {}", if self.random.chance(100) { client.max(2) - 1 } else { client });
        let priority = self.random.below(3) as u8;
        let who = Identity::new(user.as_str(), user.as_str(), "guard").with_priority(priority);
        let mut rights = vec![Right::Listen, Right::Talk];
        if self.random.chance(300) {
            rights.push(Right::Dispatch);
        }
        let rights: Rights = rights.into_iter().collect();
        self.with(slot, |room, clock| room.join(clock, client, Op::Join { who, rights, claim: None }))
    }

    fn leave(&mut self, slot: usize, client: Client) -> Outcome {
        self.with(slot, |room, clock| room.leave(clock, client, LeaveReason::Left))
    }

    fn press(&mut self, slot: usize, client: Client, talker: TalkerNumber) -> Outcome {
        let request = RequestId(self.random.next() as u32);
        let (queue, breath) = (self.random.chance(500), self.random.within(1, 40));
        let road = if self.random.chance(500) { Road::Datagram } else { Road::Stream };
        let room = self.processes[slot].room.as_mut();
        let Some(seat) = room.and_then(|room| room.seats.get_mut(&client)) else { return Ok(()) };
        if !seat.here || seat.grant.is_some() {
            return Ok(());
        }
        seat.breath = breath;
        let asking = Asking { request, level: Level::Normal, priority: u8::MAX, queue, road };
        self.submit(slot, Op::FloorRequest { talker, asking })
    }

    fn dispatch(&mut self, slot: usize, by: TalkerNumber) -> Outcome {
        let actions =
            [DispatchAction::Mute, DispatchAction::Unmute, DispatchAction::Unmute, DispatchAction::Revoke];
        let action = self.random.pick(&actions).unwrap_or(DispatchAction::Clear);
        let Some(room) = &self.processes[slot].room else { return Ok(()) };
        let members: Vec<_> = room.replica.channel().members().map(|member| member.talker).collect();
        let talker = self.random.pick(&members);
        self.submit(slot, Op::Dispatch { by, action, talker })
    }

    /// Its transport is lost, or it is here again.
    fn lose(&mut self, slot: usize, client: Client, talker: TalkerNumber) -> Outcome {
        let now = self.now;
        self.with(slot, |room, clock| {
            let is_in = room.replica.channel().member(talker).is_some();
            let Some(seat) = room.seats.get_mut(&client).filter(|_| is_in) else { return };
            (seat.here, seat.since) = (!seat.here, now);
            let op = if seat.here { Op::Resume { talker } } else { Op::Lose { talker } };
            room.submit(clock, op);
        })
    }

    fn say(&mut self, slot: usize) -> Outcome {
        self.said += 1;
        let bytes = self.said.to_be_bytes().to_vec();
        self.submit(slot, Op::Say { to: suara_cluster::Say::Rooms, bytes })
    }
}
