//! The progress of a long command, on standard error if it is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The interval between two updates: often enough to see progress, rarely enough to cost nothing.
pub(super) const INTERVAL: Duration = Duration::from_millis(300);

/// A line on a terminal that is overwritten.
pub(super) struct Progress {
    /// The time of the last update; `None` without a terminal.
    shown: Option<Instant>,
    /// The number of columns to erase.
    width: usize,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { shown: io::stderr().is_terminal().then(Instant::now), width: 0 }
    }

    /// Shows a text without control characters if it is time to.
    pub(super) fn show(&mut self, text: impl FnOnce() -> String) {
        if self.shown.is_some_and(|shown| shown.elapsed() >= INTERVAL) {
            let text = text();
            let width = self.width;
            self.shown = Some(Instant::now());
            self.width = text.chars().count();
            let _ = write!(io::stderr().lock(), "\r{text:width$}");
        }
    }

    /// Erases the line, so that another one can be printed.
    pub(super) fn erase(&mut self) {
        if self.width > 0 {
            let _ = write!(io::stderr().lock(), "\r{:1$}\r", "", self.width);
            self.width = 0;
        }
    }
}
