//! What a session waits for beside its life: channels whose decisions take a while, for other nodes take part in them. One
//! channel's slowness is nobody else's: each member has a line for each channel, in which its requests keep their order.
//!
//! Knows lines and what comes of them; not what is done then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::Value;
use suara_proto::message::Location;
use suara_proto::{ChannelNumber, MemberRef, RequestId, TalkerNumber};
use tokio::task::unconstrained;

use super::members::Seat;
use crate::hub::{JoinRefused, RoomHandle, Told, is_call};

/// Requests of one member that wait behind another one in the same channel. More is nobody's need.
const MAX_IN_LINE: usize = 8;

/// One member's requests about one channel, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    pub(super) member: Option<MemberRef>,
    pub(super) channel: Arc<str>,
}

/// A request that waits for the one before it.
#[derive(Debug, PartialEq)]
pub(super) enum Waiting {
    /// To enter.
    Join {
        /// To be answered.
        request: RequestId,
    },
    /// To raise an emergency.
    Emergency(Emergency),
}

/// Somebody raises an emergency.
#[derive(Debug, PartialEq)]
pub(super) struct Emergency {
    pub(super) request: RequestId,
    pub(super) location: Option<Location>,
    pub(super) text: Option<String>,
}

/// Why somebody enters a channel.
pub(super) enum Purpose {
    /// It asked to.
    Join {
        /// To be answered.
        request: RequestId,
        /// It came by datagram.
        by_datagram: bool,
    },
    /// It is called.
    Invited,
    /// It calls others.
    Call(Box<super::calls::Ringing>),
    /// It has an emergency.
    Emergency(Emergency),
}

/// What came of an errand.
pub(super) enum Came {
    /// One is in, or not.
    Entered(Purpose, Result<(RoomHandle, TalkerNumber), JoinRefused>),
    /// An alert is raised, or not.
    Raised(RequestId, ChannelNumber, bool),
    /// One is back in its place, or has none any more.
    Back(Seat, bool),
}

/// A line's first errand is done.
pub(super) struct Settled {
    pub(super) lane: Lane,
    pub(super) came: Came,
    /// Whether the member is there still that it was for.
    pub(super) wanted: bool,
    /// What waited behind it.
    pub(super) waiting: VecDeque<Waiting>,
}

/// What a client said of a channel in which its place is on its way back.
pub(super) enum Held {
    /// On the control stream.
    Control(Bytes),
    /// On the chat stream.
    Chat(Bytes),
}

#[derive(Default)]
struct Line {
    told: Told,
    given_up: bool,
    waiting: VecDeque<Waiting>,
}

/// One session's errands. Empty, it takes a few words: most are so all their lives.
#[derive(Default)]
pub(super) struct Errands {
    running: Option<FuturesUnordered<BoxFuture<'static, (Lane, Came)>>>,
    lines: BTreeMap<Lane, Line>,
    /// Requests that wait, in all lines.
    waiting: usize,
    /// Channels in which places are on their way back.
    returning: BTreeSet<ChannelNumber>,
    held: VecDeque<Held>,
}

impl Errands {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many are under way or wait.
    pub(super) fn len(&self) -> usize {
        self.lines.len() + self.waiting + self.held.len()
    }

    /// Whether something of a line is under way.
    pub(super) fn is_busy(&self, lane: &Lane) -> bool {
        self.lines.contains_key(lane)
    }

    /// How many channels a member is about to enter, and how many of them are calls.
    pub(super) fn of(&self, member: Option<MemberRef>) -> (usize, usize) {
        let first = Lane { member, channel: "".into() };
        let own = self.lines.range(first..).take_while(|(lane, _)| lane.member == member);
        own.filter(|(_, line)| !line.given_up)
            .fold((0, 0), |(all, calls), (lane, _)| (all + 1, calls + usize::from(is_call(&lane.channel))))
    }

