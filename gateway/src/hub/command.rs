//! What a channel's task is asked for.

use std::sync::Arc;

use suara_channel::{Asking, Road};
use suara_cluster::{Op, Outcome};
use suara_proto::floor::{FloorDatagram, FloorWord};
use suara_proto::message::{DispatchAction, ServerMessage};
use suara_proto::{ErrorCode, Grant, LeaveReason, RequestId, TalkerNumber};
use tokio::sync::oneshot;

use super::administer::Glance;
use super::alert::Alarm;
use super::chat::Missed;
use super::room::Room;
use super::seats::{Place, Seat};
use super::{JoinRefused, Joining, Resuming, RoomHandle, Said};
use crate::session::SessionId;

/// What sessions ask of a channel.
pub(super) enum Command {
    Join {
        joining: Box<Joining>,
        reply: oneshot::Sender<Result<TalkerNumber, JoinRefused>>,
    },
    Leave {
        place: Place,
        reason: LeaveReason,
        confirm: bool,
    },
    Lose {
        place: Place,
    },
    Resume {
        place: Place,
        resuming: Box<Resuming>,
        reply: oneshot::Sender<bool>,
    },
    FloorRequest {
        talker: TalkerNumber,
        asking: Asking,
    },
    FloorCancel {
        talker: TalkerNumber,
        request: RequestId,
    },
    Dispatch {
        by: TalkerNumber,
        request: RequestId,
        action: DispatchAction,
        talker: Option<TalkerNumber>,
    },
    Patch {
        by: TalkerNumber,
        request: RequestId,
        peer: RoomHandle,
        on: bool,
    },
    Raise {
        talker: TalkerNumber,
        alarm: Box<Alarm>,
        reply: oneshot::Sender<bool>,
    },
    CancelAlert {
        by: TalkerNumber,
        user: Option<String>,
        reply: oneshot::Sender<Result<(), ErrorCode>>,
    },
    EndCall {
        by: TalkerNumber,
        reply: oneshot::Sender<bool>,
    },
    FloorDatagram(FloorDatagram),
    FloorRelease {
        talker: TalkerNumber,
        grant: Grant,
    },
    Roster {
        session: SessionId,
    },
    Chat(Box<Said>),
    /// Another node has stored a message.
    Heard(Box<Said>),
    Missed(Missed),
    Typing {
        talker: TalkerNumber,
    },
    Glance {
        after: TalkerNumber,
        limit: usize,
        reply: oneshot::Sender<Glance>,
    },
    Administer {
        action: DispatchAction,
        talker: TalkerNumber,
        reply: oneshot::Sender<Result<(), ErrorCode>>,
    },
    Notice {
        framed: bytes::Bytes,
        reply: oneshot::Sender<usize>,
    },
    TypingFrom {
        user: Arc<str>,
        name: Arc<str>,
    },
}

