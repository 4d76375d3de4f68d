//! What other nodes' words lead to here. Nothing that waits happens in the order of words: it has a task of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use suara_proto::message::{LIVECHAT_PREFIX, encode};
use suara_store::Draft;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::bans::throw_out;
use super::{Answer, Arrival, LivechatWord, NodeId, Question, ToWord, Word, channels, decode};
use crate::core::Core;
use crate::hub::Said;
use crate::notices::{To, notification};
use crate::session::SessionId;

/// How often what words may have missed is read again from the store, and said again to others.
const HEAL_EVERY: Duration = Duration::from_secs(30);
/// Words that lead to something that waits, at a time. More are lost: who asks is answered by others, and asks again.
const AT_ONCE: usize = 1024;
/// Answers that are remembered: those of the time in which a question is asked again.
const REMEMBERED: usize = 256;

/// Hears words until the gateway stops, or nothing carries them any more.
pub(super) async fn hear(core: Arc<Core>, mut arrivals: mpsc::Receiver<Arrival>) {
    let mut ear = Ear::new(&core);
    let mut heal = interval(HEAL_EVERY);
    heal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            arrival = arrivals.recv() => match arrival {
                None => return,
                Some(Arrival::Word { from, bytes }) => match decode(&bytes) {
                    Ok(word) => {
                        core.words.0.metrics.heard();
                        ear.heard(from, word);
                    }
                    Err(fault) => {
                        core.words.0.metrics.unreadable();
                        tracing::debug!(%from, %fault, "a word makes no sense");
                    }
                },
                Some(Arrival::Came(node)) => core.livechat.introduce(&core.words, Some(node)),
                Some(Arrival::Gone(node)) => core.livechat.gone(node),
                Some(Arrival::Back) => ear.again(),
                Some(Arrival::Cut) => {}
            },
            _ = heal.tick() => ear.again(),
            _ = core.dismissed() => return,
        }
    }
}

/// What hearing takes.
struct Ear {
    core: Arc<Core>,
    recent: Recent,
    busy: Arc<Semaphore>,
    /// Messages of visitors' conversations, told in the order in which they were heard.
    said: mpsc::Sender<Said>,
}

impl Ear {
    fn new(core: &Arc<Core>) -> Self {
        let (said, mut telling) = mpsc::channel(AT_ONCE);
        let hub = core.hub.clone();
        core.tasks.spawn(async move {
            while let Some(said) = telling.recv().await {
                hub.heard(said).await;
            }
        });
        let busy = Arc::new(Semaphore::new(AT_ONCE));
        Self { core: core.clone(), recent: Recent::default(), busy, said }
    }

    /// Reads what may have been missed, and says what others may have.
    fn again(&self) {
        self.core.livechat.introduce(&self.core.words, None);
        self.later(async move |core| {
            for user in core.auth.bans().read_again().await {
                throw_out(&core, &user);
            }
            core.livechat.catch_up(core.chat.store()).await;
        });
    }

    fn heard(&mut self, from: NodeId, word: Word) {
        let core = &self.core;
        match word {
            Word::Banned { user, until: 0 } => core.auth.bans().is_lifted(&user),
            Word::Banned { user, until } => core.auth.bans().is_stored(&user, until),
            Word::Livechat(word) => self.livechat(from, word),
            Word::Answer { number, answer } => core.words.answered(from, number, answer),
            Word::Ask { number, question } => match self.recent.answer(core, (from, number), &question) {
                Some(answer) => core.words.tell(from, &Word::Answer { number, answer }),
                None => self.later(async move |core| {
                    let answer = answer(&core, question).await;
                    core.words.tell(from, &Word::Answer { number, answer });
                }),
            },
            Word::Notice { to, event, payload, id } => match serde_json::from_str(&payload) {
                Ok(payload) => self.notice(&id, &to, &event, &payload),
                Err(_) => core.words.0.metrics.unreadable(),
            },
            Word::Kept { user, id } => {
                if core.notices.takes(&user, &id) {
                    self.later(async move |core| core.notices.hand_over(&user).await);
                }
            }
        }
    }

