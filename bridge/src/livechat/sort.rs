//! Which of the trunk's events are the livechat's: told by the numbers in them.

use tokio::sync::mpsc;

use super::numbers::{is_ours, is_visitor};
use crate::trunk::{ChatEvent, TrunkEvent};

type Events = mpsc::UnboundedReceiver<TrunkEvent>;

/// Parts the trunk's events, in order: the first receiver gets those of Socket.IO clients, the second the livechat's.
pub(crate) fn sort(mut events: Events) -> (Events, Events) {
    let ((to_clients, clients), (to_visitors, visitors)) =
        (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            let (for_clients, for_visitors) = part(event);
            let told = [(for_clients, &to_clients), (for_visitors, &to_visitors)]
                .into_iter()
                .all(|(event, to)| event.is_none_or(|event| to.send(event).is_ok()));
            if !told {
                return;
            }
        }
    });
    (clients, visitors)
}

fn part(event: TrunkEvent) -> (Option<TrunkEvent>, Option<TrunkEvent>) {
    let livechat = match &event {
        TrunkEvent::Up(link) => return (Some(TrunkEvent::Up(link.clone())), Some(event)),
        TrunkEvent::Down { reason } => {
            return (Some(TrunkEvent::Down { reason: reason.clone() }), Some(event));
        }
        TrunkEvent::VisitorSession { .. } => true,
        TrunkEvent::Attached { request, .. } | TrunkEvent::Refused { request, .. } => is_ours(*request),
        TrunkEvent::Joined(joined) => is_ours(joined.request),
        TrunkEvent::Detached { member, .. } | TrunkEvent::Left { member, .. } => is_visitor(*member),
        TrunkEvent::Staff(_) => true,
        TrunkEvent::Chat { channel, chat } => match chat {
            // What is said in a channel is known by its number alone, of which each desk knows its own.
            ChatEvent::Said { .. } | ChatEvent::Typing { .. } => {
                let copy = TrunkEvent::Chat { channel: *channel, chat: chat.clone() };
                return (Some(copy), Some(event));
            }
            ChatEvent::Page { request, .. } | ChatEvent::NoPage { request, .. } => is_ours(*request),
            ChatEvent::Stored { member, .. } | ChatEvent::NotStored { member, .. } => is_visitor(*member),
        },
        TrunkEvent::Roster { .. }
        | TrunkEvent::Floor { .. }
        | TrunkEvent::Alert { .. }
        | TrunkEvent::Called(_)
        | TrunkEvent::Brought { .. }
        | TrunkEvent::Raised { .. }
        | TrunkEvent::Rights { .. }
        | TrunkEvent::Verified { .. }
        | TrunkEvent::Notified { .. }
        | TrunkEvent::GuestSession { .. }
        | TrunkEvent::Notification { .. } => false,
    };
    if livechat { (None, Some(event)) } else { (Some(event), None) }
}
