//! The mapping of claims to an [`Identity`](super::Identity). Rules, revocation and headers must see the same caller, so a claim of another type is
//! an error and never treated as absent.

use super::distributed::DistributedClaims;
use super::{ClaimPath, NullStrings, PermissionScope, ResolvedIdentity, RolePermissions};
use crate::jose::{Claims, JsonRef};
use std::fmt;
use std::sync::Arc;

/// The claims that form an [`Identity`](super::Identity).
#[derive(Debug, PartialEq, Eq)]
pub struct ClaimMapping {
    /// The claim of the subject: a text.
    pub subject: Option<ClaimPath>,
    /// The claim of the organization: a text.
    pub organization: Option<ClaimPath>,
    /// The source of the roles.
    pub roles: RoleSource,
    /// The claims of permissions: arrays of texts, or texts of words separated by spaces. All claims are combined.
    pub permissions: Vec<ClaimPath>,
    /// The claims of the token's scopes, in the same formats.
    pub scopes: Vec<ClaimPath>,
    /// The permissions that roles grant.
    pub grants: Arc<RolePermissions>,
    /// The null strings, which mean "no value".
    pub null_strings: Arc<NullStrings>,
}

/// The source of the roles in claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleSource {
    /// Claims of which the first with a value counts: an array of texts, or one text. An empty array is a value.
    FirstOf(Vec<ClaimPath>),
    /// The claim of an object whose member names are the roles.
    Members(ClaimPath),
}

impl Default for RoleSource {
    /// No claim, so that no caller has a role.
    fn default() -> Self {
        Self::FirstOf(Vec::new())
    }
}

/// A claim of the identity that has a value of another type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the claim `{claim}` {error}")]
pub struct IdentityClaimError {
    /// The claim.
    pub claim: Box<str>,
    /// The error of its value, without the value.
    pub error: ClaimTypeError,
}

/// The error of a claim's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimTypeError {
    /// A subject or organization that is not a text.
    #[error("is {0} instead of a text")]
    NotText(JsonType),
    /// Roles, permissions or scopes that are neither a text nor a list.
    #[error("is {0} instead of a text or a list of texts")]
    NotTexts(JsonType),
    /// A list item that is not a text.
    #[error("has an item that is {0} instead of a text")]
    Item(JsonType),
    /// A parent of a nested claim that is not an object.
    #[error("is {0} instead of an object with a claim of the identity")]
    NotObject(JsonType),
    /// Roles that are to be the member names of an object.
    #[error("is {0} instead of an object whose member names are roles")]
    NotMembers(JsonType),
    /// A member of an object of roles with another value.
    #[error("has a member that is {0} instead of an object, `true` or `false`")]
    Member(JsonType),
    /// A claim whose value is at another source (OpenID Connect Core §5.6.2), as with a user of too many groups.
    #[error("has its value at another source, as `_claim_names` or `hasgroups` says")]
    AtOtherSource,
    /// The claim `_claim_names` of another type, so that the claims at other sources are unknown.
    #[error("is {0} instead of an object of the claims at other sources")]
    NotClaimNames(JsonType),
    /// A text of permissions or scopes with a tab, a line break or the like.
    #[error("has white space other than spaces between its words")]
    WhiteSpace,
    /// An empty role, permission or scope.
    #[error("has an empty item")]
    EmptyItem,
}

/// A JSON type (RFC 8259 §3), named for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonType(&'static str);

