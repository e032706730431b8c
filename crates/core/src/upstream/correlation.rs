//! The identity correlation: the user of a process engine, the impersonated person and the time, as a header. The engine's workers can
//! verify it once the process instance is known. modgud writes or removes it, like every identity header.

mod impersonation;
mod json_body;
mod signed;

pub use impersonation::{BodyError, Impersonation, ImpersonationSource};
pub use json_body::MediaTypeError;
pub use signed::{CorrelationField, FieldError, IdentityCorrelation, ReadError, SignError, SigningSecret, VerifyError};

use super::Mutations;
use crate::authn::{Authenticators, AuthnError, CorrelationValues, RegisteredAuthenticator};
use crate::authz::{Caller, PathPattern, Permit};
use crate::http::header::{HeaderName, HeaderText, folds_to_same_name};
use crate::http::path::CanonicalPath;
use crate::http::request::{HeaderLookup, Request};
use crate::jose::JsonRef;
use crate::principal::{ClaimPath, Principal};
use crate::reason::Reason;
use crate::time::Timestamp;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// Maximum time by which a correlation may be ahead: the clocks of its issuer and of its reader differ.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

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
    /// The source of the time of issue.
    pub issued_at: IssuedAt,
}

/// The source of a correlation's time of issue.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IssuedAt {
    /// The time of the decision.
    #[default]
    Decision,
    /// The token's `iat`.
    Token,
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
    /// A custom authenticator returned a value that is not a valid field.
    #[error("the custom authenticator's {member} {error}, so it can't be field of a correlation")]
    Value {
        /// The value.
        member: &'static str,
        /// The error of the value.
        error: FieldError,
    },
    /// The custom authenticator denies the request, or failed.
    #[error(transparent)]
    Authenticator(AuthnError),
    /// The caller's credential has no `iat`, or one that is not a date.
    #[error("the correlation's time is the token's `iat`, and the token has none that is a date")]
    IssuedAt,
    /// The time of the correlation is in the future.
    #[error("the correlation's time is more than a minute in the future")]
    Future,
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
    pub fn reason(&self) -> Reason {
        match self {
            Self::Claim { .. } | Self::Value { .. } | Self::IssuedAt | Self::Future | Self::TooLong => {
                Reason::ClaimInvalid
            }
            Self::Authenticator(error) => error.reason(),
            Self::Body(_) => Reason::BodyUnreadable,
            Self::Impersonated(_) | Self::ImpersonatedInQuery | Self::Instance(_) | Self::Instances => {
                Reason::RequestMalformed
            }
            Self::NotEntitled(_) => Reason::PermissionMissing,
        }
    }
}

impl Correlation {
    /// Writes the correlation of an allowed caller, and removes all client headers of its name. A caller's custom authenticator may
    /// change its values.
    ///
    /// # Errors
    /// [`CorrelationError`] if a field that would be signed is ambiguous or not permitted.
    pub fn write(
        &self,
        permit: &Permit,
        authenticators: &Authenticators,
        request: &Request<'_>,
        now: Timestamp,
        mutations: &mut Mutations,
    ) -> Result<CorrelationOutcome, CorrelationError> {
        let correlation = match permit.caller() {
            Caller::Anonymous => None,
            Caller::Known(principal) => {
                let custom = authenticators.custom_of(principal);
                Some(self.make(principal, custom, request, now)?)
            }
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
        custom: Option<&RegisteredAuthenticator>,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<IdentityCorrelation, CorrelationError> {
        let field = |claim: &ClaimPath| {
            let error = |error| CorrelationError::Claim { claim: claim.to_string().into(), error };
            match principal.claim(claim) {
                None => Ok(None),
                Some(JsonRef::String(text)) => CorrelationField::parse(text).map(Some).map_err(error),
                Some(
                    JsonRef::Null | JsonRef::Bool(_) | JsonRef::Number(_) | JsonRef::Array(_) | JsonRef::Object(_),
                ) => Err(error(FieldError::NotText)),
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
            issued_at: match self.issued_at {
                IssuedAt::Decision => now,
                IssuedAt::Token => {
                    let date = principal.claims().numeric_date("iat").ok().flatten();
                    date.ok_or(CorrelationError::IssuedAt)?.floor()
                }
            },
            instance: self.instance.of(request)?,
            signature: None,
        };
        if let Some(custom) = custom {
            correlation = self.changed(correlation, principal, custom, request)?;
        }
        // Signed, it would outlive every limit of its age.
        if correlation.issued_at > now.plus(MAX_CLOCK_SKEW) {
            return Err(CorrelationError::Future);
        }
        if let Some(secret) = &self.secret {
            correlation.sign(secret);
        }
        Ok(correlation)
    }
}

impl Correlation {
    /// Returns the correlation with the values that a custom authenticator returns. They are checked like claims.
    fn changed(
        &self,
        read: IdentityCorrelation,
        principal: &Principal,
        custom: &RegisteredAuthenticator,
        request: &Request<'_>,
    ) -> Result<IdentityCorrelation, CorrelationError> {
        let text = |field: &CorrelationField| field.as_str().to_owned();
        let given = CorrelationValues {
            username: text(&read.username),
            email: read.email.as_ref().map(text),
            impersonated: read.impersonated.as_ref().map(text),
            issued_at: read.issued_at,
            process_instance: read.instance.as_ref().map(text),
        };
        let values = custom.correlation(principal.claims(), request, given.clone());
        let values = values.map_err(CorrelationError::Authenticator)?;
        if values == given {
            return Ok(read);
        }
        let field = |member: &'static str, text: &str| {
            CorrelationField::parse(text).map_err(|error| CorrelationError::Value { member, error })
        };
        let some = |member: &'static str, text: Option<String>| match text {
            None => Ok(None),
            Some(text) if text.is_empty() => Err(CorrelationError::Value { member, error: FieldError::Empty }),
            Some(text) => field(member, &text).map(Some),
        };
        let CorrelationValues { username, email, impersonated, issued_at, process_instance } = values;
        // A configured permission counts for every person who is named, by modgud or by the authenticator.
        if let (Some(impersonation), Some(_)) = (&self.impersonation, &impersonated)
            && impersonated != given.impersonated
            && !principal.identity().has_permission(&impersonation.permission)
        {
            return Err(CorrelationError::NotEntitled(impersonation.permission.clone()));
        }
        if issued_at > IdentityCorrelation::LAST_ISSUED_AT {
            return Err(CorrelationError::Value { member: "time of issue", error: FieldError::Date });
        }
        Ok(IdentityCorrelation {
            username: field("username", &username)?,
            email: some("email address", email)?,
            impersonated: some("impersonated person", impersonated)?,
            issued_at,
            instance: some("process instance", process_instance)?,
            signature: None,
        })
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
