//! JWTs of one issuer: which keys and algorithms verify them, and what they must claim (RFC 7519, RFC 8725). How a token is
//! taken apart and how a signature is checked belongs to `jose`.

use super::remote::{Completeness, IssuerKeys, KeysAt};
use super::{AuthnFault, Lack, SenderConstraint, Supply};
use crate::clock::Timestamp;
use crate::credential::AuthenticatorIndex;
use crate::explain::{Observer, Step};
use crate::jose::{self, Algorithm, Claims, KeyIdentity, NumericDate, TokenFault, UnverifiedToken, VerifiedToken};
use crate::principal::{AuthenticatorName, ClaimPath, IdentityClaims, Principal, Proof};
use crate::reason::Reason;
use std::sync::Arc;
use std::time::Duration;

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

/// What a token must claim, beside `iss` and `exp`, which it always must.
#[derive(Debug)]
pub struct ClaimChecks {
    /// Who the token must be meant for.
    pub audience: AudiencePolicy,
    /// Claims that must be there with a value.
    pub require: Vec<ClaimPath>,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// The longest life, `exp` minus `iat`; `None` is no bound.
    pub max_lifetime: Option<Duration>,
    /// The accepted `typ` values, without regard to case; empty when `typ` is not looked at.
    pub types: Vec<Box<str>>,
    /// What the token's holder has to prove beside having it.
    pub sender: Option<SenderConstraint>,
    /// Which claims make up the caller's identity, and which texts mean "no value".
    pub identity: Arc<IdentityClaims>,
}

/// Who a token must be meant for (RFC 7519 §4.1.3).
#[derive(Debug, PartialEq, Eq)]
pub enum AudiencePolicy {
    /// For nobody in particular: a token that carries `aud` is meant for somebody else.
    Absent,
    /// For at least one of these.
    AnyOf(Vec<Box<str>>),
    /// For whomever: `aud` is not looked at.
    Unchecked,
}

/// What is wrong with what a token claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// A required claim has no value.
    #[error("the token has no `{0}`")]
    Missing(Box<str>),
    /// A claim has the wrong type or is out of range.
    #[error("the token's `{0}` has a type or value that can't be used")]
    Invalid(Box<str>),
    /// `aud` does not fit.
    #[error("the token's `aud` is not one that is expected here")]
    Audience,
    /// `typ` does not fit.
    #[error("the token's `typ` is not one that is accepted here")]
    Type,
    /// `exp` is reached.
    #[error("the token expired at {expired} and it is {now}")]
    Expired {
        /// When the token stopped being valid, leeway included.
        expired: Timestamp,
        /// When it was looked at.
        now: Timestamp,
    },
    /// `nbf` or `iat` is not reached.
    #[error("the token is valid from {from} and it is {now}")]
    NotYetValid {
        /// When the token starts being valid, leeway included.
        from: Timestamp,
        /// When it was looked at.
        now: Timestamp,
    },
    /// The token lives too long.
    #[error("the token's `exp` is further from its `iat` than the longest life that is accepted")]
    LivesTooLong,
}

impl ClaimFault {
    /// The reason that this fault is told as.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Missing(_) => Reason::ClaimMissing,
            Self::Invalid(_) => Reason::ClaimInvalid,
            Self::Audience => Reason::AudienceMismatch,
            Self::Type => Reason::TokenTypeNotAllowed,
            Self::Expired { .. } => Reason::TokenExpired,
            Self::NotYetValid { .. } => Reason::TokenNotYetValid,
            Self::LivesTooLong => Reason::TokenTooOld,
        }
    }
}

impl From<jose::ClaimFault> for ClaimFault {
    fn from(fault: jose::ClaimFault) -> Self {
        Self::Invalid(fault.claim().into())
    }
}

/// A token whose signature and claims are good; whether its time is right is asked on each use.
#[derive(Debug, Clone)]
pub struct Accepted {
    by: AuthenticatorIndex,
    key: KeyIdentity,
    principal: Arc<Principal>,
    from: Timestamp,
    until: Timestamp,
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

    /// The span of validity, for people.
    pub(super) fn span_in_words(&self) -> String {
        format!("valid from {} until before {}", self.from, self.until)
    }

