//! What the module behind Envoy is told: identity headers, and the credential in the form that it expects. Everything
//! under our names is written by us or removed, on every request that is let through.

mod correlation;
mod forward;
mod identity;
mod json;
mod metadata;
mod mint;
mod overrides;
mod removal;
mod source;
mod strip;
mod written;

pub use correlation::{
    BodyFault, Correlated, Correlation, CorrelationFault, IdentityCorrelation, Impersonation, ImpersonationSource,
    InstanceSources, MediaTypeFault, PARAMETER, Part, PartFault, ReadFault, SigningSecret, VerifyFault,
};
pub use forward::Forward;
pub use identity::{IdentityFault, IdentityHeader, IdentityHeaders, Unwritable};
pub use metadata::{ALWAYS_TOLD, Computed, Metadata, Told};
pub use mint::{Mint, MintFault, MintedClaimFault, Minter, OUR_CLAIMS};
pub use overrides::{OVERRIDE_HEADERS, OverrideHeader};
pub use removal::Removals;
pub use source::{Fact, Origin, Source};
pub use strip::{StripPattern, StripPatternFault};
pub use written::{Form, MOST_BYTES, Problem};

use crate::authz::condition::Inputs;
use crate::authz::{Caller, Grant};
use crate::credential::Shown;
use crate::http::header::{HeaderName, HeaderText};
use crate::http::request::Request;
use crate::time::Timestamp;
use bytes::Bytes;

/// How a configuration shapes requests.
#[derive(Debug)]
pub struct Shape {
    /// The identity headers.
    pub identity: IdentityHeaders,
    /// What becomes of the credential.
    pub forward: Forward,
    /// What Envoy is told beside that.
    pub metadata: Metadata,
}

/// Why a request can't be handed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeFault {
    /// A value that modules rely on can't be written into its header.
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    /// No token could be minted.
    #[error("no token could be minted for the module: {0}")]
    Unminted(#[from] MintFault),
}

/// The changes that Envoy is to make to a request that is let through. No name is in both lists: Envoy would remove it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Mutations {
    /// Headers to write over whatever is there.
    pub set: Vec<(HeaderName, HeaderText)>,
    /// Headers to remove: only those that the request carries, each in the client's spelling, in lower case.
    pub remove: Vec<Bytes>,
    /// Query parameters to remove, by name.
    pub remove_query: Vec<Bytes>,
    /// Identity headers that are left out, since there is a value that can't be written: to be counted.
    pub dropped: Vec<HeaderName>,
}

impl Shape {
    /// The changes for one request, and for what it has shown to its rule.
    ///
    /// # Errors
    /// [`ShapeFault`] when what the module relies on can't be written.
    pub fn mutations(
        &self,
        grant: &Grant,
        shown: Shown<'_, '_, '_>,
        request: &Request<'_>,
        rule: Option<&str>,
        now: Timestamp,
    ) -> Result<Mutations, ShapeFault> {
        let mut mutations = Mutations::default();
        let principal = match grant.caller() {
            Caller::Known(principal) => Some(&**principal),
            Caller::Anonymous => None,
        };
        let headers = &request.headers;
        let credential = match shown {
            Shown::Credential(credential) => credential.place.header(),
            Shown::NotAsked | Shown::Nothing => None,
        };
        self.identity.apply(&Inputs { request, pattern: None, rule, principal, now }, credential, &mut mutations)?;
        match shown {
            Shown::NotAsked => {}
            Shown::Nothing => self.forward.nothing_shown(principal, (headers, now), &mut mutations)?,
            Shown::Credential(credential) => {
                self.forward.apply(credential, principal, (headers, now), &mut mutations)?;
            }
        }
        Ok(mutations)
    }
}
