//! Security requirements: those of operations, and the access that rules require, which is at least as strict. If no rule
//! can express a requirement, the rule requires more.

use super::finding::Finding;
use super::resolver::{Form, NodeRef, RefResolver};
use crate::diagnostic::Quoted;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// The meaning of the names that a requirement lists for a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SchemeClaims {
    /// Scopes of the token: `oauth2`, `openIdConnect`.
    Scopes,
    /// Roles (3.1 §4.8.30): all other kinds.
    Roles,
}

/// The security requirement of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Security {
    /// Neither the operation nor the document has one.
    Absent,
    /// Unknown, because a reference is not followed.
    Unknown,
    /// One of these suffices. An empty list requires nothing.
    OneOf(Vec<Requirement>),
}

/// One alternative, required as a whole. Empty means that anonymous requests pass.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// The names of the schemes, sorted.
    pub(super) schemes: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) roles: Vec<String>,
}

/// A version of the specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// Swagger 2.0.
    Two,
    /// OpenAPI 3.x, as written.
    Three(String),
}

/// The name of the specification, for people.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Two => f.write_str("Swagger 2.0"),
            Self::Three(version) => write!(f, "OpenAPI {version}"),
        }
    }
}

/// Returns the schemes of the document.
pub(super) fn schemes(resolver: &mut RefResolver<'_>, version: &Version) -> HashMap<String, SchemeClaims> {
    let map = match version {
        Version::Two => resolver.root.member("securityDefinitions"),
        Version::Three(_) => {
            resolver.root.member("components").and_then(|components| components.member("securitySchemes"))
        }
    };
    let mut schemes = HashMap::new();
    let Some(map) = map else { return schemes };
    resolver.check_form(&map, Form::Map);
    for entry in map.node.members() {
        let Some(scheme) = resolver.resolve(map.of(entry)) else { continue };
        let names = match scheme.member("type").and_then(|kind| kind.node.text()) {
            Some("oauth2" | "openIdConnect") => SchemeClaims::Scopes,
            Some(_) => SchemeClaims::Roles,
            None => {
                resolver.add(&scheme, Finding::Form("a map with a `type`"));
                continue;
            }
        };
        schemes.insert(entry.key.clone(), names);
    }
    schemes
}

/// Returns the requirement of the document or an operation; `None` if it has none.
pub(super) fn security_of<'d>(
    resolver: &mut RefResolver<'d>,
    at: &NodeRef<'d>,
    schemes: &HashMap<String, SchemeClaims>,
) -> Option<Security> {
    let security = at.member("security")?;
    resolver.check_form(&security, Form::List);
    let requirements = security.elements().into_iter().map(|one| requirement(resolver, &one, schemes)).collect();
    Some(Security::OneOf(requirements))
}

fn requirement<'d>(
    resolver: &mut RefResolver<'d>,
    at: &NodeRef<'d>,
    schemes: &HashMap<String, SchemeClaims>,
) -> Requirement {
    resolver.check_form(at, Form::Map);
    let mut requirement = Requirement::default();
    for entry in at.node.members() {
        let list = at.of(entry);
        resolver.check_form(&list, Form::List);
        requirement.schemes.push(entry.key.clone());
        let Some(names) = schemes.get(&entry.key) else {
            resolver.add(&list, Finding::Scheme(Quoted::new(&entry.key)));
            continue;
        };
        for one in list.elements() {
            resolver.check_form(&one, Form::Text);
            let name = one.node.text().unwrap_or_default();
            if name.is_empty() {
                resolver.add(&one, Finding::Form("a name"));
            } else if *names == SchemeClaims::Scopes && name.contains(char::is_whitespace) {
                resolver.add(&one, Finding::ScopeWithSpace(Quoted::new(name)));
            }
            let into = match names {
                SchemeClaims::Scopes => &mut requirement.scopes,
                SchemeClaims::Roles => &mut requirement.roles,
            };
            if !into.iter().any(|known| known == name) {
                into.push(name.to_owned());
            }
        }
    }
    requirement.schemes.sort_unstable();
    requirement
}

/// The access that a rule requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AccessRequirement {
    /// No credential.
    Public,
    /// No credential, or a valid one.
    Optional,
    /// A valid credential with these entitlements.
    Caller(Entitlements),
    /// Nothing suffices.
    Denied,
}

/// The entitlements that a caller needs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Entitlements {
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

/// Reasons rationale a rule differs from the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rationale {
    /// The description has no requirement.
    Absent,
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
    /// A reference is not followed.
    Unresolved,
}

impl Rationale {
    /// Returns the text of a comment.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Absent => "the description has no security requirement",
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
            Self::Overlap => "requests that match several paths: this requires what all of them require",
            Self::Unresolved => {
                "UNKNOWN: modgud does not follow the reference, and this denies every request; write what the operation requires"
            }
        }
    }
}

/// Returns the requirements for an operation, and the reasons rationale they differ from the description.
pub(super) fn of(security: &Security) -> (AccessRequirement, BTreeSet<Rationale>) {
    let mut rationale = BTreeSet::new();
    let list = match security {
        Security::Absent => {
            rationale.insert(Rationale::Absent);
            return (AccessRequirement::Caller(Entitlements::default()), rationale);
        }
        Security::Unknown => {
            rationale.insert(Rationale::Unresolved);
            return (AccessRequirement::Denied, rationale);
        }
        Security::OneOf(list) => list,
    };
    if list.is_empty() {
        rationale.insert(Rationale::Open);
        return (AccessRequirement::Public, rationale);
    }
    if list.iter().any(|requirement| requirement.schemes.is_empty()) {
        rationale.insert(Rationale::Optional);
        return (AccessRequirement::Optional, rationale);
    }
    if list.iter().any(|requirement| requirement.schemes.len() > 1) {
        rationale.insert(Rationale::Together);
    }
    let need = one_of(list).unwrap_or_else(|| {
        rationale.insert(Rationale::Alternatives);
        Entitlements { all: list.iter().flat_map(entitlements).collect(), any: BTreeSet::new() }
    });
    (AccessRequirement::Caller(need), rationale)
}

/// Returns entitlements equivalent to alternatives; `None` if there are none.
fn one_of(list: &[Requirement]) -> Option<Entitlements> {
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
        return Some(Entitlements { all: common, any: BTreeSet::new() });
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
    Some(Entitlements { all: common, any })
}

fn entitlements(requirement: &Requirement) -> impl Iterator<Item = Entitlement> {
    let scopes = requirement.scopes.iter().cloned().map(Entitlement::Scope);
    scopes.chain(requirement.roles.iter().cloned().map(Entitlement::Role))
}

impl AccessRequirement {
    /// Returns the requirement that satisfies both.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Denied, _) | (_, Self::Denied) => Self::Denied,
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
            (Self::Denied, _) | (_, Self::Public) | (Self::Optional | Self::Caller(_), Self::Optional) => true,
            (_, Self::Denied)
            | (Self::Public, Self::Optional | Self::Caller(_))
            | (Self::Optional, Self::Caller(_)) => false,
            (Self::Caller(one), Self::Caller(other)) => {
                let any = other.any.is_empty() || one.any == other.any;
                other.all.is_subset(&one.all) && (any || !one.any.is_empty() && other.any.is_subset(&one.all))
            }
        }
    }

    /// Returns the requirement of a rule that matches more than intended: at least a credential.
    pub(super) fn not_open(self) -> Self {
        match self {
            Self::Public | Self::Optional => Self::Caller(Entitlements::default()),
            Self::Caller(_) | Self::Denied => self,
        }
    }
}
