//! DPoP proofs that have been used, so that none is accepted twice (RFC 9449 §11.1). Each is remembered by its `iat` for the longest
//! window of any configuration that has served. What is forgotten leaves a mark that never moves back: a proof that is not newer
//! than anything forgotten is refused, whatever the clock and the configuration are by then. Bounded in number: a proof that there
//! is no room to remember is refused, and one client can't take the room of all others.

use crate::time::Timestamp;
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most proofs that are remembered: some 50 MiB of them.
const MAX_PROOFS: usize = 1 << 19;

/// Whoever holds as much as this part of what is free gets no more until some of theirs are forgotten. One alone can take a ninth of
/// all, and so each after it of what is left: about a hundred would have to take all they can within one lifetime of proofs before
/// somebody else finds no room.
const PER_CLIENT_SHARE: usize = 8;

/// The most that are forgotten when one is remembered: some tenths of a millisecond.
const EVICT_BATCH: usize = 512;

/// Proofs that have been shown. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct ReplayCache(Arc<Mutex<Spent>>);

/// Whether a proof that is good is good no more after it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayMode {
    /// It is not: somebody is let through for it.
    Record,
    /// It still is: nobody is.
    Peek,
}

/// The first 16 bytes of a SHA-256: whoever finds two names with one digest has made a proof that is refused.
type Digest = [u8; 16];

#[derive(Debug, Default)]
struct Spent {
    proofs: HashSet<Digest>,
    /// The `iat` of each, which it is, and whose.
    made: BTreeSet<(Timestamp, Digest, Digest)>,
    /// How many are remembered of each client.
    held: HashMap<Digest, usize>,
    /// How long after its `iat` each is remembered. Only grows.
    window: Duration,
    /// The latest `iat` of anything that is not remembered any more. Only grows.
    forgotten: Option<Timestamp>,
}

/// Why a good proof is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It was shown before (RFC 9449 §11.1).
    #[error("the proof has been shown before")]
    Replayed,
    /// Its like have been forgotten, and it may be one of them.
    #[error(
        "the proof is not newer than proofs that are not remembered any more, and may have been one of them; a new one is good"
    )]
    Forgotten,
    /// There would be no remembering it.
    #[error("its client has shown more proofs than are remembered of one client within their lifetime")]
    CapacityExceeded,
}

impl ReplayCache {
    /// Remembers proofs from now on for at least this long after their `iat`: nothing else keeps one from being accepted again.
    pub(in crate::authn) fn remember_for(&self, window: Duration) {
        let mut spent = self.locked();
        spent.window = spent.window.max(window);
    }

    /// Refuses proofs of up to a time, and of the rest of its second, as clients write whole seconds: a process that was there before
    /// this one may have accepted them.
    pub(in crate::authn) fn refuse_until(&self, start: Timestamp) {
        const SECOND: Duration = Duration::from_millis(999);
        self.locked().mark(Timestamp::from_secs(start.as_secs()).plus(SECOND));
    }

    /// Takes a proof, which is known by the key that made it and by its own name, and was made at a time, from a client. Of several
    /// that take one proof at the same time, one gets it.
    ///
    /// # Errors
    /// [`ReplayError`] for a proof that was taken before or may have been, and for one more than a client may have remembered.
    pub(super) fn spend(
        &self,
        client: [&str; 3],
        proof: [&str; 2],
        made: Timestamp,
        now: Timestamp,
    ) -> Result<(), ReplayError> {
        let (client, proof) = (digest(&client), digest(&proof));
        // Nothing between here and the end can fail half-way.
        let mut spent = self.locked();
        spent.forget(now);
        spent.is_new(&proof, made)?;
        let free = MAX_PROOFS.saturating_sub(spent.proofs.len());
        let held = spent.held.get(&client).copied().unwrap_or_default();
        if held >= free / PER_CLIENT_SHARE {
            return Err(ReplayError::CapacityExceeded);
        }
        spent.held.insert(client, held.saturating_add(1));
        spent.proofs.insert(proof);
        spent.made.insert((made, proof, client));
        Ok(())
    }

    /// Checks that a proof could be taken, but for the bounds.
    ///
    /// # Errors
    /// [`ReplayError`] for a proof that was taken before or may have been.
    pub(super) fn look(&self, proof: [&str; 2], made: Timestamp) -> Result<(), ReplayError> {
        self.locked().is_new(&digest(&proof), made)
    }

    fn locked(&self) -> MutexGuard<'_, Spent> {
        // Nothing that could panic half-way is done under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spent {
    /// Checks that a proof has never been taken.
    fn is_new(&self, proof: &Digest, made: Timestamp) -> Result<(), ReplayError> {
        if self.proofs.contains(proof) {
            return Err(ReplayError::Replayed);
        }
        if self.forgotten.is_some_and(|forgotten| made <= forgotten) {
            return Err(ReplayError::Forgotten);
        }
        Ok(())
    }

    fn mark(&mut self, made: Timestamp) {
        self.forgotten = self.forgotten.max(Some(made));
    }

    /// Forgets what is not good any more: not all at once, for others wait meanwhile, but many times what one adds.
    fn forget(&mut self, now: Timestamp) {
        for _ in 0..EVICT_BATCH {
            let over = |(made, _, _): &(Timestamp, Digest, Digest)| made.plus(self.window) <= now;
            let Some((made, proof, client)) = self.made.first().copied().filter(over) else { return };
            self.made.pop_first();
            self.mark(made);
            self.proofs.remove(&proof);
            match self.held.get_mut(&client) {
                Some(held) if *held > 1 => *held = held.saturating_sub(1),
                Some(_) | None => {
                    self.held.remove(&client);
                }
            }
        }
    }
}

/// Each part with its length before it, so that no two lists of parts are read alike.
fn digest(parts: &[&str]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut first = Digest::default();
    first.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    first
}

#[cfg(test)]
mod tests;
