//! The replay cache: no DPoP proof is accepted twice (RFC 9449 §11.1). It remembers each by its `iat` for the longest window of any
//! configuration that has been active. An evicted proof leaves a mark that never moves back. A proof that is not newer than the mark is
//! rejected, whatever the clock and the configuration are by then. The number of proofs is limited: a proof beyond the limit is rejected,
//! and one client can't use up the capacity of all others.

use crate::cache::sha256_of_list;
use crate::time::Timestamp;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most proofs that are remembered: some 50 MiB. A proof beyond them is rejected.
const MAX_PROOFS: usize = 1 << 19;

/// The divisor of the free capacity that gives one client's share. A client that holds as much is rejected until some of its proofs are
/// evicted. One client alone can take a ninth of all, and each further one a ninth of the rest. About a hundred clients would have to use
/// their shares within one lifetime of proofs before another client finds no capacity.
const PER_CLIENT_SHARE: usize = 8;

/// The most proofs that one recording evicts: some tenths of a millisecond. The others are evicted with the next one.
const EVICT_BATCH: usize = 512;

/// The used proofs. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct ReplayCache(Arc<Mutex<State>>);

/// The effect of a check on a valid proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayMode {
    /// The proof is recorded as used: the request is allowed for it.
    Record,
    /// The proof stays unused: no request is allowed for it.
    Peek,
    /// As [`Peek`](Self::Peek), for a request that exists only in an explanation: nothing else remembers it either.
    Explain,
    /// The proof is not looked up: a decision that was made is only explained, and that one has recorded it. Nothing else remembers it.
    Repeat,
}

impl ReplayMode {
    /// Returns true if the token cache is used, and the last use of keys is recorded.
    #[must_use]
    pub const fn leaves_traces(self) -> bool {
        match self {
            Self::Record | Self::Peek => true,
            Self::Explain | Self::Repeat => false,
        }
    }
}

/// The first 16 bytes of a SHA-256. A client that finds a collision has only made a proof that is rejected.
type Digest = [u8; 16];

#[derive(Debug, Default)]
struct State {
    proofs: HashSet<Digest>,
    /// `iat`, digest and client of each proof.
    by_time: BTreeSet<(Timestamp, Digest, Digest)>,
    /// The number of proofs per client.
    per_client: HashMap<Digest, usize>,
    /// The time after its `iat` for which a proof is remembered. Only grows.
    window: Duration,
    /// The latest `iat` of all evicted proofs. Only grows.
    evicted_until: Option<Timestamp>,
}

/// The reason why a valid proof is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The proof was used before (RFC 9449 §11.1).
    #[error("the proof was used before")]
    Replayed,
    /// Proofs as old as this one were evicted, and it may be one of them.
    #[error("the proof is as old as evicted proofs, and may be one of them; use a new one")]
    Forgotten,
    /// The client's share is exhausted.
    #[error("the client has used up its share of the replay cache")]
    CapacityExceeded,
}

impl ReplayCache {
    /// Extends the window: proofs are remembered for at least this long after their `iat`. Nothing else prevents a second use.
    pub(in crate::authn) fn remember_for(&self, window: Duration) {
        let mut state = self.locked();
        state.window = state.window.max(window);
    }

    /// Rejects proofs up to a time, and of the rest of its second, as clients write whole seconds: a previous process may have accepted
    /// them.
    pub(in crate::authn) fn reject_until(&self, start: Timestamp) {
        const SECOND: Duration = Duration::from_millis(999);
        self.locked().mark(Timestamp::from_secs(start.as_secs()).plus(SECOND));
    }

    /// Records a client's proof as used. `proof` is the key and the `jti`, `made` the `iat`. If several calls record one proof
    /// concurrently, one succeeds.
    ///
    /// # Errors
    /// [`ReplayError`] for a proof that was used or may have been, and for one beyond the client's share.
    pub(super) fn record(
        &self,
        client: [&str; 3],
        proof: [&str; 2],
        made: Timestamp,
        now: Timestamp,
    ) -> Result<(), ReplayError> {
        let (client, proof) = (digest(&client), digest(&proof));
        // No step between here and the end can fail half-way.
        let mut state = self.locked();
        state.evict(now);
        state.is_new(&proof, made)?;
        let free = MAX_PROOFS.saturating_sub(state.proofs.len());
        let held = state.per_client.get(&client).copied().unwrap_or_default();
        if held >= free / PER_CLIENT_SHARE {
            return Err(ReplayError::CapacityExceeded);
        }
        state.per_client.insert(client, held.saturating_add(1));
        state.proofs.insert(proof);
        state.by_time.insert((made, proof, client));
        Ok(())
    }

    /// Checks that a proof is unused, without regard to the limits.
    ///
    /// # Errors
    /// [`ReplayError`] for a proof that was used or may have been.
    pub(super) fn peek(&self, proof: [&str; 2], made: Timestamp) -> Result<(), ReplayError> {
        self.locked().is_new(&digest(&proof), made)
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // No code under the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Checks that a proof was never used.
    fn is_new(&self, proof: &Digest, made: Timestamp) -> Result<(), ReplayError> {
        if self.proofs.contains(proof) {
            return Err(ReplayError::Replayed);
        }
        if self.evicted_until.is_some_and(|evicted_until| made <= evicted_until) {
            return Err(ReplayError::Forgotten);
        }
        Ok(())
    }

    fn mark(&mut self, made: Timestamp) {
        self.evicted_until = self.evicted_until.max(Some(made));
    }

    /// Evicts expired proofs: at most a batch, as other calls wait meanwhile, but many times the one that is added.
    fn evict(&mut self, now: Timestamp) {
        for _ in 0..EVICT_BATCH {
            let expired = |(made, _, _): &(Timestamp, Digest, Digest)| made.plus(self.window) <= now;
            let Some((made, proof, client)) = self.by_time.first().copied().filter(expired) else { return };
            self.by_time.pop_first();
            self.mark(made);
            self.proofs.remove(&proof);
            match self.per_client.get_mut(&client) {
                Some(held) if *held > 1 => *held = held.saturating_sub(1),
                Some(_) | None => {
                    self.per_client.remove(&client);
                }
            }
        }
    }
}

/// Hashes the parts, so that no two lists of parts have the same input.
fn digest(parts: &[&str]) -> Digest {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    let mut first = Digest::default();
    first.iter_mut().zip(sha256_of_list(&parts)).for_each(|(to, from)| *to = from);
    first
}

#[cfg(test)]
mod tests;
