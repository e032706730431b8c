//! Calls of custom authenticators that wait. All checks with one credential share one call if the answer depends on the credential
//! alone; each authenticator has a limit of calls in progress. Other checks never get here.

use crate::single_flight::{Flight, Waiter};
use modgud_core::authn::{
    Authenticator, CredentialDigest, CustomAnswer, CustomCallError, CustomInput, WaitingAuthenticator,
};
use modgud_core::credential::AuthenticatorId;
use modgud_core::decide::Snapshot;
use modgud_core::http::request::Request;
use modgud_core::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// Time limit of a call that checks share: it goes on after a check has given up, so that the next one finds its answer. It is
/// longer if `server.deadline` is. Beyond it the call is dropped, and no longer counts as in progress.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

type Outcome = Result<CustomAnswer, CustomCallError>;

/// The calls in progress. Clones share them.
#[derive(Debug, Default, Clone)]
pub(crate) struct CustomCalls(Arc<Mutex<HashMap<AuthenticatorKey, Calls>>>);

/// The address of an authenticator, which its calls keep alive: no other one gets it meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct AuthenticatorKey(usize);

impl AuthenticatorKey {
    fn of(authenticator: &Arc<WaitingAuthenticator>) -> Self {
        Self(Arc::as_ptr(authenticator).addr())
    }
}

/// The calls of one authenticator.
#[derive(Debug, Default)]
struct Calls {
    in_progress: usize,
    shared: HashMap<CredentialDigest, Waiter<Outcome>>,
}

/// A call in progress. Its drop ends it, however it ends.
struct Permit {
    calls: CustomCalls,
    authenticator: Arc<WaitingAuthenticator>,
    /// The credential of a shared call.
    shared: Option<CredentialDigest>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let key = AuthenticatorKey::of(&self.authenticator);
        let mut all = self.calls.lock();
        let Some(calls) = all.get_mut(&key) else { return };
        if let Some(credential) = &self.shared {
            calls.shared.remove(credential);
        }
        calls.in_progress = calls.in_progress.saturating_sub(1);
        if calls.in_progress == 0 {
            all.remove(&key);
        }
    }
}

/// The role of a check that needs an answer.
enum Join {
    /// It makes the call, for all followers too.
    Leader(Flight<Outcome>, Permit),
    /// Another check makes the call.
    Follower(Waiter<Outcome>),
}

impl CustomCalls {
    /// Calls the authenticator of a request, and waits for its answer until the time that the check has left is over.
    pub(crate) async fn call(
        &self,
        request: &Request<'_>,
        snapshot: &Snapshot,
        by: AuthenticatorId,
        now: Timestamp,
        left: Duration,
    ) -> Outcome {
        // A pending lookup implies that there are both.
        let (authenticator, credential) = parts(request, snapshot, by).ok_or(CustomCallError::Panicked)?;
        match authenticator.input() {
            CustomInput::Credential => {
                let limit = CALL_TIMEOUT.max(snapshot.deadline);
                timeout(left, self.shared(authenticator, credential, now, limit)).await.unwrap_or(LATE)
            }
            CustomInput::Request => {
                let _permit = self.permit(authenticator).ok_or(CustomCallError::Busy)?;
                timeout(left, authenticator.call(credential, Some(request), now)).await.unwrap_or(LATE)
            }
        }
    }

    /// Returns the answer for a credential, by the call that is in progress, or by a new one.
    async fn shared(
        &self,
        authenticator: &Arc<WaitingAuthenticator>,
        credential: &str,
        now: Timestamp,
        limit: Duration,
    ) -> Outcome {
        let waiter = match self.join(authenticator, authenticator.key(credential))? {
            Join::Follower(waiter) => waiter,
            Join::Leader(flight, permit) => {
                // A call may have ended since the decision found no answer.
                if let Some(answer) = authenticator.cached(credential, now) {
                    drop(permit);
                    flight.end(Ok(answer.clone()));
                    return Ok(answer);
                }
                let waiter = flight.waiter();
                let (authenticator, credential) = (Arc::clone(authenticator), credential.to_owned());
                tokio::spawn(async move {
                    let outcome = timeout(limit, authenticator.call(&credential, None, now)).await.unwrap_or(LATE);
                    // It is cached by now, so no check starts a second call in between.
                    drop(permit);
                    flight.end(outcome);
                });
                waiter
            }
        };
        waiter.outcome().await.unwrap_or(Err(CustomCallError::Panicked))
    }

    fn join(
        &self,
        authenticator: &Arc<WaitingAuthenticator>,
        credential: CredentialDigest,
    ) -> Result<Join, CustomCallError> {
        let flight = Flight::default();
        let key = AuthenticatorKey::of(authenticator);
        let mut all = self.lock();
        if let Some(waiter) = all.get(&key).and_then(|calls| calls.shared.get(&credential)) {
            return Ok(Join::Follower(waiter.clone()));
        }
        let permit = self.enter(&mut all, authenticator, Some((credential, &flight)));
        drop(all);
        permit.map(|permit| Join::Leader(flight, permit)).ok_or(CustomCallError::Busy)
    }

    /// Counts a call that no other check shares; `None` if too many are in progress.
    fn permit(&self, authenticator: &Arc<WaitingAuthenticator>) -> Option<Permit> {
        self.enter(&mut self.lock(), authenticator, None)
    }

    fn enter(
        &self,
        all: &mut HashMap<AuthenticatorKey, Calls>,
        authenticator: &Arc<WaitingAuthenticator>,
        shared: Option<(CredentialDigest, &Flight<Outcome>)>,
    ) -> Option<Permit> {
        let calls = all.entry(AuthenticatorKey::of(authenticator)).or_default();
        if calls.in_progress >= authenticator.max_concurrent() {
            return None;
        }
        calls.in_progress = calls.in_progress.saturating_add(1);
        if let Some((credential, flight)) = &shared {
            calls.shared.insert(*credential, flight.waiter());
        }
        let shared = shared.map(|(credential, _)| credential);
        Some(Permit { calls: self.clone(), authenticator: Arc::clone(authenticator), shared })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AuthenticatorKey, Calls>> {
        // Code under the lock never panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const LATE: Outcome = Err(CustomCallError::Late);

/// Calls the authenticator of a request once, without a limit of calls: for commands. Its answer is cached for the next one.
pub(crate) async fn call_once(
    request: &Request<'_>,
    snapshot: &Snapshot,
    by: AuthenticatorId,
    now: Timestamp,
) -> Outcome {
    let (authenticator, credential) = parts(request, snapshot, by).ok_or(CustomCallError::Panicked)?;
    let limit = CALL_TIMEOUT.max(snapshot.deadline);
    timeout(limit, authenticator.call(credential, Some(request), now)).await.unwrap_or(LATE)
}

fn parts<'a>(
    request: &'a Request<'_>,
    snapshot: &'a Snapshot,
    by: AuthenticatorId,
) -> Option<(&'a Arc<WaitingAuthenticator>, &'a str)> {
    let authenticator = snapshot.authenticators.list().get(by.0).and_then(Authenticator::as_custom)?.waiting()?;
    let credential = snapshot.extractor.find(request).ok().flatten()?;
    Some((authenticator, credential.token.as_str()))
}

#[cfg(test)]
mod tests;
