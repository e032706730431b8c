//! Published keys for commands, which fetch from each provider once and don't refresh.

use super::{fail, runtime, say};
use crate::config::Config;
use modgud_core::time::Timestamp;
use std::io;

/// Verbosity of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Every provider and its keys, on standard output.
    Everything,
    /// Failed providers only, on standard error.
    Failures,
}

/// The outcome of fetching from all providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetched {
    /// Every provider returned keys, or there are no providers.
    All,
    /// At least one provider failed.
    NotAll,
}

/// Fetches the keys of every provider of a configuration, and hands them to its authenticators as of `now`.
///
/// # Errors
/// The system's error if no runtime can be created.
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
