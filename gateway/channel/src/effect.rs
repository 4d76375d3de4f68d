//! What a channel decides, as values for the caller to carry out.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use suara_proto::message::{Level, TalkerLeft};
use suara_proto::{DenyCause, ErrorCode, Grant, RequestId, RevokeCause, TalkerNumber};

use crate::roster::{Identity, Member};

/// One decision. Those with a `talker` field are for that member alone, which may have left in the same batch: then
/// there is nobody to tell. Clauses are those of TS 24.380.
///
/// Order within a drain: the roster first, so that everybody knows whom the rest is about; for a new grant `Speakers`,
/// `Granted`, `Taken`, so that the data plane takes the talker's frames before the talker hears that it may send some;
/// for an end `Speakers` before `Idle`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Who came and who went, to everybody: at most one in a drain.
    Roster(RosterDelta),
    /// The data plane's authorisation: whose frames are forwarded from now on, by grant. Said when it changes.
    Speakers(Vec<Speaker>),
    /// Floor Granted (8.2.5), to the talker. Said again, for the same grant, to a holder who asks again.
    Granted {
        /// Who may talk.
        talker: TalkerNumber,
        /// The request that this answers.
        request: RequestId,
        /// What the talker's frames have to carry.
        grant: Grant,
        /// Until T2: the whole of it, or what is left of it; [`UNLIMITED`](suara_proto::limits::UNLIMITED) in an
        /// emergency.
        duration: Duration,
    },
    /// The same again, by datagram alone (T20).
    Repeat {
        /// Who may talk.
        talker: TalkerNumber,
        /// The request that this answers.
        request: RequestId,
        /// What the talker's frames have to carry.
        grant: Grant,
        /// What is left until T2.
        duration: Duration,
    },
    /// Floor Queue Position Info (8.2.12), to one who waits: at first, with each change, and when it asks again.
    Queued {
        /// Who waits.
        talker: TalkerNumber,
        /// Its request.
        request: RequestId,
        /// 1 is next.
        position: usize,
        /// How many wait.
        size: usize,
    },
    /// A request was taken back, to the one who did.
    Cancelled {
        /// Who.
        talker: TalkerNumber,
        /// Which.
        request: RequestId,
    },
    /// T2 is near, to the talker.
    Warning {
        /// Who.
        talker: TalkerNumber,
        /// What will be revoked.
        grant: Grant,
        /// When.
        remaining: Duration,
    },
    /// Floor Deny (8.2.6), to the one who asked.
    Deny {
        /// Who may not talk.
        talker: TalkerNumber,
        /// The request that this answers.
        request: RequestId,
        /// Why.
        cause: DenyCause,
    },
    /// Floor Revoke (8.2.10), to the talker: stop, and release. Its frames are forwarded until then, for `grace` at most.
    Revoke {
        /// Who has to stop.
        talker: TalkerNumber,
        /// What is taken back.
        grant: Grant,
        /// Why.
        cause: RevokeCause,
        /// T3.
        grace: Duration,
    },
    /// Floor Taken (8.2.9), to everybody: at the grant, every [`renewal`](crate::Settings::renewal) after it, and at a
    /// Revoke, when what remains becomes the grace time.
    Taken(Talking),
    /// Floor Idle (8.2.7), to everybody: that grant is over. In a mode with several talkers another may go on.
    Idle {
        /// What ended.
        grant: Grant,
    },
    /// A member that was unreachable for too long has left, as the roster says: the caller forgets it.
    Gone {
        /// Who.
        talker: TalkerNumber,
    },
    /// T4 is over: nobody has talked for [`t4`](crate::Settings::t4). Said once, until somebody has talked again; the caller
    /// may end the call, or leave it.
    Inactive,
    /// A message that isn't the member's to send, to that member.
    Refused {
        /// Who sent it.
        talker: TalkerNumber,
        /// What is wrong with it.
        code: ErrorCode,
    },
}

/// Who holds the floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talking {
    /// Its number.
    pub talker: TalkerNumber,
    /// Who that is; here too, because the member may be gone from the roster when this is read.
    pub who: Identity,
    /// By which grant.
    pub grant: Grant,
    /// Until T2 revokes it or, once revoked, until T3 ends it. [`UNLIMITED`](suara_proto::limits::UNLIMITED) in an
    /// emergency.
    pub remaining: Duration,
    /// How urgent it is.
    pub level: Level,
}

/// Whose frames are forwarded: these, by this grant, and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Speaker {
    /// Under which grant.
    pub grant: Grant,
    /// Whose.
    pub talker: TalkerNumber,
}

/// What changed in the roster between two drains. A member that came and went in between is in both lists; no number is
/// in both for another reason, so that "put in, then remove" is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterDelta {
    /// The version that this leads from.
    pub since: u64,
    /// The version that this leads to.
    pub version: u64,
    /// Who came, in that order.
    pub joined: Vec<Member>,
    /// Who went, in that order.
    pub left: Vec<TalkerLeft>,
    /// Of whom something else changed: as they are now.
    pub changed: Vec<Member>,
}
