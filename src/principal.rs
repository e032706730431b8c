//! Who is asking: the outcome of authentication in the words that rules and headers speak. Knows no token and no key.

mod claim_path;

pub use claim_path::{ClaimPath, ClaimPathFault};

use crate::jose::Claims;
use serde_json::Value;
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
    /// Its permissions, in the order in which they were given.
    pub permissions: Vec<Box<str>>,
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
        let Identity { subject, organization, roles, permissions } = &self.identity;
        let texts = subject.iter().chain(organization).chain(roles).chain(permissions);
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
    /// Texts that mean "no value".
    pub absent: Arc<AbsentValues>,
}

impl IdentityClaims {
    /// The identity that these claims say. What has another type than it should have says nothing.
    #[must_use]
    pub fn read(&self, claims: &Claims) -> Identity {
        let value = |path: &ClaimPath| self.absent.present(path.find(claims));
        let text = |path: &Option<ClaimPath>| path.as_ref().and_then(value).and_then(Value::as_str).map(Box::from);
        let mut roles = Vec::new();
        match self.roles.as_ref().and_then(value) {
            Some(Value::String(role)) => roles.push(role.as_str().into()),
            Some(Value::Array(list)) => roles.extend(texts(list)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {}
        }
        let mut permissions: Vec<Box<str>> = Vec::new();
        for found in self.permissions.iter().filter_map(value) {
            match found {
                Value::String(words) => permissions.extend(words.split_ascii_whitespace().map(Box::from)),
                Value::Array(list) => permissions.extend(texts(list)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
            }
        }
        Identity { subject: text(&self.subject), organization: text(&self.organization), roles, permissions }
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
    use super::{AbsentValues, ClaimPath, Identity, IdentityClaims};
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
            absent: Arc::new(AbsentValues::new(["None", ""])),
        };
        mapping.read(&Claims::of_json(claims))
    }

    #[test]
    fn an_identity_is_what_claims_of_the_right_type_say() {
        let texts = |list: &[&str]| list.iter().map(|text| Box::from(*text)).collect::<Vec<_>>();
        let found = read(json!({
            "sub": "u", "org": {"id": "o"}, "roles": ["a", 1, "b"], "permissions": ["p:x", null], "scope": "read  write"
        }));
        assert_eq!((found.subject.as_deref(), found.organization.as_deref()), (Some("u"), Some("o")));
        assert_eq!((found.roles, found.permissions), (texts(&["a", "b"]), texts(&["p:x", "read", "write"])));

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
