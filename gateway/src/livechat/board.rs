//! Who is in a conversation, and who of staff hears of all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use suara_proto::MemberRef;
use suara_proto::message::{Conversation, LivechatMessage, ServerLivechat, encode};
use suara_store::{Draft, Message, Recent};

use super::VisitorPasses;
use super::across::{draft_line, presence_word, said_word};
use super::elsewhere::Elsewhere;
use super::order::Order;
use super::visitor::{is_livechat, session_of};
use crate::auth::{Principal, Scope};
use crate::session::{ChatOutlet, SessionId};
use crate::words::{LivechatWord, Word, Words};

/// What a gateway has to be told of its livechat.
#[derive(Default)]
pub struct LivechatSettings {
    /// Makes visitors' tokens; without it they come with the deployment's.
    pub passes: Option<VisitorPasses>,
    /// Roles that answer visitors.
    pub staff: Vec<String>,
}

/// The livechat of a gateway; clones share it.
#[derive(Clone)]
pub struct Livechat(Arc<Inner>);

struct Inner {
    settings: LivechatSettings,
    board: Mutex<Board>,
    words: Words,
}

#[derive(Default)]
pub(super) struct Board {
    /// Sessions of staff, or their trunks. Each is told once, whoever of its members watches.
    watchers: HashMap<SessionId, Watcher>,
    /// Who is at this node.
    pub(super) open: HashMap<Arc<str>, Visiting>,
    pub(super) elsewhere: Elsewhere,
    /// What staff was told, where several nodes tell it.
    pub(super) order: Order,
}

struct Watcher {
    outlet: ChatOutlet,
    /// How often each watches: one that asks again does so before its earlier watch ends.
    members: BTreeMap<Option<MemberRef>, usize>,
}

pub(super) struct Visiting {
    pub(super) name: Arc<str>,
    connections: usize,
}

/// A visitor's presence, until it is dropped.
pub struct Visit {
    livechat: Livechat,
    session: Arc<str>,
}

/// One of staff who watches, until it is dropped.
pub struct Watch {
    livechat: Livechat,
    session: SessionId,
    member: Option<MemberRef>,
}

impl Livechat {
    /// With nobody there yet. Other nodes hear by `words` of who comes and what is said.
    #[must_use]
    pub fn new(settings: LivechatSettings, words: Words) -> Self {
        Self(Arc::new(Inner { settings, board: Mutex::default(), words }))
    }

    /// What makes visitors' tokens.
    #[must_use]
    pub fn passes(&self) -> Option<&VisitorPasses> {
        self.0.settings.passes.as_ref()
    }

    /// Whether somebody answers visitors.
    #[must_use]
    pub fn is_staff(&self, who: &Principal) -> bool {
        who.scope == Scope::User && self.0.settings.staff.iter().any(|role| **role == *who.role)
    }

    /// Tells a session of staff of everything from now on.
    #[must_use]
    pub fn watch(&self, session: SessionId, outlet: &ChatOutlet, member: Option<MemberRef>) -> Watch {
        let mut board = self.board();
        let empty = || Watcher { outlet: outlet.clone(), members: BTreeMap::new() };
        let watcher = board.watchers.entry(session).or_insert_with(empty);
        *watcher.members.entry(member).or_default() += 1;
        Watch { livechat: self.clone(), session, member }
    }

    /// A visitor has come.
    #[must_use]
    pub fn visit(&self, channel: &str, name: &Arc<str>) -> Option<Visit> {
        let session: Arc<str> = session_of(channel)?.into();
        let mut board = self.board();
        let visiting = board.open.entry(session.clone());
        let visiting = visiting.or_insert_with(|| Visiting { name: name.clone(), connections: 0 });
        visiting.connections += 1;
        if visiting.connections == 1 {
            if board.elsewhere.name(&session).is_none() {
                board.tell(&presence(&session, name, true));
            }
            self.0.words.say(&presence_word(&session, name, true));
        }
        Some(Visit { livechat: self.clone(), session })
    }

