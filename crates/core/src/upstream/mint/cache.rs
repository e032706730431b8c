//! A cache of minted tokens, which are reused while they are valid for long enough. It holds valid tokens in memory, which adds no risk:
//! its owner could mint them anew at any time. It shows none.

use crate::http::header::HeaderText;
use crate::time::Timestamp;
use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::fmt;

/// The cache key of a minted token: a hash of its content without the times, and of the end of the caller's credential. Callers with the
/// same content and the same end share a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CacheKey([u8; SHA256_OUTPUT_LEN]);

impl CacheKey {
    pub(super) fn new(until: Timestamp, claims: &str) -> Self {
        let mut context = Context::new(&SHA256);
        // Of constant length, so that no claims can be mistaken for another time.
        context.update(&until.as_millis().to_be_bytes());
        context.update(claims.as_bytes());
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }
}

/// A minted token.
#[derive(Clone)]
struct Minted {
    authorization: HeaderText,
    issued: Timestamp,
    until: Timestamp,
}

/// Tokens by content. Limited by [`Self::MAX_BYTES`]; the least used are evicted first.
pub(super) struct MintedTokens(Cache<CacheKey, Minted, ByteWeighter>);

impl MintedTokens {
    /// The most memory for the tokens, estimated: 16 MiB, some 20,000 of them. Beyond it, the least used are evicted.
    const MAX_BYTES: u64 = 16 * 1024 * 1024;

    /// The initial capacity in tokens.
    const EXPECTED: usize = 256;

    /// Returns the token of this content. `None` unless it is valid for at least half as long as a token minted now, until `until`.
    pub(super) fn get(&self, what: &CacheKey, now: Timestamp, until: Timestamp) -> Option<HeaderText> {
        let Minted { authorization, issued, until: known } = self.0.get(what)?;
        let left = |end: Timestamp| end.as_millis().saturating_sub(now.as_millis());
        // After the clock is set back, its `iat` would be in the future, and every verifier would reject it.
        (issued <= now && left(known) >= left(until).div_ceil(2)).then_some(authorization)
    }

    /// Caches a token.
    pub(super) fn put(&self, what: CacheKey, authorization: HeaderText, issued: Timestamp, until: Timestamp) {
        self.0.insert(what, Minted { authorization, issued, until });
    }
}

impl Default for MintedTokens {
    fn default() -> Self {
        Self(Cache::with_weighter(Self::EXPECTED, Self::MAX_BYTES, ByteWeighter))
    }
}

/// Omits the tokens.
impl fmt::Debug for MintedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedTokens").field("entries", &self.0.len()).finish_non_exhaustive()
    }
}

/// Weighs an entry by its estimated memory.
#[derive(Debug, Clone, Copy)]
struct ByteWeighter;

impl Weighter<CacheKey, Minted> for ByteWeighter {
    fn weight(&self, _: &CacheKey, minted: &Minted) -> u64 {
        /// The memory of an entry without its token.
        const ENTRY_BYTES: usize = 256;
        u64::try_from(minted.authorization.bytes().len().saturating_add(ENTRY_BYTES)).unwrap_or(u64::MAX)
    }
}
