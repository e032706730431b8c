//! Who is asking: the outcome of authentication in the words that rules and headers speak. Knows no token and no key.

mod claim_path;

pub use claim_path::{ClaimPath, ClaimPathFault};

use crate::jose::Claims;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// The name of an authenticator, as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuthenticatorName(Arc<str>);

impl AuthenticatorName {
    /// Takes a name; `config::validate` has checked that it is not empty and not taken.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An authenticated caller. Only `authn` makes one.
#[derive(Debug)]
pub struct Principal {
    authenticator: AuthenticatorName,
    claims: Arc<Claims>,
    identity: Identity,
    absent: Arc<AbsentValues>,
    proof: Proof,
}

/// What a caller has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A token, which says itself for how long and for whom it is good.
    Token,
    /// A secret that is good for as long as we say, and for whoever has it: nobody else is to see it.
    ApiKey,
    /// The key of the connection's certificate: there is nothing that could be handed on.
    Certificate,
}

/// What a caller is known as and may do, whichever authenticator vouches for it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub subject: Option<Box<str>>,
    /// The organization that it acts for.
    pub organization: Option<Box<str>>,
    /// Its roles, in the order in which they were given.
    pub roles: Vec<Box<str>>,
    /// Its permissions, in the order in which they were given, those that its roles grant among them.
    pub permissions: Vec<Box<str>>,
    /// The scopes of its token (RFC 6749 §3.3).
    pub scopes: Vec<Box<str>>,
    /// Whether one of its roles grants everything.
    pub reach: Reach,
}

/// How far permissions reach.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// As far as they are named.
    #[default]
    Named,
    /// Everywhere: a role grants `*`. No claim says this by itself.
    Everything,
}

impl Identity {
    /// Whether the caller has a permission.
    #[must_use]
    pub fn may(&self, permission: &str) -> bool {
        match self.reach {
            Reach::Everything => true,
            Reach::Named => self.permissions.iter().any(|one| **one == *permission),
        }
    }
}

impl Principal {
    pub(crate) fn new(
        authenticator: AuthenticatorName,
        claims: impl Into<Arc<Claims>>,
        identity: Identity,
        absent: Arc<AbsentValues>,
        proof: Proof,
    ) -> Self {
        Self { authenticator, claims: claims.into(), identity, absent, proof }
    }

    /// The memory that the caller is estimated to take, in bytes.
    pub(crate) fn size(&self) -> usize {
        /// A text of a list, and what its allocation costs at the least.
        const ELEMENT: usize = 32;
        let Identity { subject, organization, roles, permissions, scopes, reach: _ } = &self.identity;
        let texts = subject.iter().chain(organization).chain(roles).chain(permissions).chain(scopes);
        self.claims.size().saturating_add(texts.map(|text| text.len().saturating_add(ELEMENT)).sum())
    }

    /// Which authenticator vouches for this caller.
    #[must_use]
    pub const fn authenticator(&self) -> &AuthenticatorName {
        &self.authenticator
    }

    /// What it has shown.
    #[must_use]
    pub const fn proof(&self) -> Proof {
        self.proof
    }

    /// What it is known as and may do.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Everything that was claimed.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The value, unless it is `null` or one of the texts that stand for "no value".
    #[must_use]
    pub fn present<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.absent.present(Some(value))
    }

    /// The value of a claim; `None` when it is missing, `null`, or one of the texts that stand for "no value".
    #[must_use]
    pub fn claim(&self, path: &ClaimPath) -> Option<&Value> {
        self.absent.present(path.find(&self.claims))
    }
}

/// Which claims make up an [`Identity`].
#[derive(Debug)]
pub struct IdentityClaims {
    /// The claim that is the subject: a text.
    pub subject: Option<ClaimPath>,
    /// The claim that is the organization: a text.
    pub organization: Option<ClaimPath>,
    /// The claim that holds the roles: an array of texts, or one text.
    pub roles: Option<ClaimPath>,
    /// The claims that hold permissions: arrays of texts, or texts of words between spaces; all of them count.
    pub permissions: Vec<ClaimPath>,
    /// The claims that hold the token's scopes, in the same forms.
    pub scopes: Vec<ClaimPath>,
    /// What roles grant.
    pub grants: Grants,
    /// Texts that mean "no value".
    pub absent: Arc<AbsentValues>,
}

impl IdentityClaims {
    /// The identity that these claims say, with what its roles grant.
    #[must_use]
    pub fn read(&self, claims: &Claims) -> Identity {
        let mut identity = self.claimed(claims);
        self.grants.apply(&mut identity);
        identity
    }

