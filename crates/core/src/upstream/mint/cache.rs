//! Tokens that were minted, to be used again while they are good for long enough. Holds good tokens in memory, as whoever mints them
//! could make them anew at any time; shows none.

use crate::http::header::HeaderText;
use crate::time::Timestamp;
use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::fmt;

/// CacheKey is minted: a hash of what the token says but for its times, and of when the caller's own credential ends. Callers of whom the
/// same is to be said for as long share a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CacheKey([u8; SHA256_OUTPUT_LEN]);

impl CacheKey {
    pub(super) fn new(until: Timestamp, claims: &str) -> Self {
        let mut context = Context::new(&SHA256);
        // Of one length always, so that no claims can be taken for another time.
        context.update(&until.as_millis().to_be_bytes());
        context.update(claims.as_bytes());
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }
}

/// A token that was minted.
#[derive(Clone)]
struct Minted {
    authorization: HeaderText,
    issued: Timestamp,
    until: Timestamp,
}

/// Tokens by what they say. Bounded by [`Self::MAX_BYTES`]; what was used least goes first.
pub(super) struct MintedTokens(Cache<CacheKey, Minted, ByteWeighter>);

impl MintedTokens {
    /// The most memory that the tokens may take, estimated: 16 MiB, some 20,000 of them.
    const MAX_BYTES: u64 = 16 * 1024 * 1024;

    /// How many tokens room is made for at the start.
    const EXPECTED: usize = 256;

    /// The token that says this, if one is known that is good for at least half as long as one would be that is minted now, until
    /// `until`.
    pub(super) fn get(&self, what: &CacheKey, now: Timestamp, until: Timestamp) -> Option<HeaderText> {
        let Minted { authorization, issued, until: known } = self.0.get(what)?;
        let left = |end: Timestamp| end.as_millis().saturating_sub(now.as_millis());
        // A clock that was set back would make it one of the future, which nobody accepts.
        (issued <= now && left(known) >= left(until).div_ceil(2)).then_some(authorization)
    }

    /// Remembers a token.
    pub(super) fn put(&self, what: CacheKey, authorization: HeaderText, issued: Timestamp, until: Timestamp) {
        self.0.insert(what, Minted { authorization, issued, until });
    }
}

impl Default for MintedTokens {
    fn default() -> Self {
        Self(Cache::with_weighter(Self::EXPECTED, Self::MAX_BYTES, ByteWeighter))
    }
}

/// No token in it.
impl fmt::Debug for MintedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedTokens").field("entries", &self.0.len()).finish_non_exhaustive()
    }
}

/// Weighs an entry by the memory that it is estimated to take.
#[derive(Debug, Clone, Copy)]
struct ByteWeighter;

impl Weighter<CacheKey, Minted> for ByteWeighter {
    fn weight(&self, _: &CacheKey, minted: &Minted) -> u64 {
        /// CacheKey an entry takes beside its token.
        const ENTRY_BYTES: usize = 256;
        u64::try_from(minted.authorization.bytes().len().saturating_add(ENTRY_BYTES)).unwrap_or(u64::MAX)
    }
}
