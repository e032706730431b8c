//! The mutations of an allowed request for the module behind Envoy: identity headers, and the credential in the form that the module
//! expects. On every allowed request, modgud writes or removes all headers of its own names.

mod correlation;
mod forward;
mod header_encoding;
mod identity;
mod metadata;
mod mint;
mod overrides;
mod removal;
mod value;

pub use correlation::{
    BodyError, Correlation, CorrelationError, CorrelationField, CorrelationOutcome, FieldError, IdentityCorrelation,
    Impersonation, ImpersonationSource, InstanceSources, IssuedAt, MAX_CLOCK_SKEW, MediaTypeError, PARAMETER,
    ReadError, SignError, SigningSecret, VerifyError,
};
pub use forward::Forward;
pub use header_encoding::{EncodeError, FieldValue, HeaderEncoding, MAX_BYTES};
pub use identity::{DroppedHeader, HeaderLimits, IdentityError, IdentityHeader, IdentityHeaders, OnEncodeError};
pub use metadata::{BUILTIN_KEYS, Computed, Metadata};
pub use mint::{Mint, MintError, MintedClaimError, Minter, OmittableClaim, RESERVED_CLAIMS};
pub use overrides::{OVERRIDE_HEADERS, OverrideHeader};
pub use removal::{Removals, StripPattern, StripPatternError};
pub use value::{HeaderValueSource, PrincipalField, ValueSource};

use crate::authz::condition::Inputs;
use crate::authz::{Caller, Permit};
use crate::credential::PresentedCredential;
use crate::http::header::{HeaderName, HeaderText};
use crate::http::request::Request;
use crate::time::Timestamp;
use bytes::Bytes;

/// The request mutations of a configuration.
#[derive(Debug)]
pub struct RequestMutator {
    /// The identity headers.
    pub identity: IdentityHeaders,
    /// The handling of the credential.
    pub forward: Forward,
    /// The other values that modgud returns to Envoy.
    pub metadata: Metadata,
}

/// The reason why a request can't be forwarded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MutationError {
    /// A value that modules rely on can't be encoded in its header.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No token could be minted.
    #[error("no token could be minted for the module: {0}")]
    Minting(#[from] MintError),
}

/// The mutations of an allowed request. No name is in both lists of headers: Envoy would remove it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Mutations {
    /// Headers to write; they replace all present ones of the name.
    pub set: Vec<(HeaderName, HeaderText)>,
    /// Headers to remove: only those that the request carries, each in the client's spelling, in lower case.
    pub remove: Vec<Bytes>,
    /// Query parameters to remove, by name.
    pub remove_query: Vec<Bytes>,
    /// Identity headers that are omitted, since their values can't be encoded; for the log and the metrics.
    pub dropped: Vec<DroppedHeader>,
}

impl RequestMutator {
    /// Returns true if an expression of a header or of the metadata may read the request header of this name, in lower case.
    #[must_use]
    pub fn may_read_header(&self, name: &str) -> bool {
        let computed = self.identity.headers().iter().filter_map(|header| match &header.source {
            HeaderValueSource::Computed(expression) => Some(&**expression),
            HeaderValueSource::Source(_) => None,
        });
        computed.chain(self.metadata.expressions()).any(|expression| expression.may_read_header(name))
    }

    /// Returns the mutations of one request, according to its permit and its credential.
    ///
    /// # Errors
    /// [`MutationError`] if a value that the module relies on can't be encoded.
    pub fn mutations(
        &self,
        permit: &Permit,
        presented: PresentedCredential<'_, '_, '_>,
        request: &Request<'_>,
        rule: Option<&str>,
        now: Timestamp,
    ) -> Result<Mutations, MutationError> {
        let mut mutations = Mutations::default();
        let principal = match permit.caller() {
            Caller::Known(principal) => Some(&**principal),
            Caller::Anonymous => None,
        };
        let headers = &request.headers;
        let credential = match presented {
            PresentedCredential::Some(credential) => credential.location.header(),
            PresentedCredential::NotRequired | PresentedCredential::None => None,
        };
        self.identity.apply(&Inputs { request, pattern: None, rule, principal, now }, credential, &mut mutations)?;
        match presented {
            PresentedCredential::NotRequired => {}
            PresentedCredential::None => {
                self.forward.apply_without_credential(principal, (headers, now), &mut mutations)?;
            }
            PresentedCredential::Some(credential) => {
                self.forward.apply(credential, principal, (headers, now), &mut mutations)?;
            }
        }
        Ok(mutations)
    }
}
