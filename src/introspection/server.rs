//! One authorization server: requests, cache and counters.

use super::IntrospectionSource;
use super::absence::{Absence, Sign};
use super::breaker::{Change, CircuitBreaker, Health, Permit};
use super::error::IntrospectionError;
use crate::clock::Clock;
use crate::http_client::{ClockOffset, FetchRequest, HttpClient, Limits};
use crate::log_throttle::LogThrottle;
use crate::single_flight::{Flight, Waiter};
use modgud_core::authn::{
    CacheKey, IntrospectionAuthenticator, IntrospectionCache, IntrospectionOutcome, IntrospectionResponse,
};
use modgud_core::credential::RawToken;
use modgud_core::time::Timestamp;
use prometheus_client::metrics::histogram::Histogram;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Limits of one request: 64 KiB and 3 s.
const LIMITS: Limits = Limits { bytes: 64 * 1024, time: Duration::from_secs(3) };

/// Minimum interval between two messages about failures. They contain no tokens and no responses.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// One authorization server, with modgud as one client.
#[derive(Debug)]
pub(super) struct Server {
    source: IntrospectionSource,
    cache: IntrospectionCache,
    client: HttpClient,
    clock: Clock,
    state: Mutex<State>,
    counters: Counters,
    durations: Histogram,
}

#[derive(Debug)]
struct State {
    max_concurrent: usize,
    /// One request per token, for all callers that wait for it.
    in_flight: HashMap<CacheKey, Waiter<IntrospectionOutcome>>,
    breaker: CircuitBreaker,
    absence: Absence,
    throttle: LogThrottle,
}

/// The role of a caller that needs a response.
enum Join {
    /// The caller sends the request, for all followers too.
    Leader(Flight<IntrospectionOutcome>, Permit),
    /// A request for the token is in flight.
    Follower(Waiter<IntrospectionOutcome>),
    /// Rejected: too many requests are in flight.
    Busy,
    /// Rejected: the circuit breaker is open.
    Open,
}

impl State {
    /// Assigns a role to a caller that needs the response for a token.
    fn join(&mut self, key: CacheKey, now: Timestamp) -> Join {
        if let Some(waiter) = self.in_flight.get(&key) {
            return Join::Follower(waiter.clone());
        }
        if self.in_flight.len() >= self.max_concurrent {
            return Join::Busy;
        }
        let Some(permit) = self.breaker.permit(now) else { return Join::Open };
        let flight = Flight::default();
        self.in_flight.insert(key, flight.waiter());
        Join::Leader(flight, permit)
    }

    fn is_away(&self) -> bool {
        self.absence.is_away(self.breaker.is_open())
    }
}

#[derive(Debug, Default)]
struct Counters {
    active: AtomicU64,
    inactive: AtomicU64,
    failed: AtomicU64,
    busy: AtomicU64,
    open: AtomicU64,
}

/// Outcomes of introspection, per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntrospectionCounts {
    /// The token is active.
    pub active: u64,
    /// The token is not active.
    pub inactive: u64,
    /// There was no usable response.
    pub failed: u64,
    /// No request: too many were in flight.
    pub busy: u64,
    /// No request: the circuit breaker was open.
    pub open: u64,
}

impl Server {
    pub(super) fn new(
        source: IntrospectionSource,
        cache: IntrospectionCache,
        clock: Clock,
        durations: Histogram,
    ) -> Self {
        let client = HttpClient::new(source.trust_anchors.clone());
        let state = State {
            max_concurrent: source.max_concurrent,
            in_flight: HashMap::new(),
            breaker: CircuitBreaker::new(),
            absence: Absence::default(),
            throttle: LogThrottle::new(LOG_INTERVAL),
        };
        Self { source, cache, client, clock, state: Mutex::new(state), counters: Counters::default(), durations }
    }

    pub(super) const fn source(&self) -> &IntrospectionSource {
        &self.source
    }

    pub(super) const fn cache(&self) -> &IntrospectionCache {
        &self.cache
    }

    /// Sets the maximum number of concurrent requests.
    pub(super) fn set_max_concurrent(&self, max_concurrent: usize) {
        self.state().max_concurrent = max_concurrent;
    }

    /// Returns true if the circuit breaker is open.
    pub(super) fn is_open(&self) -> bool {
        self.state().breaker.is_open()
    }

    pub(super) fn counts(&self) -> IntrospectionCounts {
        let Counters { active, inactive, failed, busy, open } = &self.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        IntrospectionCounts {
            active: count(active),
            inactive: count(inactive),
            failed: count(failed),
            busy: count(busy),
            open: count(open),
        }
    }

