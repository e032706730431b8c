//! The questions to one server that are under way: one for a token, however many wait for its answer; so many at once; and none
//! while the server is left alone. Sends nothing itself.

use super::breaker::{Breaker, Change, Health, Permit};
use modgud_core::authn::{CacheKey, IntrospectionOutcome};
use modgud_core::time::Timestamp;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use tokio::sync::watch;

/// The questions to one server.
#[derive(Debug)]
pub(super) struct Flights {
    most: usize,
    under_way: HashMap<CacheKey, Hears>,
    breaker: Breaker,
}

type Hears = watch::Receiver<Option<IntrospectionOutcome>>;

/// Tells how a question ended.
pub(super) type Tells = watch::Sender<Option<IntrospectionOutcome>>;

/// What becomes of somebody who wants an answer.
pub(super) enum Part {
    /// It is under way.
    Waits(Waiting),
    /// They ask, for whoever else wants it, too.
    Asks(Waiting, Tells, Permit),
    /// Too many questions are under way.
    Busy,
    /// The server is left alone.
    Paused,
}

/// Waits for the end of a question.
pub(super) struct Waiting(Hears);

impl Waiting {
    /// What became of it.
    pub(super) async fn ended(mut self) -> IntrospectionOutcome {
        let told = self.0.wait_for(Option::is_some).await;
        told.ok().and_then(|told| told.clone()).unwrap_or(IntrospectionOutcome::Failed)
    }
}

impl Flights {
    /// Nothing is under way.
    pub(super) fn new(most: usize) -> Self {
        Self { most, under_way: HashMap::new(), breaker: Breaker::new() }
    }

    /// How many questions may be under way at once, from now on.
    pub(super) const fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// Somebody wants the answer for a token.
    pub(super) fn begin(&mut self, key: CacheKey, now: Timestamp) -> Part {
        let full = self.under_way.len() >= self.most;
        match self.under_way.entry(key) {
            Entry::Occupied(flight) => Part::Waits(Waiting(flight.get().clone())),
            Entry::Vacant(_) if full => Part::Busy,
            Entry::Vacant(place) => match self.breaker.permit(now) {
                None => Part::Paused,
                Some(permit) => {
                    let (tells, hears) = watch::channel(None);
                    place.insert(hears.clone());
                    Part::Asks(Waiting(hears), tells, permit)
                }
            },
        }
    }

    /// A question has ended, before anybody is told.
    pub(super) fn ended(&mut self, key: &CacheKey, permit: Permit, health: Health, now: Timestamp) -> Option<Change> {
        self.under_way.remove(key);
        self.breaker.ended(permit, health, now)
    }

    /// Whether the server is left alone.
    pub(super) const fn is_paused(&self) -> bool {
        self.breaker.is_open()
    }
}
