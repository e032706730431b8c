//! Everything that a decision reads, and the decision itself: a pure function of request, snapshot and time. No clock, no
//! I/O, no logging. A snapshot is never changed; a new configuration is a new one.

use crate::answer::{Answers, Insufficient};
use crate::authn::{Authentication, Authenticators, AuthnFault, Supply};
use crate::authz::{Access, AuthzFault, Caller, Grant, Modules, Refusal, Rules, Selection};
use crate::clock::Timestamp;
use crate::credential::{Credential, Places, Shown};
use crate::decision::{Decision, Fault, LoggedDecisions, Verdict};
use crate::explain::{Nobody, Observer, Step};
use crate::header::HeaderName;
use crate::principal::Principal;
use crate::request::Request;
use crate::upstream::{Correlated, Correlation, Mutations, Shape};
use std::sync::Arc;
use std::time::Duration;

/// One configuration, ready to decide with.
#[derive(Debug)]
pub struct Snapshot {
    /// Where credentials stand.
    pub places: Places,
    /// Who vouches for callers.
    pub authenticators: Authenticators,
    /// Who may do what.
    pub rules: Rules,
    /// What organizations may do in modules; `None` where no module narrows anything.
    pub modules: Option<Modules>,
    /// What modules are told.
    pub shape: Shape,
    /// Who acts for whom, for a process engine; `None` where nobody asks.
    pub correlation: Option<Correlation>,
    /// What clients are told when they are turned away.
    pub answers: Answers,
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
    decide_with(request, snapshot, now, &Supply::Nothing)
}

/// Decides one request again, with what the edges have brought for what [`Decision::lack`] said.
#[must_use]
pub fn decide_with(request: &Request<'_>, snapshot: &Snapshot, now: Timestamp, supply: &Supply) -> Decision {
    decide_before(request, snapshot, now, supply, &mut Nobody)
}

/// Decides one request before an observer, who is told every step. There is no other evaluation than this one.
#[must_use]
pub fn decide_before(
    request: &Request<'_>,
    snapshot: &Snapshot,
    now: Timestamp,
    supply: &Supply,
    observer: &mut impl Observer,
) -> Decision {
    let selection = snapshot.rules.select(request);
    observer.step(|| {
        let alone = selection.as_ref().ok().and_then(Selection::describe_alone);
        alone.unwrap_or_else(|| snapshot.rules.describe(request))
    });
    let selection = match selection {
        Ok(selection) => selection,
        Err(refusal) => return refused(refusal, observer),
    };
    if selection.is_narrowed() {
        observer.step(|| selection.describe_route());
    }
    let mut decision = Decision::refused(Fault::Internal);
    decision.rule = selection.rule().cloned();

    let access = selection.access();
    let (authentication, credential) = authenticate(access, request, snapshot, now, supply, observer);
    let caller = caller_to_tell(&authentication, snapshot);
    let module = snapshot.modules.as_ref().and_then(|modules| modules.narrow(request));
    if let Some(module) = &module {
        observer.step(|| module.describe(&authentication));
    }
    let granted = selection.authorize(module.as_ref(), authentication).map_err(|Refusal { fault, rule }| {
        decision.rule = rule;
        fault
    });
    observer.step(|| Step::of("access", &granted, format!("`{}` lets the request through", access.name())));
    decision.verdict = match granted {
        Err(fault) => {
            decision.insufficient = caller.and_then(|caller| insufficient(&caller, &selection, &fault));
            Verdict::Deny(fault.into())
        }
        Ok(grant) => {
            if let Caller::Known(principal) = grant.caller() {
                decision.authenticator = Some(principal.authenticator().clone());
            }
            let shown = match (access, &credential) {
                (Access::Public | Access::Preflight | Access::Denied, _) => Shown::NotAsked,
                (Access::Authenticated | Access::Optional, None) => Shown::Nothing,
                (Access::Authenticated | Access::Optional, Some(credential)) => Shown::Credential(credential),
            };
            let shaped = shape(&grant, shown, request, (snapshot, now), observer);
            decision.grant = Some(grant);
            shaped
        }
    };
    decision
}

