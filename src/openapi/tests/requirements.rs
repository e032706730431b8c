//! No rule is more lenient than the alternatives of an operation's security.

use crate::openapi::requirement::{
    self, AccessRequirement, Entitlement, Entitlements, Rationale, Requirement, Security,
};
use std::collections::BTreeSet;

fn requirement(scheme: &str, scopes: u8) -> Requirement {
    let names = ["a", "b", "c"].iter().zip([1, 2, 4]);
    let scopes = names.filter(|(_, bit)| scopes & bit != 0).map(|(name, _)| (*name).to_owned()).collect();
    Requirement { schemes: vec![scheme.to_owned()], scopes, roles: Vec::new() }
}

fn passes(access: &AccessRequirement, caller: &BTreeSet<Entitlement>) -> bool {
    match access {
        AccessRequirement::Public | AccessRequirement::Optional => true,
        AccessRequirement::Denied => false,
        AccessRequirement::Caller(Entitlements { all, any }) => {
            all.is_subset(caller) && (any.is_empty() || !any.is_disjoint(caller))
        }
    }
}

fn callers() -> Vec<BTreeSet<Entitlement>> {
    (0..8).map(|scopes| requirement("", scopes).scopes.into_iter().map(Entitlement::Scope).collect()).collect()
}

/// Checks all alternatives of up to three requirements over three scopes and two schemes, against all callers.
#[test]
fn no_rule_allows_a_caller_that_no_alternative_allows() {
    let ones: Vec<Requirement> =
        (0..8).flat_map(|scopes| ["s", "t"].map(|scheme| requirement(scheme, scopes))).collect();
    let mut lists: Vec<Vec<Requirement>> = vec![Vec::new()];
    for _ in 0..3 {
        let longer =
            lists.iter().flat_map(|list| ones.iter().map(|one| [list.as_slice(), std::slice::from_ref(one)].concat()));
        lists = lists.iter().cloned().chain(longer).collect();
    }
    let (mut exact, mut stricter) = (0, 0);
    for list in lists.iter().filter(|list| !list.is_empty()) {
        let (access, rationale) = requirement::of(&Security::OneOf(list.clone()));
        let mut same = true;
        for caller in callers() {
            let met =
                |one: &Requirement| one.scopes.iter().all(|scope| caller.contains(&Entitlement::Scope(scope.clone())));
            let allowed = list.iter().any(met);
            assert!(allowed || !passes(&access, &caller), "{list:?} {caller:?} {access:?}");
            same &= allowed == passes(&access, &caller);
        }
        assert!(
            same || rationale.contains(&Rationale::Alternatives),
            "{list:?} asks for more than it says: {access:?}"
        );
        if same { exact += 1 } else { stricter += 1 }
    }
    assert!(exact > 500 && stricter > 500, "{exact} exact, {stricter} stricter");
}

#[test]
fn what_is_merged_asks_for_what_both_ask() {
    let need = |all: u8, any: u8| {
        let set = |scopes| requirement("", scopes).scopes.into_iter().map(Entitlement::Scope).collect();
        AccessRequirement::Caller(Entitlements { all: set(all), any: set(any) })
    };
    let needs = (0..8).flat_map(|all| (0..8).map(move |any| need(all, any)));
    let demands: Vec<AccessRequirement> =
        needs.chain([AccessRequirement::Public, AccessRequirement::Optional]).collect();
    for one in &demands {
        for other in &demands {
            let both = one.clone().and(other.clone());
            for caller in callers() {
                assert!(
                    !passes(&both, &caller) || (passes(one, &caller) && passes(other, &caller)),
                    "{one:?} {other:?}"
                );
            }
            let known = |access: &AccessRequirement| matches!(access, AccessRequirement::Caller(_));
            assert_eq!(known(&both), known(one) || known(other), "{one:?} {other:?}");
            assert!(
                both != AccessRequirement::Public
                    || (*one == AccessRequirement::Public && *other == AccessRequirement::Public)
            );
        }
    }
}