impl JsonType {
    /// Returns the type of a value.
    #[must_use]
    pub const fn of(value: &JsonRef<'_>) -> Self {
        Self(match value {
            JsonRef::Null => "`null`",
            JsonRef::Bool(_) => "`true` or `false`",
            JsonRef::Number(_) => "a number",
            JsonRef::String(_) => "a text",
            JsonRef::Array(_) => "a list",
            JsonRef::Object(_) => "an object",
        })
    }
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl ClaimMapping {
    /// Reads the identity from claims, including the permissions that its roles grant.
    ///
    /// # Errors
    /// [`IdentityClaimError`] for the first claim of another type.
    pub fn resolve<'a>(&'a self, claims: &'a Claims) -> Result<ResolvedIdentity<'a>, IdentityClaimError> {
        let mut identity = self.extract(claims)?;
        self.grants.apply(&mut identity);
        Ok(identity)
    }

    /// Reads the identity from claims, without the permissions that its roles grant.
    ///
    /// # Errors
    /// See [`ClaimMapping::resolve`].
    pub fn extract<'a>(&'a self, claims: &'a Claims) -> Result<ResolvedIdentity<'a>, IdentityClaimError> {
        let elsewhere = DistributedClaims::of(claims);
        let value = |path: &ClaimPath| match path.obstacle(claims) {
            _ if elsewhere.has(path.first())? => Err(type_error(path, ClaimTypeError::AtOtherSource)),
            Some((parent, other)) if self.null_strings.present(Some(other.clone())).is_some() => {
                Err(type_error(&parent, ClaimTypeError::NotObject(JsonType::of(&other))))
            }
            Some(_) => Ok(None),
            None => Ok(self.null_strings.present(path.find(claims))),
        };
        let text = |path: &Option<ClaimPath>| {
            let Some(path) = path else { return Ok(None) };
            match value(path)? {
                None => Ok(None),
                Some(JsonRef::String(text)) => Ok(Some(text)),
                Some(other) => Err(type_error(path, ClaimTypeError::NotText(JsonType::of(&other)))),
            }
        };
        let (subject, organization) = (text(&self.subject)?, text(&self.organization)?);
        let roles = match &self.roles {
            RoleSource::FirstOf(paths) => {
                let mut found = Vec::new();
                for path in paths {
                    let Some(value) = value(path)? else { continue };
                    add(value, &mut found, one_role).map_err(|error| type_error(path, error))?;
                    break;
                }
                found
            }
            RoleSource::Members(path) => match value(path)? {
                None => Vec::new(),
                Some(found) => member_names(found).map_err(|error| type_error(path, error))?,
            },
        };
        let words = |paths: &[ClaimPath]| {
            let mut words: Vec<&'a str> = Vec::new();
            for path in paths {
                let Some(found) = value(path)? else { continue };
                // RFC 6749 §3.3 separates with spaces only. Other white space is no part of a word, and readers differ on it.
                let split = |text: &'a str, words: &mut Vec<&'a str>| {
                    if text.contains(|c: char| c != ' ' && (c.is_whitespace() || c.is_control())) {
                        return Err(ClaimTypeError::WhiteSpace);
                    }
                    words.extend(text.split(' ').filter(|word| !word.is_empty()));
                    Ok(())
                };
                add(found, &mut words, split).map_err(|error| type_error(path, error))?;
            }
            Ok(words)
        };
        let (permissions, scopes) = (words(&self.permissions)?, words(&self.scopes)?);
        Ok(ResolvedIdentity {
            subject,
            organization,
            roles,
            permissions,
            scopes,
            permission_scope: PermissionScope::Listed,
        })
    }
}

/// Adds one text as one role, including its spaces.
fn one_role<'a>(text: &'a str, roles: &mut Vec<&'a str>) -> Result<(), ClaimTypeError> {
    if text.is_empty() {
        return Err(ClaimTypeError::EmptyItem);
    }
    roles.push(text);
    Ok(())
}

/// Returns the member names of an object of roles. `false` and `null` mean that the caller does not have the role.
fn member_names(found: JsonRef<'_>) -> Result<Vec<&str>, ClaimTypeError> {
    let JsonRef::Object(members) = found else { return Err(ClaimTypeError::NotMembers(JsonType::of(&found))) };
    let mut names = Vec::new();
    for (name, value) in members {
        match value {
            JsonRef::Null | JsonRef::Bool(false) => {}
            JsonRef::Object(_) | JsonRef::Bool(true) => one_role(name, &mut names)?,
            other @ (JsonRef::Number(_) | JsonRef::String(_) | JsonRef::Array(_)) => {
                return Err(ClaimTypeError::Member(JsonType::of(&other)));
            }
        }
    }
    Ok(names)
}

fn type_error(path: &ClaimPath, error: ClaimTypeError) -> IdentityClaimError {
    IdentityClaimError { claim: path.to_string().into(), error }
}

/// Adds the items of a text, split by `of_text`, or of a list of texts.
fn add<'a>(
    found: JsonRef<'a>,
    into: &mut Vec<&'a str>,
    of_text: impl Fn(&'a str, &mut Vec<&'a str>) -> Result<(), ClaimTypeError>,
) -> Result<(), ClaimTypeError> {
    match found {
        JsonRef::String(text) => of_text(text, into),
        JsonRef::Array(list) => {
            for item in list {
                match item {
                    JsonRef::String("") => return Err(ClaimTypeError::EmptyItem),
                    JsonRef::String(text) => into.push(text),
                    other => return Err(ClaimTypeError::Item(JsonType::of(&other))),
                }
            }
            Ok(())
        }
        other => Err(ClaimTypeError::NotTexts(JsonType::of(&other))),
    }
}

#[cfg(test)]
mod tests;
