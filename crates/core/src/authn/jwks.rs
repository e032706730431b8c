//! The keys of an authenticator: those in its configuration, and those that providers publish and may change at any time. It determines
//! which are usable now.

use crate::jose::{KeyIdentity, KeySet, VerificationKey};
use crate::time::Timestamp;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::time::Duration;

/// The last fetched JWKS of a provider. Clones share it, and see its updates.
#[derive(Debug, Clone, Default)]
pub struct RemoteJwks(Arc<ArcSwapOption<JwksSnapshot>>);

/// A provider's JWKS at one point in time.
#[derive(Debug, Clone)]
pub struct JwksSnapshot {
    /// The keys.
    pub keys: Arc<KeySet>,
    /// The time of the request: the JWKS contains every key that the provider had published before.
    pub fetched_at: Timestamp,
    /// Expiry: from then on the keys are not used, because the provider may have withdrawn them.
    pub expires_at: Timestamp,
}

/// The tolerated step back of the clock; beyond it, the keys count as fetched in the future.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

impl JwksSnapshot {
    /// Returns true if its keys may be used now.
    fn is_usable(&self, now: Timestamp) -> bool {
        // Fetched in the future: the clock was ahead then, so the age of the keys is unknown.
        self.fetched_at <= now.plus(MAX_CLOCK_SKEW) && now < self.expires_at
    }
}

/// Two are equal if they share one JWKS.
impl PartialEq for RemoteJwks {
    fn eq(&self, other: &Self) -> bool {
        self.ptr_eq(other)
    }
}

impl Eq for RemoteJwks {}

impl RemoteJwks {
    /// Returns the last JWKS; `None` if none was ever fetched.
    #[must_use]
    pub fn last(&self) -> Option<Arc<JwksSnapshot>> {
        self.0.load_full()
    }

    /// Returns the last JWKS; `None` if there is none or it is not usable now.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Option<Arc<JwksSnapshot>> {
        self.last().filter(|published| published.is_usable(now))
    }

    /// Replaces the JWKS by a newly fetched one.
    pub fn publish(&self, published: JwksSnapshot) {
        self.0.store(Some(Arc::new(published)));
    }

    /// Returns true if both share one JWKS.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn contains(&self, key: KeyIdentity, now: Timestamp) -> bool {
        self.0.load().as_ref().is_some_and(|published| published.is_usable(now) && published.keys.contains(key))
    }
}

/// The keys of one authenticator.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct IssuerKeys {
    /// The keys of the configuration.
    pub static_keys: KeySet,
    /// The keys that providers publish.
    pub remote: Vec<RemoteJwks>,
}

impl IssuerKeys {
    /// Returns the keys that are usable now.
    #[must_use]
    pub fn active_at(&self, now: Timestamp) -> ActiveKeys<'_> {
        let published: Vec<_> = self.remote.iter().filter_map(|remote| remote.at(now)).collect();
        ActiveKeys { static_keys: &self.static_keys, providers: self.remote.len(), published }
    }

    /// Returns true if a key that verified a token before may still do so. Without providers it may: static keys change only with the whole
    /// configuration, and a reload with other keys keeps no verified token.
    #[must_use]
    pub fn contains(&self, key: KeyIdentity, now: Timestamp) -> bool {
        self.remote.is_empty()
            || self.static_keys.contains(key)
            || self.remote.iter().any(|remote| remote.contains(key, now))
    }
}

/// The keys that are usable at one point in time.
#[derive(Debug)]
pub struct ActiveKeys<'a> {
    static_keys: &'a KeySet,
    providers: usize,
    published: Vec<Arc<JwksSnapshot>>,
}

impl ActiveKeys<'_> {
    /// Returns the key sets.
    pub fn sets(&self) -> impl Iterator<Item = &KeySet> {
        std::iter::once(self.static_keys).chain(self.published.iter().map(|published| &*published.keys))
    }

    /// Returns the keys that providers publish.
    pub fn published(&self) -> impl Iterator<Item = &VerificationKey> {
        self.published.iter().flat_map(|published| published.keys.keys())
    }

    /// Returns the coverage of these keys.
    #[must_use]
    pub fn coverage(&self) -> KeyCoverage {
        match (self.providers, self.published.len()) {
            (0, _) => KeyCoverage::Static,
            (providers, fetched) if fetched < providers => KeyCoverage::Missing,
            (_, _) => KeyCoverage::AsLastFetched,
        }
    }
}

/// The coverage of a set of keys: complete or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCoverage {
    /// The keys are complete: they are all static.
    Static,
    /// The keys were complete when they were last fetched.
    AsLastFetched,
    /// The keys are incomplete: those of at least one provider were never fetched, or too long ago.
    Missing,
}

#[cfg(test)]
mod tests {
    use super::{IssuerKeys, JwksSnapshot, MAX_CLOCK_SKEW, RemoteJwks};
    use crate::jose::{KeySet, VerificationKey};
    use crate::time::Timestamp;
    use std::sync::Arc;
    use std::time::Duration;

    /// Otherwise a token would be accepted or rejected by whether it is in the cache.
    #[test]
    fn a_key_that_verified_a_token_is_active_exactly_while_it_verifies_new_ones() {
        const FETCHED: Timestamp = Timestamp::from_secs(1_000_000);
        let remote = RemoteJwks::default();
        let key = VerificationKey::from_secret(&[7; 32]).unwrap();
        let identity = key.identity();
        remote.publish(JwksSnapshot {
            keys: Arc::new(KeySet::new(vec![key]).unwrap()),
            fetched_at: FETCHED,
            expires_at: FETCHED.plus(Duration::from_secs(600)),
        });
        let keys = IssuerKeys { static_keys: KeySet::default(), remote: vec![remote] };
        let earliest = FETCHED.as_secs() - MAX_CLOCK_SKEW.as_secs();
        for (now, is_active) in [(earliest - 1, false), (earliest, true), (1_000_599, true), (1_000_600, false)] {
            let now = Timestamp::from_secs(now);
            let verifies = keys.active_at(now).published().any(|key| key.identity() == identity);
            assert_eq!((verifies, keys.contains(identity, now)), (is_active, is_active), "at {now:?}");
        }
    }
}
