//! A cache of verified tokens, which saves verification for repeated tokens. It holds outcomes, never tokens; its users check the validity
//! period.

use super::jwt::VerifiedJwt;
use crate::credential::RawToken;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// The cache key of a token: its SHA-256. No two tokens share one, and the token itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; SHA256_OUTPUT_LEN]);

impl TokenDigest {
    /// Computes the digest of a token.
    #[must_use]
    pub fn of(token: RawToken<'_>) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, token.as_str().as_bytes()).as_ref());
        Self(bytes)
    }
}

/// Statistics of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStats {
    /// Look-ups that found the token.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Tokens held now.
    pub entries: u64,
    /// Their estimated size, in bytes.
    pub bytes: u64,
}

/// Verified tokens by digest. Limited by [`Self::MAX_BYTES`]; the least used entries are evicted first.
#[derive(Debug)]
pub struct TokenCache(Cache<TokenDigest, VerifiedJwt, ByteWeighter>);

impl TokenCache {
    /// The most memory for cached tokens, estimated: 64 MiB, some 25,000 `BiFrost` tokens. Beyond it, the least used tokens are evicted.
    pub const MAX_BYTES: u64 = 64 * 1024 * 1024;

    /// The initial capacity in tokens; the cache grows beyond it up to its limit.
    const EXPECTED: usize = 1_024;

    /// Returns the outcome for this token; `None` if it is not cached.
    #[must_use]
    pub fn get(&self, digest: &TokenDigest) -> Option<VerifiedJwt> {
        self.0.get(digest)
    }

    /// Caches a token.
    pub fn put(&self, digest: TokenDigest, accepted: VerifiedJwt) {
        self.0.insert(digest, accepted);
    }

    /// Returns the statistics so far.
    #[must_use]
    pub fn counts(&self) -> CacheStats {
        let entries = u64::try_from(self.0.len()).unwrap_or(u64::MAX);
        CacheStats { hits: self.0.hits(), misses: self.0.misses(), entries, bytes: self.0.weight() }
    }
}

impl Default for TokenCache {
    fn default() -> Self {
        Self(Cache::with_weighter(Self::EXPECTED, Self::MAX_BYTES, ByteWeighter))
    }
}

/// Weighs an entry by its estimated memory.
#[derive(Debug, Clone, Copy)]
struct ByteWeighter;

impl Weighter<TokenDigest, VerifiedJwt> for ByteWeighter {
    fn weight(&self, _: &TokenDigest, accepted: &VerifiedJwt) -> u64 {
        accepted.weight()
    }
}
