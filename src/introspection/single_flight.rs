//! The requests in flight to one server: one per token for all callers that wait for it, up to a limit. While the
//! circuit breaker is open, there are none.

use super::breaker::{Breaker, Change, Health, Permit};
use modgud_core::authn::{CacheKey, IntrospectionOutcome};
use modgud_core::time::Timestamp;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use tokio::sync::watch;

/// The requests in flight to one server.
#[derive(Debug)]
pub(super) struct Flights {
    most: usize,
    under_way: HashMap<CacheKey, Hears>,
    breaker: Breaker,
}

type Hears = watch::Receiver<Option<IntrospectionOutcome>>;

/// The sender of a request's outcome.
pub(super) type Tells = watch::Sender<Option<IntrospectionOutcome>>;

/// The role of a caller that needs a response.
pub(super) enum Part {
    /// Follower: a request for the token is in flight.
    Waits(Waiting),
    /// Leader: the caller sends the request, for all followers too.
    Asks(Waiting, Tells, Permit),
    /// Rejected: too many requests are in flight.
    Busy,
    /// Rejected: the circuit breaker is open.
    Paused,
}

/// A receiver of a request's outcome.
pub(super) struct Waiting(Hears);

impl Waiting {
    /// Waits for the outcome.
    pub(super) async fn ended(mut self) -> IntrospectionOutcome {
        let told = self.0.wait_for(Option::is_some).await;
        told.ok().and_then(|told| told.clone()).unwrap_or(IntrospectionOutcome::Failed)
    }
}

impl Flights {
    /// Creates an empty set of requests.
    pub(super) fn new(most: usize) -> Self {
        Self { most, under_way: HashMap::new(), breaker: Breaker::new() }
    }

    /// Sets the maximum number of concurrent requests.
    pub(super) const fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// Assigns a role to a caller that needs the response for a token.
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

    /// Removes a finished request, before its callers get the outcome.
    pub(super) fn ended(&mut self, key: &CacheKey, permit: Permit, health: Health, now: Timestamp) -> Option<Change> {
        self.under_way.remove(key);
        self.breaker.ended(permit, health, now)
    }

    /// Returns true if the circuit breaker is open.
    pub(super) const fn is_paused(&self) -> bool {
        self.breaker.is_open()
    }
}
