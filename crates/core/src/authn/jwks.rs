//! The keys of an authenticator: those that its configuration holds, and those that a provider publishes and may change at any
//! time. Says which may be used now; brings none.

use crate::jose::{KeyIdentity, KeySet, VerificationKey};
use crate::time::Timestamp;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::time::Duration;

/// What a provider publishes, as it was last had. Clones show the same, also when it changes.
#[derive(Debug, Clone, Default)]
pub struct RemoteJwks(Arc<ArcSwapOption<JwksSnapshot>>);

/// A provider's keys at one point in time.
#[derive(Debug, Clone)]
pub struct JwksSnapshot {
    /// The keys.
    pub keys: Arc<KeySet>,
    /// When they were asked for: a key that the provider had published before then is among them.
    pub had: Timestamp,
    /// From when on they may not be used any more, because nobody knows whether they are still the provider's.
    pub until: Timestamp,
}

/// How far the clock may go back without the keys being taken for those of another time.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

impl RemoteJwks {
    /// What was last had; `None` when nothing ever was.
    #[must_use]
    pub fn last(&self) -> Option<Arc<JwksSnapshot>> {
        self.0.load_full()
    }

    /// What was last had, if it may be used now.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Option<Arc<JwksSnapshot>> {
        // Had at a time that is yet to come: the clock was ahead then, and nobody knows how old they are.
        self.last().filter(|published| published.had <= now.plus(MAX_CLOCK_SKEW) && now < published.until)
    }

    /// Puts what was just had in the place of what was had before.
    pub fn publish(&self, published: JwksSnapshot) {
        self.0.store(Some(Arc::new(published)));
    }

    /// Whether both show what the same provider publishes.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn hold(&self, key: KeyIdentity, now: Timestamp) -> bool {
        self.0.load().as_ref().is_some_and(|published| now < published.until && published.keys.holds(key))
    }
}

/// The keys of one authenticator.
#[derive(Debug, Default)]
pub struct IssuerKeys {
    /// Those that the configuration holds.
    pub fixed: KeySet,
    /// Those that providers publish.
    pub remote: Vec<RemoteJwks>,
}

impl IssuerKeys {
    /// The keys that may be used now.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> ActiveKeys<'_> {
        let published: Vec<_> = self.remote.iter().filter_map(|remote| remote.at(now)).collect();
        ActiveKeys { fixed: &self.fixed, providers: self.remote.len(), published }
    }

    /// Whether a key that verified a token before may still do so. Without providers it may: such keys change with the whole
    /// configuration only, and nothing that was verified under another one is kept.
    #[must_use]
    pub fn contains(&self, key: KeyIdentity, now: Timestamp) -> bool {
        self.remote.is_empty() || self.fixed.holds(key) || self.remote.iter().any(|remote| remote.hold(key, now))
    }
}

/// The keys that may be used at one point in time.
#[derive(Debug)]
pub struct ActiveKeys<'a> {
    fixed: &'a KeySet,
    providers: usize,
    published: Vec<Arc<JwksSnapshot>>,
}

impl ActiveKeys<'_> {
    /// The keys.
    pub fn sets(&self) -> impl Iterator<Item = &KeySet> {
        std::iter::once(self.fixed).chain(self.published.iter().map(|published| &*published.keys))
    }

    /// The keys that providers publish.
    pub fn published(&self) -> impl Iterator<Item = &VerificationKey> {
        self.published.iter().flat_map(|published| published.keys.keys())
    }

    /// Whether these are all the keys that there could be.
    #[must_use]
    pub fn completeness(&self) -> KeyCoverage {
        match (self.providers, self.published.len()) {
            (0, _) => KeyCoverage::Fixed,
            (providers, had) if had < providers => KeyCoverage::Missing,
            (_, _) => KeyCoverage::AsLastHad,
        }
    }
}

/// Whether keys are all that there could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCoverage {
    /// They are: nobody publishes any.
    Fixed,
    /// They were when they were last had.
    AsLastHad,
    /// They are not: those of one provider at least were never had, or too long ago.
    Missing,
}
