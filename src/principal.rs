//! Who is asking: the outcome of authentication in the words that rules and headers speak. Knows no token and no key.

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
    claims: Claims,
    absent: Arc<AbsentValues>,
}

impl Principal {
    pub(crate) const fn new(authenticator: AuthenticatorName, claims: Claims, absent: Arc<AbsentValues>) -> Self {
        Self { authenticator, claims, absent }
    }

    /// The memory that the claims are estimated to take, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.claims.size()
    }

    /// Which authenticator vouches for this caller.
    #[must_use]
    pub const fn authenticator(&self) -> &AuthenticatorName {
        &self.authenticator
    }

    /// The value of a claim; `None` when it is missing, `null`, or one of the texts that stand for "no value".
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.absent.present(self.claims.get(name))
    }
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
