//! Tenant isolation: a rule defines where a request names its organization, and only callers of that organization are allowed.
//! Roles are irrelevant here, because a permission does not imply membership.

use super::{AuthzError, PathPattern};
use crate::http::query::{Query, is_plain};
use crate::http::request::Request;
use crate::principal::Principal;
use std::fmt;

/// The location in a request that names its organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantSource {
    /// A path parameter, by its name in the pattern.
    Path(Box<str>),
    /// A query parameter.
    Query(Box<str>),
    /// A context extension of Envoy.
    Context(Box<str>),
}

/// The error of a text that names no valid location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TenancyError {
    /// The text has another format.
    #[error("write where the request names its organization: `path.NAME`, `query.NAME` or `context.NAME`")]
    Form,
    /// A pattern lacks the parameter.
    #[error("each of the rule's `paths` needs this parameter, and one does not have it")]
    Parameter,
}

impl TenantSource {
    /// Parses `path.NAME`, `query.NAME` or `context.NAME`, for a rule with these patterns.
    ///
    /// # Errors
    /// [`TenancyError`].
    pub fn parse(text: &str, patterns: &[PathPattern]) -> Result<Self, TenancyError> {
        match text.split_once('.') {
            Some((_, "")) => Err(TenancyError::Form),
            Some(("path", name)) => {
                let known = |pattern: &PathPattern| pattern.names().any(|known| known == name);
                if patterns.iter().all(known) { Ok(Self::Path(name.into())) } else { Err(TenancyError::Parameter) }
            }
            Some(("query", name)) if is_plain(name) => Ok(Self::Query(name.into())),
            Some(("context", name)) => Ok(Self::Context(name.into())),
            Some(_) | None => Err(TenancyError::Form),
        }
    }

    /// Checks that the caller's organization and the one that the request names are equal, byte for byte.
    ///
    /// # Errors
    /// [`AuthzError::NoOrganization`], [`AuthzError::OrganizationUnnamed`] or [`AuthzError::OtherOrganization`].
    pub fn check(&self, principal: &Principal, request: &Request<'_>, pattern: &PathPattern) -> Result<(), AuthzError> {
        let own = principal.identity().organization.as_deref().ok_or(AuthzError::NoOrganization)?;
        let is_own = match self {
            Self::Path(name) => {
                let value = pattern.parameters(&request.path).find(|(known, _)| *known == &**name);
                value.map(|(_, value)| value == own)
            }
            // An ambiguous parameter names no organization.
            Self::Query(name) => Query::new(request.query).get(name).ok().flatten().map(|value| value == own),
            Self::Context(name) => {
                request.context.iter().find(|(known, _)| *known == &**name).map(|(_, value)| value == own)
            }
        };
        match is_own {
            Some(true) => Ok(()),
            Some(false) => Err(AuthzError::OtherOrganization),
            None => Err(AuthzError::OrganizationUnnamed),
        }
    }
}

/// The text, as written in a configuration.
impl fmt::Display for TenantSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(name) => write!(f, "path.{name}"),
            Self::Query(name) => write!(f, "query.{name}"),
            Self::Context(name) => write!(f, "context.{name}"),
        }
    }
}
