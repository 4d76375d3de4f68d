//! Every message of both directions, with arbitrary strings and numbers in it.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use suara_proto::message::{
    Alert, CallInfo, CallKind, ChannelMode, ClientMessage, DispatchAction, Heard, Joined, Level, Location,
    Member, MemberScope, Patched, Right, Rights, Said, ServerMessage, TalkerInfo, TalkerLeft, Welcome,
};
use suara_proto::{
    ChannelNumber, CloseCode, DenyCause, ErrorCode, Grant, LeaveReason, MemberRef, RequestId, RevokeCause,
    TalkerNumber,
};

type Client = ClientMessage<'static>;
type Server = ServerMessage<'static>;

pub(crate) fn text() -> impl Strategy<Value = Cow<'static, str>> {
    let nasty = select(vec![
        "\"", "\\", "\n", "\0", "\u{7f}", "\u{2028}", "\u{fffd}", "警備", "😀", "\\ud800", "null",
    ]);
    prop_oneof![any::<String>(), vec(nasty, 0..5).prop_map(|parts| parts.concat())].prop_map(Cow::Owned)
}

fn channel() -> impl Strategy<Value = ChannelNumber> {
    any::<u32>().prop_map(ChannelNumber)
}

fn talker() -> impl Strategy<Value = TalkerNumber> {
    any::<u16>().prop_map(TalkerNumber)
}

fn grant() -> impl Strategy<Value = Grant> {
    any::<u32>().prop_map(Grant)
}

fn request() -> impl Strategy<Value = RequestId> {
    any::<u32>().prop_map(RequestId)
}

fn trunk_member() -> impl Strategy<Value = MemberRef> {
    any::<u32>().prop_map(MemberRef)
}

fn member() -> impl Strategy<Value = Option<MemberRef>> {
    option::of(trunk_member())
}

fn rights() -> impl Strategy<Value = Rights> {
    vec(select(&Right::ALL[..]), 0..5).prop_map(Rights::from)
}

fn person() -> impl Strategy<Value = Member<'static>> {
    (talker(), text(), text(), text(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(talker, user, name, role, listen_only, muted, unreachable)| Member {
            talker,
            user,
            name,
            role,
            listen_only,
            muted,
            unreachable,
        },
    )
}

fn talking() -> impl Strategy<Value = TalkerInfo<'static>> {
    (talker(), text(), text(), grant(), any::<u32>(), level()).prop_map(
        |(talker, user, name, grant, remaining_ms, level)| TalkerInfo {
            talker,
            user,
            name,
            grant,
            remaining_ms,
            level,
        },
    )
}

fn level() -> impl Strategy<Value = Level> {
    select(&Level::ALL[..])
}

fn location() -> impl Strategy<Value = Location> {
    (any::<i32>(), any::<i32>(), option::of(any::<u32>())).prop_map(
        |(latitude_e7, longitude_e7, accuracy_m)| Location { latitude_e7, longitude_e7, accuracy_m },
    )
}

fn alert() -> impl Strategy<Value = Alert<'static>> {
    (talker(), text(), text(), any::<u64>(), option::of(location()), option::of(text()))
        .prop_map(|(talker, user, name, at, location, text)| Alert { talker, user, name, at, location, text })
}

fn call() -> impl Strategy<Value = CallInfo<'static>> {
    let kind = select(vec![CallKind::Private, CallKind::Group, CallKind::Other]);
    (kind, text(), text(), vec(text(), 0..3)).prop_map(|(kind, by, name, users)| CallInfo {
        kind,
        by,
        name,
        users,
    })
}

fn action() -> impl Strategy<Value = DispatchAction> {
    select(&DispatchAction::ALL[..])
}

/// One strategy per variant, or per what is in it: its fields from the strategies named beside them.
macro_rules! message {
    ($($what:ident)::+ { $($field:ident: $strategy:expr),+ $(,)? }) => {
        ($($strategy,)+).prop_map(|($($field,)+)| $($what)::+ { $($field),+ }).boxed()
    };
}

fn said() -> impl Strategy<Value = Said> {
    (any::<u64>(), option::of(any::<u64>()), any::<u64>(), any::<u32>()).prop_map(
        |(pressed_us, granted_us, at_us, timestamp)| Said { pressed_us, granted_us, at_us, timestamp },
    )
}

fn heard() -> impl Strategy<Value = Heard> {
    (any::<u64>(), any::<u32>(), option::of(any::<u64>())).prop_map(|(at_us, timestamp, entered_us)| Heard {
        at_us,
        timestamp,
        entered_us,
    })
}

