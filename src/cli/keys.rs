//! Published keys for commands, which ask each provider once and follow none.

use super::{fail, runtime, say};
use crate::config::Config;
use modgud_core::time::Timestamp;
use std::io;

/// What is told on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Every provider, with its keys: on standard output.
    Everything,
    /// Those that could not be asked only: on standard error.
    Failures,
}

/// Whether every provider gave keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetched {
    /// Each did, or there is none.
    All,
    /// One at least did not.
    NotAll,
}

/// Asks every provider of a configuration for its keys, which its authenticators then have as those of `now`.
///
/// # Errors
/// What the system says when there is no runtime to ask with.
pub(super) fn fetch(config: &Config, now: Timestamp, progress: Progress) -> io::Result<Fetched> {
    if config.key_sources.is_empty() {
        return Ok(Fetched::All);
    }
    runtime().map(|runtime| runtime.block_on(each(config, now, progress)))
}

async fn each(config: &Config, now: Timestamp, progress: Progress) -> Fetched {
    let mut fetched = Fetched::All;
    for source in &config.key_sources {
        let location = &source.provider.location;
        if progress == Progress::Everything {
            say(format_args!("  {location}: fetching"));
        }
        match (source.fetch_once(now).await, progress) {
            (Ok(_), Progress::Failures) => {}
            (Ok(keys), Progress::Everything) => {
                keys.usable.iter().for_each(|key| say(format_args!("    key {key}")));
                keys.skipped.iter().for_each(|key| say(format_args!("    not used: {key}")));
            }
            (Err(error), Progress::Everything | Progress::Failures) => {
                fail(format_args!("{location}: {error}"));
                fetched = Fetched::NotAll;
            }
        }
    }
    fetched
}
