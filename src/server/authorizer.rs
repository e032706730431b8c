//! Decides requests with the core, and supplies its inputs: the active snapshot, the present time, and the lookups that it requests. Only a
//! check that needs a lookup waits.

use crate::clock::Clock;
use crate::envoy::{Check, read};
use crate::introspection::{Introspection, IntrospectionSource};
use crate::jwks::{JwksRegistry, KeySource};
use crate::server::custom_calls::CustomCalls;
use arc_swap::{ArcSwap, Guard};
use modgud_core::authn::{
    Authenticator, IntrospectionOutcome, IntrospectionResponse, JwksRefresh, LookupResult, PendingLookup,
};
use modgud_core::credential::AuthenticatorId;
use modgud_core::decide::{Decision, DecisionError};
use modgud_core::decide::{Snapshot, decide, decide_with};
use modgud_core::http::request::Request;
use modgud_core::time::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The authorizer of checks. Each check uses one snapshot from start to end.
#[derive(Debug)]
pub struct Authorizer {
    snapshot: ArcSwap<Snapshot>,
    keys: JwksRegistry,
    introspection: Introspection,
    custom: CustomCalls,
    clock: Clock,
}

impl Authorizer {
    /// Creates an authorizer that decides by `snapshot` until that is replaced. Keys come from `sources`, introspection responses from
    /// `servers`.
    #[must_use]
    pub fn new(
        mut snapshot: Snapshot,
        sources: Vec<KeySource>,
        servers: Vec<IntrospectionSource>,
        clock: Clock,
    ) -> Self {
        snapshot.authenticators.reject_proofs_until(clock.now());
        let keys = JwksRegistry::new(clock.clone());
        keys.replace(sources, &mut snapshot.authenticators);
        let introspection = Introspection::new(clock.clone());
        introspection.replace(servers, &mut snapshot.authenticators);
        Self { snapshot: ArcSwap::from_pointee(snapshot), keys, introspection, custom: CustomCalls::default(), clock }
    }

    /// Returns the active snapshot. Holding it does not block its replacement.
    #[must_use]
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Returns the registry of JWKS providers.
    #[must_use]
    pub const fn keys(&self) -> &JwksRegistry {
        &self.keys
    }

    /// Returns the introspection state of the authorization servers.
    #[must_use]
    pub const fn introspection(&self) -> &Introspection {
        &self.introspection
    }

    /// Returns the present time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the present time in nanoseconds since 1970.
    #[must_use]
    pub fn now_nanos(&self) -> u64 {
        self.clock.now_nanos()
    }

    /// Replaces the snapshot, the JWKS sources and the authorization servers. Data from a provider or authorization server that stays is
    /// kept; so are DPoP proofs, and verified tokens if nothing that they depend on changes. Checks under way end on the snapshot that they
    /// began with, which is returned.
    pub fn replace(
        &self,
        mut snapshot: Snapshot,
        sources: Vec<KeySource>,
        servers: Vec<IntrospectionSource>,
    ) -> Arc<Snapshot> {
        let before = self.snapshot.load();
        snapshot.authenticators.inherit_replay_cache(&before.authenticators);
        self.keys.replace(sources, &mut snapshot.authenticators);
        self.introspection.replace(servers, &mut snapshot.authenticators);
        snapshot.authenticators.inherit_tokens(&before.authenticators);
        snapshot.inherit_last_use(&before);
        drop(before);
        let before = self.snapshot.swap(Arc::new(snapshot));
        // Wakes those that wait for keys: they may not need them any more.
        self.keys.notify();
        before
    }