pub(crate) fn client() -> impl Strategy<Value = Client> {
    prop_oneof![of_a_session(), of_a_floor(), beyond_a_channel()]
}

fn of_a_session() -> impl Strategy<Value = Client> {
    prop_oneof![
        message!(ClientMessage::Hello {
            version: any::<u32>(),
            token: text(),
            client: option::of(text()),
            resume: option::of(text()),
            calls: any::<bool>(),
        }),
        message!(ClientMessage::Renew { request: request(), token: text() }),
        message!(ClientMessage::Attach {
            request: request(),
            member: trunk_member(),
            token: text(),
            scope: select(&MemberScope::ALL[..]),
        }),
        message!(ClientMessage::Visitor { request: request(), name: text() }),
        message!(ClientMessage::Guest { request: request() }),
        message!(ClientMessage::Detach { member: trunk_member() }),
        message!(ClientMessage::Join { request: request(), channel: text(), member: member() }),
        message!(ClientMessage::Leave { channel: channel(), member: member() }),
        message!(ClientMessage::May { request: request(), channel: text(), member: member() }),
        message!(ClientMessage::Verify { request: request(), token: text() }),
        message!(ClientMessage::Ping { nonce: any::<u32>() }),
    ]
}

fn of_a_floor() -> impl Strategy<Value = Client> {
    prop_oneof![
        message!(ClientMessage::FloorRequest {
            request: request(),
            channel: channel(),
            member: member(),
            level: level(),
            priority: option::of(any::<u8>()),
            queue: any::<bool>(),
        }),
        message!(ClientMessage::FloorCancel { request: request(), channel: channel(), member: member() }),
        message!(ClientMessage::Dispatch {
            request: request(),
            channel: channel(),
            member: member(),
            action: action(),
            talker: option::of(talker()),
        }),
        message!(ClientMessage::FloorRelease { channel: channel(), grant: grant(), member: member() }),
        message!(ClientMessage::Replay { channel: channel(), grant: option::of(grant()) }),
        message!(ClientMessage::RosterRequest { channel: channel() }),
        message!(ClientMessage::BurstReport {
            channel: channel(),
            grant: grant(),
            member: member(),
            said: option::of(said()),
            heard: option::of(heard()),
        }),
    ]
}

fn beyond_a_channel() -> impl Strategy<Value = Client> {
    prop_oneof![
        message!(ClientMessage::Call { request: request(), member: member(), users: vec(text(), 0..3) }),
        message!(ClientMessage::Emergency {
            request: request(),
            member: member(),
            location: option::of(location()),
            text: option::of(text()),
        }),
        message!(ClientMessage::EmergencyCancel {
            channel: channel(),
            member: member(),
            user: option::of(text()),
        }),
        message!(ClientMessage::Patch {
            request: request(),
            channel: channel(),
            member: member(),
            with: channel()
        }),
        message!(ClientMessage::Unpatch {
            request: request(),
            channel: channel(),
            member: member(),
            with: channel()
        }),
        message!(ClientMessage::CallEnd { channel: channel(), member: member() }),
    ]
}

pub(crate) fn server() -> impl Strategy<Value = Server> {
    prop_oneof![session_message(), channel_message(), floor_message()]
}

fn session_message() -> impl Strategy<Value = Server> {
    prop_oneof![
        message!(Welcome {
            version: any::<u32>(),
            session: text(),
            user: text(),
            name: text(),
            role: text(),
            expires: any::<u64>(),
            heartbeat_ms: any::<u32>(),
            idle_timeout_ms: any::<u32>(),
            floor_renewal_ms: any::<u32>(),
            emergency_channel: option::of(text()),
            resume: option::of(text()),
            resumed: any::<bool>(),
        })
        .prop_map(ServerMessage::Welcome),
        message!(ServerMessage::Renewed { request: request(), expires: any::<u64>() }),
        message!(ServerMessage::VisitorSession {
            request: request(),
            session: text(),
            token: text(),
            expires: any::<u64>(),
        }),
        message!(ServerMessage::GuestSession { request: request(), token: text(), expires: any::<u64>() }),
        message!(ServerMessage::Attached {
            request: request(),
            member: trunk_member(),
            user: text(),
            name: text(),
            role: text(),
            expires: any::<u64>(),
        }),
        message!(ServerMessage::Detached { member: trunk_member(), code: select(CloseCode::ALL) }),
        message!(ServerMessage::Error {
            request: option::of(request()),
            member: member(),
            channel: option::of(channel()),
            code: select(ErrorCode::ALL),
            message: text(),
        }),
        message!(ServerMessage::Draining {
            deadline_ms: any::<u32>(),
            node: option::of(text()),
            avoid: vec(text(), 0..3)
        }),
        message!(ServerMessage::Closing {
            code: select(CloseCode::ALL),
            reason: text(),
            retry_after_ms: option::of(any::<u32>()),
        }),
        message!(ServerMessage::Pong { nonce: any::<u32>() }),
    ]
}

