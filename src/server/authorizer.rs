//! Gives a request to the core with what the core has to be given: the present snapshot, the present time, and what it says that
//! it lacks. Only a check that lacks something waits for it.

use crate::clock::Clock;
use crate::envoy::proto::CheckRequest;
use crate::envoy::read;
use crate::introspection::{Introspection, IntrospectionSource};
use crate::jwks::{JwksRegistry, KeySource};
use arc_swap::{ArcSwap, Guard};
use modgud_core::authn::{Authenticator, IntrospectionOutcome, JwksRefresh, LookupResult, PendingLookup};
use modgud_core::credential::AuthenticatorId;
use modgud_core::decide::{Decision, DecisionError};
use modgud_core::decide::{Snapshot, decide, decide_with};
use modgud_core::http::request::Request;
use modgud_core::time::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Decides checks, each on one snapshot from start to end.
#[derive(Debug)]
pub struct Authorizer {
    snapshot: ArcSwap<Snapshot>,
    keys: JwksRegistry,
    introspection: Introspection,
    clock: Clock,
}

impl Authorizer {
    /// A authorizer that decides by `snapshot` until it is given another, with the keys of these sources, and asks these
    /// authorization servers.
    #[must_use]
    pub fn new(
        mut snapshot: Snapshot,
        sources: Vec<KeySource>,
        servers: Vec<IntrospectionSource>,
        clock: Clock,
    ) -> Self {
        snapshot.authenticators.refuse_proofs_until(clock.now());
        let keys = JwksRegistry::new(clock.clone());
        keys.follow(sources, &mut snapshot.authenticators);
        let introspection = Introspection::new(clock.clone());
        introspection.follow(servers, &mut snapshot.authenticators);
        Self { snapshot: ArcSwap::from_pointee(snapshot), keys, introspection, clock }
    }

    /// The present snapshot. Holding it does not keep a newer one from being put in its place.
    #[must_use]
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// The providers of keys.
    #[must_use]
    pub const fn keys(&self) -> &JwksRegistry {
        &self.keys
    }

    /// The authorization servers.
    #[must_use]
    pub const fn introspection(&self) -> &Introspection {
        &self.introspection
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Puts another snapshot in the place of the present one, with the keys of these sources; what was had from a provider or an
    /// authorization server that stays is kept. Checks under way end on the one that they began with.
    pub fn replace(&self, mut snapshot: Snapshot, sources: Vec<KeySource>, servers: Vec<IntrospectionSource>) {
        self.keys.follow(sources, &mut snapshot.authenticators);
        self.introspection.follow(servers, &mut snapshot.authenticators);
        self.snapshot.store(Arc::new(snapshot));
        // Whoever waits for keys may not have to any more.
        self.keys.told();
    }

    /// Decides one check that began at a time, as of the time that `now` says, which is asked again after everything that is waited for;
    /// and gives back the request that was read from it, if it could be read. A check that has to wait needs what `enter` gives, and holds
    /// it until then; `None`: too many wait.
    pub async fn decide<'a, S>(
        &self,
        check: &'a CheckRequest,
        snapshot: &Snapshot,
        began: Instant,
        now: impl Fn() -> Timestamp,
        enter: impl FnOnce() -> Option<S>,
    ) -> (Decision, Option<Request<'a>>) {
        let request = match read(check, snapshot.scheme) {
            Ok(request) => request,
            Err(fault) => return (Decision::refused(DecisionError::Request(fault)), None),
        };
        let decision = decide(&request, snapshot, now());
        let Some(lack) = decision.pending_lookup() else { return (decision, Some(request)) };
        let Some(_slot) = enter() else { return (Decision::refused(DecisionError::Overload), Some(request)) };
        // Boxed, since most checks never come here: the others need not carry the room for it.
        let supply = Box::pin(self.supply(lack, &request, snapshot, began)).await;
        (decide_with(&request, snapshot, now(), &supply), Some(request))
    }

    /// Brings what a decision lacks, or what can be said about it, in the time that the check has left.
    async fn supply(
        &self,
        lack: PendingLookup,
        request: &Request<'_>,
        snapshot: &Snapshot,
        began: Instant,
    ) -> LookupResult {
        let left = answer_by(snapshot.deadline).saturating_sub(began.elapsed());
        match lack {
            PendingLookup::Jwks(AuthenticatorId(index)) | PendingLookup::JwksRefresh(AuthenticatorId(index)) => {
                let authenticator = snapshot.authenticators.list().get(index).and_then(Authenticator::as_jwt);
                let remote = authenticator.map(|jwt| jwt.keys.remote.as_slice()).unwrap_or_default();
                LookupResult::Jwks(timeout(left, self.keys.ask(remote)).await.unwrap_or(JwksRefresh::Failed))
            }
            PendingLookup::Introspection(by) | PendingLookup::ServerUnavailable(by) => {
                let asked = timeout(left, self.introspection.supply(request, snapshot, by)).await;
                asked.unwrap_or(LookupResult::Introspection(IntrospectionOutcome::Failed))
            }
        }
    }
}

/// When a check that waits is to be answered: a fifth of its time before its deadline, but not more than 50 ms, so that it is told
/// what was lacking, and not only that there was no time.
fn answer_by(deadline: Duration) -> Duration {
    const SHARE: u32 = 5;
    let kept = deadline.checked_div(SHARE).unwrap_or_default();
    deadline.saturating_sub(kept.min(Duration::from_millis(50)))
}
