//! Sessions that can be resumed: whose place may be taken by whom, and what is handed over.
//!
//! A session that asked for it has a [`Ticket`]. Whoever presents its token, along with a token of the same user, gets the
//! session's [`Estate`], and the session ends. It is no matter whether its transport is lost or only slow to be found so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use suara_proto::LeaveReason;
use suara_proto::message::ServerMessage;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::calls::rights_in;
use super::dispatch::identity;
use super::members::Seat;
use super::serve::{Session, unix_now};
use super::{Port, SessionId};
use crate::core::Core;
use crate::directory::Wish;
use crate::hub::{Resuming, Told};

/// How long a busy session may take to hand over. One that a channel holds up longer is left to itself, and the newcomer
/// begins anew.
const HAND_OVER: Duration = Duration::from_secs(2);

/// Where a session hands its estate to.
pub(super) type Heir = oneshot::Sender<Estate>;

/// All sessions whose places can be taken.
#[derive(Default)]
pub struct Resumables {
    entries: Mutex<HashMap<SessionId, Entry>>,
}

/// Each idle session has one.
struct Entry {
    /// In halves: whole it would take 16 bytes more for its alignment.
    secret: [u64; 2],
    user: Arc<str>,
    heir: oneshot::Sender<Heir>,
}

/// One session's right to be resumed; ends when dropped.
pub(super) struct Ticket {
    core: Arc<Core>,
    session: SessionId,
    /// None once nobody can claim it any more.
    claimed: Option<oneshot::Receiver<Heir>>,
}

/// What a session leaves behind: its places. Dropped, they are given up.
pub(super) struct Estate {
    core: Arc<Core>,
    seats: Vec<Seat>,
}

impl Resumables {
    fn entries(&self) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The estate of the session that `token` is of, where it is there and the user's own. The token is used up.
    pub(super) async fn claim(&self, token: &str, user: &str) -> Option<Estate> {
        let (session, secret) = read(token)?;
        let (heir, estate) = oneshot::channel();
        {
            let mut entries = self.entries();
            let entry = entries.get(&session)?;
            // Both are compared whole: how long that takes tells nothing.
            let [high, low] = entry.secret;
            if (high ^ secret[0]) | (low ^ secret[1]) != 0 || *entry.user != *user {
                return None;
            }
            entries.remove(&session)?.heir.send(heir).ok()?;
        }
        timeout(HAND_OVER, estate).await.ok()?.ok()
    }
}

impl Ticket {
    /// For a session of that user; with the token, which is nobody's but its client's to know.
    pub(super) fn issue(core: &Arc<Core>, session: SessionId, user: &Arc<str>) -> (Self, String) {
        let secret: [u64; 2] = rand::random();
        let (heir, claimed) = oneshot::channel();
        let entry = Entry { secret, user: user.clone(), heir };
        core.resumables.entries().insert(session, entry);
        (
            Self { core: core.clone(), session, claimed: Some(claimed) },
            format!("{session}.{:016x}{:016x}", secret[0], secret[1]),
        )
    }

    /// Waits until somebody takes the session's place. Cancel-safe.
    pub(super) async fn claimed(&mut self) -> Heir {
        if let Some(claimed) = &mut self.claimed {
            if let Ok(heir) = claimed.await {
                return heir;
            }
            self.claimed = None;
        }
        std::future::pending().await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.core.resumables.entries().remove(&self.session);
    }
}

impl Estate {
    pub(super) fn new(core: Arc<Core>, seats: Vec<Seat>) -> Self {
        Self { core, seats }
    }

    pub(super) fn take(mut self) -> Vec<Seat> {
        std::mem::take(&mut self.seats)
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        let seats = std::mem::take(&mut self.seats);
        if seats.is_empty() {
            return;
        }
        self.core.tasks.spawn(async move {
            for seat in seats {
                seat.room.leave(seat.place(), LeaveReason::Disconnected, false).await;
            }
        });
    }
}