    fn notice(&self, id: &str, to: &ToWord, event: &str, payload: &Value) {
        let to = match to {
            ToWord::Everybody => To::Everybody,
            ToWord::User(user) => To::User(user),
            ToWord::Role(role) => To::Role(role),
            ToWord::Channel(channel) => {
                if !self.core.notices.is_first(id) {
                    return;
                }
                let (channel, framed) = (channel.clone(), encode(&notification(None, event, payload, None)));
                return self.later(async move |core| {
                    core.hub.notice(&channel, framed).await;
                });
            }
        };
        self.core.notices.tell_all_once(id, to, event, payload);
    }

    fn livechat(&self, from: NodeId, word: LivechatWord) {
        let livechat = &self.core.livechat;
        match word {
            LivechatWord::Presence { session, name, open } => livechat.elsewhere(from, &session, &name, open),
            LivechatWord::Visitors { part, parts, open } => livechat.introduced(from, part, parts, open),
            LivechatWord::Typing { session, staff, user, name } => {
                livechat.typed(&session, staff, &name);
                if staff {
                    let channel = format!("{LIVECHAT_PREFIX}{session}");
                    self.core.hub.typing_in(&channel, &user.into(), &name.into());
                }
            }
            LivechatWord::Said { session, number, user, name, role, text, at } => {
                let channel: Arc<str> = format!("{LIVECHAT_PREFIX}{session}").into();
                let (user, name, role) = (user.into(), name.into(), role.into());
                let draft = Draft { channel, user, name, role, id: "".into(), text: text.into(), at };
                if livechat.heard(&draft, number) {
                    let channel = draft.channel.clone();
                    self.later(async move |core| core.livechat.mend(core.chat.store(), &channel).await);
                }
                // The visitor itself, or staff's answer to it: its channel is here if it is.
                let (session, member) = (SessionId::random(), None);
                let told = self.said.try_send(Said { draft, number, session, member });
                told.unwrap_or_else(|_| self.core.words.0.metrics.said(false));
            }
        }
    }

    /// Does something that waits.
    fn later<F>(&self, work: impl FnOnce(Arc<Core>) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Ok(turn) = self.busy.clone().try_acquire_owned() else {
            return self.core.words.0.metrics.said(false);
        };
        let work = work(self.core.clone());
        self.core.tasks.spawn(async move {
            work.await;
            drop(turn);
        });
    }
}

/// Questions that are answered at once, and not done twice when they are asked again.
#[derive(Default)]
struct Recent {
    answers: VecDeque<((NodeId, u64), Answer)>,
}

impl Recent {
    fn answer(&mut self, core: &Core, which: (NodeId, u64), question: &Question) -> Option<Answer> {
        if let Some((_, answer)) = self.answers.iter().find(|(known, _)| *known == which) {
            return Some(answer.clone());
        }
        let answer = match question {
            Question::Throw { user, until } => {
                // Before it is looked for: who comes in meanwhile is found, or refused.
                until.iter().for_each(|until| core.auth.bans().is_told(user, *until));
                Answer::Done(throw_out(core, user))
            }
            Question::Here { user } => Answer::Is(core.notices.is_here(user)),
            Question::Notify { user, event, payload, id } => {
                if let Ok(payload) = serde_json::from_str(payload) {
                    core.notices.tell_once(id, user, event, &payload);
                }
                Answer::Is(core.notices.is_here(user))
            }
            _ => return None,
        };
        self.answers.truncate(REMEMBERED - 1);
        self.answers.push_front((which, answer.clone()));
        Some(answer)
    }
}

async fn answer(core: &Arc<Core>, question: Question) -> Answer {
    match question {
        // These were answered at once.
        Question::Throw { .. } | Question::Here { .. } | Question::Notify { .. } => Answer::Is(false),
        Question::Find { mut users } => {
            users.retain(|user| !core.directory.find_callable(user).is_empty());
            Answer::Users(users)
        }
        Question::Ring { channel, call } => Answer::Done(core.ring(&channel, call.into())),
        Question::WhoseCall { channel } => {
            let room = core.hub.find(&channel);
            Answer::Call(room.and_then(|room| room.call).map(|call| (&*call).into()))
        }
        Question::Channels { after } => channels::channels(core, &after).await,
        Question::Members { channel, after, limit } => channels::members(core, &channel, after, limit).await,
        Question::IsIn { channel, user } => Answer::Is(channels::is_in(core, &channel, &user).await),
        Question::Mute { channel, talker, on } => {
            Answer::Is(channels::mute(core, &channel, talker, on).await)
        }
    }
}
