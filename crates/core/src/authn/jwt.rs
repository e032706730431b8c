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

/// An authenticator of one issuer's tokens. Two are equal if they accept the same tokens, and see the same caller in each.
#[derive(Debug, PartialEq, Eq)]
pub struct JwtAuthenticator {
    /// Its name in the configuration.
    pub name: AuthenticatorName,
    /// The exact `iss` of its tokens. `None` if it takes every token of its credential locations and ignores `iss`, as for JWT-SVIDs.
    pub issuer: Option<Box<str>>,
    /// The algorithms that its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// The keys that verify them.
    pub keys: IssuerKeys,
    /// The claims policy.
    pub checks: ClaimsPolicy,
}

/// A token with a valid signature and valid claims; the validity period is checked on each use. Its end is that of the principal.
#[derive(Debug, Clone)]
pub struct VerifiedJwt {
    pub(super) by: AuthenticatorId,
    pub(super) key: KeyIdentity,
    pub(super) principal: Arc<Principal>,
    pub(super) from: Timestamp,
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

    /// Returns its validity period: from the later of `nbf` and `iat` on, and before `exp`.
    #[must_use]
    pub fn period(&self) -> ValidityPeriod {
        ValidityPeriod::new(self.from, self.principal.valid_until())
    }
}

impl JwtAuthenticator {
    /// Returns the exact `iss` of its tokens; `None` if it ignores `iss`.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns true if a token with this `iss` belongs to it.
    pub(super) fn takes(&self, claimed_issuer: Option<&str>) -> bool {
        self.issuer.is_none() || self.issuer() == claimed_issuer
    }

    /// Verifies a token and checks all its claims except for the validity period, which the calling function checks on each use.
    ///
    /// # Errors
    /// The first error: signature, type, audience, required claims, and malformed dates. [`PendingLookup::Jwks`] or
    /// [`PendingLookup::JwksRefresh`] if keys that are not available could still verify the token.
    pub(super) fn verify(
        &self,
        token: UnverifiedToken<'_>,
        by: AuthenticatorId,
        now: Timestamp,
        result: &LookupResult,
        observer: &mut impl Observer,
    ) -> Result<VerifiedJwt, AuthnError> {
        let algorithm = token.header().algorithm().name();
        let header = observer.keeps_steps().then(|| token.header().clone());
        let token = self.verify_signature(token, by, now, result);
        observer.step(|| match (&token, &header) {
            (Err(error), Some(header)) => Step::failed(
                "signature",
                mismatch::signature(error, header, &self.algorithms, &self.keys.active_at(now)),
            ),
            (result, _) => Step::of("signature", result, format!("valid, {algorithm}, by a key of the issuer")),
        });
        let token = token?;
        let key = token.key();
        let (identity, period) = self.checks.validate_jwt(&token, observer)?;
        let claims = token.into_claims();
        let null_strings = Arc::clone(&self.checks.identity.null_strings);
        let principal = Principal::new(self.name.clone(), claims, identity, null_strings, AuthMethod::Token);
        let principal = Arc::new(principal.until(period.until()));
        Ok(VerifiedJwt { by, key, principal, from: period.from() })
    }

    /// Verifies the signature with the active keys. A mismatch is final only if no other key can exist.
    fn verify_signature(
        &self,
        token: UnverifiedToken<'_>,
        by: AuthenticatorId,
        now: Timestamp,
        result: &LookupResult,
    ) -> Result<VerifiedToken, AuthnError> {
        let keys = self.keys.active_at(now);
        let lookup = match keys.coverage() {
            KeyCoverage::Static => None,
            KeyCoverage::Missing => Some(PendingLookup::Jwks(by)),
            KeyCoverage::AsLastFetched => {
                let is_final = names_published_key(&token, &keys)
                    || result.proves_key_unknown(token.claimed_issue(), self.checks.leeway);
                if is_final { None } else { Some(PendingLookup::JwksRefresh(by)) }
            }
        };
        token.verify_by_any(keys.sets(), &self.algorithms).map_err(|error| match (error, lookup) {
            (
                TokenError::KeyUnknown
                | TokenError::KeyUnfit
                | TokenError::SignatureLength
                | TokenError::SignatureMismatch,
                Some(lookup),
            ) => lookup.into(),
            (error, _) => error.into(),
        })
    }
}

/// Returns true if a provider publishes a key with the `kid` of the token. A token without one is tried with every key: a refresh for each
/// such forged token would never end.
fn names_published_key(token: &UnverifiedToken<'_>, keys: &ActiveKeys<'_>) -> bool {
    token.header().key_id().is_none_or(|id| keys.published().any(|key| key.id() == Some(id)))
}
