//! The decision and its inputs: a pure function of request, snapshot and time, without clock, I/O or logging. A snapshot is
//! immutable; a new configuration is a new snapshot.

mod decision;

pub use decision::{
    Decision, DecisionError, LogFields, LogLimits, LoggedDecisions, NamedSeries, ShadowOutcome, Verdict,
};

use crate::authn::{Authenticated, Authentication, Authenticators, AuthnError, LookupResult, ReplayMode};
use crate::authz::condition::Inputs;
use crate::authz::{
    Access, AuthzContext, AuthzError, Caller, Denial, MatchedPolicy, Modules, Permit, RuleName, Rules, ShadowMatch,
};
use crate::credential::{AuthenticatorId, Credential, CredentialExtractor, PresentedCredential};
use crate::denial::{DenialResponses, Insufficient};
use crate::explain::{NoopObserver, Observer, Step};
use crate::http::request::{Request, SchemeSource};
use crate::principal::Principal;
use crate::protected_resource::ProtectedResource;
use crate::respond::RuleResponses;
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
    /// The longest path and query of a request, in bytes.
    pub max_target: usize,
    /// The credential locations.
    pub extractor: CredentialExtractor,
    /// The authenticators.
    pub authenticators: Authenticators,
    /// The rules.
    pub rules: Rules,
    /// The access lists of modules; `None` if no module has one.
    pub modules: Option<Modules>,
    /// The changes to allowed requests for modules.
    pub upstream: RequestMutator,
    /// The JWKS of the keys that sign minted tokens.
    pub jwks_document: Bytes,
    /// The metadata of the protected resource (RFC 9728); `None` if not configured.
    pub protected_resource: Option<ProtectedResource>,
    /// The identity correlation for a process engine (actor and impersonated user); `None` if not configured.
    pub correlation: Option<Correlation>,
    /// The responses to denied clients.
    pub denials: DenialResponses,
    /// The headers on responses to allowed requests.
    pub responses: RuleResponses,
    /// The time limit of one check, including network requests.
    pub deadline: Duration,
    /// The decisions that are logged.
    pub logged: LoggedDecisions,
    /// The personal data in their log lines.
    pub fields: LogFields,
    /// The number of their log lines.
    pub log_limits: LogLimits,
    /// How many rules and API keys have metrics of their own.
    pub named_series: NamedSeries,
    /// The slots in which the checks are counted.
    pub slots: CounterSlots,
}

