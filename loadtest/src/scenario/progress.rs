//! A bar while it runs; nothing where nobody looks.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far a part of the run has come, on standard error.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new(what: &'static str, length: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix:>8} [{bar:40}] {pos}/{len} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ "));
        bar.set_prefix(what);
        Self { bar }
    }

    pub(crate) fn at(&self, position: u64, failed: u64) {
        self.bar.set_position(position);
        if failed > 0 {
            self.bar.set_message(format!("{failed} failed"));
        }
    }

    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
