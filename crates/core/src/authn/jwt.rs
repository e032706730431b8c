//! JWTs of one issuer (RFC 7519, RFC 8725): the keys and algorithms that verify them, and the caller that they identify. `jose` parses
//! tokens and verifies signatures.

use super::claims_policy::{ClaimsPolicy, ValidityPeriod};
use super::jwks::{ActiveKeys, IssuerKeys, KeyCoverage};
use super::{AuthnError, LookupResult, PendingLookup, mismatch};
use crate::credential::AuthenticatorId;
use crate::explain::{Observer, Step};
use crate::jose::{Algorithm, KeyIdentity, TokenError, UnverifiedToken, VerifiedToken};
use crate::principal::{AuthMethod, AuthenticatorName, Principal};
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
    /// The claims policy.
    pub checks: ClaimsPolicy,
}

/// A token with a valid signature and valid claims; the validity period is checked on each use.
#[derive(Debug, Clone)]
pub struct VerifiedJwt {
    by: AuthenticatorId,
    key: KeyIdentity,
    principal: Arc<Principal>,
    span: ValidityPeriod,
    weight: u32,
}

impl VerifiedJwt {
    /// Returns the authenticator that verified it.
    #[must_use]
    pub const fn by(&self) -> AuthenticatorId {
        self.by
    }

    /// Returns the key that verified it.
    #[must_use]
    pub const fn key(&self) -> KeyIdentity {
        self.key
    }

    /// Returns the caller.
    #[must_use]
    pub fn into_principal(self) -> Arc<Principal> {
        self.principal
    }

    /// Returns the estimated memory of this entry, in bytes.
    #[must_use]
    pub fn weight(&self) -> u64 {
        u64::from(self.weight)
    }

    /// Returns its validity period: from the later of `nbf` and `iat` on, and before `exp`.
    #[must_use]
    pub const fn span(&self) -> ValidityPeriod {
        self.span
    }
}

impl JwtAuthenticator {
    /// Returns the exact `iss` of its tokens.
    #[must_use]
    pub const fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Verifies a token and checks all its claims except for the validity period, which the calling function checks on each use.
    ///
    /// # Errors
    /// The first error: signature, type, audience, required claims, and malformed dates. [`PendingLookup::Jwks`] or
    /// [`PendingLookup::JwksRefresh`] if keys that are not available could still verify the token.
    pub(super) fn accept(
        &self,
        token: UnverifiedToken<'_>,
        by: AuthenticatorId,
        now: Timestamp,
        supply: &LookupResult,
        observer: &mut impl Observer,
    ) -> Result<VerifiedJwt, AuthnError> {
        /// The memory of an entry without its claims.
        const ENTRY_BYTES: usize = 512;

        let algorithm = token.header().algorithm().name();
        let header = observer.keeps_steps().then(|| token.header().clone());
        let token = self.verify(token, by, now, supply);
        observer.step(|| match (&token, &header) {
            (Err(fault), Some(header)) => {
                Step::failed("signature", mismatch::signature(fault, header, self, &self.keys.at(now)))
            }
            (result, _) => Step::of("signature", result, format!("good, {algorithm}, by a key of the issuer")),
        });
        let token = token?;
        let key = token.key();
        let (identity, span) = self.checks.validate_jwt(&token, observer)?;
        let claims = token.into_claims();
        let absent = Arc::clone(&self.checks.identity.absent);
        let principal =
            Principal::new(self.name.clone(), claims, identity, absent, AuthMethod::Token).until(span.until());
        let weight = principal.size().saturating_add(ENTRY_BYTES);
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        Ok(VerifiedJwt { by, key, principal: Arc::new(principal), span, weight })
    }

    /// Verifies the signature with the active keys. A mismatch is final only if no other key can exist.
    fn verify(
        &self,
        token: UnverifiedToken<'_>,
        by: AuthenticatorId,
        now: Timestamp,
        supply: &LookupResult,
    ) -> Result<VerifiedToken, AuthnError> {
        let keys = self.keys.at(now);
        let lack = match keys.completeness() {
            KeyCoverage::Fixed => None,
            KeyCoverage::Missing => Some(PendingLookup::Jwks(by)),
            KeyCoverage::AsLastHad => {
                let settled = names_a_published_key(&token, &keys)
                    || supply.proves_key_unknown(token.claimed_issue(), self.checks.leeway);
                if settled { None } else { Some(PendingLookup::JwksRefresh(by)) }
            }
        };
        token.verify_by_any(keys.sets(), &self.algorithms).map_err(|fault| match (fault, lack) {
            (
                TokenError::KeyUnknown
                | TokenError::KeyUnfit
                | TokenError::SignatureLength
                | TokenError::SignatureMismatch,
                Some(lack),
            ) => lack.into(),
            (fault, _) => fault.into(),
        })
    }
}

/// Returns true if a provider publishes a key with the `kid` of the token. A token without one is tried with every key: a refresh for each
/// such forged token would never end.
fn names_a_published_key(token: &UnverifiedToken<'_>, keys: &ActiveKeys<'_>) -> bool {
    token.header().key_id().is_none_or(|id| keys.published().any(|key| key.id() == Some(id)))
}
