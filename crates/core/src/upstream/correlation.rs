//! The identity correlation: the user of a process engine, the impersonated person and the time, as a header. The engine's workers can
//! verify it once the process instance is known. modgud writes or removes it, like every identity header.

mod impersonation;
mod json_body;
mod signed;

pub use impersonation::{BodyError, Impersonation, ImpersonationSource};
pub use json_body::MediaTypeError;
pub use signed::{CorrelationField, FieldError, IdentityCorrelation, ReadError, SigningSecret, VerifyError};

use super::Mutations;
use crate::authz::{Caller, PathPattern, Permit};
use crate::http::header::{HeaderName, HeaderText, folds_to_same_name};
use crate::http::path::CanonicalPath;
use crate::http::request::{HeaderLookup, Request};
use crate::principal::{ClaimPath, Principal};
use crate::reason::Reason;
use crate::time::Timestamp;
use bytes::Bytes;
use serde_json::Value;

/// The correlation settings of a configuration.
#[derive(Debug)]
pub struct Correlation {
    /// The header that carries them.
    pub header: HeaderName,
    /// The claim with the user's name; empty in the correlation if the caller lacks it.
    pub username: ClaimPath,
    /// The claim with the user's email address.
    pub email: ClaimPath,
    /// The signing secret; `None` if correlations are never signed.
    pub secret: Option<SigningSecret>,
    /// The impersonation settings; `None` if no caller may impersonate.
    pub impersonation: Option<Impersonation>,
    /// The sources of the process instance.
    pub instance: InstanceSources,
}

/// The outcome for a correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorrelationOutcome {
    /// No correlation, as the caller is anonymous.
    Anonymous,
    /// A correlation without a signature, since there is no process instance or no signing secret.
    Unsigned,
    /// A signed correlation.
    Signed,
}

/// The reason why a request can't be forwarded with a correlation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorrelationError {
    /// A claim is not a valid field.
    #[error("the claim `{claim}` {error}, so it can't be field of a correlation")]
    Claim {
        /// The claim.
        claim: Box<str>,
        /// The error of its value.
        error: FieldError,
    },
    /// All fields together exceed the limit of a header value.
    #[error("the correlation is too long for a header")]
    TooLong,
    /// The body that may name an impersonated person is unreadable.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The impersonated person is not a valid field.
    #[error("the impersonated person {0}")]
    Impersonated(FieldError),
    /// The query has the body's impersonation member, or a name that some server could take for it.
    #[error("the query has a parameter that some services read instead of the body's impersonation member")]
    ImpersonatedInQuery,
    /// The caller lacks the permission to impersonate.
    #[error("the caller acts for another person, and lacks the permission `{0}`")]
    NotEntitled(Box<str>),
    /// The process instance is not a valid field.
    #[error("the process instance's id {0}")]
    Instance(FieldError),
    /// The request names two process instances, in two sources or in one.
    #[error("the request names more than one process instance")]
    Instances,
}

impl CorrelationError {
    /// Returns the reason code of this error.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Claim { .. } | Self::TooLong => Reason::ClaimInvalid,
            Self::Body(_) => Reason::BodyUnreadable,
            Self::Impersonated(_) | Self::ImpersonatedInQuery | Self::Instance(_) | Self::Instances => {
                Reason::RequestMalformed
            }
            Self::NotEntitled(_) => Reason::PermissionMissing,
        }
    }
}

