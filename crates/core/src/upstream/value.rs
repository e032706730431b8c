//! The sources of values about a caller: one vocabulary for identity headers, minted tokens and metadata.

use super::header_encoding::{EncodeError, FieldValue};
use crate::authz::condition::{EvaluationError, Expression, Inputs};
use crate::principal::{ClaimPath, Principal, Texts};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSource {
    /// A claim of the caller.
    Claim(ClaimPath),
    /// A fact about the caller, whichever authenticator verified it.
    Principal(PrincipalField),
    /// This text for every caller.
    Constant(Box<str>),
}

/// The source of a header value, which may also depend on the request.
#[derive(Debug)]
pub enum HeaderValueSource {
    /// The caller, or a constant.
    Source(ValueSource),
    /// The result of an expression.
    Computed(Box<Expression>),
}

/// A field of the principal, for every authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalField {
    /// The caller's identity.
    Subject,
    /// The organization for which the caller acts.
    Organization,
    /// The first of the caller's roles.
    #[serde(rename = "role")]
    FirstRole,
    /// The caller's roles: a list.
    Roles,
    /// The caller's permissions, including those that roles grant: a list.
    Permissions,
    /// The scopes of the caller's token: a list.
    Scopes,
    /// The name of the authenticator that verified the caller.
    Authenticator,
}

impl ValueSource {
    /// Returns the value; `None` if there is none.
    pub(super) fn find<'a>(&'a self, principal: Option<&'a Principal>) -> Option<FieldValue<'a>> {
        match self {
            Self::Constant(text) => Some(FieldValue::Text(text)),
            Self::Claim(path) => principal?.claim(path).map(FieldValue::Json),
            Self::Principal(fact) => fact.find(principal?),
        }
    }
}

/// Returns the result of an expression. `None` for `null`, and if it reads a missing value, as for a missing claim.
///
/// # Errors
/// [`EncodeError::Expression`] if the evaluation fails for another reason.
pub(super) fn computed(expression: &Expression, inputs: &Inputs<'_>) -> Result<Option<Value>, EncodeError> {
    match expression.evaluate(inputs) {
        Ok(Value::Null) | Err(EvaluationError::Missing(_) | EvaluationError::MissingMember) => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(EncodeError::Expression),
    }
}

impl PrincipalField {
    fn find<'a>(self, principal: &'a Principal) -> Option<FieldValue<'a>> {
        let identity = principal.identity();
        let texts = |list: Texts<'a>| (!list.is_empty()).then_some(FieldValue::Texts(list));
        match self {
            Self::Subject => identity.subject().map(FieldValue::Text),
            Self::Organization => identity.organization().map(FieldValue::Text),
            Self::FirstRole => identity.roles().next().map(FieldValue::Text),
            Self::Roles => texts(identity.roles()),
            Self::Permissions => texts(identity.permissions()),
            Self::Scopes => texts(identity.scopes()),
            Self::Authenticator => Some(FieldValue::Text(principal.authenticator().as_str())),
        }
    }

    /// Returns its name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Organization => "organization",
            Self::FirstRole => "role",
            Self::Roles => "roles",
            Self::Permissions => "permissions",
            Self::Scopes => "scopes",
            Self::Authenticator => "authenticator",
        }
    }
}

/// The text for people, in a sentence.
impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(path) => write!(f, "the claim `{path}`"),
            Self::Principal(fact) => write!(f, "the caller's {}", fact.name()),
            Self::Constant(_) => f.write_str("the constant"),
        }
    }
}

/// The text for people, in a sentence.
impl fmt::Display for HeaderValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(source) => source.fmt(f),
            Self::Computed(_) => f.write_str("the result of its expression"),
        }
    }
}