/// The slots in which checks are counted, by the number of a rule, and by the index of an authenticator. The calling code assigns them.
#[derive(Debug, Default)]
pub struct CounterSlots {
    /// The slot of each rule.
    pub rules: Box<[u8]>,
    /// The slot of each authenticator.
    pub authenticators: Box<[u8]>,
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
pub fn decide_with(request: &Request<'_>, snapshot: &Snapshot, now: Timestamp, lookup: &LookupResult) -> Decision {
    decide_traced(request, snapshot, now, lookup, &mut NoopObserver)
}

/// Decides one request and reports every step to an observer.
#[must_use]
pub fn decide_traced(
    request: &Request<'_>,
    snapshot: &Snapshot,
    now: Timestamp,
    lookup: &LookupResult,
    observer: &mut impl Observer,
) -> Decision {
    evaluate(request, snapshot, (now, ReplayMode::Record), lookup, observer)
}

/// Decides one request for an explanation, in [`ReplayMode::Explain`] or [`ReplayMode::Repeat`]: no later decision depends on it.
#[must_use]
pub fn decide_dry(
    request: &Request<'_>,
    snapshot: &Snapshot,
    (now, replay_mode): (Timestamp, ReplayMode),
    observer: &mut impl Observer,
) -> Decision {
    evaluate(request, snapshot, (now, replay_mode), &LookupResult::Nothing, observer)
}

/// The evaluation that all entry points use.
fn evaluate(
    request: &Request<'_>,
    snapshot: &Snapshot,
    (now, replay_mode): (Timestamp, ReplayMode),
    lookup: &LookupResult,
    observer: &mut impl Observer,
) -> Decision {
    let selection = snapshot.rules.select(request);
    observer.step(|| {
        let alone = selection.as_ref().ok().and_then(MatchedPolicy::describe_alone);
        alone.unwrap_or_else(|| snapshot.rules.describe(request))
    });
    let shadow = snapshot.rules.select_shadow(request);
    let (mut decision, result) = match selection {
        Err(denial) => (deny(denial, observer), AuthnResult::NOT_REQUIRED),
        Ok(selection) => {
            if selection.is_constrained() {
                observer.step(|| selection.describe_route());
            }
            let result = authenticate(selection.access(), request, snapshot, now, lookup, replay_mode, observer);
            // The shadow rule reuses this authentication, because a proof is valid only once.
            let again = if shadow.is_some() { result.clone() } else { AuthnResult::NOT_REQUIRED };
            (authorize_and_mutate(&selection, result, request, snapshot, now, observer), again)
        }
    };
    if observer.keeps_steps()
        && let Some(step) = nearest_rule(&decision, request, snapshot)
    {
        observer.step(|| step);
    }
    let inputs = Inputs {
        request,
        pattern: None,
        rule: decision.rule.as_ref().map(RuleName::as_str),
        principal: decision.principal.as_deref(),
        now,
    };
    decision.computed = snapshot.upstream.metadata.compute(&inputs);
    if let Some(shadow) = shadow {
        let mode = if replay_mode.leaves_traces() { ReplayMode::Peek } else { replay_mode };
        let at = (now, mode);
        decision.shadow = Some(Box::new(evaluate_shadow(&shadow, result, request, snapshot, at, lookup, observer)));
    }
    decision
}

/// Describes a rule that nearly matches, if no rule decides, or if the one that matches denies the request.
fn nearest_rule(decision: &Decision, request: &Request<'_>, snapshot: &Snapshot) -> Option<Step> {
    match &decision.verdict {
        Verdict::Deny(DecisionError::Authz(AuthzError::Credential(_))) | Verdict::Allow(_) => {
            decision.rule.is_none().then(|| snapshot.rules.describe_nearest(request))?
        }
        Verdict::Deny(DecisionError::Authz(error)) if error.depends_on_rule() => {
            snapshot.rules.describe_nearest(request)
        }
        Verdict::Deny(_) => None,
    }
}

/// The outcome of authentication and the credential it came from.
#[derive(Debug, Clone)]
struct AuthnResult<'a, 's> {
    authentication: Authentication,
    /// The authenticator that the credential is for.
    by: Option<AuthenticatorId>,
    credential: Option<Credential<'a, 's>>,
}

impl Snapshot {
    /// Inherits the last use of each key of the replaced snapshot that stays.
    pub fn inherit_last_use(&mut self, before: &Self) {
        self.authenticators.inherit_last_use(&before.authenticators);
        self.upstream.forward.inherit_last_use(&before.upstream.forward);
    }
}

impl AuthnResult<'_, '_> {
    const NOT_REQUIRED: Self = Self { authentication: Authentication::NotRequired, by: None, credential: None };
}

/// Authorizes the caller and computes the changes to the request.
fn authorize_and_mutate(
    selection: &MatchedPolicy<'_, '_>,
    result: AuthnResult<'_, '_>,
    request: &Request<'_>,
    snapshot: &Snapshot,
    now: Timestamp,
    observer: &mut impl Observer,
) -> Decision {
    let AuthnResult { authentication, by, credential } = result;
    let mut decision = Decision::denied(DecisionError::Internal);
    decision.credential_for = by;
    decision.rule = selection.rule().cloned();

    let access = selection.access();
    if let Authentication::Authenticated(principal) = &authentication {
        decision.principal = Some(Arc::clone(principal));
    }
    let module = snapshot.modules.as_ref().and_then(|modules| modules.constraint(request));
    if let Some(module) = &module {
        observer.step(|| module.describe(&authentication));
    }
    let context = AuthzContext { module: module.as_ref(), request, now };
    let permit = selection.authorize(&context, authentication, observer).map_err(|Denial { error, rule }| {
        decision.rule = rule;
        error
    });
    decision.verdict = match permit {
        Err(error) => {
            let caller = decision.principal.as_deref().filter(|_| snapshot.denials.discloses_permissions());
            decision.insufficient = caller.and_then(|caller| insufficient(caller, selection, &error));
            Verdict::Deny(error.into())
        }
        Ok(permit) => {
            if let Caller::Known(principal) = permit.caller() {
                decision.authenticator = Some(principal.authenticator().clone());
            }
            let presented = match (access, &credential) {
                (Access::Public | Access::Preflight | Access::Denied, _) => PresentedCredential::NotRequired,
                (Access::Authenticated | Access::Optional, None) => PresentedCredential::None,
                (Access::Authenticated | Access::Optional, Some(credential)) => PresentedCredential::Some(credential),
            };
            let rule = decision.rule.as_ref().map(RuleName::as_str);
            mutate(&permit, presented, request, rule, (snapshot, now), observer)
        }
    };
    decision
}

/// Evaluates a shadow rule for the authenticated caller. If the enforced rule required no authentication, it authenticates
/// separately, without recording proofs as used and without waiting for pending lookups.
fn evaluate_shadow(
    shadow: &ShadowMatch<'_, '_>,
    result: AuthnResult<'_, '_>,
    request: &Request<'_>,
    snapshot: &Snapshot,
    (now, replay_mode): (Timestamp, ReplayMode),
    lookup: &LookupResult,
    observer: &mut impl Observer,
) -> ShadowOutcome {
    let ShadowMatch { selection, rule } = shadow;
    let result = match result.authentication {
        Authentication::NotRequired => {
            authenticate(selection.access(), request, snapshot, now, lookup, replay_mode, &mut NoopObserver)
        }
        Authentication::Missing | Authentication::Authenticated(_) | Authentication::Failed(_) => result,
    };
    let decision = authorize_and_mutate(selection, result, request, snapshot, now, &mut NoopObserver);
    let (rule, error) = match decision.verdict {
        Verdict::Allow(_) => ((*rule).clone(), None),
        // Of two shadow rules, that of the path and that of the route, the one that denies.
        Verdict::Deny(error) => {
            let by = decision.rule.filter(|by| selection.has_shadow(by));
            (by.unwrap_or_else(|| (*rule).clone()), Some(error))
        }
    };
    observer.step(|| {
        let name = rule.as_str();
        Step::noted(
            "shadow",
            match &error {
                None => format!("`{name}` would allow the request"),
                Some(error) => {
                    format!("`{name}` would deny the request, {}: {error}", error.reason())
                }
            },
        )
    });
    ShadowOutcome { rule, error }
}

/// Builds the decision for a request that is denied before authentication.
fn deny(denial: Denial, observer: &mut impl Observer) -> Decision {
    let Denial { error, rule } = denial;
    match &error {
        // The step of the matching rules has reported this already.
        AuthzError::NoRule => {}
        error => observer.step(|| Step::failed("route", error.to_string())),
    }
    Decision { rule, ..Decision::denied(error.into()) }
}

/// Returns the required and existing permissions; `None` if the denial has another reason.
fn insufficient(
    caller: &Principal,
    selection: &MatchedPolicy<'_, '_>,
    error: &AuthzError,
) -> Option<Box<Insufficient>> {
    let AuthzError::PermissionMissing(missing) = error else { return None };
    let mut required = selection.required_permissions();
    if !required.contains(missing) {
        required.push(missing.clone());
    }
    Some(Box::new(Insufficient { required, have: caller.identity().permissions().to_vec() }))
}

/// Extracts and verifies the credential, if the rule requires it.
fn authenticate<'a, 's>(
    access: Access,
    request: &'a Request<'_>,
    snapshot: &'s Snapshot,
    now: Timestamp,
    lookup: &LookupResult,
    replay_mode: ReplayMode,
    observer: &mut impl Observer,
) -> AuthnResult<'a, 's> {
    match access {
        Access::Public | Access::Preflight | Access::Denied => {
            observer.step(|| Step::noted("credential", "not extracted: the rule does not require one"));
            return AuthnResult::NOT_REQUIRED;
        }
        Access::Authenticated | Access::Optional => {}
    }
    observer.step(|| Step::noted("locations", format!("searched: {}", snapshot.extractor)));
    let (authenticated, credential) = match snapshot.extractor.find(request) {
        Err(error) => {
            observer.step(|| Step::failed("credential", error.to_string()));
            (Some(Authenticated { by: None, outcome: Err(AuthnError::Credential(error)) }), None)
        }
        Ok(None) => {
            observer.step(|| Step::noted("credential", "the request has none"));
            // The certificate belongs to the connection, not to the request, so it is used only without another credential.
            (snapshot.authenticators.authenticate_peer(request.peer, observer), None)
        }
        Ok(Some(credential)) => {
            observer.step(|| Step::passed("credential", format!("found in {}", credential.location)));
            let authenticated =
                snapshot.authenticators.authenticate(&credential, request, now, lookup, replay_mode, observer);
            let credential = authenticated.outcome.is_ok().then_some(credential);
            (Some(authenticated), credential)
        }
    };
    let (authentication, by) = match authenticated {
        None => (Authentication::Missing, None),
        Some(Authenticated { by, outcome: Ok(principal) }) => (Authentication::Authenticated(principal), by),
        Some(Authenticated { by, outcome: Err(error) }) => (Authentication::Failed(error), by),
    };
    AuthnResult { authentication, by, credential }
}

/// Computes the changes to the request; a denial if a value can't be written.
fn mutate(
    permit: &Permit,
    presented: PresentedCredential<'_, '_, '_>,
    request: &Request<'_>,
    rule: Option<&str>,
    (snapshot, now): (&Snapshot, Timestamp),
    observer: &mut impl Observer,
) -> Verdict {
    let mutations = snapshot.upstream.mutations(permit, presented, request, rule, now);
    observer.step(|| match &mutations {
        Ok(mutations) => {
            let (set, removed) = (mutations.set.len(), mutations.remove.len());
            let dropped: Vec<&str> = mutations.dropped.iter().map(|dropped| dropped.name.as_str()).collect();
            let dropped = match dropped.as_slice() {
                [] => String::new(),
                names => format!("; without {}, whose value can't be encoded", names.join(", ")),
            };
            Step::passed("headers", format!("{set} written, {removed} removed{dropped}"))
        }
        Err(error) => Step::failed("headers", error.to_string()),
    });
    match (mutations, &snapshot.correlation) {
        (Ok(mutations), None) => Verdict::Allow(mutations),
        (Ok(mutations), Some(correlation)) => {
            correlate(correlation, permit, request, (snapshot, now), mutations, observer)
        }
        (Err(error), _) => Verdict::Deny(error.into()),
    }
}

/// Adds the identity correlation.
fn correlate(
    correlation: &Correlation,
    permit: &Permit,
    request: &Request<'_>,
    (snapshot, now): (&Snapshot, Timestamp),
    mut mutations: Mutations,
    observer: &mut impl Observer,
) -> Verdict {
    let correlated = correlation.write(permit, &snapshot.authenticators, request, now, &mut mutations);
    observer.step(|| match &correlated {
        Ok(CorrelationOutcome::Signed) => Step::passed("correlation", "written and signed for the process instance"),
        Ok(CorrelationOutcome::Unsigned) => {
            Step::passed("correlation", "written, not signed: there is no process instance or no secret")
        }
        Ok(CorrelationOutcome::Anonymous) => Step::noted("correlation", "none: the caller is anonymous"),
        Err(error) => Step::failed("correlation", error.to_string()),
    });
    match correlated {
        Ok(_) => Verdict::Allow(mutations),
        Err(error) => Verdict::Deny(error.into()),
    }
}