    /// Decides one check that began at `began`, and returns its request, unless it could not be read, and the lookup that it waited for. `now` is
    /// called again after every wait. A check that has to wait needs a slot from `try_acquire`, and holds it meanwhile; without one it is denied as overload.
    pub async fn decide<'a, S>(
        &self,
        check: &mut Check<'a>,
        snapshot: &Snapshot,
        began: Instant,
        now: impl Fn() -> Timestamp,
        try_acquire: impl FnOnce() -> Option<S>,
    ) -> (Decision, Option<Request<'a>>, Option<LookupRecord>) {
        let request = match read(check, snapshot.request) {
            Ok(request) => request,
            Err(error) => return (Decision::denied(DecisionError::Request(error)), None, None),
        };
        let decision = decide(&request, snapshot, now());
        let Some(pending) = decision.pending_lookup() else { return (decision, Some(request), None) };
        let Some(_slot) = try_acquire() else {
            return (Decision::denied(DecisionError::Overload), Some(request), None);
        };
        let waiting = Instant::now();
        // Boxed, since most checks never get here and need not carry the space for it.
        let result = Box::pin(self.look_up(pending, &request, snapshot, began)).await;
        let lookup = LookupRecord::new(pending, waiting, &result);
        (decide_with(&request, snapshot, now(), &result), Some(request), Some(lookup))
    }

    /// Performs a pending lookup, or reports its failure, in the time that the check has left.
    pub async fn look_up(
        &self,
        pending: PendingLookup,
        request: &Request<'_>,
        snapshot: &Snapshot,
        began: Instant,
    ) -> LookupResult {
        let left = lookup_deadline(snapshot.deadline).saturating_sub(began.elapsed());
        match pending {
            PendingLookup::Jwks(AuthenticatorId(index)) | PendingLookup::JwksRefresh(AuthenticatorId(index)) => {
                let authenticator = snapshot.authenticators.list().get(index).and_then(Authenticator::as_jwt);
                let remote = authenticator.map(|jwt| jwt.keys.remote.as_slice()).unwrap_or_default();
                LookupResult::Jwks(timeout(left, self.keys.refresh(remote)).await.unwrap_or(JwksRefresh::Failed))
            }
            PendingLookup::Introspection(by) | PendingLookup::ServerUnavailable(by) => {
                let outcome = timeout(left, self.introspection.introspect(request, snapshot, by)).await;
                outcome.unwrap_or(LookupResult::Introspection(IntrospectionOutcome::Failed))
            }
            PendingLookup::Custom(by) => {
                LookupResult::Custom(self.custom.call(request, snapshot, by, self.now(), left).await)
            }
        }
    }
}

/// A lookup that a check waited for.
#[derive(Debug, Clone, Copy)]
pub struct LookupRecord {
    /// The lookup.
    pub pending: PendingLookup,
    /// Its start.
    pub began: Instant,
    /// Its end.
    pub ended: Instant,
    /// The code of its outcome.
    pub outcome: &'static str,
    /// True if there is no usable result.
    pub has_failed: bool,
}

impl LookupRecord {
    fn new(pending: PendingLookup, began: Instant, result: &LookupResult) -> Self {
        let (outcome, has_failed) = match result {
            LookupResult::Jwks(JwksRefresh::Refreshed) => ("refreshed", false),
            // No request was sent: the last JWKS is recent.
            LookupResult::Jwks(JwksRefresh::RateLimited { .. }) => ("rate_limited", false),
            LookupResult::Introspection(IntrospectionOutcome::Response(IntrospectionResponse::Active(_))) => {
                ("active", false)
            }
            LookupResult::Introspection(IntrospectionOutcome::Response(IntrospectionResponse::Inactive)) => {
                ("inactive", false)
            }
            LookupResult::Introspection(IntrospectionOutcome::Unavailable) => ("unavailable", true),
            LookupResult::Introspection(IntrospectionOutcome::Busy) => ("busy", true),
            LookupResult::Custom(Ok(_)) => ("answered", false),
            LookupResult::Jwks(JwksRefresh::Failed)
            | LookupResult::Introspection(IntrospectionOutcome::Failed)
            | LookupResult::Custom(Err(_))
            | LookupResult::Nothing => ("failed", true),
        };
        Self { pending, began, ended: Instant::now(), outcome, has_failed }
    }
}

/// Returns the time after which a waiting check is answered: a fifth of the deadline before it, but at most 50 ms. The denial then names
/// the missing lookup, instead of a mere timeout.
fn lookup_deadline(deadline: Duration) -> Duration {
    const SHARE: u32 = 5;
    let kept = deadline.checked_div(SHARE).unwrap_or_default();
    deadline.saturating_sub(kept.min(Duration::from_millis(50)))
}
