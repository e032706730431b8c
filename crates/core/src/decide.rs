//! Everything that a decision reads, and the decision itself: a pure function of request, snapshot and time. No clock, no
//! I/O, no logging. A snapshot is never changed; a new configuration is a new one.

mod decision;
mod mutate;

pub use decision::{Decision, DecisionError, LoggedDecisions, ShadowOutcome, Verdict};

use crate::authn::{Authentication, Authenticators, AuthnError, LookupResult, ReplayMode};
use crate::authz::condition::Inputs;
use crate::authz::{
    Access, AuthzContext, AuthzError, Caller, Denial, MatchedPolicy, Modules, RuleName, Rules, ShadowMatch,
};
use crate::credential::{Credential, CredentialExtractor, PresentedCredential};
use crate::denial::{DenialResponses, Insufficient};
use crate::explain::{NoopObserver, Observer, Step};
use crate::http::request::{Request, SchemeSource};
use crate::principal::Principal;
use crate::time::Timestamp;
use crate::upstream::{Correlation, RequestMutator};
use bytes::Bytes;
use mutate::shape;
use std::sync::Arc;
use std::time::Duration;

/// One configuration, ready to decide with.
#[derive(Debug)]
pub struct Snapshot {
    /// Where the scheme of a request comes from.
    pub scheme: SchemeSource,
    /// Where credentials stand.
    pub places: CredentialExtractor,
    /// Who vouches for callers.
    pub authenticators: Authenticators,
    /// Who may do what.
    pub rules: Rules,
    /// What organizations may do in modules; `None` where no module narrows anything.
    pub modules: Option<Modules>,
    /// What modules are told.
    pub shape: RequestMutator,
    /// The public keys of what is minted for modules, as a JWK set.
    pub published: Bytes,
    /// Who acts for whom, for a process engine; `None` where nobody asks.
    pub correlation: Option<Correlation>,
    /// What clients are told when they are turned away.
    pub answers: DenialResponses,
    /// How long one check may take, network and all.
    pub deadline: Duration,
    /// Which decisions are logged.
    pub logged: LoggedDecisions,
}

/// Decides one request.
///
/// The rule is found first, since it says whether anybody is to be asked for at all; then the credential, then the caller,
/// then what the module is told. Whatever goes wrong on the way is a denial; so is what only the network could tell, unless
/// [`decide_with`] is given it.
#[must_use]
pub fn decide(request: &Request<'_>, snapshot: &Snapshot, now: Timestamp) -> Decision {
    decide_with(request, snapshot, now, &LookupResult::Nothing)
}

/// Decides one request again, with what the edges have brought for what [`Decision::pending_lookup`] said.
#[must_use]
pub fn decide_with(request: &Request<'_>, snapshot: &Snapshot, now: Timestamp, supply: &LookupResult) -> Decision {
    decide_traced(request, snapshot, now, supply, &mut NoopObserver)
}

/// Decides one request before an observer, who is told every step. There is no other evaluation than this one.
#[must_use]
pub fn decide_traced(
    request: &Request<'_>,
    snapshot: &Snapshot,
    now: Timestamp,
    supply: &LookupResult,
    observer: &mut impl Observer,
) -> Decision {
    let selection = snapshot.rules.select(request);
    observer.step(|| {
        let alone = selection.as_ref().ok().and_then(MatchedPolicy::describe_alone);
        alone.unwrap_or_else(|| snapshot.rules.describe(request))
    });
    let trial = snapshot.rules.select_shadow(request);
    let (mut decision, asked) = match selection {
        Err(refusal) => (refused(refusal, observer), AuthnResult::NOBODY),
        Ok(selection) => {
            if selection.is_narrowed() {
                observer.step(|| selection.describe_route());
            }
            let asked = authenticate(selection.access(), request, snapshot, now, supply, ReplayMode::Record, observer);
            // What was asked for once is not asked for again: a proof can't be shown twice.
            let again = if trial.is_some() { asked.clone() } else { AuthnResult::NOBODY };
            (authorize_and_mutate(&selection, asked, request, snapshot, now, observer), again)
        }
    };
    let inputs = Inputs {
        request,
        pattern: None,
        rule: decision.rule.as_ref().map(RuleName::as_str),
        principal: decision.principal.as_deref(),
        now,
    };
    decision.computed = snapshot.shape.metadata.compute(&inputs);
    if let Some(trial) = trial {
        decision.tried = Some(Box::new(tried(&trial, asked, request, snapshot, now, supply, observer)));
    }
    decision
}

/// What became of the question who is there, and what it was asked about.
#[derive(Debug, Clone)]
struct AuthnResult<'a, 's> {
    authentication: Authentication,
    credential: Option<Credential<'a, 's>>,
}

impl AuthnResult<'_, '_> {
    const NOBODY: Self = Self { authentication: Authentication::NotRequired, credential: None };
}

