//! Showing how far something is: a live bar on a terminal, a line for each change elsewhere.

use super::goal::{Look, Measure};
use crate::cli::{text::clean, ui::Ui};
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// What is shown while waiting.
pub(super) struct Display {
    object: String,
    /// What was said last, so that it is said once.
    last: String,
    bar: Option<ProgressBar>,
}

impl Display {
    /// Begins. `live` says whether a person watches.
    pub(super) fn new(object: &str, live: bool) -> Self {
        let bar = live.then(|| {
            let bar = ProgressBar::new_spinner().with_style(spinner());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { object: object.to_owned(), last: String::new(), bar }
    }

    /// Shows a look.
    pub(super) fn show(&mut self, ui: &mut Ui, look: &Look) {
        let Some(bar) = &self.bar else {
            let line = look.summary(true);
            return self.say(ui, line);
        };
        let stage = format!("{:?}", look.stage());
        if !self.last.is_empty() && self.last != stage {
            bar.println(bar.message());
        }
        self.last = stage;
        match look.measure() {
            Some(Measure::Bytes(progress)) => {
                bar.set_style(measured());
                bar.set_length(progress.total);
                bar.set_position(progress.done);
            }
            Some(Measure::Percent(percent)) => {
                bar.set_style(rated());
                bar.set_length(100);
                bar.set_position(percent.into());
            }
            None => bar.set_style(spinner()),
        }
        bar.set_message(clean(&format!("{}: {}", self.object, look.summary(false))));
    }

    /// Shows that there is nothing to see just now.
    pub(super) fn trouble(&mut self, ui: &mut Ui, why: &str) {
        let line = format!("no news, trying on: {why}");
        match &self.bar {
            Some(bar) => {
                bar.set_style(spinner());
                bar.set_message(clean(&format!("{}: {line}", self.object)));
            }
            None => self.say(ui, line),
        }
    }

    /// Says something beside.
    pub(super) fn remark(&self, ui: &mut Ui, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(clean(&format!("billet: {text}"))),
            None => ui.note(text),
        }
    }

    /// Ends. What was shown last stays.
    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.println(bar.message());
            bar.finish_and_clear();
        }
    }

    /// Says a line, once.
    fn say(&mut self, ui: &mut Ui, line: String) {
        if line != self.last {
            ui.note(&clean(&format!("{}: {line}", self.object)));
            self.last = line;
        }
    }
}

/// For what can't be measured.
fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// For what somebody else measures.
fn rated() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} {wide_bar} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// For what can be measured.
fn measured() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} {wide_bar} {binary_bytes_per_sec} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
