//! What may happen to a channel, at random, and the settings under which it does.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use suara_channel::{LeaveReason, Settings};

#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) settings: Settings,
    pub(crate) ops: Vec<Op>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Join(May),
    Leave(Pick, LeaveReason),
    Request(Pick),
    Release(Pick, Which),
    /// Voice that was forwarded so many milliseconds ago (or is, in a little while).
    Media(Which, i64),
    /// The clock goes on, and nobody looks.
    Wait(u64),
    /// The clock goes to the next deadline and so far from it.
    WaitUntilDue(i64),
    /// The caller's clock jumps.
    Back(u64),
    Fire,
    Drain,
    /// A member asks for the whole roster.
    Refresh(Pick),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum May {
    Talk,
    Listen,
    NotEvenListen,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Pick {
    Member(usize),
    /// Whose frames are forwarded.
    Speaker,
    /// Anybody who ever was here.
    Known(usize),
    Anybody(u16),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    /// The newest grant, or so many before it.
    Given(u32),
    NotGivenYet,
    Any(u32),
}

pub(crate) fn any() -> impl Strategy<Value = Schedule> {
    let guests = vec(may().prop_map(Op::Join), 0..5);
    (settings(), guests, vec(op(), 1..200)).prop_map(|(settings, mut ops, more)| {
        ops.extend(more);
        Schedule { settings, ops }
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    let t1 = prop_oneof![3 => Just(4_000), 1 => 0..100_u64, 2 => 100..6_000_u64];
    let t2 = prop_oneof![2 => Just(30_000), 1 => 0..100_u64, 3 => 100..8_000_u64];
    let t3 = prop_oneof![2 => Just(3_000), 1 => 0..100_u64, 2 => 100..4_000_u64];
    let renewal = prop_oneof![2 => Just(2_000), 1 => Just(0), 2 => 200..3_000_u64];
    let tail = prop_oneof![2 => Just(150), 1 => 0..50_u64, 1 => 50..1_000_u64];
    let max_members = prop_oneof![4 => Just(10_000), 1 => 0..5_usize];
    (t1, t2, t3, renewal, tail, max_members).prop_map(|(t1, t2, t3, renewal, tail, max_members)| Settings {
        t1: Duration::from_millis(t1),
        t2: Duration::from_millis(t2),
        t3: Duration::from_millis(t3),
        renewal: Duration::from_millis(renewal),
        release_tail: Duration::from_millis(tail),
        max_members,
        ..Settings::default()
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => may().prop_map(Op::Join),
        2 => (pick(), prop::sample::select(LeaveReason::ALL)).prop_map(|(who, why)| Op::Leave(who, why)),
        8 => pick().prop_map(Op::Request),
        4 => (pick(), which()).prop_map(|(who, which)| Op::Release(who, which)),
        8 => (which(), -100..5_000_i64).prop_map(|(which, lag)| Op::Media(which, lag)),
        8 => wait().prop_map(Op::Wait),
        6 => prop_oneof![3 => -1..=1_i64, 1 => 0..6_000_i64].prop_map(Op::WaitUntilDue),
        1 => (0..10_000_u64).prop_map(Op::Back),
        10 => Just(Op::Fire),
        6 => Just(Op::Drain),
        1 => pick().prop_map(Op::Refresh),
    ]
}

fn may() -> impl Strategy<Value = May> {
    prop_oneof![6 => Just(May::Talk), 1 => Just(May::Listen), 1 => Just(May::NotEvenListen)]
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        8 => (0..16_usize).prop_map(Pick::Member),
        5 => Just(Pick::Speaker),
        1 => (0..16_usize).prop_map(Pick::Known),
        1 => any_number::<u16>().prop_map(Pick::Anybody),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        8 => Just(Which::Given(0)),
        3 => (1..4_u32).prop_map(Which::Given),
        1 => Just(Which::NotGivenYet),
        1 => any_number::<u32>().prop_map(Which::Any),
    ]
}

fn wait() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..300_u64, 4 => 300..5_000_u64, 1 => 5_000..40_000_u64]
}

fn any_number<T: Arbitrary>() -> impl Strategy<Value = T> {
    proptest::prelude::any::<T>()
}
