//! Caches with a limit on memory, and the digests that they use as keys. The least used entries are evicted first.

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

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

/// The weighter of entries by their estimated memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteWeighter;

impl<Key, Entry: Weigh> Weighter<Key, Entry> for ByteWeighter {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        entry.weight()
    }
}

/// A cache with a limit on the memory of its entries.
pub(crate) type ByteCache<Key, Entry> = Cache<Key, Entry, ByteWeighter>;
