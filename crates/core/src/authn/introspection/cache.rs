//! A cache of introspection responses by token, with limits. Active and inactive ones have separate caches, so that invented tokens can't
//! evict active ones. It holds neither tokens nor principals.

use super::response::{ActiveToken, IntrospectionResponse};
use crate::cache::{ByteCache, Digest, Weigh, byte_cache, counted_cache, sha256};
use crate::credential::RawToken;
use crate::time::Timestamp;
use quick_cache::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// The cache key of a token of one server: the SHA-256 of the server's number, which has a fixed length, and the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey(Digest);

/// Cache lifetimes of responses, from the time of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheTtl {
    /// The lifetime of an active response; it never exceeds the token's `exp`.
    pub active: Duration,
    /// The lifetime of an inactive response.
    pub inactive: Duration,
    /// The additional lifetime of an active response while the server is unavailable (RFC 5861 §4).
    pub stale_if_error: Duration,
}

/// The responses of one server, in caches that all servers share. Clones share them too.
#[derive(Debug, Clone, Default)]
pub struct IntrospectionCache {
    caches: Arc<Caches>,
    server: u64,
}

/// The numbers of cached responses.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct CachedResponses {
    /// Active responses.
    pub active: u64,
    /// Inactive responses.
    pub inactive: u64,
}

#[derive(Debug)]
struct Caches {
    active: ByteCache<CacheKey, Entry>,
    inactive: Cache<CacheKey, Timestamp>,
}

/// An active response, and the time of the request.
#[derive(Debug, Clone)]
struct Entry {
    token: ActiveToken,
    requested_at: Timestamp,
}

impl Weigh for Entry {
    fn weight(&self) -> u64 {
        /// The memory of an entry without its claims.
        const ENTRY_BYTES: usize = 256;
        u64::try_from(self.token.claims.heap_size().saturating_add(ENTRY_BYTES)).unwrap_or(u64::MAX)
    }
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            active: byte_cache(IntrospectionCache::MAX_BYTES),
            inactive: counted_cache(IntrospectionCache::MAX_INACTIVE),
        }
    }
}

impl IntrospectionCache {
    /// The most memory for active responses, estimated: 64 MiB, some 50,000 responses of ten members. Beyond it, entries are evicted.
    pub const MAX_BYTES: u64 = 64 * 1024 * 1024;
    /// The most tokens that are cached as inactive: some 10 MiB. Beyond it, entries are evicted.
    pub const MAX_INACTIVE: u32 = 65_536;

    /// Returns the view of another server on the same caches. A number belongs to one server and is never reused.
    #[must_use]
    pub fn of_server(&self, server: u64) -> Self {
        Self { caches: Arc::clone(&self.caches), server }
    }

