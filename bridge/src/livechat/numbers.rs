//! Which of the trunk's numbers are the livechat's: the desk of Socket.IO clients counts from 1, its channels' floor
//! requests from `1 << 31`.

use suara_proto::{MemberRef, RequestId};

/// Members from here on are visitors.
pub(crate) const FIRST_MEMBER: u32 = 1 << 31;
/// Requests from here on are the livechat's.
pub(crate) const FIRST_REQUEST: u32 = 1 << 30;
/// Up to here.
pub(super) const LAST_REQUEST: u32 = (1 << 31) - 1;

pub(super) fn is_ours(request: RequestId) -> bool {
    (FIRST_REQUEST..=LAST_REQUEST).contains(&request.0)
}

pub(super) fn is_visitor(member: MemberRef) -> bool {
    member.0 >= FIRST_MEMBER
}