    /// The identity that these claims say, without what its roles grant. What has another type than it should have says nothing.
    #[must_use]
    pub fn claimed(&self, claims: &Claims) -> Identity {
        let value = |path: &ClaimPath| self.absent.present(path.find(claims));
        let text = |path: &Option<ClaimPath>| path.as_ref().and_then(value).and_then(Value::as_str).map(Box::from);
        let mut roles = Vec::new();
        match self.roles.as_ref().and_then(value) {
            Some(Value::String(role)) => roles.push(role.as_str().into()),
            Some(Value::Array(list)) => roles.extend(texts(list)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {}
        }
        let words = |paths: &[ClaimPath]| {
            let mut words: Vec<Box<str>> = Vec::new();
            for found in paths.iter().filter_map(value) {
                match found {
                    Value::String(text) => words.extend(text.split_ascii_whitespace().map(Box::from)),
                    Value::Array(list) => words.extend(texts(list)),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
                }
            }
            words
        };
        Identity {
            subject: text(&self.subject),
            organization: text(&self.organization),
            roles,
            permissions: words(&self.permissions),
            scopes: words(&self.scopes),
            reach: Reach::Named,
        }
    }
}

/// Which permissions roles grant.
#[derive(Debug, Default)]
pub struct Grants(HashMap<Box<str>, Granted>);

/// What one role grants.
#[derive(Debug)]
enum Granted {
    Everything,
    These(Vec<Box<str>>),
}

impl Grants {
    /// What each role grants; `*` is everything.
    pub fn new<'t>(grants: impl IntoIterator<Item = (&'t str, Vec<&'t str>)>) -> Self {
        let granted = |list: Vec<&str>| {
            if list.contains(&"*") {
                Granted::Everything
            } else {
                Granted::These(list.into_iter().map(Box::from).collect())
            }
        };
        Self(grants.into_iter().map(|(role, list)| (role.into(), granted(list))).collect())
    }

    /// Gives a caller what its roles grant.
    pub fn apply(&self, identity: &mut Identity) {
        if self.0.is_empty() {
            return;
        }
        let Identity { roles, permissions, reach, .. } = identity;
        for granted in roles.iter().filter_map(|role| self.0.get(role)) {
            match granted {
                Granted::Everything => *reach = Reach::Everything,
                Granted::These(list) => {
                    for permission in list {
                        if !permissions.contains(permission) {
                            permissions.push(permission.clone());
                        }
                    }
                }
            }
        }
    }
}

fn texts(list: &[Value]) -> impl Iterator<Item = Box<str>> {
    list.iter().filter_map(Value::as_str).map(Box::from)
}

/// String values that mean "no value": `BiFrost` writes the text `None` for a user without an organization.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AbsentValues(Vec<Box<str>>);

impl AbsentValues {
    /// The texts that stand for "no value".
    pub fn new(texts: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        Self(texts.into_iter().map(Into::into).collect())
    }

    /// The value, unless it stands for "no value". `null` always does.
    #[must_use]
    pub fn present<'v>(&self, value: Option<&'v Value>) -> Option<&'v Value> {
        value.filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !self.0.iter().any(|absent| **absent == **text),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AbsentValues, ClaimPath, Grants, Identity, IdentityClaims, Reach};
    use crate::jose::Claims;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn read(claims: Value) -> Identity {
        let path = |text| ClaimPath::parse(text).unwrap();
        let mapping = IdentityClaims {
            subject: Some(path("sub")),
            organization: Some(path("org.id")),
            roles: Some(path("roles")),
            permissions: vec![path("permissions"), path("scope")],
            scopes: vec![path("scope"), path("scp")],
            grants: Grants::new([("reader", vec!["read", "list"]), ("root", vec!["*"])]),
            absent: Arc::new(AbsentValues::new(["None", ""])),
        };
        mapping.read(&Claims::of_json(claims))
    }

    #[test]
    fn roles_grant_permissions() {
        let may = |claims: Value, permission: &str| read(claims).may(permission);
        assert!(may(json!({"roles": ["reader"]}), "list"));
        assert!(!may(json!({"roles": ["reader"]}), "write"));
        assert!(!may(json!({"roles": ["Reader"]}), "list"));
        assert!(may(json!({"roles": ["reader", "root"]}), "whatever"));
        assert_eq!(read(json!({"roles": "root"})).reach, Reach::Everything);
        assert!(!may(json!({"permissions": ["*"], "scope": "*"}), "write"), "only a role can grant everything");
        assert_eq!(read(json!({"roles": ["reader"], "scope": "read"})).permissions.len(), 2);
    }

    #[test]
    fn an_identity_is_what_claims_of_the_right_type_say() {
        let texts = |list: &[&str]| list.iter().map(|text| Box::from(*text)).collect::<Vec<_>>();
        let found = read(json!({
            "sub": "u", "org": {"id": "o"}, "roles": ["a", 1, "b"], "permissions": ["p:x", null], "scope": "read  write"
        }));
        assert_eq!((found.subject.as_deref(), found.organization.as_deref()), (Some("u"), Some("o")));
        assert_eq!((found.roles, found.permissions), (texts(&["a", "b"]), texts(&["p:x", "read", "write"])));

        assert_eq!(found.scopes, texts(&["read", "write"]));
        assert_eq!(read(json!({"scope": ["a b"], "scp": "c"})).scopes, texts(&["a b", "c"]));
        assert_eq!(read(json!({"roles": "admin of all"})).roles, texts(&["admin of all"]));
        for nothing in [
            json!({}),
            json!({"sub": "None", "org": {"id": ""}, "roles": "", "permissions": "None", "scope": null}),
            json!({"sub": 1, "org": {"id": ["o"]}, "roles": {"a": 1}, "permissions": true, "scope": 3}),
        ] {
            assert_eq!(read(nothing.clone()), Identity::default(), "{nothing}");
        }
    }
}