/// Its strategy is in two halves: tuples of strategies have twelve fields at most.
fn joined() -> impl Strategy<Value = Server> {
    let modes = vec![ChannelMode::Ptt, ChannelMode::Dual, ChannelMode::Open, ChannelMode::Other];
    let whose = (option::of(request()), member(), channel(), text(), talker(), rights(), select(modes));
    let talkers = (option::of(talking()), vec(talking(), 0..3));
    let members = option::of(vec(person(), 0..4));
    let state = (any::<u64>(), members, talkers, option::of(any::<u64>()), option::of(call()));
    (whose, state).prop_map(|(whose, state)| {
        let (request, member, channel, name, talker, rights, mode) = whose;
        let (version, members, (talking, also_talking), last_message, call) = state;
        ServerMessage::Joined(Joined {
            request,
            member,
            channel,
            name,
            talker,
            rights,
            mode,
            version,
            members,
            talking,
            also_talking,
            last_message,
            call,
        })
    })
}

fn channel_message() -> impl Strategy<Value = Server> {
    let gone =
        (talker(), select(LeaveReason::ALL)).prop_map(|(talker, reason)| TalkerLeft { talker, reason });
    prop_oneof![
        joined(),
        message!(ServerMessage::EmergencyRaised {
            request: request(),
            member: member(),
            channel: channel(),
            microphone_ms: any::<u32>(),
        }),
        message!(ServerMessage::EmergencyAlert { channel: channel(), alert: alert() }),
        message!(ServerMessage::EmergencyOver { channel: channel(), user: text(), by: text() }),
        message!(ServerMessage::Patched {
            request: option::of(request()),
            member: member(),
            channel: channel(),
            with: vec((channel(), text()).prop_map(|(channel, name)| Patched { channel, name }), 0..3),
        }),
        message!(ServerMessage::Called {
            request: request(),
            member: member(),
            channel: channel(),
            users: vec(text(), 0..3),
        }),
        message!(ServerMessage::Left {
            member: member(),
            channel: channel(),
            reason: select(LeaveReason::ALL)
        }),
        message!(ServerMessage::Roster {
            channel: channel(),
            since: option::of(any::<u64>()),
            version: any::<u64>(),
            members: option::of(vec(person(), 0..4)),
            joined: vec(person(), 0..4),
            left: vec(gone, 0..4),
            changed: vec(person(), 0..4),
        }),
    ]
}

fn floor_message() -> impl Strategy<Value = Server> {
    prop_oneof![
        message!(ServerMessage::FloorGranted {
            member: member(),
            channel: channel(),
            request: request(),
            grant: grant(),
            duration_ms: any::<u32>(),
        }),
        message!(ServerMessage::FloorDeny {
            member: member(),
            channel: channel(),
            request: request(),
            cause: select(DenyCause::ALL),
        }),
        message!(ServerMessage::FloorTaken { channel: channel(), talking: talking() }),
        message!(ServerMessage::FloorIdle { channel: channel(), grant: grant() }),
        message!(ServerMessage::Replaying {
            channel: channel(),
            talking: talking(),
            live: any::<bool>(),
            frames: any::<u32>(),
            age_ms: any::<u32>(),
        }),
        message!(ServerMessage::FloorQueued {
            member: member(),
            channel: channel(),
            request: request(),
            position: any::<u16>(),
            size: any::<u16>(),
        }),
        message!(ServerMessage::FloorCancelled { member: member(), channel: channel(), request: request() }),
        message!(ServerMessage::FloorWarning {
            member: member(),
            channel: channel(),
            grant: grant(),
            remaining_ms: any::<u32>(),
        }),
        message!(ServerMessage::Dispatched {
            request: request(),
            member: member(),
            channel: channel(),
            action: action(),
        }),
        message!(ServerMessage::FloorRevoke {
            member: member(),
            channel: channel(),
            grant: grant(),
            cause: select(RevokeCause::ALL),
            grace_ms: any::<u32>(),
        }),
    ]
}
