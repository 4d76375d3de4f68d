//! What may happen to a channel, at random, and the settings under which it does.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use suara_channel::{ChannelMode, DispatchAction, LeaveReason, Level, Road, Settings};

#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) settings: Settings,
    pub(crate) ops: Vec<Op>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Join(May, u8),
    Leave(Pick, LeaveReason),
    Lose(Pick),
    Resume(Pick),
    Request(Pick, Wish),
    /// By somebody, or by the one who asked.
    Cancel(Option<Pick>, Number),
    Release(Pick, Which, Road),
    /// A patch: its guest comes.
    Admit,
    GuestRequest(Pick, Wish, u8),
    GuestRelease(Pick),
    /// The patch is over.
    Dismiss(Pick),
    Dispatch(Pick, DispatchAction, Option<Pick>),
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
pub(crate) struct Wish {
    pub(crate) number: Number,
    pub(crate) level: Level,
    pub(crate) priority: u8,
    pub(crate) queue: bool,
    pub(crate) road: Road,
}

/// Which number a request has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    New,
    /// As so many requests before, of whomever.
    Before(u32),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum May {
    Everything,
    Talk,
    Listen,
    NotEvenListen,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Pick {
    Member(usize),
    /// Whose frames are forwarded.
    Speaker,
    /// A guest from another channel.
    Guest(usize),
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
    let guests = vec(join(), 0..5);
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
    let rules = (mode(), 0..5_usize, any_number::<bool>(), 1..4_usize);
    let grace = prop_oneof![2 => Just(10_000), 1 => 0..100_u64, 2 => 100..12_000_u64];
    let more = prop_oneof![2 => Just((5_000, 300, 20)), 1 => (0..3_000_u64, 0..1_000_u64, 0..200_u64)];
    let t4 =
        prop_oneof![2 => Just(None), 1 => (0..500_u64).prop_map(Some), 2 => (500..40_000_u64).prop_map(Some)];
    let timers = (t1, t2, t3, t4, renewal, tail, grace, max_members);
    (timers, rules, more).prop_map(|((t1, t2, t3, t4, renewal, tail, grace, max_members), rules, more)| {
        Settings {
            mode: rules.0,
            queue_depth: rules.1,
            pre_emption: rules.2,
            max_talkers: rules.3,
            warning: Duration::from_millis(more.0),
            emergency_grace: Duration::from_millis(more.1),
            repeat: Duration::from_millis(more.2),
            repeats: 3,
            t1: Duration::from_millis(t1),
            t2: Duration::from_millis(t2),
            t3: Duration::from_millis(t3),
            t4: t4.map(Duration::from_millis),
            renewal: Duration::from_millis(renewal),
            release_tail: Duration::from_millis(tail),
            presence_grace: Duration::from_millis(grace),
            max_members,
            ..Settings::default()
        }
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => join(),
        2 => (pick(), prop::sample::select(LeaveReason::ALL)).prop_map(|(who, why)| Op::Leave(who, why)),
        2 => pick().prop_map(Op::Lose),
        2 => pick().prop_map(Op::Resume),
        12 => (pick(), wish()).prop_map(|(who, wish)| Op::Request(who, wish)),
        2 => (prop::option::weighted(0.2, pick()), number()).prop_map(|(who, number)| Op::Cancel(who, number)),
        4 => (pick(), which(), road()).prop_map(|(who, which, road)| Op::Release(who, which, road)),
        1 => Just(Op::Admit),
        3 => (guest(), wish(), 0..4_u8).prop_map(|(who, wish, priority)| Op::GuestRequest(who, wish, priority)),
        2 => guest().prop_map(Op::GuestRelease),
        1 => prop::option::weighted(0.3, guest()).prop_map(|who| Op::Dismiss(who.unwrap_or(Pick::Anybody(0)))),
        1 => (pick(), action(), prop::option::weighted(0.9, pick()))
            .prop_map(|(by, action, whom)| Op::Dispatch(by, action, whom)),
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
    prop_oneof![
        6 => Just(May::Everything),
        2 => Just(May::Talk),
        1 => Just(May::Listen),
        1 => Just(May::NotEvenListen)
    ]
}

fn join() -> impl Strategy<Value = Op> {
    (may(), 0..4_u8).prop_map(|(may, priority)| Op::Join(may, priority))
}

fn mode() -> impl Strategy<Value = ChannelMode> {
    prop_oneof![3 => Just(ChannelMode::Ptt), 2 => Just(ChannelMode::Dual), 1 => Just(ChannelMode::Open)]
}

fn wish() -> impl Strategy<Value = Wish> {
    let level = prop_oneof![
        8 => Just(Level::Normal),
        1 => Just(Level::ImminentPeril),
        1 => Just(Level::Emergency)
    ];
    let priority = prop_oneof![4 => Just(u8::MAX), 1 => 0..4_u8];
    (number(), level, priority, any_number::<bool>(), road())
        .prop_map(|(number, level, priority, queue, road)| Wish { number, level, priority, queue, road })
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![4 => Just(Number::New), 1 => (0..12_u32).prop_map(Number::Before)]
}

fn road() -> impl Strategy<Value = Road> {
    prop_oneof![2 => Just(Road::Stream), 1 => Just(Road::Datagram)]
}

fn action() -> impl Strategy<Value = DispatchAction> {
    prop::sample::select(&DispatchAction::ALL[..])
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        8 => (0..16_usize).prop_map(Pick::Member),
        5 => Just(Pick::Speaker),
        1 => (0..16_usize).prop_map(Pick::Known),
        1 => (0..4_usize).prop_map(Pick::Guest),
        1 => any_number::<u16>().prop_map(Pick::Anybody),
    ]
}

/// Mostly a guest: members have none of its ways.
fn guest() -> impl Strategy<Value = Pick> {
    prop_oneof![12 => (0..4_usize).prop_map(Pick::Guest), 1 => pick()]
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
