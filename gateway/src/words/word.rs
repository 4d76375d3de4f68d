//! The words, and their form: MessagePack with named fields, in an envelope that names the version. A field that a newer node
//! adds is passed over by an older one, and so is a word that it doesn't know.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use suara_proto::limits::{MAX_CALLED, MAX_CHANNEL_NAME, MAX_EVENT_NAME, MAX_USER_NAME};
use suara_proto::message::{CallKind, LIVECHAT_PREFIX};
use suara_proto::text::is_plain;
use thiserror::Error;

use crate::hub::Call;

/// Bytes of one word. A notification has 60 KiB and a page of 100 members 40; higher lets one word hold up those behind it.
pub const MAX_WORD: usize = 128 * 1024;

/// Bytes of a notification's id: a bridge's name for it, and a number.
const MAX_ID: usize = 96;

/// What this gateway says. Words of another version are not read.
const VERSION: u8 = 1;

/// What one node says to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// A user's ban is in the store: until when, in milliseconds since 1970; 0 when it is lifted.
    Banned {
        /// The user.
        user: String,
        /// The end.
        until: u64,
    },
    /// A notification that came to that node alone.
    Notice {
        /// Whom it is for.
        to: ToWord,
        /// The event's name.
        event: String,
        /// What it says, as JSON.
        payload: String,
        /// What it is known by; empty from an older node.
        #[serde(default)]
        id: String,
    },
    /// A notification was kept for a user, who may have come meanwhile.
    Kept {
        /// The user.
        user: String,
        /// What it is known by; empty from an older node.
        #[serde(default)]
        id: String,
    },
    /// About a visitor.
    Livechat(LivechatWord),
    /// Asks for something; each node answers the one that asks.
    Ask {
        /// Repeated in the answer.
        number: u64,
        /// What.
        question: Question,
    },
    /// The answer.
    Answer {
        /// Of the question.
        number: u64,
        /// What.
        answer: Answer,
    },
}

/// For whom a notification is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToWord {
    /// Every session.
    Everybody,
    /// A user's.
    User(String),
    /// Those whose token has that role.
    Role(String),
    /// Those in the channel of that name.
    Channel(String),
}

/// About a visitor's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LivechatWord {
    /// A message is stored.
    Said {
        /// The session.
        session: String,
        /// The message's number there.
        number: u64,
        /// Who said it.
        user: String,
        /// By which name.
        name: String,
        /// In which role.
        role: String,
        /// What.
        text: String,
        /// When, in milliseconds since 1970.
        at: u64,
    },
    /// Somebody writes.
    Typing {
        /// The session.
        session: String,
        /// Whether it is staff.
        staff: bool,
        /// Who.
        user: String,
        /// By which name.
        name: String,
    },
    /// A visitor has come to that node, or has gone from it.
    Presence {
        /// The session.
        session: String,
        /// The visitor's name.
        name: String,
        /// Which of both.
        open: bool,
    },
    /// Who of a part of all sessions is at that node: session and name.
    Visitors {
        /// Which part.
        part: u16,
        /// Of how many.
        parts: u16,
        /// All that are in it.
        open: Vec<(String, String)>,
    },
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// To throw a user out, and where a time is said to keep it out until then.
    Throw {
        /// The user.
        user: String,
        /// The end of the ban, in milliseconds since 1970.
        until: Option<u64>,
    },
    /// Whether a user is there, by whatever client.
    Here {
        /// The user.
        user: String,
    },
    /// To tell a user's sessions there of a notification, and whether there are any clients of that user.
    Notify {
        /// The user.
        user: String,
        /// The event's name.
        event: String,
        /// What it says, as JSON.
        payload: String,
        /// What it is known by; empty from an older node.
        #[serde(default)]
        id: String,
    },
    /// Which of these users can be called there.
    Find {
        /// The users.
        users: Vec<String>,
    },
    /// To bring those of a call who are there into its channel.
    Ring {
        /// The channel's name.
        channel: String,
        /// Whom the call is between.
        call: CallWord,
    },
    /// Whom the call is between whose channel has that name.
    WhoseCall {
        /// The channel's name.
        channel: String,
    },
    /// Channels with somebody in them, by name, after the one of that name.
    Channels {
        /// Empty for the first.
        after: String,
    },
    /// Members of a channel, after the one of that number.
    Members {
        /// The channel's name.
        channel: String,
        /// 0 for the first.
        after: u16,
        /// How many at most.
        limit: u32,
    },
    /// Whether a user is in a channel.
    IsIn {
        /// The channel's name.
        channel: String,
        /// The user.
        user: String,
    },
    /// A dispatcher's mute, or its end.
    Mute {
        /// The channel's name.
        channel: String,
        /// The member.
        talker: u16,
        /// Which of both.
        on: bool,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done, to so many.
    Done(u32),
    /// Yes or no.
    Is(bool),
    /// These.
    Users(Vec<String>),
    /// That call, if there is one.
    Call(Option<CallWord>),
    /// A page of channels, and whether more come after those.
    Channels(Vec<ChannelWord>, bool),
    /// A page of members, how many there are, and whether more come after those; nothing, where the channel isn't there.
    Members(Option<(Vec<MemberWord>, u32, bool)>),
}

/// Whom a call is between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallWord {
    /// How many.
    pub kind: CallKind,
    /// Who called.
    pub by: String,
    /// By which name.
    pub name: String,
    /// All users, the caller first.
    pub users: Vec<String>,
}