    /// Whether the token is valid now: from `nbf` and `iat` on, and before `exp`.
    ///
    /// # Errors
    /// `Expired` from the very second of `exp` (RFC 7519 §4.1.4), `NotYetValid` before the later of `nbf` and `iat`.
    pub fn valid_at(&self, now: Timestamp) -> Result<(), ClaimFault> {
        if now < self.from {
            return Err(ClaimFault::NotYetValid { from: self.from, now });
        }
        if now >= self.until {
            return Err(ClaimFault::Expired { expired: self.until, now });
        }
        Ok(())
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
    /// The first fault: signature, type, audience, required claims, and dates that are no dates. [`Lack::Keys`] when keys that
    /// are not there could still make the token a good one.
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
        let (from, until) = self.checks.check(&token, observer)?;
        let claims = token.into_claims();
        let identity = self.checks.identity.read(&claims);
        let absent = Arc::clone(&self.checks.identity.absent);
        let principal = Principal::new(self.name.clone(), claims, identity, absent, Proof::Token);
        let weight = principal.size().saturating_add(ENTRY_BYTES);
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        Ok(Accepted { by, key, principal: Arc::new(principal), from, until, weight })
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
        let settled = match keys.completeness() {
            Completeness::Fixed => true,
            Completeness::Missing => false,
            Completeness::AsLastHad => {
                names_a_published_key(&token, &keys)
                    || supply.settles_unknown_key(token.claimed_issue(), self.checks.leeway)
            }
        };
        token.verify_by_any(keys.sets(), &self.algorithms).map_err(|fault| match fault {
            TokenFault::KeyUnknown
            | TokenFault::KeyUnfit
            | TokenFault::SignatureLength
            | TokenFault::SignatureMismatch
                if !settled =>
            {
                Lack::Keys(by).into()
            }
            fault => fault.into(),
        })
    }
}

/// Whether a provider publishes a key of the name that the token gives. A token without one is tried with every key, and asking for
/// more of them for each forged one would be asking without end.
fn names_a_published_key(token: &UnverifiedToken<'_>, keys: &KeysAt<'_>) -> bool {
    token.header().key_id().is_none_or(|id| keys.published().any(|key| key.id() == Some(id)))
}

impl ClaimChecks {
    /// Everything but the present time; gives the span in which the token is valid.
    fn check(&self, token: &VerifiedToken, observer: &mut impl Observer) -> Result<(Timestamp, Timestamp), ClaimFault> {
        let claims = token.claims();
        let told = |what, result: Result<(), ClaimFault>, passed: &str, observer: &mut _| {
            Observer::step(observer, || Step::of(what, &result, passed));
            result
        };
        told("typ", self.check_type(token), "as it has to be", observer)?;
        told("aud", self.check_audience(claims), "as it has to be", observer)?;
        for name in ["sub", "jti"] {
            if let Err(fault) = claims.text(name) {
                told("text claim", Err(fault.into()), name, observer)?;
            }
        }
        for path in &self.require {
            let present = self.identity.absent.present(path.find(claims));
            let present = present.map(|_| ()).ok_or_else(|| ClaimFault::Missing(path.to_string().into()));
            observer.step(|| Step::of("required claim", &present, path.to_string()));
            present?;
        }
        let span = self.span(claims);
        observer.step(|| Step::of("dates", &span, "`exp` is there, and every date is one"));
        span
    }

    /// The span in which the token is valid, leeway included.
    fn span(&self, claims: &Claims) -> Result<(Timestamp, Timestamp), ClaimFault> {
        // Rounded so that a fraction of a second never lengthens a token's life.
        let expires = claims.numeric_date("exp")?.ok_or_else(|| ClaimFault::Missing("exp".into()))?.floor();
        let issued = claims.numeric_date("iat")?.map(NumericDate::ceil);
        let not_before = claims.numeric_date("nbf")?.map(NumericDate::ceil);
        if let Some(longest) = self.max_lifetime {
            let issued = issued.ok_or_else(|| ClaimFault::Missing("iat".into()))?;
            if expires > issued.plus(longest) {
                return Err(ClaimFault::LivesTooLong);
            }
        }
        let from = issued.max(not_before).unwrap_or(Timestamp::EPOCH);
        Ok((from.minus(self.leeway), expires.plus(self.leeway)))
    }

    fn check_type(&self, token: &VerifiedToken) -> Result<(), ClaimFault> {
        let accepted = |found: &str| self.types.iter().any(|one| one.eq_ignore_ascii_case(found));
        match token.header().token_type() {
            _ if self.types.is_empty() => Ok(()),
            Some(found) if accepted(found) => Ok(()),
            Some(_) | None => Err(ClaimFault::Type),
        }
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), ClaimFault> {
        let ours =
            |expected: &[Box<str>], found: &[&str]| found.iter().any(|one| expected.iter().any(|us| **us == **one));
        match (&self.audience, claims.audience()?) {
            (AudiencePolicy::Unchecked, _) | (AudiencePolicy::Absent, None) => Ok(()),
            (AudiencePolicy::AnyOf(expected), Some(found)) if ours(expected, &found) => Ok(()),
            (AudiencePolicy::Absent, Some(_)) | (AudiencePolicy::AnyOf(_), _) => Err(ClaimFault::Audience),
        }
    }
}
