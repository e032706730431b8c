//! Proofs that have been shown, so that none is good twice. Each is remembered until it would not be good any more anyway. Bounded in
//! number: a proof that there is no room to remember is refused, and nobody can take the room of all others.

use crate::clock::Timestamp;
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The most proofs that are remembered: some 50 MiB of them.
const MOST: usize = 1 << 19;

/// Whoever holds as much as this part of what is free gets no more until some of theirs are forgotten. One alone can take a ninth of
/// all, and so each after it of what is left: about a hundred would have to take all they can within one lifetime of proofs before
/// somebody else finds no room.
const PART_OF_THE_FREE: usize = 8;

/// The most that are forgotten when one is remembered: some tenths of a millisecond.
const FORGOTTEN_AT_ONCE: usize = 512;

/// Proofs that have been shown. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct SpentProofs(Arc<Mutex<Spent>>);

/// Whether a proof that is good is good no more after it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spending {
    /// It is not: somebody is let through for it.
    Spend,
    /// It still is: nobody is.
    Look,
}

/// The first 16 bytes of a SHA-256: whoever finds two names with one digest has made a proof that is refused.
type Digest = [u8; 16];

#[derive(Debug, Default)]
struct Spent {
    proofs: HashSet<Digest>,
    /// When each is forgotten, which it is, and whose.
    ends: BTreeSet<(Timestamp, Digest, Digest)>,
    /// How many are remembered of each client.
    held: HashMap<Digest, usize>,
}

/// Why a good proof is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpendFault {
    /// It was shown before (RFC 9449 §11.1).
    #[error("the proof has been shown before")]
    Again,
    /// There would be no remembering it.
    #[error("its client has shown more proofs than are remembered of one client within their lifetime")]
    TooMany,
}

impl SpentProofs {
    /// Takes a proof, which is known by the key that made it and by its own name, and is good until `end`, from a client. Of
    /// several that take one proof at the same time, one gets it.
    ///
    /// # Errors
    /// [`SpendFault`] for a proof that was taken before, and for one more than a client may have remembered.
    pub(super) fn spend(
        &self,
        client: [&str; 3],
        proof: [&str; 2],
        end: Timestamp,
        now: Timestamp,
    ) -> Result<(), SpendFault> {
        let (client, proof) = (digest(&client), digest(&proof));
        // Nothing between here and the end can fail half-way.
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spent.forget(now);
        if spent.proofs.contains(&proof) {
            return Err(SpendFault::Again);
        }
        let free = MOST.saturating_sub(spent.proofs.len());
        let held = spent.held.get(&client).copied().unwrap_or_default();
        if held >= free / PART_OF_THE_FREE {
            return Err(SpendFault::TooMany);
        }
        spent.held.insert(client, held.saturating_add(1));
        spent.proofs.insert(proof);
        spent.ends.insert((end, proof, client));
        Ok(())
    }

    /// Whether a proof could be taken, but for the bounds.
    ///
    /// # Errors
    /// [`SpendFault::Again`] for a proof that was taken before.
    pub(super) fn look(&self, proof: [&str; 2]) -> Result<(), SpendFault> {
        let spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.proofs.contains(&digest(&proof)) { Err(SpendFault::Again) } else { Ok(()) }
    }
}

impl Spent {
    /// Forgets what is not good any more: not all at once, for others wait meanwhile, but many times what one adds.
    fn forget(&mut self, now: Timestamp) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let Some((_, proof, client)) = self.ends.first().copied().filter(|(end, _, _)| *end <= now) else { return };
            self.ends.pop_first();
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
mod tests {
    use super::{FORGOTTEN_AT_ONCE, MOST, PART_OF_THE_FREE, SpendFault, SpentProofs};
    use crate::clock::Timestamp;
    use std::sync::Barrier;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_secs(1_000);
    const C: [&str; 3] = ["a", "subject", "c"];