    /// Whether a visitor is here, at whatever node.
    #[must_use]
    pub fn is_open(&self, session: &str) -> bool {
        let board = self.board();
        board.open.contains_key(session) || board.elsewhere.name(session).is_some()
    }

    /// Something was stored here. Says whether earlier messages were missed, which another node stored: they and this one are
    /// told by [`Self::mend`].
    pub fn said(&self, draft: &Draft, number: u64) -> bool {
        let Some(session) = session_of(&draft.channel) else { return false };
        if self.0.words.has_carrier() {
            self.0.words.say(&said_word(session, draft, number));
            return self.heard(draft, number);
        }
        let board = self.board();
        if !board.watchers.is_empty() {
            board.tell_said(session, draft_line(draft, number));
        }
        false
    }

    /// Somebody writes here.
    pub fn typing(&self, session: &str, staff: bool, user: &str, name: &str) {
        self.typed(session, staff, name);
        let (session, user, name) = (session.to_owned(), user.to_owned(), name.to_owned());
        self.0.words.say(&Word::Livechat(LivechatWord::Typing { session, staff, user, name }));
    }

    /// The conversations that are open, and those that were last.
    pub fn conversations<'a>(&self, recent: &'a [Recent]) -> Vec<Conversation<'a>> {
        let board = self.board();
        let mut listed: Vec<_> = recent.iter().filter_map(|recent| conversation(recent, &board)).collect();
        let known: BTreeSet<String> = listed.iter().map(|listed| listed.session.to_string()).collect();
        // Nothing was said in these yet.
        let here = board.open.iter().map(|(session, visiting)| (session, &visiting.name));
        let silent = board.elsewhere.all().chain(here).filter(|(session, _)| !known.contains(&***session));
        let silent: BTreeMap<_, _> = silent.collect();
        listed.extend(silent.into_iter().map(|(session, name)| Conversation {
            session: session.to_string().into(),
            name: name.to_string().into(),
            open: true,
            last: None,
        }));
        listed
    }

    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    pub(super) fn tell(&self, message: &ServerLivechat<'_>) {
        if self.watchers.is_empty() {
            return;
        }
        let framed: Bytes = encode(message);
        for watcher in self.watchers.values() {
            watcher.outlet.send(framed.clone());
        }
    }
}

pub(super) fn presence<'a>(session: &'a str, name: &'a str, open: bool) -> ServerLivechat<'a> {
    ServerLivechat::Presence { session: session.into(), name: name.into(), open }
}

fn conversation<'a>(recent: &'a Recent, board: &Board) -> Option<Conversation<'a>> {
    let session = session_of(&recent.channel)?;
    let here = board.open.get(session).map(|visiting| &visiting.name);
    let open = here.or_else(|| board.elsewhere.name(session));
    let name = match open {
        Some(name) => name.to_string().into(),
        None => recent.visitor.as_deref().unwrap_or_default().into(),
    };
    Some(Conversation { session: session.into(), name, open: open.is_some(), last: Some(line(&recent.last)) })
}

/// A stored message in the words of the protocol.
#[must_use]
pub fn line(message: &Message) -> LivechatMessage<'_> {
    LivechatMessage {
        message: message.number,
        staff: !is_livechat(&message.user),
        user: (&*message.user).into(),
        name: (&*message.name).into(),
        text: (&*message.text).into(),
        at: message.at,
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut board = self.livechat.board();
        let Some(visiting) = board.open.get_mut(&self.session) else { return };
        visiting.connections -= 1;
        if visiting.connections == 0 {
            let name = visiting.name.clone();
            board.open.remove(&self.session);
            if board.elsewhere.name(&self.session).is_none() {
                board.tell(&presence(&self.session, &name, false));
            }
            self.livechat.0.words.say(&presence_word(&self.session, &name, false));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut board = self.livechat.board();
        let Some(watcher) = board.watchers.get_mut(&self.session) else { return };
        if let Some(watches) = watcher.members.get_mut(&self.member) {
            *watches -= 1;
            if *watches == 0 {
                watcher.members.remove(&self.member);
            }
        }
        if watcher.members.is_empty() {
            board.watchers.remove(&self.session);
        }
    }
}
