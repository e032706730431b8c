//! Log messages about a provider: one per change, not one per fetch.

use super::cache_file::CacheError;
use super::provider::KeysError;
use super::source::Provider;
use modgud_core::jose::{KeySet, SkippedKey, VerificationKey};
use modgud_core::time::Timestamp;
use std::path::Path;

/// The last logged state.
#[derive(Debug, Default)]
pub(super) struct StateLog {
    failing: bool,
    not_kept: bool,
    keys: Option<Summary>,
}

/// Descriptions of usable and unusable keys.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    /// The usable keys.
    pub usable: Vec<String>,
    /// The unusable keys, and why.
    pub skipped: Vec<String>,
}

/// Describes a JWKS.
pub(super) fn summary(keys: &KeySet, skipped: &[SkippedKey]) -> Summary {
    let usable = keys.keys().iter().map(in_words).collect();
    Summary { usable, skipped: skipped.iter().map(ToString::to_string).collect() }
}

/// Describes a key for people.
#[must_use]
pub fn in_words(key: &VerificationKey) -> String {
    let id = key.id().map(|id| format!(", id {id}")).unwrap_or_default();
    format!("{}: {} {} bits{id}", key.fingerprint(), key.key_type().name(), key.bits())
}

impl StateLog {
    /// Logs the provider's keys.
    pub(super) fn keys(&mut self, provider: &Provider, keys: Summary) {
        if self.keys.as_ref() == Some(&keys) {
            return;
        }
        let location = &provider.location;
        let usable = keys.usable.join("; ");
        if keys.skipped.is_empty() {
            tracing::info!(provider = %location, keys = usable, "the provider's keys have changed");
        } else {
            let skipped = keys.skipped.join("; ");
            tracing::warn!(provider = %location, keys = usable, skipped, "the provider's keys have changed; some can't be used");
        }
        self.keys = Some(keys);
    }

    /// Logs the outcome of a fetch.
    pub(super) fn outcome(&mut self, provider: &Provider, outcome: &Result<(), KeysError>) {
        let location = &provider.location;
        match (outcome, self.failing) {
            (Err(error), false) => {
                tracing::warn!(provider = %location, %error, "the provider can't be asked for keys; the last ones are used while they may be, and it is asked again");
            }
            (Ok(()), true) => tracing::info!(provider = %location, "the provider can be asked for keys again"),
            (Ok(()), false) | (Err(_), true) => {}
        }
        self.failing = outcome.is_err();
    }

    /// Logs that the cache file could not be written.
    pub(super) fn not_kept(&mut self, provider: &Provider, error: &CacheError) {
        if !self.not_kept {
            tracing::warn!(provider = %provider.location, file = %file(provider), %error, "the provider's keys can't be kept in `cache_file`");
        }
        self.not_kept = true;
    }

    /// Logs that the cache file is unusable.
    pub(super) fn kept_unusable(provider: &Provider, error: &dyn std::error::Error) {
        tracing::warn!(provider = %provider.location, file = %file(provider), %error, "what `cache_file` holds is not used");
    }

    /// Logs that the cache file is too old.
    pub(super) fn kept_too_old(provider: &Provider, had: Timestamp) {
        tracing::warn!(provider = %provider.location, file = %file(provider), %had, "what `cache_file` holds is not used: it is older than `stale_if_error`");
    }
}

/// Returns the path of the provider's `cache_file`.
fn file(provider: &Provider) -> std::path::Display<'_> {
    provider.cache_file.as_deref().unwrap_or(Path::new("")).display()
}
