//! One authorization server: requests, cache and counters.

use super::IntrospectionSource;
use super::absence::{Absence, Sign};
use super::breaker::{Health, Permit};
use super::error::IntrospectionError;
use super::log::{self, Told};
use super::single_flight::{Flights, Part, Tells};
use crate::clock::Clock;
use crate::http_client::{FetchRequest, HttpClient, Limits};
use modgud_core::authn::{
    CacheKey, IntrospectionAuthenticator, IntrospectionCache, IntrospectionOutcome, IntrospectionResponse,
};
use modgud_core::credential::RawToken;
use modgud_core::time::Timestamp;
use prometheus_client::metrics::histogram::Histogram;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Limits of one request: 64 KiB and 3 s.
const LIMITS: Limits = Limits { bytes: 64 * 1024, time: Duration::from_secs(3) };

/// One authorization server, with modgud as one client.
#[derive(Debug)]
pub(super) struct Server {
    source: IntrospectionSource,
    known: IntrospectionCache,
    client: HttpClient,
    clock: Clock,
    state: Mutex<State>,
    counters: Counters,
    seconds: Histogram,
}

#[derive(Debug)]
struct State {
    flights: Flights,
    told: Told,
    absence: Absence,
}

impl State {
    fn is_away(&self) -> bool {
        self.absence.is_away(self.flights.is_paused())
    }
}

#[derive(Debug, Default)]
struct Counters {
    active: AtomicU64,
    inactive: AtomicU64,
    failed: AtomicU64,
    busy: AtomicU64,
    paused: AtomicU64,
}

/// Outcomes of introspection, per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedCounts {
    /// The token is active.
    pub active: u64,
    /// The token is not active.
    pub inactive: u64,
    /// There was no usable response.
    pub failed: u64,
    /// No request: too many were in flight.
    pub busy: u64,
    /// No request: the circuit breaker was open.
    pub paused: u64,
}

impl Server {
    pub(super) fn new(
        source: IntrospectionSource,
        known: IntrospectionCache,
        clock: Clock,
        seconds: Histogram,
    ) -> Self {
        let client = HttpClient::new(source.roots.clone());
        let state = State { flights: Flights::new(source.most), told: Told::default(), absence: Absence::default() };
        Self { source, known, client, clock, state: Mutex::new(state), counters: Counters::default(), seconds }
    }

    pub(super) const fn source(&self) -> &IntrospectionSource {
        &self.source
    }

    pub(super) const fn known(&self) -> &IntrospectionCache {
        &self.known
    }

    pub(super) fn limit(&self, most: usize) {
        self.state().flights.limit(most);
    }

    pub(super) fn is_paused(&self) -> bool {
        self.state().flights.is_paused()
    }

    pub(super) fn counts(&self) -> AskedCounts {
        let Counters { active, inactive, failed, busy, paused } = &self.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AskedCounts {
            active: count(active),
            inactive: count(inactive),
            failed: count(failed),
            busy: count(busy),
            paused: count(paused),
        }
    }

    /// Introspects a token, by a new request or by one in flight. A caller that stops waiting does not cancel the
    /// request.
    pub(super) async fn ask(
        self: &Arc<Self>,
        authenticator: &IntrospectionAuthenticator,
        token: RawToken<'_>,
    ) -> IntrospectionOutcome {
        let key = self.known.key(token);
        let part = {
            let mut state = self.state();
            let now = self.clock.now();
            // A request in flight may have ended since the caller looked in the cache.
            if let Some(answer) = authenticator.fresh(&key, now) {
                return IntrospectionOutcome::Response(answer);
            }
            state.flights.begin(key, now)
        };
        match part {
            Part::Waits(waiting) => waiting.ended().await,
            Part::Asks(waiting, tells, permit) => {
                let flight = Flight::new(Arc::clone(self), key, tells, permit);
                tokio::spawn(flight.fly(token.as_str().to_owned()));
                waiting.ended().await
            }
            Part::Busy => {
                self.counters.busy.fetch_add(1, Ordering::Relaxed);
                IntrospectionOutcome::Busy
            }
            Part::Paused => {
                self.counters.paused.fetch_add(1, Ordering::Relaxed);
                if self.state().is_away() { IntrospectionOutcome::Unavailable } else { IntrospectionOutcome::Failed }
            }
        }
    }

    async fn post(&self, token: &str) -> Result<IntrospectionResponse, IntrospectionError> {
        let client = &self.source.client;
        let question = FetchRequest::PostForm { authorization: client.authorization(), form: client.form(token) };
        let answer = self.client.ask(&self.source.url, question, LIMITS).await?;
        Ok(IntrospectionResponse::parse(&answer)?)
    }

    /// Records the end of a request. The response is cached before waiting callers get it, so that no duplicate request
    /// starts in between.
    fn ended(
        &self,
        key: CacheKey,
        permit: Permit,
        asked: Timestamp,
        outcome: Result<IntrospectionResponse, IntrospectionError>,
    ) -> IntrospectionOutcome {
        let (health, counter) = match &outcome {
            Ok(answer) => {
                self.known.put(key, answer, asked);
                let counter = match answer {
                    IntrospectionResponse::Active(_) => &self.counters.active,
                    IntrospectionResponse::Inactive => &self.counters.inactive,
                };
                (Health::Up, counter)
            }
            Err(fault) => (fault.health(), &self.counters.failed),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let sign = outcome.as_ref().map_or_else(IntrospectionError::sign, |_| Sign::None);
        let (change, tells, away) = {
            let mut state = self.state();
            let now = self.clock.now();
            let change = state.flights.ended(&key, permit, health, now);
            match health {
                Health::Up => state.absence.answered(),
                Health::Down => state.absence.failed(sign, key),
                Health::Unknown => {}
            }
            (change, outcome.is_err() && state.told.tells(now), sign != Sign::None && state.is_away())
        };
        if let (Err(fault), true) = (&outcome, tells) {
            log::failed(&self.source, fault);
        }
        if let Some(change) = change {
            log::changed(&self.source, change);
        }
        match outcome {
            Ok(answer) => IntrospectionOutcome::Response(answer),
            Err(_) if away => IntrospectionOutcome::Unavailable,
            Err(_) => IntrospectionOutcome::Failed,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Code under the lock never panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in flight. However it ends, even by an internal error, its drop notifies the waiting callers and allows
/// the next request.
struct Flight {
    server: Arc<Server>,
    key: CacheKey,
    tells: Tells,
    permit: Permit,
    asked: Timestamp,
    outcome: Option<Result<IntrospectionResponse, IntrospectionError>>,
}

impl Flight {
    fn new(server: Arc<Server>, key: CacheKey, tells: Tells, permit: Permit) -> Self {
        let asked = server.clock.now();
        Self { server, key, tells, permit, asked, outcome: None }
    }

    async fn fly(mut self, token: String) {
        let started = Instant::now();
        self.outcome = Some(self.server.post(&token).await);
        self.server.seconds.observe(started.elapsed().as_secs_f64());
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or(Err(IntrospectionError::Internal));
        let asked = self.server.ended(self.key, self.permit, self.asked, outcome);
        self.tells.send_replace(Some(asked));
    }
}
