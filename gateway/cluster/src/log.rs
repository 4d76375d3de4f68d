//! The newest entries, for those who missed some.

use std::collections::VecDeque;

use crate::entry::{Entry, Step};
use crate::ids::Term;

/// What is known of an entry for certain: two logs that have the same mark are the same up to it.
pub(crate) type Mark = (Term, u64);

#[derive(Debug, Default)]
pub(crate) struct Log {
    /// The entry before the first that is kept.
    base: Mark,
    /// Each with its term.
    entries: VecDeque<(Term, Entry)>,
    kept: usize,
}

impl Log {
    pub(crate) fn new(kept: usize) -> Self {
        Self { kept, ..Self::default() }
    }

    /// Begins anew after an entry.
    pub(crate) fn reset(&mut self, base: Mark) {
        self.base = base;
        self.entries.clear();
    }

    pub(crate) fn push(&mut self, term: Term, entry: Entry) {
        self.entries.push_back((term, entry));
        if self.entries.len() > self.kept
            && let Some((term, _)) = self.entries.pop_front()
        {
            self.base = (term, self.base.1 + 1);
        }
    }

    /// The term of an entry, as far as it is known.
    pub(crate) fn term(&self, index: u64) -> Option<Term> {
        if index == self.base.1 {
            return Some(self.base.0);
        }
        let offset = usize::try_from(index.checked_sub(self.base.1 + 1)?).ok()?;
        self.entries.get(offset).map(|(term, _)| *term)
    }

    /// At most so many entries after one, and the term of that one.
    pub(crate) fn after(&self, index: u64, count: usize) -> Option<(Term, Vec<Entry>)> {
        let prior = self.term(index)?;
        let from = usize::try_from(index - self.base.1).ok()?;
        let entries = self.entries.iter().skip(from).take(count);
        Some((prior, entries.map(|(_, entry)| entry.clone()).collect()))
    }
}

/// The term that holds after an entry.
pub(crate) fn term_after(before: Term, entry: &Entry) -> Term {
    match entry.step {
        Step::Term { term, .. } => term,
        _ => before,
    }
}
