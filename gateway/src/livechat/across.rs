//! The livechat across nodes: what is said of visitors to other nodes, and what is heard of theirs.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use suara_proto::message::{LIVECHAT_PREFIX, LivechatMessage, ServerLivechat};
use suara_store::{Draft, Span, Store};

use super::board::{Board, Livechat, line, presence};
use super::elsewhere::{Change, parts};
use super::order::Turn;
use super::visitor::{is_livechat, session_of};
use crate::words::{LivechatWord, NodeId, Word, Words};

/// Conversations that are looked at after words may have been lost.
const RECENT: u32 = 100;
/// Messages that are read at once where some were missed.
const PAGE: u32 = 100;
/// A message that is older than this when a conversation is first heard of was in everybody's inbox: twice the time between
/// two readings.
const NEWS_MS: u64 = 60_000;

impl Livechat {
    /// Says who is here, to one node or to all.
    pub fn introduce(&self, words: &Words, node: Option<NodeId>) {
        let open: Vec<_> = {
            let board = self.board();
            board.open.iter().map(|(session, at)| (session.clone(), at.name.clone())).collect()
        };
        let all = parts(&open);
        let parts = u16::try_from(all.len()).unwrap_or(u16::MAX);
        for (part, open) in (0..parts).zip(all) {
            let word = Word::Livechat(LivechatWord::Visitors { part, parts, open });
            match node {
                Some(node) => words.tell(node, &word),
                None => words.say(&word),
            }
        }
    }

    /// A node says who is there.
    pub fn introduced(&self, node: NodeId, part: u16, parts: u16, open: Vec<(String, String)>) {
        let mut board = self.board();
        let changes = board.elsewhere.replace(node, (part, parts), open);
        board.changed(&changes);
    }

    /// A visitor has come to a node, or gone from it.
    pub fn elsewhere(&self, node: NodeId, session: &str, name: &str, open: bool) {
        let mut board = self.board();
        let change = board.elsewhere.set(node, session, name, open);
        board.changed(change.as_slice());
    }

    /// A node is dead.
    pub fn gone(&self, node: NodeId) {
        let mut board = self.board();
        let changes = board.elsewhere.gone(node);
        board.changed(&changes);
    }

    /// Somebody writes, here or elsewhere.
    pub fn typed(&self, session: &str, staff: bool, name: &str) {
        let (session, name) = (session.into(), name.into());
        self.board().tell(&ServerLivechat::Typing { session, staff, name });
    }

    /// A message is stored, here or elsewhere. Says whether others were missed: then it is told with them, by [`Self::mend`].
    pub fn heard(&self, draft: &Draft, number: u64) -> bool {
        let Some(session) = session_of(&draft.channel) else { return false };
        let mut board = self.board();
        match board.order.take(session, number) {
            Turn::Known => false,
            Turn::Missed { .. } => true,
            Turn::Tell => {
                board.tell_said(session, draft_line(draft, number));
                false
            }
        }
    }

    /// Tells what of a conversation was missed.
    pub async fn mend(&self, store: &Store, channel: &str) {
        let Some(session) = session_of(channel) else { return };
        while let Some(after) = self.told(session) {
            let span = Span { before: None, after: Some(after), limit: PAGE };
            let Ok(page) = store.history(channel, span).await else { return };
            let mut board = self.board();
            for message in &page.messages {
                if board.order.settle(session, message.number) {
                    board.tell_said(session, line(message));
                }
            }
            if !page.more {
                return;
            }
        }
    }

    /// Tells what was said while no word was heard.
    pub async fn catch_up(&self, store: &Store) {
        if !store.is_up() {
            return;
        }
        let Ok(recent) = store.recent(LIVECHAT_PREFIX, RECENT).await else { return };
        for recent in recent {
            let Some(session) = session_of(&recent.channel) else { continue };
            match self.told(session) {
                Some(told) if told >= recent.last.number => {}
                Some(_) => self.mend(store, &recent.channel).await,
                None => {
                    let mut board = self.board();
                    let is_news = recent.last.at + NEWS_MS > unix_ms();
                    if board.order.settle(session, recent.last.number) && is_news {
                        board.tell_said(session, line(&recent.last));
                    }
                }
            }
        }
    }

    fn told(&self, session: &str) -> Option<u64> {
        self.board().order.told(session)
    }
}

impl Board {
    /// Tells staff of visitors that have come or gone elsewhere, but of those who are here all the while.
    fn changed(&self, changes: &[Change]) {
        for Change { session, name, open } in changes {
            if !self.open.contains_key(session) {
                self.tell(&presence(session, name, *open));
            }
        }
    }

    pub(super) fn tell_said(&self, session: &str, said: LivechatMessage<'_>) {
        self.tell(&ServerLivechat::Said { session: session.into(), said });
    }
}

/// What was sent, as staff is told of it.
pub(super) fn draft_line(draft: &Draft, number: u64) -> LivechatMessage<'_> {
    LivechatMessage {
        message: number,
        staff: !is_livechat(&draft.user),
        user: (&*draft.user).into(),
        name: (&*draft.name).into(),
        text: (&*draft.text).into(),
        at: draft.at,
    }
}

/// The word for a stored message.
pub(super) fn said_word(session: &str, draft: &Draft, number: u64) -> Word {
    Word::Livechat(LivechatWord::Said {
        session: session.to_owned(),
        number,
        user: draft.user.to_string(),
        name: draft.name.to_string(),
        role: draft.role.to_string(),
        text: draft.text.to_string(),
        at: draft.at,
    })
}

/// The word for a visitor who has come or gone.
pub(super) fn presence_word(session: &Arc<str>, name: &Arc<str>, open: bool) -> Word {
    let (session, name) = (session.to_string(), name.to_string());
    Word::Livechat(LivechatWord::Presence { session, name, open })
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
