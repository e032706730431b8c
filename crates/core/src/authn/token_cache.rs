//! The cache of verified tokens, which saves verification for repeated ones. It holds outcomes, never tokens; its users check the validity
//! period.

use super::jwt::VerifiedJwt;
use crate::cache::{ByteCache, Digest, Weigh, byte_cache, sha256};
use crate::credential::RawToken;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The cache key of a token: its SHA-256. No two tokens share one, and the token itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest(Digest);

impl TokenDigest {
    /// Computes the digest of a token.
    #[must_use]
    pub fn of(token: RawToken<'_>) -> Self {
        Self(sha256(&[token.as_str().as_bytes()]))
    }
}

impl Weigh for VerifiedJwt {
    fn weight(&self) -> u64 {
        /// The memory of an entry in the tables of the cache: 104 bytes in one, a place of 5 to 11 bytes in another, and a quarter of
        /// both for the keys of evicted entries.
        const ENTRY_BYTES: usize = 136;
        u64::try_from(self.principal.heap_size().saturating_add(ENTRY_BYTES)).unwrap_or(u64::MAX)
    }
}

/// Statistics of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStats {
    /// Look-ups that found a usable token.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Tokens held now.
    pub entries: u64,
    /// Their size, in bytes.
    pub bytes: u64,
}

/// Verified tokens by digest, with a limit on their memory. Those that were used since they were added are evicted last. Clones share the tokens.
///
/// A token that has expired stays until it is evicted, so that a client that goes on sending it costs no signature check.
#[derive(Debug, Clone)]
pub struct TokenCache {
    shared: Arc<Shared>,
    limit: u64,
}

#[derive(Debug)]
struct Shared {
    tokens: ByteCache<TokenDigest, VerifiedJwt>,
    lookups: [LookupCounts; LOOKUP_COUNTS],
}

/// The number of places where look-ups are counted, by the token's digest, so that threads with different tokens rarely meet.
const LOOKUP_COUNTS: usize = 16;

/// The look-ups of a part of the tokens, on a cache line of their own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct LookupCounts {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl TokenCache {
    /// The usual limit (`server.token_cache`): 64 MiB.
    pub const DEFAULT_BYTES: u64 = 64 * 1024 * 1024;

    /// The memory of a usual token: seven claims of 200 bytes in all, as in `BiFrost`'s.
    const USUAL_TOKEN_BYTES: u64 = 408;

    /// Creates an empty cache of at most this many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { shared: Arc::new(Shared { tokens: byte_cache(limit), lookups: Default::default() }), limit }
    }

    /// Returns the limit, in bytes.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Returns about how many tokens of the usual size fit.
    #[must_use]
    pub const fn usual_tokens(&self) -> u64 {
        self.limit.div_euclid(Self::USUAL_TOKEN_BYTES)
    }

    /// Returns the outcome for this token; `None` if it is not cached, or not usable.
    pub fn get(&self, digest: &TokenDigest, is_usable: impl FnOnce(&VerifiedJwt) -> bool) -> Option<VerifiedJwt> {
        let Shared { tokens, lookups } = &*self.shared;
        let found = tokens.get(digest).filter(is_usable);
        let [part, ..] = digest.0;
        if let Some(LookupCounts { hits, misses }) = lookups.get(usize::from(part) % LOOKUP_COUNTS) {
            let count = if found.is_some() { hits } else { misses };
            count.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Caches a token.
    pub fn put(&self, digest: TokenDigest, token: VerifiedJwt) {
        self.shared.tokens.insert(digest, token);
    }

    /// Returns the statistics so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let Shared { tokens, lookups } = &*self.shared;
        let sum =
            |count: fn(&LookupCounts) -> &AtomicU64| lookups.iter().map(|one| count(one).load(Ordering::Relaxed)).sum();
        CacheStats {
            hits: sum(|one| &one.hits),
            misses: sum(|one| &one.misses),
            entries: u64::try_from(tokens.len()).unwrap_or(u64::MAX),
            bytes: tokens.weight(),
        }
    }
}

#[cfg(test)]
mod tests;