    /// Returns true if both are views of the same server on the same caches.
    #[must_use]
    pub fn same_cache(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.caches, &other.caches) && self.server == other.server
    }

    /// Computes the cache key of a token.
    #[must_use]
    pub fn key(&self, token: RawToken<'_>) -> CacheKey {
        self.key_of(token.as_str())
    }

    /// Computes the cache key of a token given as text.
    #[must_use]
    pub fn key_of(&self, token: &str) -> CacheKey {
        CacheKey(sha256(&[&self.server.to_be_bytes(), token.as_bytes()]))
    }

    /// Caches the response to a request sent at this time; it replaces the previous one.
    pub fn put(&self, key: CacheKey, response: &IntrospectionResponse, requested_at: Timestamp) {
        match response {
            IntrospectionResponse::Active(token) => {
                self.caches.active.insert(key, Entry { token: token.clone(), requested_at });
                self.caches.inactive.remove(&key);
            }
            IntrospectionResponse::Inactive => {
                // In this order: at no time is a token that has become inactive cached as active only.
                self.caches.inactive.insert(key, requested_at);
                self.caches.active.remove(&key);
            }
        }
    }

    /// Returns the response while it is fresh; `None` if there is none.
    #[must_use]
    pub(super) fn fresh(&self, key: &CacheKey, ttl: CacheTtl, now: Timestamp) -> Option<IntrospectionResponse> {
        let active = self.active(key, ttl.active, now);
        active.or_else(|| {
            let requested_at = self.caches.inactive.get(key)?;
            within(requested_at, requested_at.plus(ttl.inactive), now).then_some(IntrospectionResponse::Inactive)
        })
    }

    /// Returns an active response that is usable while the server is unavailable; `None` if there is none.
    #[must_use]
    pub(super) fn stale(&self, key: &CacheKey, ttl: CacheTtl, now: Timestamp) -> Option<IntrospectionResponse> {
        self.active(key, ttl.active.saturating_add(ttl.stale_if_error), now).filter(|_| !ttl.stale_if_error.is_zero())
    }

    /// Returns the numbers of cached responses of all servers.
    #[must_use]
    pub fn counts(&self) -> CachedResponses {
        let count = |entries: usize| u64::try_from(entries).unwrap_or(u64::MAX);
        CachedResponses { active: count(self.caches.active.len()), inactive: count(self.caches.inactive.len()) }
    }

    fn active(&self, key: &CacheKey, ttl: Duration, now: Timestamp) -> Option<IntrospectionResponse> {
        let Entry { token, requested_at } = self.caches.active.get(key)?;
        let until = requested_at.plus(ttl).min(token.expires);
        within(requested_at, until, now).then_some(IntrospectionResponse::Active(token))
    }
}

/// Returns true within the period. A clock that went back extends no response.
fn within(from: Timestamp, until: Timestamp, now: Timestamp) -> bool {
    from <= now && now < until
}

#[cfg(test)]
mod tests {
    use super::{CacheKey, CacheTtl, IntrospectionCache, IntrospectionResponse};
    use crate::time::Timestamp;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);
    const SPANS: CacheTtl =
        CacheTtl { active: Duration::from_secs(30), inactive: Duration::from_secs(5), stale_if_error: Duration::ZERO };

    fn numbered(number: u64) -> CacheKey {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        CacheKey(bytes)
    }

    #[test]
    fn bounds_hold_and_what_is_not_good_pushes_nothing_good_out() {
        let known = IntrospectionCache::default();
        let body = format!(r#"{{"active": true, "sub": "u", "pad": "{}"}}"#, "x".repeat(60_000));
        let good = IntrospectionResponse::parse(body.as_bytes()).unwrap();
        for number in 0..500 {
            known.put(numbered(number), &good, NOW);
        }
        let held =
            |count: u64| (0..count).filter(|number| known.fresh(&numbered(*number), SPANS, NOW).is_some()).count();
        assert_eq!(held(500), 500);
        for number in 1_000..201_000 {
            known.put(numbered(number), &IntrospectionResponse::Inactive, NOW);
        }
        assert_eq!(held(500), 500, "good answers are still known");
        assert!(known.counts().inactive <= 65_536, "{:?}", known.counts());
        for number in 0..5_000 {
            known.put(numbered(number), &good, NOW);
        }
        let active = known.counts().active;
        assert!((500..=64 * 1024 / 58).contains(&active), "{active} answers of 60 KB in 64 MiB");
    }

    #[test]
    fn one_token_of_two_servers_is_two() {
        let known = IntrospectionCache::default();
        let (one, other) = (known.of_server(1), known.of_server(2));
        assert!(
            one.same_cache(&known.of_server(1))
                && !one.same_cache(&other)
                && !one.same_cache(&IntrospectionCache::default().of_server(1))
        );
        one.put(one.key_of("token"), &IntrospectionResponse::Inactive, NOW);
        assert!(one.fresh(&one.key_of("token"), SPANS, NOW).is_some());
        assert!(other.fresh(&other.key_of("token"), SPANS, NOW).is_none());
    }
}