    /// Begins something in a line in which nothing is under way.
    pub(super) fn start(
        &mut self,
        lane: Lane,
        told: Told,
        errand: impl Future<Output = Came> + Send + 'static,
    ) {
        self.lines.insert(lane.clone(), Line { told, ..Line::default() });
        self.running.get_or_insert_default().push(errand.map(|came| (lane, came)).boxed());
    }

    /// Begins to wait for a place that is on its way back.
    pub(super) fn start_return(
        &mut self,
        seat: Seat,
        told: Told,
        resumed: impl Future<Output = bool> + Send + 'static,
    ) {
        self.returning.insert(seat.room.number);
        let lane = Lane { member: None, channel: seat.room.name.clone() };
        self.start(lane, told, resumed.map(|is| Came::Back(seat, is)));
    }

    /// Puts a request behind what is under way in its line; `false` when too many are there.
    pub(super) fn wait(&mut self, lane: &Lane, waiting: Waiting) -> bool {
        let Some(line) = self.lines.get_mut(lane).filter(|line| line.waiting.len() < MAX_IN_LINE) else {
            return false;
        };
        line.waiting.push_back(waiting);
        self.waiting += 1;
        true
    }

    /// The next that is done; never, while nothing is under way. Cancel-safe.
    pub(super) async fn next(&mut self) -> Settled {
        loop {
            // What is done is seen at once, whatever else this task has done in its turn.
            let done = match &mut self.running {
                Some(running) => unconstrained(running.next()).await,
                None => std::future::pending().await,
            };
            match done {
                Some((lane, came)) => return self.settle(lane, came),
                None => self.running = None,
            }
        }
    }

    /// The next that is done already.
    pub(super) fn ready(&mut self) -> Option<Settled> {
        self.next().now_or_never()
    }

    /// Whether the client may have heard of what isn't known here yet; then that comes at once.
    pub(super) fn is_told(&self) -> bool {
        self.lines.values().any(|line| line.told.is_set())
    }

    fn settle(&mut self, lane: Lane, came: Came) -> Settled {
        if let Came::Back(seat, _) = &came {
            self.returning.remove(&seat.room.number);
        }
        let line = self.lines.remove(&lane).unwrap_or_default();
        self.waiting -= line.waiting.len();
        Settled { lane, came, wanted: !line.given_up, waiting: line.waiting }
    }

    /// A member is gone; gives what waited for nothing now.
    pub(super) fn give_up(&mut self, member: Option<MemberRef>) -> Vec<Waiting> {
        let first = Lane { member, channel: "".into() };
        let own = self.lines.range_mut(first..).take_while(|(lane, _)| lane.member == member);
        let mut waited = Vec::new();
        for (_, line) in own {
            line.given_up = true;
            waited.extend(line.waiting.drain(..));
        }
        self.waiting -= waited.len();
        waited
    }

    /// Whether places are on their way back.
    pub(super) fn has_returns(&self) -> bool {
        !self.returning.is_empty()
    }

    /// Whether a message has to wait for a place that is on its way back. A `ping` does: its answer says that all are back.
    pub(super) fn holds(&self, json: &[u8]) -> bool {
        if self.returning.is_empty() {
            return false;
        }
        let Ok(Value::Object(fields)) = serde_json::from_slice(json) else { return false };
        let number = |name| fields.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let named = ["channel", "with"].into_iter().filter_map(number);
        fields.get("type").is_some_and(|kind| kind == "ping")
            || named.map(ChannelNumber).any(|channel| self.returning.contains(&channel))
    }

    pub(super) fn hold(&mut self, held: Held) {
        self.held.push_back(held);
    }