/// A channel at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelWord {
    /// Its name.
    pub name: String,
    /// How many are in it.
    pub members: u32,
    /// Who has the floor.
    pub talking: Vec<u16>,
}

/// One who is in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberWord {
    /// Its number.
    pub talker: u16,
    /// The user.
    pub user: String,
    /// The name to show.
    pub name: String,
    /// The role.
    pub role: String,
    /// It has no right to talk.
    pub listen_only: bool,
    /// A dispatcher doesn't let it talk.
    pub muted: bool,
    /// Its transport is lost.
    pub unreachable: bool,
    /// It has the floor.
    pub talking: bool,
}

/// Why bytes are no word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// More than a word may have.
    #[error("the word is too large")]
    Oversized,
    /// No MessagePack, or no word that is known here.
    #[error("the word can't be read")]
    Malformed,
    /// Of another version.
    #[error("the word is of another version")]
    Version,
    /// A name or a list in it is out of range.
    #[error("the word names what nobody can be called")]
    Field,
}

#[derive(Serialize)]
struct Saying<'a> {
    version: u8,
    word: &'a Word,
}

/// The version first, and alone: the rest may be anything in another one.
#[derive(Deserialize)]
struct Said {
    version: u8,
}

#[derive(Deserialize)]
struct Heard {
    word: Word,
}

/// As it goes to other nodes; nothing, when it has more bytes than they take.
#[must_use]
pub fn encode(word: &Word) -> Option<Bytes> {
    let bytes = rmp_serde::to_vec_named(&Saying { version: VERSION, word }).ok()?;
    (bytes.len() <= MAX_WORD).then(|| bytes.into())
}

/// Reads what came.
///
/// # Errors
/// When it is no word of this version, or one with a name that nobody has.
pub fn decode(bytes: &[u8]) -> Result<Word, Fault> {
    if bytes.len() > MAX_WORD {
        return Err(Fault::Oversized);
    }
    let Said { version } = rmp_serde::from_slice(bytes).map_err(|_| Fault::Malformed)?;
    if version != VERSION {
        return Err(Fault::Version);
    }
    let Heard { word } = rmp_serde::from_slice(bytes).map_err(|_| Fault::Malformed)?;
    if word.is_sound() { Ok(word) } else { Err(Fault::Field) }
}

fn is_user(name: &str) -> bool {
    is_plain(name, MAX_USER_NAME)
}

fn is_channel(name: &str) -> bool {
    is_plain(name, MAX_CHANNEL_NAME)
}

fn is_session(name: &str) -> bool {
    is_plain(name, MAX_CHANNEL_NAME - LIVECHAT_PREFIX.len())
}

impl Word {
    fn is_sound(&self) -> bool {
        match self {
            Self::Banned { user, .. } => is_user(user),
            Self::Kept { user, id } => is_user(user) && id.len() <= MAX_ID,
            Self::Notice { to, event, id, .. } => {
                to.is_sound() && is_plain(event, MAX_EVENT_NAME) && id.len() <= MAX_ID
            }
            Self::Livechat(word) => word.is_sound(),
            Self::Ask { question, .. } => question.is_sound(),
            Self::Answer { answer: Answer::Call(Some(call)), .. } => call.is_sound(),
            Self::Answer { .. } => true,
        }
    }
}

impl ToWord {
    fn is_sound(&self) -> bool {
        match self {
            Self::Everybody => true,
            Self::User(name) | Self::Role(name) => is_user(name),
            Self::Channel(name) => is_channel(name),
        }
    }
}

impl LivechatWord {
    fn is_sound(&self) -> bool {
        match self {
            Self::Said { session, user, .. } | Self::Typing { session, user, .. } => {
                is_session(session) && is_user(user)
            }
            Self::Presence { session, name, .. } => is_session(session) && is_user(name),
            Self::Visitors { part, parts, open } => {
                part < parts && open.iter().all(|(session, name)| is_session(session) && is_user(name))
            }
        }
    }
}

impl Question {
    fn is_sound(&self) -> bool {
        match self {
            Self::Throw { user, .. } | Self::Here { user } => is_user(user),
            Self::Notify { user, event, id, .. } => {
                is_user(user) && is_plain(event, MAX_EVENT_NAME) && id.len() <= MAX_ID
            }
            Self::Find { users } => users.len() <= MAX_CALLED && users.iter().all(|user| is_user(user)),
            Self::Ring { channel, call } => is_channel(channel) && call.is_sound(),
            Self::IsIn { channel, user } => is_channel(channel) && is_user(user),
            Self::Channels { after } => after.is_empty() || is_channel(after),
            Self::WhoseCall { channel } | Self::Members { channel, .. } | Self::Mute { channel, .. } => {
                is_channel(channel)
            }
        }
    }
}

impl CallWord {
    fn is_sound(&self) -> bool {
        let few = (2..=MAX_CALLED + 1).contains(&self.users.len());
        few && is_user(&self.by) && is_user(&self.name) && self.users.iter().all(|user| is_user(user))
    }
}

impl From<&Call> for CallWord {
    fn from(Call { kind, by, name, users }: &Call) -> Self {
        let users = users.iter().map(ToString::to_string).collect();
        Self { kind: *kind, by: by.to_string(), name: name.to_string(), users }
    }
}

impl From<CallWord> for Call {
    fn from(CallWord { kind, by, name, users }: CallWord) -> Self {
        let users = users.into_iter().map(Into::into).collect();
        Self { kind, by: by.into(), name: name.into(), users }
    }
}

#[cfg(test)]
#[path = "word_tests.rs"]
mod tests;
