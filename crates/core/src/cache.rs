//! Caches with a limit, and the digests that they use as keys. An entry that was used since it was added outlasts those that were not.

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, UnitWeighter, Weighter};
use std::hash::Hash;
use std::thread::available_parallelism;

/// A SHA-256.
pub(crate) type Digest = [u8; SHA256_OUTPUT_LEN];

/// Computes the SHA-256 of the parts, one after the other. Only the last part may have any length, so that no two lists of parts have
/// the same input.
pub(crate) fn sha256(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = Digest::default();
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Computes the SHA-256 of the parts, each with its length before it, so that no two lists of parts have the same input.
pub(crate) fn sha256_of_list(parts: &[&[u8]]) -> Digest {
    let lengths: Vec<[u8; size_of::<usize>()]> = parts.iter().map(|part| part.len().to_be_bytes()).collect();
    let parts: Vec<&[u8]> = lengths.iter().zip(parts).flat_map(|(length, part)| [length.as_slice(), part]).collect();
    sha256(&parts)
}

/// Returns the memory that an allocation of this many bytes takes: the allocator has four size classes up to 64 bytes, and four from there to each power of two.
pub(crate) fn allocated(bytes: usize) -> usize {
    const LEAST: usize = 16;
    let class = bytes.checked_next_power_of_two().unwrap_or(bytes).div_euclid(8).max(LEAST);
    bytes.div_ceil(class).saturating_mul(class)
}

/// An entry of a cache.
pub(crate) trait Weigh {
    /// Returns the memory of the entry, in bytes. It never changes.
    fn weight(&self) -> u64;
}

/// The least that an entry is charged, in bytes. It bounds the number of entries, and so the tables of a cache, which never shrink.
pub(crate) const MIN_ENTRY_BYTES: u64 = 400;

/// The weighter of entries by their estimated memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteWeighter;

impl<Key, Entry: Weigh> Weighter<Key, Entry> for ByteWeighter {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        entry.weight().max(MIN_ENTRY_BYTES)
    }
}

/// A cache with a limit on the memory of its entries.
pub(crate) type ByteCache<Key, Entry> = Cache<Key, Entry, ByteWeighter>;

/// Creates an empty cache of at most this many bytes. An entry of up to half a MiB always fits.
pub(crate) fn byte_cache<Key: Eq + Hash, Entry: Clone + Weigh>(limit: u64) -> ByteCache<Key, Entry> {
    /// The least size of a shard: half of it holds the largest entry, that of a token of 64 KiB.
    const MIN_SHARD_BYTES: u64 = 1 << 20;
    let entries = usize::try_from(limit.div_euclid(MIN_ENTRY_BYTES)).unwrap_or(usize::MAX);
    with_limit(limit, entries, limit.div_euclid(MIN_SHARD_BYTES), ByteWeighter)
}

/// Creates an empty cache of at most this many entries.
pub(crate) fn counted_cache<Key: Eq + Hash, Entry: Clone>(most: u32) -> Cache<Key, Entry> {
    /// The least size of a shard, in entries: a smaller one is fuller than others by chance.
    const MIN_SHARD_ENTRIES: u64 = 1_024;
    let limit = u64::from(most);
    let entries = usize::try_from(most).unwrap_or(usize::MAX);
    with_limit(limit, entries, limit.div_euclid(MIN_SHARD_ENTRIES), UnitWeighter)
}

/// Creates an empty cache with a limit on the weight of its entries. It allocates nothing yet.
fn with_limit<Key: Eq + Hash, Entry: Clone, By: Weighter<Key, Entry> + Clone>(
    limit: u64,
    entries: usize,
    max_shards: u64,
    weighter: By,
) -> Cache<Key, Entry, By> {
    /// The share of the entries that have proved useful. The other half is evicted first. It is large, so that a new entry can be used
    /// again before its turn comes, even if the first half is full of entries that are not needed any more.
    const HOT_SHARE: f64 = 0.5;
    /// The number of evicted keys that are recognized when they return, as a share of all entries. Each takes a slot without an entry.
    const GHOST_SHARE: f64 = 0.25;
    /// Shards for each thread, so that two threads rarely meet in one.
    const SHARDS_PER_THREAD: u64 = 4;
    let threads = available_parallelism().map_or(1, |threads| u64::try_from(threads.get()).unwrap_or(1));
    // A power of two, rounded down: the cache rounds up.
    let shards = threads.saturating_mul(SHARDS_PER_THREAD).min(max_shards).max(1);
    let shards = 1_usize << shards.ilog2();
    let options = OptionsBuilder::new()
        .shards(shards)
        .hot_allocation(HOT_SHARE)
        .ghost_allocation(GHOST_SHARE)
        .estimated_items_capacity(entries)
        .weight_capacity(limit)
        .build();
    #[expect(clippy::expect_used, reason = "it fails only without a capacity")]
    let options = options.expect("both capacities are set");
    Cache::with_options(options, weighter, DefaultHashBuilder::default(), DefaultLifecycle::default())
}

#[cfg(test)]
mod tests;
