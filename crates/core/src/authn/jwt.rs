//! JWTs of one issuer: which keys and algorithms verify them, and who is named by them (RFC 7519, RFC 8725). How a token is
//! taken apart and how a signature is checked belongs to `jose`.

use super::claim_checks::{ClaimChecks, Span};
use super::remote::{Completeness, IssuerKeys, KeysAt};
use super::{AuthnFault, Lack, Supply};
use crate::credential::AuthenticatorIndex;
use crate::explain::{Observer, Step};
use crate::jose::{Algorithm, KeyIdentity, TokenFault, UnverifiedToken, VerifiedToken};
use crate::principal::{AuthenticatorName, Principal, Proof};
use crate::time::Timestamp;
use std::sync::Arc;

/// An authenticator of one issuer's tokens.
#[derive(Debug)]
pub struct JwtAuthenticator {
    /// Its name in the configuration.
    pub name: AuthenticatorName,
    /// The exact `iss` of its tokens.
    pub issuer: Box<str>,
    /// The algorithms that its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// The keys that verify them.
    pub keys: IssuerKeys,
    /// What they must claim.
    pub checks: ClaimChecks,
}

/// A token whose signature and claims are good; whether its time is right is asked on each use.
#[derive(Debug, Clone)]
pub struct Accepted {
    by: AuthenticatorIndex,
    key: KeyIdentity,
    principal: Arc<Principal>,
    span: Span,
    weight: u32,
}

impl Accepted {
    /// The authenticator that accepted it.
    #[must_use]
    pub const fn by(&self) -> AuthenticatorIndex {
        self.by
    }

    /// The key that verified it.
    #[must_use]
    pub const fn key(&self) -> KeyIdentity {
        self.key
    }

    /// The caller.
    #[must_use]
    pub fn into_principal(self) -> Arc<Principal> {
        self.principal
    }

    /// The memory that this entry is estimated to take, in bytes.
    #[must_use]
    pub fn weight(&self) -> u64 {
        u64::from(self.weight)
    }

    /// The span in which it is valid: from the later of `nbf` and `iat` on, and before `exp`.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }
}

impl JwtAuthenticator {
    /// The exact `iss` of its tokens.
    #[must_use]
    pub const fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Verifies a token and checks everything that it claims but its time, which is the caller's to check on each use.
    ///
    /// # Errors
    /// The first fault: signature, type, audience, required claims, and dates that are no dates. [`Lack::Keys`] or [`Lack::NewerKeys`] when
    /// keys that are not there could still make the token a good one.
    pub(super) fn accept(
        &self,
        token: UnverifiedToken<'_>,
        by: AuthenticatorIndex,
        now: Timestamp,
        supply: &Supply,
        observer: &mut impl Observer,
    ) -> Result<Accepted, AuthnFault> {
        /// What an entry takes beside its claims.
        const ENTRY_BYTES: usize = 512;

        let algorithm = token.header().algorithm().name();
        let token = self.verify(token, by, now, supply);
        observer.step(|| Step::of("signature", &token, format!("good, {algorithm}, by a key of the issuer")));
        let token = token?;
        let key = token.key();
        let (identity, span) = self.checks.of_token(&token, observer)?;
        let claims = token.into_claims();
        let absent = Arc::clone(&self.checks.identity.absent);
        let principal = Principal::new(self.name.clone(), claims, identity, absent, Proof::Token).until(span.until());
        let weight = principal.size().saturating_add(ENTRY_BYTES);
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        Ok(Accepted { by, key, principal: Arc::new(principal), span, weight })
    }

    /// Checks the signature with the keys of now. That none of them fits settles it only when there can be no other.
    fn verify(
        &self,
        token: UnverifiedToken<'_>,
        by: AuthenticatorIndex,
        now: Timestamp,
        supply: &Supply,
    ) -> Result<VerifiedToken, AuthnFault> {
        let keys = self.keys.at(now);
        let lack = match keys.completeness() {
            Completeness::Fixed => None,
            Completeness::Missing => Some(Lack::Keys(by)),
            Completeness::AsLastHad => {
                let settled = names_a_published_key(&token, &keys)
                    || supply.settles_unknown_key(token.claimed_issue(), self.checks.leeway);
                if settled { None } else { Some(Lack::NewerKeys(by)) }
            }
        };
        token.verify_by_any(keys.sets(), &self.algorithms).map_err(|fault| match (fault, lack) {
            (
                TokenFault::KeyUnknown
                | TokenFault::KeyUnfit
                | TokenFault::SignatureLength
                | TokenFault::SignatureMismatch,
                Some(lack),
            ) => lack.into(),
            (fault, _) => fault.into(),
        })
    }
}

/// Whether a provider publishes a key of the name that the token gives. A token without one is tried with every key, and asking for
/// more of them for each forged one would be asking without end.
fn names_a_published_key(token: &UnverifiedToken<'_>, keys: &KeysAt<'_>) -> bool {
    token.header().key_id().is_none_or(|id| keys.published().any(|key| key.id() == Some(id)))
}
