//! What the module behind Envoy is told: identity headers, and the credential in the form that it expects. Everything
//! under our names is written by us or removed, on every request that is let through.

mod correlation;
mod forward;
mod identity;
mod json;
mod source;
mod strip;
mod written;

pub use correlation::{
    BodyFault, Correlated, Correlation, CorrelationFault, IdentityCorrelation, Impersonation, ImpersonationSource,
    InstanceSources, PARAMETER, Part, PartFault, ReadFault, SigningSecret, VerifyFault,
};
pub use forward::Forward;
pub use identity::{IdentityFault, IdentityHeader, IdentityHeaders, Unwritable};
pub use source::{Fact, Source};
pub use strip::{StripPattern, StripPatternFault};
pub use written::{Form, MOST_BYTES, Problem};

use crate::authz::{Caller, Grant};
use crate::credential::Shown;
use crate::header::{HeaderName, HeaderText};
use crate::principal::{Principal, Proof};
use crate::request::Headers;
use bytes::Bytes;

/// How a configuration shapes requests.
#[derive(Debug)]
pub struct Shape {
    /// The identity headers.
    pub identity: IdentityHeaders,
    /// What becomes of the credential.
    pub forward: Forward,
}

/// The changes that Envoy is to make to a request that is let through. No name is in both lists: Envoy would remove it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mutations {
    /// Headers to write over whatever is there.
    pub set: Vec<(HeaderName, HeaderText)>,
    /// Headers to remove, in the spelling in which the client sent them, in lower case.
    pub remove: Vec<Bytes>,
    /// Query parameters to remove, by name.
    pub remove_query: Vec<Bytes>,
    /// Those of the removed headers for which there is a value that can't be written: to be counted.
    pub dropped: Vec<HeaderName>,
}

impl Shape {
    /// The changes for one request, and for what it has shown to its rule.
    ///
    /// # Errors
    /// [`IdentityFault`] when a claim that the module relies on can't be written into a header.
    pub fn mutations(
        &self,
        grant: &Grant,
        shown: Shown<'_, '_, '_>,
        headers: &Headers<'_>,
    ) -> Result<Mutations, IdentityFault> {
        let mut mutations = Mutations::default();
        let principal = match grant.caller() {
            Caller::Known(principal) => Some(&**principal),
            Caller::Anonymous => None,
        };
        self.identity.apply(principal, headers, &mut mutations)?;
        let proof = principal.map_or(Proof::Token, Principal::proof);
        match shown {
            Shown::NotAsked => {}
            Shown::Nothing => self.forward.nothing(headers, &mut mutations),
            Shown::Credential(credential) => self.forward.apply(credential, proof, headers, &mut mutations),
        }
        Ok(mutations)
    }
}
