//! Throwing users out, of whatever node they are at.

use super::{Answer, Question};
use crate::core::Core;
use crate::directory::Wish;

/// Ends all sessions of a user; says how many there are.
pub(super) fn throw_out(core: &Core, user: &str) -> u32 {
    let places = core.directory.find(user);
    for place in &places {
        place.wishes.push(Wish::Kick { member: place.member });
    }
    u32::try_from(places.len()).unwrap_or(u32::MAX)
}

impl Core {
    /// Ends all sessions of a user at all nodes, and where a time is said keeps it out of the others until then: this one has to
    /// know of that already, so that who comes in meanwhile is found or refused. Says how many sessions there were, at the nodes
    /// that answer.
    pub(crate) async fn throw_out(&self, user: &str, until: Option<u64>) -> u32 {
        let here = throw_out(self, user);
        let question = Question::Throw { user: user.to_owned(), until };
        let answers = self.words.ask(question, |_| false).await;
        let elsewhere = answers.iter().map(|(_, answer)| match answer {
            Answer::Done(sessions) => *sessions,
            _ => 0,
        });
        elsewhere.fold(here, u32::saturating_add)
    }
}