impl Correlation {
    /// Writes the correlation of an allowed caller, and removes all client headers of its name.
    ///
    /// # Errors
    /// [`CorrelationError`] if a field that would be signed is ambiguous or not permitted.
    pub fn write(
        &self,
        permit: &Permit,
        request: &Request<'_>,
        now: Timestamp,
        mutations: &mut Mutations,
    ) -> Result<CorrelationOutcome, CorrelationError> {
        let correlation = match permit.caller() {
            Caller::Anonymous => None,
            Caller::Known(principal) => Some(self.make(principal, request, now)?),
        };
        // Only the correlation may carry the impersonated person to the module.
        let source = self.impersonation.as_ref().and_then(|impersonation| impersonation.source.header());
        let ours = || std::iter::once(&self.header).chain(source);
        let sent = request.headers.iter().map(|field| field.name);
        let sent = sent.filter(|name| ours().any(|ours| folds_to_same_name(ours.bytes(), name)));
        let sent = sent.map(|name| Bytes::from(name.to_ascii_lowercase()));
        // Its own header is removed in any case, as identity headers are.
        for name in sent.chain(std::iter::once(self.header.bytes().clone())) {
            if !mutations.remove.contains(&name) {
                mutations.remove.push(name);
            }
        }
        let Some(correlation) = correlation else { return Ok(CorrelationOutcome::Anonymous) };
        let text = HeaderText::parse(&correlation.to_json()).map_err(|_| CorrelationError::TooLong)?;
        // Envoy would remove a header that is in both lists.
        mutations.remove.retain(|name| name != self.header.bytes());
        mutations.set.push((self.header.clone(), text));
        Ok(if correlation.is_signed() { CorrelationOutcome::Signed } else { CorrelationOutcome::Unsigned })
    }

    fn make(
        &self,
        principal: &Principal,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<IdentityCorrelation, CorrelationError> {
        let field = |claim: &ClaimPath| {
            let error = |error| CorrelationError::Claim { claim: claim.to_string().into(), error };
            match principal.claim(claim) {
                None => Ok(None),
                Some(Value::String(text)) => CorrelationField::parse(text).map(Some).map_err(error),
                Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    Err(error(FieldError::NotText))
                }
            }
        };
        let impersonated = match &self.impersonation {
            None => None,
            Some(impersonation) => impersonation.of(principal, request)?,
        };
        let mut correlation = IdentityCorrelation {
            username: field(&self.username)?.unwrap_or_default(),
            email: field(&self.email)?.filter(|email| !email.as_str().is_empty()),
            impersonated,
            issued_at: now,
            instance: self.instance.of(request)?,
            signature: None,
        };
        if let Some(secret) = &self.secret {
            correlation.sign(secret);
        }
        Ok(correlation)
    }
}

/// The name of the path parameter with the process instance's id.
pub const PARAMETER: &str = "process_instance";

/// The sources of the process instance.
#[derive(Debug, Default)]
pub struct InstanceSources {
    /// Paths with a parameter of the name [`PARAMETER`].
    pub paths: Vec<PathPattern>,
    /// A header.
    pub header: Option<HeaderName>,
}

impl InstanceSources {
    /// Returns the id; `None` if the request names none.
    ///
    /// # Errors
    /// [`CorrelationError`] if the id is not a valid field, or the request names two.
    fn of(&self, request: &Request<'_>) -> Result<Option<CorrelationField>, CorrelationError> {
        let in_path = self.in_path(&request.path)?;
        let in_header = match self.header.as_ref().map(|name| request.headers.sole(name.as_str())) {
            None | Some(HeaderLookup::Absent) => None,
            Some(HeaderLookup::Repeated) => return Err(CorrelationError::Instances),
            Some(HeaderLookup::One(value)) => {
                Some(std::str::from_utf8(value).map_err(|_| CorrelationError::Instance(FieldError::NotText))?)
            }
        };
        let text = match (in_path, in_header) {
            (Some(one), Some(other)) if one != other => return Err(CorrelationError::Instances),
            (Some(text), _) | (None, Some(text)) => text,
            (None, None) => return Ok(None),
        };
        match CorrelationField::parse(text) {
            Ok(field) if field.as_str().is_empty() => Err(CorrelationError::Instance(FieldError::Empty)),
            Ok(field) => Ok(Some(field)),
            Err(error) => Err(CorrelationError::Instance(error)),
        }
    }

    /// Returns the id in the path. The service reads the path as rules do.
    fn in_path<'p>(&self, path: &'p CanonicalPath<'_>) -> Result<Option<&'p str>, CorrelationError> {
        let sure = self.paths.iter().find_map(|pattern| pattern.parameter(PARAMETER, path));
        let widest = self.paths.iter().find_map(|pattern| pattern.parameter_read_widely(PARAMETER, path));
        if sure == widest { Ok(sure) } else { Err(CorrelationError::Instances) }
    }
}

#[cfg(test)]
mod tests;
