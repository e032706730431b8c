//! The decision and its inputs: a pure function of request, snapshot and time, without clock, I/O or logging. A snapshot is
//! immutable; a new configuration is a new snapshot.

mod decision;

pub use decision::{Decision, DecisionError, LoggedDecisions, ShadowOutcome, Verdict};

use crate::authn::{Authentication, Authenticators, AuthnError, LookupResult, ReplayMode};
use crate::authz::condition::Inputs;
use crate::authz::{
    Access, AuthzContext, AuthzError, Caller, Denial, MatchedPolicy, Modules, Permit, RuleName, Rules, ShadowMatch,
};
use crate::credential::{Credential, CredentialExtractor, PresentedCredential};
use crate::denial::{DenialResponses, Insufficient};
use crate::explain::{NoopObserver, Observer, Step};
use crate::http::header::HeaderName;
use crate::http::request::{Request, SchemeSource};
use crate::principal::Principal;
use crate::time::Timestamp;
use crate::upstream::{Correlation, CorrelationOutcome, Mutations, RequestMutator};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// A complete configuration, ready for decisions.
#[derive(Debug)]
pub struct Snapshot {
    /// The source of a request's scheme.
    pub scheme: SchemeSource,
    /// The credential locations.
    pub places: CredentialExtractor,
    /// The authenticators.
    pub authenticators: Authenticators,
    /// The rules.
    pub rules: Rules,
    /// The access lists of modules; `None` if no module has one.
    pub modules: Option<Modules>,
    /// The changes to allowed requests for modules.
    pub shape: RequestMutator,
    /// The JWKS of the keys that sign minted tokens.
    pub published: Bytes,
    /// The identity correlation for a process engine (actor and impersonated user); `None` if not configured.
    pub correlation: Option<Correlation>,
    /// The responses to denied clients.
    pub answers: DenialResponses,
    /// The time limit of one check, including network requests.
    pub deadline: Duration,
    /// The decisions that are logged.
    pub logged: LoggedDecisions,
}

/// Decides one request.
///
/// The rule is selected first, because it determines if a credential is required. Then follow the credential, the caller and the
/// changes to the request. Every error on the way is a denial, and so is a pending lookup unless [`decide_with`] receives its
/// result.
#[must_use]
pub fn decide(request: &Request<'_>, snapshot: &Snapshot, now: Timestamp) -> Decision {
    decide_with(request, snapshot, now, &LookupResult::Nothing)
}

/// Decides one request again, with the result of the lookup that [`Decision::pending_lookup`] returned.
#[must_use]
pub fn decide_with(request: &Request<'_>, snapshot: &Snapshot, now: Timestamp, supply: &LookupResult) -> Decision {
    decide_traced(request, snapshot, now, supply, &mut NoopObserver)
}

/// Decides one request and reports every step to an observer. All other entry points use this evaluation.
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
        Err(refusal) => (refused(refusal, observer), AuthnResult::NOT_REQUIRED),
        Ok(selection) => {
            if selection.is_narrowed() {
                observer.step(|| selection.describe_route());
            }
            let asked = authenticate(selection.access(), request, snapshot, now, supply, ReplayMode::Record, observer);
            // The shadow rule reuses this authentication, because a proof is valid only once.
            let again = if trial.is_some() { asked.clone() } else { AuthnResult::NOT_REQUIRED };
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

/// The outcome of authentication and the credential it came from.
#[derive(Debug, Clone)]
struct AuthnResult<'a, 's> {
    authentication: Authentication,
    credential: Option<Credential<'a, 's>>,
}

impl AuthnResult<'_, '_> {
    const NOT_REQUIRED: Self = Self { authentication: Authentication::NotRequired, credential: None };
}

/// Authorizes the caller and computes the changes to the request.
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
            mutate(&grant, shown, request, rule, (snapshot, now), observer)
        }
    };
    decision
}

/// Evaluates a shadow rule for the authenticated caller. If the enforced rule required no authentication, it authenticates
/// separately, without recording proofs as used and without waiting for pending lookups.
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

/// Builds the decision for a request that is denied before authentication.
fn refused(refusal: Denial, observer: &mut impl Observer) -> Decision {
    let Denial { fault, rule } = refusal;
    match &fault {
        // The step of the matching rules has reported this already.
        AuthzError::NoRule => {}
        fault => observer.step(|| Step::failed("route", fault.to_string())),
    }
    Decision { rule, ..Decision::refused(fault.into()) }
}

/// Returns the required and existing permissions; `None` if the denial has another reason.
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

/// Extracts and verifies the credential, if the rule requires it.
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
            return AuthnResult::NOT_REQUIRED;
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
            // The certificate belongs to the connection, not to the request, so it is used only without another credential.
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

/// Computes the changes to the request; a denial if a value can't be written.
fn mutate(
    grant: &Permit,
    shown: PresentedCredential<'_, '_, '_>,
    request: &Request<'_>,
    rule: Option<&str>,
    (snapshot, now): (&Snapshot, Timestamp),
    observer: &mut impl Observer,
) -> Verdict {
    let mutations = snapshot.shape.mutations(grant, shown, request, rule, now);
    observer.step(|| match &mutations {
        Ok(mutations) => {
            let (set, removed) = (mutations.set.len(), mutations.remove.len());
            let dropped: Vec<&str> = mutations.dropped.iter().map(HeaderName::as_str).collect();
            let dropped = match dropped.as_slice() {
                [] => String::new(),
                names => format!("; without {}, whose value can't be written", names.join(", ")),
            };
            Step::passed("headers", format!("{set} written over whatever the client sent, {removed} removed{dropped}"))
        }
        Err(fault) => Step::failed("headers", fault.to_string()),
    });
    match (mutations, &snapshot.correlation) {
        (Ok(mutations), None) => Verdict::Allow(mutations),
        (Ok(mutations), Some(correlation)) => correlate(correlation, grant, request, now, mutations, observer),
        (Err(fault), _) => Verdict::Deny(fault.into()),
    }
}

/// Adds the identity correlation.
fn correlate(
    correlation: &Correlation,
    grant: &Permit,
    request: &Request<'_>,
    now: Timestamp,
    mut mutations: Mutations,
    observer: &mut impl Observer,
) -> Verdict {
    let correlated = correlation.write(grant, request, now, &mut mutations);
    observer.step(|| match &correlated {
        Ok(CorrelationOutcome::Signed) => Step::passed("correlation", "written and signed for the process instance"),
        Ok(CorrelationOutcome::Unsigned) => {
            Step::passed("correlation", "written; not signed, as no process instance is known, or no key")
        }
        Ok(CorrelationOutcome::Anonymous) => Step::noted("correlation", "none: nobody is known"),
        Err(fault) => Step::failed("correlation", fault.to_string()),
    });
    match correlated {
        Ok(_) => Verdict::Allow(mutations),
        Err(fault) => Verdict::Deny(fault.into()),
    }
}
