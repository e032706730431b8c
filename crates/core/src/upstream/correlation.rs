//! The identity correlation: who did something in a process engine, for whom, and when, as a header that the engine's workers can
//! verify once the process is known. Written by us or not there, as every identity header is. Owns no other header.

mod field;
mod impersonation;
mod instance;
mod json_body;
mod signed;

pub use field::{CorrelationField, PartError};
pub use impersonation::{BodyError, Impersonation, ImpersonationSource};
pub use instance::{InstanceSources, PARAMETER};
pub use json_body::MediaTypeError;
pub use signed::{IdentityCorrelation, ReadError, SigningSecret, VerifyError};

use super::Mutations;
use crate::authz::{Caller, Permit};
use crate::http::header::{HeaderName, HeaderText, folds_to_same_name};
use crate::http::request::Request;
use crate::principal::{ClaimPath, Principal};
use crate::reason::Reason;
use crate::time::Timestamp;
use bytes::Bytes;
use serde_json::Value;

/// How a configuration makes correlations.
#[derive(Debug)]
pub struct Correlation {
    /// The header that carries them.
    pub header: HeaderName,
    /// The claim that is the user's name; a caller without it has none.
    pub username: ClaimPath,
    /// The claim that is the user's email address.
    pub email: ClaimPath,
    /// What they are signed with; `None` when they never are.
    pub secret: Option<SigningSecret>,
    /// For whom a caller may act, if for anybody else.
    pub impersonation: Option<Impersonation>,
    /// Where the process instance is named.
    pub instance: InstanceSources,
}

/// What became of a correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorrelationOutcome {
    /// There is none: nobody is known.
    Anonymous,
    /// It is written without a signature, since no process instance is named, or there is nothing to sign with.
    Unsigned,
    /// It is written and signed.
    Signed,
}

/// Why a request can't be handed on with a correlation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorrelationError {
    /// A claim that can't be a part of one.
    #[error("the claim `{claim}` {fault}, and so can't stand in a correlation")]
    Claim {
        /// The claim.
        claim: Box<str>,
        /// What is wrong with it.
        fault: PartError,
    },
    /// All of them together are more than a header holds.
    #[error("the correlation is longer than a header may be")]
    TooLong,
    /// The body that may name somebody else.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The value for which the caller wants to act.
    #[error("what the caller wants to act for {0}")]
    Impersonated(PartError),
    /// The query has the member of the body that says for whom the caller acts, or a name that some server could take for it.
    #[error("the query has a parameter that some services read instead of the body's member for whom the caller acts")]
    ImpersonatedInQuery,
    /// The caller may not act for anybody else.
    #[error("the caller wants to act for another and lacks the permission `{0}`")]
    NotEntitled(Box<str>),
    /// The process instance.
    #[error("the process instance's id {0}")]
    Instance(PartError),
    /// One place names another process instance than the other, or one place names two.
    #[error("more than one process instance is named")]
    Instances,
}

impl CorrelationError {
    /// The reason that this fault is told as.
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
    /// Writes the correlation of whoever was let through, and takes out whatever a client sends under its name.
    ///
    /// # Errors
    /// [`CorrelationError`] when something that would be signed can be read in two ways, or may not be.
    pub fn write(
        &self,
        grant: &Permit,
        request: &Request<'_>,
        now: Timestamp,
        mutations: &mut Mutations,
    ) -> Result<CorrelationOutcome, CorrelationError> {
        let made = match grant.caller() {
            Caller::Anonymous => None,
            Caller::Known(principal) => Some(self.make(principal, request, now)?),
        };
        // The value for which somebody wants to act is told by the correlation, and by nothing else.
        let asked = self.impersonation.as_ref().and_then(|impersonation| impersonation.source.header());
        let ours = || std::iter::once(&self.header).chain(asked);
        let sent = request.headers.iter().map(|field| field.name);
        let sent = sent.filter(|name| ours().any(|ours| folds_to_same_name(ours.bytes(), name)));
        let sent = sent.map(|name| Bytes::from(name.to_ascii_lowercase()));
        // Its own header is removed in any case, as identity headers are.
        for name in sent.chain(std::iter::once(self.header.bytes().clone())) {
            if !mutations.remove.contains(&name) {
                mutations.remove.push(name);
            }
        }
        let Some(correlation) = made else { return Ok(CorrelationOutcome::Anonymous) };
        let text = HeaderText::parse(&correlation.to_json()).map_err(|_| CorrelationError::TooLong)?;
        // Envoy would remove what stands in both lists.
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
        let part = |claim: &ClaimPath| {
            let fault = |fault| CorrelationError::Claim { claim: claim.to_string().into(), fault };
            match principal.claim(claim) {
                None => Ok(None),
                Some(Value::String(text)) => CorrelationField::parse(text).map(Some).map_err(fault),
                Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    Err(fault(PartError::NotText))
                }
            }
        };
        let impersonated = match &self.impersonation {
            None => None,
            Some(impersonation) => impersonation.of(principal, request)?,
        };
        let mut correlation = IdentityCorrelation {
            username: part(&self.username)?.unwrap_or_default(),
            email: part(&self.email)?.filter(|email| !email.as_str().is_empty()),
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

#[cfg(test)]
mod tests;