impl Room {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Join { joining, reply } => self.join(joining, reply),
            Command::Leave { place, reason, confirm } => self.give_up(place, reason, confirm),
            Command::Lose { place } => self.lose(place),
            Command::Resume { place, resuming, reply } => {
                self.resume(place, *resuming, reply);
                // What it has of the floor is said before the session answers anything.
                self.decide();
            }
            Command::FloorRequest { talker, asking } => {
                self.of_here(talker, Op::FloorRequest { talker, asking })
            }
            Command::FloorCancel { talker, request } => {
                self.of_here(talker, Op::FloorCancel { talker, request })
            }
            Command::FloorRelease { talker, grant } => {
                self.of_here(talker, Op::FloorRelease { talker, grant, road: Road::Stream });
            }
            Command::Dispatch { by, request, action, talker } => self.dispatch(by, request, action, talker),
            Command::Patch { by, request, peer, on } => self.patch_for(by, request, peer, on),
            Command::Raise { talker, alarm, reply } => self.raise(talker, *alarm, reply),
            Command::CancelAlert { by, user, reply } => {
                reply.send(self.cancel_alert(by, user.as_deref())).unwrap_or_default();
            }
            Command::EndCall { by, reply } => reply.send(self.end_call(by)).unwrap_or_default(),
            Command::FloorDatagram(datagram) => self.floor_datagram(datagram),
            Command::Chat(said) => self.chat(*said),
            Command::Heard(said) => self.heard(&said),
            Command::Missed(missed) => self.missed(missed),
            Command::Typing { talker } => self.typing(talker),
            Command::Notice { framed, reply } => reply.send(self.notice(&framed)).unwrap_or_default(),
            Command::TypingFrom { user, name } => self.typing_from(&user, &name),
            Command::Glance { after, limit, reply } => drop(reply.send(self.glance(after, limit))),
            Command::Administer { action, talker, reply } => self.administer(action, talker, reply),
            Command::Roster { session } => {
                if let Some(present) = self.present.get(&session) {
                    present.port.outbox.say(&self.view().snapshot());
                }
            }
        }
    }

    /// Asks for something on behalf of a member that sits here. A number that was another's meanwhile is nobody's to use.
    fn of_here(&mut self, talker: TalkerNumber, op: Op) {
        if self.seats.contains_key(&talker) {
            self.order(op);
        }
    }

    /// Says something to each session that is here itself.
    fn notice(&self, framed: &bytes::Bytes) -> usize {
        let own = self.seats.values().filter(|seat| seat.member.is_none());
        own.filter_map(|seat| seat.port.as_ref()).map(|port| port.outbox.send(framed.clone())).count()
    }

    fn administer(
        &mut self,
        action: DispatchAction,
        talker: TalkerNumber,
        reply: oneshot::Sender<Result<(), ErrorCode>>,
    ) {
        self.submit(Op::Administer { action, talker: Some(talker) }, move |_, outcome| {
            reply.send(dispatched(outcome)).unwrap_or_default();
        });
    }

    fn dispatch(
        &mut self,
        by: TalkerNumber,
        request: RequestId,
        action: DispatchAction,
        talker: Option<TalkerNumber>,
    ) {
        self.submit(Op::Dispatch { by, action, talker }, move |room, outcome| {
            let Some(Seat { port: Some(port), member, .. }) = room.seats.get(&by) else { return };
            let (member, channel) = (*member, room.handle.number);
            port.outbox.say(&match dispatched(outcome) {
                Ok(()) => ServerMessage::Dispatched { request, member, channel, action },
                Err(code) => {
                    room.metrics.refused(code);
                    let message = match code {
                        ErrorCode::Forbidden => "no right to dispatch in this channel",
                        _ => "no such talker in this channel",
                    };
                    let (request, channel, message) = (Some(request), Some(channel), message.into());
                    ServerMessage::Error { request, member, channel, code, message }
                }
            });
        });
    }

    fn floor_datagram(&mut self, FloorDatagram { talker, message, .. }: FloorDatagram) {
        let road = Road::Datagram;
        // One that came just before the loss has nobody to be answered.
        let Some(seat) = self.seats.get_mut(&talker).filter(|seat| seat.port.is_some()) else { return };
        seat.datagrams = true;
        match message {
            FloorWord::Request { request, level, priority, queue } => {
                let asking = Asking { request, level, priority, queue, road };
                self.order(Op::FloorRequest { talker, asking });
            }
            FloorWord::Release { grant } => self.order(Op::FloorRelease { talker, grant, road }),
            // The ingress lets no other through: they are the gateway's to say.
            FloorWord::Granted { .. }
            | FloorWord::Deny { .. }
            | FloorWord::Revoke { .. }
            | FloorWord::Queued { .. } => {}
        }
    }
}

fn dispatched(outcome: Outcome) -> Result<(), ErrorCode> {
    match outcome {
        Outcome::Dispatched(done) => done,
        _ => Err(ErrorCode::Unavailable),
    }
}
