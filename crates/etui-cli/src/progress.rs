//! A bar for work that takes a while, where somebody watches.

use indicatif::{ProgressBar, ProgressStyle};

use crate::context::Context;

/// A progress bar on standard error, or nothing at all.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// `total`: steps, as far as known.
    pub(crate) fn start(context: &Context, total: usize, what: &'static str) -> Self {
        if !context.output.is_watched() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(total as u64).with_message(what);
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:32} {pos}/{len}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// So many steps of so many are done.
    pub(crate) fn set(&self, done: usize, total: usize) {
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
