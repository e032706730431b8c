//! What credentials must claim, whoever says so: audience, required claims, dates (RFC 7519 §4.1). Whether the time is right is
//! asked on each use, and by whoever holds the span.

use super::SenderConstraint;
use crate::explain::{Observer, Step};
use crate::jose::{self, Claims, NumericDate, VerifiedToken};
use crate::principal::{ClaimMapping, ClaimPath, Identity, IdentityClaimError};
use crate::reason::Reason;
use crate::time::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What must be claimed, beside `iss` and `exp`, which a signed token always must.
#[derive(Debug)]
pub struct ClaimsPolicy {
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
    pub identity: Arc<ClaimMapping>,
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
pub enum ClaimError {
    /// A required claim has no value.
    #[error("the token has no `{0}`")]
    Missing(Box<str>),
    /// A required claim is not where its name leads: the claim and the objects around it, for a sentence.
    #[error("the token has no {0}")]
    MissingInside(Box<str>),
    /// A required claim is there, and its value counts as none.
    #[error("the token's `{0}` is `null` or a text that counts as no value")]
    NoValue(Box<str>),
    /// A claim has the wrong type or is out of range.
    #[error("the token's `{0}` has a type or value that can't be used")]
    Invalid(Box<str>),
    /// A claim that rules and revocations know the caller by has another type than it must.
    #[error(transparent)]
    Identity(#[from] IdentityClaimError),
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

impl ClaimError {
    /// The reason that this fault is told as.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Missing(_) | Self::MissingInside(_) | Self::NoValue(_) => Reason::ClaimMissing,
            Self::Invalid(_) | Self::Identity(_) => Reason::ClaimInvalid,
            Self::Audience => Reason::AudienceMismatch,
            Self::Type => Reason::TokenTypeNotAllowed,
            Self::Expired { .. } => Reason::TokenExpired,
            Self::NotYetValid { .. } => Reason::TokenNotYetValid,
            Self::LivesTooLong => Reason::TokenTooOld,
        }
    }
}

impl From<jose::ClaimError> for ClaimError {
    fn from(fault: jose::ClaimError) -> Self {
        Self::Invalid(fault.claim().into())
    }
}

/// From when until before when something is valid, leeway included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidityPeriod {
    from: Timestamp,
    until: Timestamp,
}

impl ValidityPeriod {
    /// Before when.
    #[must_use]
    pub const fn until(self) -> Timestamp {
        self.until
    }

    /// Whether a time lies in it.
    ///
    /// # Errors
    /// `Expired` from the very second of `exp` (RFC 7519 §4.1.4), `NotYetValid` before its beginning.
    pub fn holds(self, now: Timestamp) -> Result<(), ClaimError> {
        if now < self.from {
            return Err(ClaimError::NotYetValid { from: self.from, now });
        }
        if now >= self.until {
            return Err(ClaimError::Expired { expired: self.until, now });
        }
        Ok(())
    }
}

/// For people.
impl fmt::Display for ValidityPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until } = self;
        match *until {
            Timestamp::NEVER => write!(f, "valid from {from}, with no end"),
            until => write!(f, "valid from {from} until before {until}"),
        }
    }
}

impl ClaimsPolicy {
    /// Everything but the present time; gives who the token speaks of, and the span in which it is valid.
    pub(super) fn validate_jwt(
        &self,
        token: &VerifiedToken,
        observer: &mut impl Observer,
    ) -> Result<(Identity, ValidityPeriod), ClaimError> {
        let typed = self.check_type(token);
        observer.step(|| Step::of("typ", &typed, "as it has to be"));
        typed?;
        let claims = token.claims();
        let identity = self.claims(claims, observer)?;
        let span = self.span(claims);
        observer.step(|| Step::of("dates", &span, "`exp` is there, and every date is one"));
        Ok((identity, span?))
    }

    /// The same for what an authorization server says of a token, which it need not say an end of (RFC 7662 §2.2). When the token
    /// was issued is not held against the time: the server has just said that it is good.
    pub(super) fn validate_introspection(
        &self,
        claims: &Claims,
        observer: &mut impl Observer,
    ) -> Result<(Identity, ValidityPeriod), ClaimError> {
        let identity = self.claims(claims, observer)?;
        let span = self.span_of_answer(claims);
        observer.step(|| Step::of("dates", &span, "every date is one"));
        Ok((identity, span?))
    }

