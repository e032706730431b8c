//! Tokens that have been verified, so that the next request with the same one need not be. Holds outcomes, never tokens;
//! never decides whether one is still valid.

use super::jwt::VerifiedJwt;
use crate::credential::RawToken;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// What names a token in the cache: its SHA-256. Two tokens can't share one, and the token itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; SHA256_OUTPUT_LEN]);

impl TokenDigest {
    /// The digest of a token.
    #[must_use]
    pub fn of(token: RawToken<'_>) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, token.as_str().as_bytes()).as_ref());
        Self(bytes)
    }
}

/// What the cache has done so far.
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

/// Verified tokens by digest. Bounded by [`Self::MAX_BYTES`]; what was used least goes first.
#[derive(Debug)]
pub struct TokenCache(Cache<TokenDigest, VerifiedJwt, ByteWeighter>);

impl TokenCache {
    /// The most memory that the cached tokens may take, estimated: 64 MiB, some 25,000 `BiFrost` tokens.
    pub const MAX_BYTES: u64 = 64 * 1024 * 1024;

    /// How many tokens room is made for at the start; the cache grows beyond it up to its bound.
    const EXPECTED: usize = 1_024;

    /// The outcome for this token, if it is known.
    #[must_use]
    pub fn get(&self, digest: &TokenDigest) -> Option<VerifiedJwt> {
        self.0.get(digest)
    }

    /// Remembers a token.
    pub fn put(&self, digest: TokenDigest, accepted: VerifiedJwt) {
        self.0.insert(digest, accepted);
    }

    /// What the cache has done so far.
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

/// Weighs an entry by the memory that it is estimated to take.
#[derive(Debug, Clone, Copy)]
struct ByteWeighter;

impl Weighter<TokenDigest, VerifiedJwt> for ByteWeighter {
    fn weight(&self, _: &TokenDigest, accepted: &VerifiedJwt) -> u64 {
        accepted.weight()
    }
}