    #[test]
    fn who_only_looks_spends_nothing() {
        let spent = SpentProofs::default();
        assert_eq!((spent.look(["k", "a"]), spent.look(["k", "a"])), (Ok(()), Ok(())));
        assert_eq!(spent.spend(C, ["k", "a"], end(1), NOW), Ok(()));
        assert_eq!((spent.look(["k", "a"]), spent.look(["k", "b"])), (Err(SpendFault::Again), Ok(())));
    }

    fn end(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_proof_is_good_once_until_it_is_forgotten() {
        let spent = SpentProofs::default();
        assert_eq!(spent.spend(C, ["key", "a"], end(60), NOW), Ok(()));
        assert_eq!(spent.clone().spend(C, ["key", "a"], end(60), NOW), Err(SpendFault::Again));
        assert_eq!(spent.spend(["a", "subject", "other"], ["key", "a"], end(90), NOW), Err(SpendFault::Again));
        for other in [["key", "b"], ["keya", ""], ["", "keya"], ["other", "a"]] {
            assert_eq!(spent.spend(C, other, end(30), NOW), Ok(()), "{other:?}");
        }
        let late = Timestamp::from_millis(1_059_999);
        assert_eq!(spent.spend(C, ["key", "a"], end(60), late), Err(SpendFault::Again));
        assert_eq!(spent.0.lock().unwrap().proofs.len(), 1, "those of the shorter time are forgotten");
        assert_eq!(spent.spend(C, ["key", "a"], end(120), end(60)), Ok(()));
    }

    #[test]
    fn of_many_at_the_same_time_one_passes() {
        const THREADS: usize = 8;
        let (spent, barrier) = (SpentProofs::default(), Barrier::new(THREADS));
        for round in 0..50 {
            let name = round.to_string();
            let passed = std::thread::scope(|scope| {
                let each = |_| {
                    scope.spawn(|| {
                        barrier.wait();
                        spent.spend(C, ["key", &name], end(60), NOW).is_ok()
                    })
                };
                let all: Vec<_> = (0..THREADS).map(each).collect();
                all.into_iter().filter_map(|one| one.join().ok()).filter(|passed| *passed).count()
            });
            assert_eq!(passed, 1);
        }
    }

    #[test]
    fn nobody_takes_the_room_of_others() {
        let spent = SpentProofs::default();
        let fill = |client: &str| {
            let taken = (0..MOST)
                .take_while(|n| spent.spend(["a", "key", client], [client, &n.to_string()], end(60), NOW).is_ok());
            taken.count()
        };
        let alone = fill("greedy");
        assert!((MOST / (PART_OF_THE_FREE + 1)).abs_diff(alone) <= PART_OF_THE_FREE, "{alone}");
        assert_eq!(spent.spend(["a", "key", "greedy"], ["greedy", "one more"], end(60), NOW), Err(SpendFault::TooMany));
        assert_eq!(spent.spend(["a", "key", "greedy"], ["greedy", "0"], end(60), NOW), Err(SpendFault::Again));
        // Twenty more of them leave room for somebody who comes after them.
        let all: usize = (0..20).map(|number| fill(&format!("greedy-{number}"))).sum();
        assert!(alone + all < MOST);
        assert!(fill("modest") > 1_000);
        assert_eq!(spent.0.lock().unwrap().held.len(), 22);
        // When the time of all is over there is room at once, and soon nothing is left of what was.
        let again =
            || (0..).map(|n: usize| spent.spend(["a", "key", "new"], ["again", &n.to_string()], end(120), end(60)));
        assert!(again().take(MOST / FORGOTTEN_AT_ONCE + 1).all(|taken| taken.is_ok()));
        let now = spent.0.lock().unwrap();
        let left = MOST / FORGOTTEN_AT_ONCE + 1;
        assert_eq!((now.proofs.len(), now.ends.len(), now.held.len()), (left, left, 1));
    }
}