    /// What was held, in its order.
    pub(super) fn let_go(&mut self) -> VecDeque<Held> {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn lane(member: Option<u32>, channel: &str) -> Lane {
        Lane { member: member.map(MemberRef), channel: channel.into() }
    }

    fn request(number: u32) -> Waiting {
        Waiting::Join { request: RequestId(number) }
    }

    fn refused() -> Came {
        let purpose = Purpose::Join { request: RequestId(0), by_datagram: false };
        Came::Entered(purpose, Err(JoinRefused::Full))
    }

    /// Begins something that ends when it is told to.
    fn begin(errands: &mut Errands, lane: Lane) -> oneshot::Sender<()> {
        let (end, ended) = oneshot::channel::<()>();
        errands.start(lane, Told::default(), async {
            ended.await.unwrap();
            refused()
        });
        end
    }

    #[tokio::test]
    async fn lines_dont_wait_for_each_other_and_in_a_line_the_order_stays() {
        let mut errands = Errands::default();
        let (slow, quick) = (lane(Some(1), "slow"), lane(Some(1), "quick"));
        let end = begin(&mut errands, slow.clone());
        begin(&mut errands, quick.clone()).send(()).unwrap();
        assert!(errands.wait(&slow, request(1)) && errands.wait(&slow, request(2)));
        assert!(!errands.wait(&lane(Some(2), "slow"), request(3)), "there is no line to wait in");
        assert_eq!((errands.len(), errands.of(Some(MemberRef(1)))), (4, (2, 0)));
        assert_eq!(errands.next().await.lane, quick);
        assert!(errands.ready().is_none() && errands.is_busy(&slow) && !errands.is_busy(&quick));
        end.send(()).unwrap();
        let settled = errands.ready().expect("it is done");
        assert_eq!((settled.lane, settled.wanted), (slow, true));
        assert_eq!(settled.waiting, [request(1), request(2)]);
        assert!(errands.is_empty() && errands.ready().is_none());
        assert_eq!((errands.waiting, errands.of(Some(MemberRef(1)))), (0, (0, 0)));
    }

    #[tokio::test]
    async fn a_member_that_is_gone_wants_nothing_any_more_and_its_successor_waits_behind_it() {
        let mut errands = Errands::default();
        let (own, others) = (lane(Some(1), "a"), lane(Some(2), "a"));
        let ends = [own.clone(), others.clone()].map(|lane| begin(&mut errands, lane));
        assert!(errands.wait(&own, request(1)));
        assert_eq!(errands.give_up(Some(MemberRef(1))), [request(1)]);
        assert_eq!(errands.of(Some(MemberRef(1))), (0, 0));
        assert!(errands.is_busy(&own) && errands.wait(&own, request(2)));
        ends.into_iter().for_each(|end| end.send(()).unwrap());
        for _ in 0..2 {
            let settled = errands.next().await;
            assert_eq!(settled.wanted, settled.lane == others);
            assert_eq!(settled.waiting.len(), usize::from(settled.lane == own));
        }
    }

    #[tokio::test]
    async fn a_line_has_an_end_and_calls_count_as_such() {
        let mut errands = Errands::default();
        let call = lane(None, "call/00");
        let _end = begin(&mut errands, call.clone());
        assert_eq!(errands.of(None), (1, 1));
        let taken = (0..20).filter(|number| errands.wait(&call, request(*number))).count();
        assert_eq!(taken, MAX_IN_LINE);
    }

    #[test]
    fn what_is_about_a_place_on_its_way_back_is_held_and_nothing_else() {
        let mut errands = Errands::default();
        let floor = br#"{"type":"floor_request","channel":7,"request":1}"#;
        assert!(!errands.holds(floor) && !errands.holds(br#"{"type":"ping","nonce":1}"#));
        errands.returning.insert(ChannelNumber(7));
        assert!(errands.holds(floor) && errands.holds(br#"{"type":"ping","nonce":1}"#));
        assert!(errands.holds(br#"{"type":"patch","channel":6,"with":7}"#));
        for other in [&br#"{"type":"leave","channel":6}"#[..], b"{", br#"{"type":"join","channel":"7"}"#] {
            assert!(!errands.holds(other));
        }
    }
}
