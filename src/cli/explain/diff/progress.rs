//! The progress of a long log, on standard error if it is a terminal.

use crate::cli::counted;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The interval between two updates: often enough to see progress, rarely enough to cost nothing.
const INTERVAL: Duration = Duration::from_millis(300);

/// A line on a terminal that is overwritten.
pub(super) struct Progress {
    /// The time of the last update; `None` without a terminal.
    shown: Option<Instant>,
    /// True if there is a line to erase.
    is_visible: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { shown: io::stderr().is_terminal().then(Instant::now), is_visible: false }
    }

    /// Shows the numbers if it is time to.
    pub(super) fn show(&mut self, lines: usize, changed: usize) {
        if self.shown.is_some_and(|shown| shown.elapsed() >= INTERVAL) {
            self.shown = Some(Instant::now());
            self.is_visible = true;
            let _ = write!(io::stderr().lock(), "\r{}, {changed} changed", counted(lines, "line", "lines"));
        }
    }

    /// Erases the line.
    pub(super) fn end(self) {
        if self.is_visible {
            let _ = write!(io::stderr().lock(), "\r{:40}\r", "");
        }
    }
}