    /// Introspects a token, by a new request or by one in flight. A caller that stops waiting does not cancel the
    /// request.
    pub(super) async fn introspect(
        self: &Arc<Self>,
        authenticator: &IntrospectionAuthenticator,
        token: RawToken<'_>,
    ) -> IntrospectionOutcome {
        let key = self.cache.key(token);
        let join = {
            let mut state = self.state();
            let now = self.clock.now();
            // A request in flight may have ended since the caller looked in the cache.
            if let Some(response) = authenticator.fresh(&key, now) {
                return IntrospectionOutcome::Response(response);
            }
            state.join(key, now)
        };
        let waiter = match join {
            Join::Follower(waiter) => waiter,
            Join::Leader(flight, permit) => {
                let waiter = flight.waiter();
                let request = Request::new(Arc::clone(self), key, flight, permit);
                tokio::spawn(request.send(token.as_str().to_owned()));
                waiter
            }
            Join::Busy => {
                self.counters.busy.fetch_add(1, Ordering::Relaxed);
                return IntrospectionOutcome::Busy;
            }
            Join::Open => {
                self.counters.open.fetch_add(1, Ordering::Relaxed);
                let is_away = self.state().is_away();
                return if is_away { IntrospectionOutcome::Unavailable } else { IntrospectionOutcome::Failed };
            }
        };
        waiter.outcome().await.unwrap_or(IntrospectionOutcome::Failed)
    }

    /// Records the end of a request. The response is cached before waiting callers get it, so that no duplicate request
    /// starts in between.
    fn ended(
        &self,
        key: CacheKey,
        permit: Permit,
        began: Timestamp,
        outcome: Result<IntrospectionResponse, IntrospectionError>,
    ) -> IntrospectionOutcome {
        let (health, counter) = match &outcome {
            Ok(response) => {
                self.cache.put(key, response, began);
                let counter = match response {
                    IntrospectionResponse::Active(_) => &self.counters.active,
                    IntrospectionResponse::Inactive => &self.counters.inactive,
                };
                (Health::Up, counter)
            }
            Err(error) => (error.health(), &self.counters.failed),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let sign = outcome.as_ref().map_or_else(IntrospectionError::sign, |_| Sign::None);
        let (change, suppressed, is_away) = {
            let mut state = self.state();
            state.in_flight.remove(&key);
            let change = state.breaker.ended(permit, health, self.clock.now());
            match health {
                Health::Up => state.absence.answered(),
                Health::Down => state.absence.failed(sign, key),
                Health::Unknown => {}
            }
            let suppressed = if outcome.is_err() { state.throttle.tick() } else { None };
            (change, suppressed, sign != Sign::None && state.is_away())
        };
        let (authenticator, server) = (self.source.authenticator.as_str(), &self.source.url);
        if let (Err(error), Some(before)) = (&outcome, suppressed) {
            tracing::warn!(authenticator, %server, %error, before, "introspection failed");
        }
        match change {
            Some(Change::Opened) => tracing::warn!(authenticator, %server, "introspection circuit breaker opened"),
            Some(Change::Closed) => tracing::info!(authenticator, %server, "introspection circuit breaker closed"),
            None => {}
        }
        match outcome {
            Ok(response) => IntrospectionOutcome::Response(response),
            Err(_) if is_away => IntrospectionOutcome::Unavailable,
            Err(_) => IntrospectionOutcome::Failed,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Code under the lock never panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends one introspection request. Sets `clock` like [`HttpClient::send_timed`].
pub(super) async fn post(
    http: &HttpClient,
    source: &IntrospectionSource,
    token: &str,
    clock: &mut Option<ClockOffset>,
) -> Result<IntrospectionResponse, IntrospectionError> {
    let client = &source.client;
    let request = FetchRequest::PostForm { authorization: client.authorization(), form: client.form(token) };
    let response = http.send_timed(&source.url, request, LIMITS, clock).await?;
    Ok(IntrospectionResponse::parse(&response)?)
}

/// A request in flight. However it ends, even by an internal error, its drop notifies the waiting callers and allows
/// the next request.
struct Request {
    server: Arc<Server>,
    key: CacheKey,
    flight: Flight<IntrospectionOutcome>,
    permit: Permit,
    began: Timestamp,
    outcome: Option<Result<IntrospectionResponse, IntrospectionError>>,
}

impl Request {
    fn new(server: Arc<Server>, key: CacheKey, flight: Flight<IntrospectionOutcome>, permit: Permit) -> Self {
        let began = server.clock.now();
        Self { server, key, flight, permit, began, outcome: None }
    }

    async fn send(mut self, token: String) {
        let started = Instant::now();
        self.outcome = Some(post(&self.server.client, &self.server.source, &token, &mut None).await);
        self.server.durations.observe(started.elapsed().as_secs_f64());
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or(Err(IntrospectionError::Internal));
        self.flight.end(self.server.ended(self.key, self.permit, self.began, outcome));
    }
}
