//! Everything that a decision reads, and the decision itself: a pure function of request, snapshot and time. No clock, no
//! I/O, no logging. A snapshot is never changed; a new configuration is a new one.

use crate::answer::Answers;
use crate::authn::{Authentication, Authenticators, AuthnFault};
use crate::authz::{self, Access, AuthzFault, Caller, Fallback, Rules};
use crate::clock::Timestamp;
use crate::credential::{Credential, Places};
use crate::decision::{Decision, Fault, LoggedDecisions, Verdict};
use crate::request::Request;
use crate::upstream::Shape;
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
    /// What modules are told.
    pub shape: Shape,
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
/// then what the module is told. Whatever goes wrong on the way is a denial.
#[must_use]
pub fn decide(request: &Request<'_>, snapshot: &Snapshot, now: Timestamp) -> Decision {
    let rule = snapshot.rules.find(request);
    let access = match (rule, snapshot.rules.fallback()) {
        (Some(rule), _) => rule.access,
        (None, Fallback::Authenticated) => Access::Authenticated,
        (None, Fallback::Denied) => return Decision::refused(AuthzFault::NoRule.into()),
    };
    let mut decision = Decision::refused(Fault::Internal);
    decision.rule = rule.map(|rule| rule.name.clone());

    let (authentication, credential) = authenticate(access, request, snapshot, now);
    decision.verdict = match authz::authorize(access, authentication) {
        Err(fault) => Verdict::Deny(fault.into()),
        Ok(grant) => {
            if let Caller::Known(principal) = grant.caller() {
                decision.authenticator = Some(principal.authenticator().clone());
            }
            match snapshot.shape.mutations(&grant, credential.as_ref(), &request.headers) {
                Ok(mutations) => Verdict::Allow(mutations),
                Err(fault) => Verdict::Deny(fault.into()),
            }
        }
    };
    decision
}

/// Looks for a credential and asks whose it is, if the rule wants to know.
fn authenticate<'a, 's>(
    access: Access,
    request: &Request<'a>,
    snapshot: &'s Snapshot,
    now: Timestamp,
) -> (Authentication, Option<Credential<'a, 's>>) {
    match access {
        Access::Public | Access::Denied => return (Authentication::NotAsked, None),
        Access::Authenticated | Access::Optional => {}
    }
    match snapshot.places.find(&request.headers) {
        Err(fault) => (Authentication::Rejected(AuthnFault::Credential(fault)), None),
        Ok(None) => (Authentication::Absent, None),
        Ok(Some(credential)) => match snapshot.authenticators.authenticate(&credential, now) {
            Ok(principal) => (Authentication::Accepted(principal), Some(credential)),
            Err(fault) => (Authentication::Rejected(fault), None),
        },
    }
}
