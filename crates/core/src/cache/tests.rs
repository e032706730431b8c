//! What a cache keeps when it is full.

use super::{ByteCache, MIN_ENTRY_BYTES, Weigh, byte_cache, counted_cache};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::ops::Range;

#[derive(Debug, Clone, Copy)]
struct Entry(u64);

impl Weigh for Entry {
    fn weight(&self) -> u64 {
        self.0
    }
}

const LIMIT: u64 = 4 << 20;
const SMALL: Entry = Entry(MIN_ENTRY_BYTES);
const CAPACITY: u64 = LIMIT / MIN_ENTRY_BYTES;
/// Keys of entries that are used once.
const ONCE: u64 = 1 << 32;

/// Looks up each key, and adds an entry where there is none. Returns the percentage of hits.
fn use_each<By: Weighter<u64, Entry> + Clone>(
    cache: &Cache<u64, Entry, By>,
    keys: impl Iterator<Item = u64>,
    entry: Entry,
) -> u64 {
    let found: Vec<bool> = keys
        .map(|key| {
            let found = cache.get(&key).is_some();
            if !found {
                cache.insert(key, entry);
            }
            found
        })
        .collect();
    let [hits, all] = [found.iter().filter(|found| **found).count(), found.len()];
    u64::try_from(hits.saturating_mul(100).checked_div(all).unwrap()).unwrap()
}

/// Asserts that a working set is held from the third round on.
fn assert_held<By: Weighter<u64, Entry> + Clone>(cache: &Cache<u64, Entry, By>, keys: Range<u64>, before: &str) {
    let rounds: Vec<u64> = (0..6).map(|_| use_each(cache, keys.clone(), SMALL)).collect();
    assert!(rounds.iter().skip(2).all(|percent| *percent >= 95), "after {before}, {keys:?}: {rounds:?}");
}

#[test]
fn entries_that_are_not_used_again_make_room_for_those_that_are() {
    for percent in [12, 25, 40, 60] {
        let used_once: [(&str, Range<u64>, Entry); 2] = [
            ("small entries", ONCE..ONCE + 2 * CAPACITY, SMALL),
            ("large entries", ONCE..ONCE + 2 * LIMIT / 40_000, Entry(40_000)),
        ];
        for (before, keys, entry) in used_once {
            let cache = byte_cache(LIMIT);
            use_each(&cache, keys, entry);
            assert_held(&cache, 0..CAPACITY * percent / 100, before);
        }
    }
    let cache = counted_cache(20_000);
    use_each(&cache, ONCE..ONCE + 40_000, SMALL);
    assert_held(&cache, 0..5_000, "as many as fit, twice");
}

#[test]
fn a_flood_of_entries_used_once_evicts_none_in_use() {
    const SET: u64 = CAPACITY / 3;
    for full_before in [false, true] {
        let cache = byte_cache(LIMIT);
        if full_before {
            use_each(&cache, ONCE..ONCE + 2 * CAPACITY, SMALL);
        }
        assert_held(&cache, 0..SET, "the start");
        let mut flood = 2 * ONCE..;
        for round in 0..6 {
            let mut hits = 0;
            for key in 0..SET {
                use_each(&cache, flood.by_ref().take(5), SMALL);
                hits += use_each(&cache, [key].into_iter(), SMALL) / 100;
            }
            assert!(hits * 100 / SET >= 95, "round {round}: {hits} of {SET}, full before: {full_before}");
        }
    }
}

/// Each time another part is in use, and the others never again.
#[test]
fn the_working_set_may_change() {
    let cache = byte_cache(LIMIT);
    for part in 0..10 {
        let first = part * CAPACITY;
        assert_held(&cache, first..first + CAPACITY / 3, "another working set");
    }
}

#[test]
fn the_limit_holds_and_the_largest_entry_fits() {
    for limit in [1 << 20, 3 << 20, 64 << 20] {
        let cache: ByteCache<u64, Entry> = byte_cache(limit);
        for size in [1, MIN_ENTRY_BYTES, 3_000, 1 << 19] {
            for key in 0..4 * limit / size.max(MIN_ENTRY_BYTES) {
                cache.insert(key, Entry(size));
                assert!(cache.get(&key).is_some(), "an entry of {size} bytes in {limit}");
            }
            assert!(cache.weight() <= limit, "{} of {limit}", cache.weight());
        }
    }
}
