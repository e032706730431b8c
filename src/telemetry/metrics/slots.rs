//! Small numbers for names that become labels. They are assigned once in the life of the process, so that counters stay with their names over
//! reloads, and the number of series is bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The label of all names without a slot of their own.
pub const OTHER: &str = "other";

/// The slots of names: 0 for none, then one for each name, and a last one for all others.
#[derive(Debug)]
pub(super) struct SlotNames {
    limit: u8,
    known: Mutex<HashMap<Arc<str>, u8>>,
}

impl SlotNames {
    /// Creates slots for so many names.
    pub(super) fn new(limit: u8) -> Self {
        Self { limit, known: Mutex::default() }
    }

    /// Returns the slot of all other names.
    pub(super) const fn other(&self) -> u8 {
        self.limit.saturating_add(1)
    }

    /// Returns the slot of each name. A new name gets a free one, in this order, if fewer than `most` names have one.
    pub(super) fn assign<'n>(&self, names: impl Iterator<Item = &'n str>, most: u8) -> Box<[u8]> {
        let mut known = self.lock();
        let slot = |name: &str| {
            if let Some(slot) = known.get(name) {
                return *slot;
            }
            let next = u8::try_from(known.len()).unwrap_or(u8::MAX).saturating_add(1);
            // Two series must not have the same labels.
            if next > self.limit.min(most) || name == OTHER {
                return self.other();
            }
            known.insert(name.into(), next);
            next
        };
        names.map(slot).collect()
    }

    /// Returns the slot at a position of such a list; that of no name for `None`.
    pub(super) fn slot_in(&self, slots: &[u8], position: Option<usize>) -> u8 {
        position.map_or(0, |position| slots.get(position).copied().unwrap_or(self.other()))
    }

    /// Returns the label of each slot.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        let mut names = vec![Arc::from(OTHER); usize::from(self.other()).saturating_add(1)];
        let none: (Arc<str>, u8) = (Arc::default(), 0);
        for (name, slot) in self.lock().iter().map(|(name, slot)| (Arc::clone(name), *slot)).chain([none]) {
            if let Some(place) = names.get_mut(usize::from(slot)) {
                *place = name;
            }
        }
        names
    }

    /// Locks the map. It is consistent even after a panic, since each change is one step.
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, u8>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
