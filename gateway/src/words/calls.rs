//! Calls between users of several nodes: who can be called where, and that they are put into the call's channel.

use std::collections::BTreeSet;
use std::time::Duration;

use suara_proto::TalkerNumber;

use super::{Answer, CallWord, Question, Words};
use crate::core::Core;
use crate::directory::{Whereabouts, Wish};
use crate::hub::{Call, is_call, names_call};

/// A call's channel that nobody has entered by then is given up.
const TO_ENTER: Duration = Duration::from_secs(5);

impl Words {
    /// Which of a call's users can be called at other nodes.
    pub async fn find_callable(&self, call: &Call) -> BTreeSet<String> {
        let users = call.users.iter().skip(1).map(ToString::to_string).collect();
        let answers = self.ask(Question::Find { users }, |_| false).await;
        let found = answers.into_iter().flat_map(|(_, answer)| match answer {
            Answer::Users(users) => users,
            _ => Vec::new(),
        });
        let is_called = |user: &String| call.users.iter().skip(1).any(|called| **called == **user);
        found.filter(is_called).collect()
    }

    /// Has other nodes bring those of a call who are there into its channel.
    pub async fn ring(&self, channel: String, call: CallWord) {
        self.ask(Question::Ring { channel, call }, |_| false).await;
    }
}

impl Core {
    /// Brings those of another node's call who are here into its channel; says how many are asked to.
    pub(crate) fn ring(&self, channel: &str, call: Call) -> u32 {
        let called = call.users.iter().skip(1).flat_map(|user| self.directory.find_callable(user));
        let called: Vec<Whereabouts> = called.collect();
        if called.is_empty() || !is_call(channel) {
            return 0;
        }
        let room = self.hub.call_of(channel, call);
        let mut rung = 0;
        for Whereabouts { member, wishes, .. } in called {
            rung += u32::from(wishes.push(Wish::Enter { member, room: room.clone() }));
        }
        self.tasks.spawn(async move {
            tokio::time::sleep(TO_ENTER).await;
            // Whoever looks at a channel that is empty ends it.
            drop(room.glance(TalkerNumber(0), 0).await);
        });
        rung
    }

    /// Whether other nodes are to be asked for a call by its name.
    pub(crate) fn seeks_call(&self, channel: &str) -> bool {
        if !names_call(channel) || self.words.is_alone() || self.hub.find(channel).is_some() {
            return false;
        }
        let is_unknown = self.words.0.unknown_calls.has(channel);
        if is_unknown {
            self.words.0.metrics.unknown_call();
        }
        !is_unknown
    }

    /// Opens the channel of a call that is made at another node, for one who comes to it by its name.
    pub(crate) async fn find_call(&self, channel: &str) {
        let known = |answer: &Answer| matches!(answer, Answer::Call(Some(_)));
        let (name, others) = (channel.to_owned(), self.words.others().len());
        self.words.0.metrics.sought_call();
        let answers = self.words.ask(Question::WhoseCall { channel: name.clone() }, known).await;
        let is_sure = answers.len() >= others;
        let call = answers.into_iter().find_map(|(_, answer)| match answer {
            Answer::Call(call) => call,
            _ => None,
        });
        match call {
            Some(call) => drop(self.hub.call_of(channel, call.into())),
            None if is_sure => self.words.0.unknown_calls.note(name).await,
            // Whoever didn't answer may know it.
            None => {}
        }
    }
}