/// Holds whoever is there against what is asked for.
fn authorize_and_mutate(
    selection: &MatchedPolicy<'_, '_>,
    asked: AuthnResult<'_, '_>,
    request: &Request<'_>,
    snapshot: &Snapshot,
    now: Timestamp,
    observer: &mut impl Observer,
) -> Decision {
    let AuthnResult { authentication, credential } = asked;
    let mut decision = Decision::refused(DecisionError::Internal);
    decision.rule = selection.rule().cloned();

    let access = selection.access();
    if let Authentication::Authenticated(principal) = &authentication {
        decision.principal = Some(Arc::clone(principal));
    }
    let module = snapshot.modules.as_ref().and_then(|modules| modules.narrow(request));
    if let Some(module) = &module {
        observer.step(|| module.describe(&authentication));
    }
    let against = AuthzContext { module: module.as_ref(), request, now };
    let granted = selection.authorize(&against, authentication, observer).map_err(|Denial { fault, rule }| {
        decision.rule = rule;
        fault
    });
    decision.verdict = match granted {
        Err(fault) => {
            let told = decision.principal.as_deref().filter(|_| snapshot.answers.discloses_permissions());
            decision.insufficient = told.and_then(|caller| insufficient(caller, selection, &fault));
            Verdict::Deny(fault.into())
        }
        Ok(grant) => {
            if let Caller::Known(principal) = grant.caller() {
                decision.authenticator = Some(principal.authenticator().clone());
            }
            let shown = match (access, &credential) {
                (Access::Public | Access::Preflight | Access::Denied, _) => PresentedCredential::NotRequired,
                (Access::Authenticated | Access::Optional, None) => PresentedCredential::None,
                (Access::Authenticated | Access::Optional, Some(credential)) => PresentedCredential::Some(credential),
            };
            let rule = decision.rule.as_ref().map(RuleName::as_str);
            shape(&grant, shown, request, rule, (snapshot, now), observer)
        }
    };
    decision
}

/// What a rule that is tried out would come to, for whoever was found to be there. Where nobody was asked for, it looks by itself, and
/// neither spends what it finds nor waits for what is lacking.
fn tried(
    trial: &ShadowMatch<'_, '_>,
    asked: AuthnResult<'_, '_>,
    request: &Request<'_>,
    snapshot: &Snapshot,
    now: Timestamp,
    supply: &LookupResult,
    observer: &mut impl Observer,
) -> ShadowOutcome {
    let ShadowMatch { selection, rule } = trial;
    let asked = match asked.authentication {
        Authentication::NotRequired => {
            authenticate(selection.access(), request, snapshot, now, supply, ReplayMode::Peek, &mut NoopObserver)
        }
        Authentication::Missing | Authentication::Authenticated(_) | Authentication::Failed(_) => asked,
    };
    let fault = match authorize_and_mutate(selection, asked, request, snapshot, now, &mut NoopObserver).verdict {
        Verdict::Allow(_) => None,
        Verdict::Deny(fault) => Some(fault),
    };
    observer.step(|| {
        let name = rule.as_str();
        Step::noted(
            "shadow",
            match &fault {
                None => format!("`{name}` is tried out: it would let the request through"),
                Some(fault) => {
                    format!("`{name}` is tried out: it would not let the request through, {}: {fault}", fault.reason())
                }
            },
        )
    });
    ShadowOutcome { rule: (*rule).clone(), fault }
}

/// What is settled before anybody is asked for.
fn refused(refusal: Denial, observer: &mut impl Observer) -> Decision {
    let Denial { fault, rule } = refusal;
    match &fault {
        // Has been told with the rules that match.
        AuthzError::NoRule => {}
        fault => observer.step(|| Step::failed("route", fault.to_string())),
    }
    Decision { rule, ..Decision::refused(fault.into()) }
}

/// What a caller lacks, if it is permissions.
fn insufficient(
    caller: &Principal,
    selection: &MatchedPolicy<'_, '_>,
    fault: &AuthzError,
) -> Option<Box<Insufficient>> {
    let AuthzError::PermissionMissing(missing) = fault else { return None };
    let mut required = selection.required_permissions();
    if !required.contains(missing) {
        required.push(missing.clone());
    }
    Some(Box::new(Insufficient { required, have: caller.identity().permissions.clone() }))
}

/// Looks for a credential and asks whose it is, if the rule wants to know.
fn authenticate<'a, 's>(
    access: Access,
    request: &Request<'a>,
    snapshot: &'s Snapshot,
    now: Timestamp,
    supply: &LookupResult,
    replay_mode: ReplayMode,
    observer: &mut impl Observer,
) -> AuthnResult<'a, 's> {
    match access {
        Access::Public | Access::Preflight | Access::Denied => {
            observer.step(|| Step::noted("credential", "not looked for: the rule does not ask who is there"));
            return AuthnResult::NOBODY;
        }
        Access::Authenticated | Access::Optional => {}
    }
    observer.step(|| Step::noted("places", format!("looked for a credential in {}", snapshot.places)));
    let (authentication, credential) = match snapshot.places.find(request) {
        Err(fault) => {
            observer.step(|| Step::failed("credential", fault.to_string()));
            (Authentication::Failed(AuthnError::Credential(fault)), None)
        }
        Ok(None) => {
            observer.step(|| Step::noted("credential", "there is none"));
            // The certificate belongs to the connection and not to the request: it speaks where no credential does.
            match snapshot.authenticators.authenticate_peer(request.peer, observer) {
                None => (Authentication::Missing, None),
                Some(Ok(principal)) => (Authentication::Authenticated(principal), None),
                Some(Err(fault)) => (Authentication::Failed(fault), None),
            }
        }
        Ok(Some(credential)) => {
            observer.step(|| Step::passed("credential", format!("one, in {}", credential.place)));
            match snapshot.authenticators.authenticate(&credential, request, now, supply, replay_mode, observer) {
                Ok(principal) => (Authentication::Authenticated(principal), Some(credential)),
                Err(fault) => (Authentication::Failed(fault), None),
            }
        }
    };
    AuthnResult { authentication, credential }
}