/// Waits until somebody takes the place of a session that has a ticket.
pub(super) async fn claimed(ticket: &mut Option<Ticket>) -> Heir {
    match ticket {
        Some(ticket) => ticket.claimed().await,
        None => std::future::pending().await,
    }
}

/// Waits until the user is thrown out. Nothing else is asked of who is lost.
async fn kicked(port: &Port) {
    while !matches!(port.wishes.next().await, Wish::Kick { .. }) {}
}

impl Session<'_> {
    /// Keeps the places of a session whose transport is lost, until its client is back by a newer one, or for as long as
    /// the channels do.
    pub(super) async fn linger(&mut self, ticket: Option<Ticket>) {
        let left = self.expires.saturating_sub(unix_now());
        let grace = self.members.grace().min(Duration::from_secs(left));
        let core = self.core;
        let kept = core.keep().filter(|_| !grace.is_zero() && !core.is_draining());
        let (Some(mut ticket), Some(_kept)) = (ticket, kept) else {
            return self.leave_all(LeaveReason::Disconnected).await;
        };
        self.ingress.publish(HashMap::new());
        for seat in self.members.seats() {
            seat.room.lose(seat.place()).await;
        }
        tokio::select! {
            heir = ticket.claimed() => return self.hand_over(heir),
            () = sleep(grace) => {}
            () = kicked(self.port) => return self.leave_all(LeaveReason::Kicked).await,
            _ = core.dismissed() => {}
        }
        // The room for another attempt ends before the places do.
        drop(ticket);
        self.leave_all(LeaveReason::Disconnected).await;
    }

    /// Gives all places to the newer session; if that is gone meanwhile, they are given up.
    pub(super) fn hand_over(&mut self, heir: Heir) {
        self.ingress.publish(HashMap::new());
        let seats = self.members.drain().flat_map(|attached| attached.seats.into_values()).collect();
        drop(heir.send(Estate::new(self.core.clone(), seats)));
    }

    /// Asks for the places of the session before. Each channel says so, as soon as its nodes have decided.
    pub(super) async fn inherit(&mut self, estate: Estate) {
        let Some(principal) = self.members.get(None).map(|attached| attached.principal.clone()) else {
            return;
        };
        for seat in estate.take() {
            let (who, rights) = (identity(&principal), rights_in(&principal, &seat.room.name));
            let (port, told) = (self.port.clone(), Told::default());
            let resuming = Resuming { port, who, rights, told: told.clone() };
            let resumed = seat.room.resume(seat.place(), resuming).await;
            self.errands.start_return(seat, told, resumed);
        }
    }

    /// The session is back in a place, or hears that it is there no more.
    pub(super) fn back(&mut self, seat: Seat, is: bool) {
        if is {
            self.members.sit(None, Seat { session: self.port.id, ..seat });
            return self.publish();
        }
        let (channel, reason) = (seat.room.number, LeaveReason::Disconnected);
        self.port.outbox.say(&ServerMessage::Left { member: None, channel, reason });
    }
}

fn read(token: &str) -> Option<(SessionId, [u64; 2])> {
    let number = |digits: &str| {
        let plain = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u64::from_str_radix(digits, 16).ok().filter(|_| plain)
    };
    let (session, secret) = token.split_once('.')?;
    let (high, low) = secret.split_at_checked(16)?;
    Some((SessionId(number(session)?), [number(high)?, number(low)?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_whole_or_not_at_all() {
        let good = "00000000000000ff.000000000000000000000000000000aa";
        assert_eq!(read(good), Some((SessionId(255), [0, 170])));
        for bad in [
            "",
            ".",
            "ff.aa",
            &good[1..],
            &format!("{good}0"),
            &good.replace('.', ":"),
            "é.é",
            &good.replacen('0', "+", 1),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn to_be_resumable_costs_an_idle_session_little() {
        assert!(size_of::<(SessionId, Entry)>() <= 48);
        assert!(size_of::<Ticket>() <= 32);
    }
}