/// What is settled before anybody is asked for.
fn refused(refusal: Refusal, observer: &mut impl Observer) -> Decision {
    let Refusal { fault, rule } = refusal;
    match &fault {
        // Has been told with the rules that match.
        AuthzFault::NoRule => {}
        fault => observer.step(|| Step::failed("route", fault.to_string())),
    }
    Decision { rule, ..Decision::refused(fault.into()) }
}

/// The caller, where it may have to be told what it lacks.
fn caller_to_tell(authentication: &Authentication, snapshot: &Snapshot) -> Option<Arc<Principal>> {
    match authentication {
        Authentication::Accepted(caller) if snapshot.answers.tell_permissions() => Some(Arc::clone(caller)),
        Authentication::Accepted(_)
        | Authentication::NotAsked
        | Authentication::Absent
        | Authentication::Rejected(_) => None,
    }
}

/// What a caller lacks, if it is permissions.
fn insufficient(caller: &Principal, selection: &Selection<'_, '_>, fault: &AuthzFault) -> Option<Box<Insufficient>> {
    let AuthzFault::PermissionMissing(missing) = fault else { return None };
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
    supply: &Supply,
    observer: &mut impl Observer,
) -> (Authentication, Option<Credential<'a, 's>>) {
    match access {
        Access::Public | Access::Preflight | Access::Denied => {
            observer.step(|| Step::noted("credential", "not looked for: the rule does not ask who is there"));
            return (Authentication::NotAsked, None);
        }
        Access::Authenticated | Access::Optional => {}
    }
    observer.step(|| Step::noted("places", format!("looked for a credential in {}", snapshot.places)));
    match snapshot.places.find(request) {
        Err(fault) => {
            observer.step(|| Step::failed("credential", fault.to_string()));
            (Authentication::Rejected(AuthnFault::Credential(fault)), None)
        }
        Ok(None) => {
            observer.step(|| Step::noted("credential", "there is none"));
            // The certificate belongs to the connection and not to the request: it speaks where no credential does.
            match snapshot.authenticators.authenticate_peer(request.peer, observer) {
                None => (Authentication::Absent, None),
                Some(Ok(principal)) => (Authentication::Accepted(principal), None),
                Some(Err(fault)) => (Authentication::Rejected(fault), None),
            }
        }
        Ok(Some(credential)) => {
            observer.step(|| Step::passed("credential", format!("one, in {}", credential.place)));
            match snapshot.authenticators.authenticate(&credential, request, now, supply, observer) {
                Ok(principal) => (Authentication::Accepted(principal), Some(credential)),
                Err(fault) => (Authentication::Rejected(fault), None),
            }
        }
    }
}

/// What the module is told, or why the request can't be handed on.
fn shape(
    grant: &Grant,
    shown: Shown<'_, '_, '_>,
    request: &Request<'_>,
    (snapshot, now): (&Snapshot, Timestamp),
    observer: &mut impl Observer,
) -> Verdict {
    let mutations = snapshot.shape.mutations(grant, shown, &request.headers);
    observer.step(|| match &mutations {
        Ok(mutations) => {
            let (set, removed) = (mutations.set.len(), mutations.remove.len());
            let dropped: Vec<&str> = mutations.dropped.iter().map(HeaderName::as_str).collect();
            let dropped = match dropped.as_slice() {
                [] => String::new(),
                names => format!(", of which {} for a value that can't be written", names.join(", ")),
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

/// Says who acts for whom, too.
fn correlate(
    correlation: &Correlation,
    grant: &Grant,
    request: &Request<'_>,
    now: Timestamp,
    mut mutations: Mutations,
    observer: &mut impl Observer,
) -> Verdict {
    let correlated = correlation.write(grant, request, now, &mut mutations);
    observer.step(|| match &correlated {
        Ok(Correlated::Signed) => Step::passed("correlation", "written and signed for the process instance"),
        Ok(Correlated::Unsigned) => {
            Step::passed("correlation", "written; not signed, as no process instance is known, or no key")
        }
        Ok(Correlated::Nobody) => Step::noted("correlation", "none: nobody is known"),
        Err(fault) => Step::failed("correlation", fault.to_string()),
    });
    match correlated {
        Ok(_) => Verdict::Allow(mutations),
        Err(fault) => Verdict::Deny(fault.into()),
    }
}
