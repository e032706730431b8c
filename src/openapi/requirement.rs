//! The requirements of a rule, at least as strict as those of the description. If no rule can express them, it requires
//! more.

use super::security::{Requirement, Security};
use std::collections::BTreeSet;

/// The access that a rule requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AccessRequirement {
    /// No credential.
    Public,
    /// No credential, or a valid one.
    Optional,
    /// A valid credential with these entitlements.
    Caller(Need),
}

/// The entitlements that a caller needs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Need {
    /// All of these.
    pub(super) all: BTreeSet<Entitlement>,
    /// One of these; empty means no such requirement.
    pub(super) any: BTreeSet<Entitlement>,
}

/// An entitlement of a caller.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entitlement {
    Scope(String),
    Role(String),
}

/// Reasons why a rule differs from the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// The description has no requirement.
    Unsaid,
    /// The description requires nothing.
    Open,
    /// The description requires nothing, but the rule matches other requests, too.
    NotOpened,
    /// A credential is optional.
    Optional,
    /// Several credentials at once.
    Together,
    /// Alternatives that no rule can distinguish.
    Alternatives,
    /// Several operations.
    Merged,
    /// The module may choose another operation for some of the requests.
    Overlapping,
    /// Requests that match several operations; the module's choice is unknown.
    Overlap,
}

impl Why {
    /// Returns the text of a comment.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Unsaid => "the description has no security requirement",
            Self::Open => "OPEN: the description requires nothing (`security: []`)",
            Self::NotOpened => {
                "the description requires nothing; the rule requires a credential, because it matches other requests, too"
            }
            Self::Optional => "OPEN: allowed with and without a credential (`{}` in `security`)",
            Self::Together => {
                "the description requires several credentials at once; modgud accepts one, and requires what all of them require"
            }
            Self::Alternatives => {
                "the description has alternatives that a rule can't express; this requires all of them: adapt it"
            }
            Self::Merged => "several operations match the same requests: this requires what all of them require",
            Self::Overlapping => {
                "the module may choose another operation for some of these requests: this requires what that one requires, too"
            }
            Self::Overlap => {
                "requests that match several paths: this requires what all of them require"
            }
        }
    }
}

/// Returns the requirements for an operation, and the reasons why they differ from the description.
pub(super) fn of(security: &Security) -> (AccessRequirement, BTreeSet<Why>) {
    let mut why = BTreeSet::new();
    let list = match security {
        Security::Unsaid => {
            why.insert(Why::Unsaid);
            return (AccessRequirement::Caller(Need::default()), why);
        }
        Security::OneOf(list) => list,
    };
    if list.is_empty() {
        why.insert(Why::Open);
        return (AccessRequirement::Public, why);
    }
    if list.iter().any(|requirement| requirement.schemes.is_empty()) {
        why.insert(Why::Optional);
        return (AccessRequirement::Optional, why);
    }
    if list.iter().any(|requirement| requirement.schemes.len() > 1) {
        why.insert(Why::Together);
    }
    let need = one_of(list).unwrap_or_else(|| {
        why.insert(Why::Alternatives);
        Need { all: list.iter().flat_map(entitlements).collect(), any: BTreeSet::new() }
    });
    (AccessRequirement::Caller(need), why)
}

/// Returns entitlements equivalent to alternatives; `None` if there are none.
fn one_of(list: &[Requirement]) -> Option<Need> {
    let mut sets: Vec<(&[String], BTreeSet<Entitlement>)> =
        list.iter().map(|one| (one.schemes.as_slice(), entitlements(one).collect())).collect();
    // Of two alternatives with the same credentials, the weaker one suffices.
    let weaker = |one: &(&[String], BTreeSet<Entitlement>), other: &(&[String], BTreeSet<Entitlement>)| {
        one.0 == other.0 && one.1.is_subset(&other.1) && one.1 != other.1
    };
    let all = sets.clone();
    sets.retain(|set| !all.iter().any(|other| weaker(other, set)));
    let (_, first) = sets.first()?;
    let common: BTreeSet<Entitlement> =
        first.iter().filter(|one| sets.iter().all(|(_, set)| set.contains(*one))).cloned().collect();
    if sets.iter().all(|(_, set)| *set == common) {
        return Some(Need { all: common, any: BTreeSet::new() });
    }
    // All share the common part, and each has one more entitlement.
    let mut any = BTreeSet::new();
    for (_, set) in &sets {
        let mut own = set.difference(&common);
        match (own.next(), own.next()) {
            (Some(one), None) => any.insert(one.clone()),
            (_, _) => return None,
        };
    }
    Some(Need { all: common, any })
}

fn entitlements(requirement: &Requirement) -> impl Iterator<Item = Entitlement> {
    let scopes = requirement.scopes.iter().cloned().map(Entitlement::Scope);
    scopes.chain(requirement.roles.iter().cloned().map(Entitlement::Role))
}

impl AccessRequirement {
    /// Returns the requirement that satisfies both.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Public, other) | (other, Self::Public) => other,
            (Self::Optional, Self::Optional) => Self::Optional,
            (Self::Optional, Self::Caller(need)) | (Self::Caller(need), Self::Optional) => Self::Caller(need),
            (Self::Caller(mut one), Self::Caller(other)) => {
                one.all.extend(other.all);
                if one.any.is_empty() {
                    one.any = other.any;
                } else if one.any != other.any {
                    one.all.extend(other.any);
                }
                Self::Caller(one)
            }
        }
    }

    /// Returns true if every request that passes this one also passes the other.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Public) | (Self::Optional | Self::Caller(_), Self::Optional) => true,
            (Self::Public, Self::Optional | Self::Caller(_)) | (Self::Optional, Self::Caller(_)) => false,
            (Self::Caller(one), Self::Caller(other)) => {
                let any = other.any.is_empty() || one.any == other.any;
                other.all.is_subset(&one.all) && (any || !one.any.is_empty() && other.any.is_subset(&one.all))
            }
        }
    }

    /// Returns the requirement of a rule that matches more than intended: at least a credential.
    pub(super) fn not_open(self) -> Self {
        match self {
            Self::Public | Self::Optional => Self::Caller(Need::default()),
            Self::Caller(need) => Self::Caller(need),
        }
    }
}
