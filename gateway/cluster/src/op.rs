//! What changes a channel, as values that can be sent.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use suara_channel::{
    Asking, DispatchAction, ErrorCode, Grant, Identity, JoinError, LeaveReason, RequestId, Rights, Road,
    TalkerNumber,
};

/// Each is applied as the [`Channel`](suara_channel::Channel)'s method of the same name. What concerns a talker is applied
/// only when that talker is a member, or a guest, of the node that submits it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the arguments of the channel's methods")]
pub enum Op {
    /// Somebody comes in by this node; with a claim, to the number that it had on another side of a split.
    Join { who: Identity, rights: Rights, claim: Option<TalkerNumber> },
    /// A member goes.
    Leave { talker: TalkerNumber, reason: LeaveReason },
    /// A member's transport is lost.
    Lose { talker: TalkerNumber },
    /// A member is here again, or has another transport.
    Resume { talker: TalkerNumber },
    /// A member asks for the floor.
    FloorRequest { talker: TalkerNumber, asking: Asking },
    /// A member takes its request back.
    FloorCancel { talker: TalkerNumber, request: RequestId },
    /// A member gives the floor back.
    FloorRelease { talker: TalkerNumber, grant: Grant, road: Road },
    /// A member does something to the floor of others.
    Dispatch { by: TalkerNumber, action: DispatchAction, talker: Option<TalkerNumber> },
    /// Whoever runs this does.
    Administer { action: DispatchAction, talker: Option<TalkerNumber> },
    /// A guest comes in by this node.
    Admit,
    /// A guest asks for the floor on somebody's behalf.
    GuestRequest { guest: TalkerNumber, who: Identity, asking: Asking },
    /// A guest gives back what it has.
    GuestRelease { guest: TalkerNumber },
    /// A guest goes.
    Dismiss { guest: TalkerNumber },
    /// A member of this node that others hold for unreachable has been here all the time. The replica submits it itself.
    Return { talker: TalkerNumber },
    /// A small fact that all nodes have to know, and that a late one gets with the snapshot; none takes it back. More than
    /// [`MAX_SHARED`](crate::MAX_SHARED) of them, or one longer than [`MAX_SHARED_BYTES`](crate::MAX_SHARED_BYTES), are
    /// not taken.
    Share { key: String, value: Option<Vec<u8>> },
    /// Something to pass on to the rooms of all nodes in its order. Not kept.
    Say { to: Say, bytes: Vec<u8> },
    /// What was wanted under this number isn't any more.
    Nothing,
}

impl Op {
    /// Whose it is: the member, or the guest, of the node that submits it.
    pub(crate) const fn talker(&self) -> Option<TalkerNumber> {
        match self {
            Self::Leave { talker, .. }
            | Self::Lose { talker }
            | Self::Resume { talker }
            | Self::Return { talker }
            | Self::FloorRequest { talker, .. }
            | Self::FloorCancel { talker, .. }
            | Self::FloorRelease { talker, .. } => Some(*talker),
            Self::Dispatch { by, .. } => Some(*by),
            Self::GuestRequest { guest, .. } | Self::GuestRelease { guest } | Self::Dismiss { guest } => {
                Some(*guest)
            }
            Self::Join { .. }
            | Self::Administer { .. }
            | Self::Admit
            | Self::Share { .. }
            | Self::Say { .. }
            | Self::Nothing => None,
        }
    }
}

/// To whom something is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Say {
    /// Every session that is in the channel.
    All,
    /// Every session that is there itself, and not by a bridge's trunk.
    Own,
    /// One member.
    Talker(TalkerNumber),
    /// All members of one user.
    User(Arc<str>),
    /// The rooms themselves: what it means is between them.
    Rooms,
}

/// What an operation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Of a [`Join`](Op::Join).
    Joined(Result<TalkerNumber, JoinError>),
    /// Whether it changed anything: of what the channel answers so, and `false` of whatever concerns nobody of this node.
    Done(bool),
    /// Of [`Dispatch`](Op::Dispatch) and [`Administer`](Op::Administer).
    Dispatched(Result<(), ErrorCode>),
    /// Of an [`Admit`](Op::Admit): the guest's number, if there was one left.
    Admitted(Option<TalkerNumber>),
    /// It was applied and has no answer of its own; the effects say what came of it.
    None,
    /// It took effect nowhere that counts, or what came of it is undone or no longer known: another side of a split decides now,
    /// or this node was held for dead. Who wanted to join is to be asked to try again.
    Lost,
}

impl Outcome {
    /// The number that was given by it.
    #[must_use]
    pub const fn talker(self) -> Option<TalkerNumber> {
        match self {
            Self::Joined(Ok(talker)) | Self::Admitted(Some(talker)) => Some(talker),
            _ => None,
        }
    }
}