    fn claims(&self, claims: &Claims, observer: &mut impl Observer) -> Result<Identity, ClaimError> {
        let told = |what, result: Result<(), ClaimError>, passed: &str, observer: &mut _| {
            Observer::step(observer, || Step::of(what, &result, passed));
            result
        };
        told("aud", self.check_audience(claims), "as it has to be", observer)?;
        for name in ["sub", "jti"] {
            if let Err(fault) = claims.text(name) {
                told("text claim", Err(fault.into()), name, observer)?;
            }
        }
        // Of another type it would say nothing, and then neither rules nor revocations would know the caller.
        let identity = self.identity.read(claims);
        if identity.is_err() {
            observer.step(|| Step::of("identity claim", &identity, ""));
        }
        let identity = identity?;
        for path in &self.require {
            let found = path.find(claims);
            let present = self.identity.absent.present(found).map(|_| ()).ok_or_else(|| missing(path, found.is_some()));
            observer.step(|| Step::of("required claim", &present, path.to_string()));
            present?;
        }
        Ok(identity)
    }

    /// The span in which a signed token is valid, leeway included.
    fn span(&self, claims: &Claims) -> Result<ValidityPeriod, ClaimError> {
        // Rounded so that a fraction of a second never lengthens a token's life.
        let expires = claims.numeric_date("exp")?.ok_or_else(|| ClaimError::Missing("exp".into()))?.floor();
        let issued = claims.numeric_date("iat")?.map(NumericDate::ceil);
        let not_before = claims.numeric_date("nbf")?.map(NumericDate::ceil);
        if let Some(longest) = self.max_lifetime {
            let issued = issued.ok_or_else(|| ClaimError::Missing("iat".into()))?;
            if expires > issued.plus(longest) {
                return Err(ClaimError::LivesTooLong);
            }
        }
        let from = issued.max(not_before).unwrap_or(Timestamp::EPOCH);
        Ok(ValidityPeriod { from: from.minus(self.leeway), until: expires.plus(self.leeway) })
    }

    /// The span in which a token is valid that a server speaks of, leeway included.
    fn span_of_answer(&self, claims: &Claims) -> Result<ValidityPeriod, ClaimError> {
        let expires = claims.numeric_date("exp")?.map_or(Timestamp::NEVER, NumericDate::floor);
        let not_before = claims.numeric_date("nbf")?.map_or(Timestamp::EPOCH, NumericDate::ceil);
        Ok(ValidityPeriod { from: not_before.minus(self.leeway), until: expires.plus(self.leeway) })
    }

    fn check_type(&self, token: &VerifiedToken) -> Result<(), ClaimError> {
        let accepted =
            |found: &str| self.types.iter().any(|one| media_type(one).eq_ignore_ascii_case(media_type(found)));
        match token.header().token_type() {
            _ if self.types.is_empty() => Ok(()),
            Some(found) if accepted(found) => Ok(()),
            Some(_) | None => Err(ClaimError::Type),
        }
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), ClaimError> {
        let ours =
            |expected: &[Box<str>], found: &[&str]| found.iter().any(|one| expected.iter().any(|us| **us == **one));
        match (&self.audience, claims.audience()?) {
            (AudiencePolicy::Unchecked, _) | (AudiencePolicy::Absent, None) => Ok(()),
            (AudiencePolicy::AnyOf(expected), Some(found)) if ours(expected, &found) => Ok(()),
            (AudiencePolicy::Absent, Some(_)) | (AudiencePolicy::AnyOf(_), _) => Err(ClaimError::Audience),
        }
    }
}

/// Why a required claim has no value. Of a nested one the way to it is told: `https://example.com/org` may be there as one name.
fn missing(path: &ClaimPath, is_there: bool) -> ClaimError {
    match (is_there, path.is_nested()) {
        (true, _) => ClaimError::NoValue(path.to_string().into()),
        (false, true) => ClaimError::MissingInside(path.described().into()),
        (false, false) => ClaimError::Missing(path.to_string().into()),
    }
}

/// A type without `application/`, which may be left out where nothing else has a `/` (RFC 7515 §4.1.9).
fn media_type(text: &str) -> &str {
    let prefix = "application/";
    match text.split_at_checked(prefix.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(prefix) && !rest.contains('/') => rest,
        Some(_) | None => text,
    }
}
