//! The claims policy of credentials: audience, required claims, dates (RFC 7519 §4.1). It returns the validity period; its caller compares
//! that with the present time on each use.

use super::mismatch::{self, kind, one_of, quoted};
use super::required_claim::RequiredClaim;
use super::sender_constraint::SenderConstraint;
use crate::explain::{Observer, Step};
use crate::jose::{self, Claims, JsonRef, NumericDate, VerifiedToken};
use crate::principal::{ClaimMapping, DistributedClaims, IdentityClaimError, PackedIdentity, ResolvedIdentity};
use crate::reason::Reason;
use crate::time::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The required claims. A signed token must also have `iss` and `exp`.
#[derive(Debug, PartialEq, Eq)]
pub struct ClaimsPolicy {
    /// The accepted audience.
    pub audience: AudiencePolicy,
    /// Claims that must be present with a value, or with one of some values.
    pub require: Vec<RequiredClaim>,
    /// The tolerated clock skew.
    pub leeway: Duration,
    /// The longest lifetime, `exp` minus `iat`; `None` for no limit.
    pub max_lifetime: Option<Duration>,
    /// The accepted `typ` values, without regard to case; if empty, `typ` is ignored.
    pub types: Vec<Box<str>>,
    /// The proof that the token's holder must present in addition.
    pub sender: Option<SenderConstraint>,
    /// The claims that form the caller's identity, and the texts that mean "no value".
    pub identity: Arc<ClaimMapping>,
}

/// The audience policy of a token (RFC 7519 §4.1.3).
#[derive(Debug, PartialEq, Eq)]
pub enum AudiencePolicy {
    /// No audience: a token with `aud` is rejected, as it is meant for another recipient.
    Absent,
    /// At least one of these must be in `aud`.
    AnyOf(Vec<Box<str>>),
    /// `aud` is ignored.
    Unchecked,
}

/// The reason why a token's claims are rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// A required claim is missing.
    #[error("the token has no `{0}`")]
    Missing(Box<str>),
    /// A required nested claim is missing. The text names the claim and the objects around it, for a sentence.
    #[error("the token has no {0}")]
    MissingInside(Box<str>),
    /// A required claim is present, and its value counts as none.
    #[error("the token's `{0}` is `null` or a text that counts as no value")]
    NoValue(Box<str>),
    /// A required claim has none of the allowed values.
    #[error("the token's `{0}` has a value that the authenticator does not allow")]
    NotAllowed(Box<str>),
    /// A claim has the wrong type or is out of range.
    #[error("the token's `{0}` has an unusable type or value")]
    Invalid(Box<str>),
    /// A claim that rules and revocations identify the caller by has an unexpected type.
    #[error(transparent)]
    Identity(#[from] IdentityClaimError),
    /// `aud` is missing.
    #[error("the token has no `aud`, and the authenticator requires one")]
    AudienceMissing,
    /// `aud` is not an accepted one.
    #[error("the token's `aud` is not an accepted audience")]
    Audience,
    /// `aud` is present, and the authenticator has no audience.
    #[error("the token has an `aud`, and the authenticator accepts none")]
    AudienceUnexpected,
    /// `typ` is missing.
    #[error("the token has no `typ`, and the authenticator requires one")]
    TypeMissing,
    /// `typ` is not an accepted one.
    #[error("the token's `typ` is not an accepted type")]
    Type,
    /// The token has expired.
    #[error("the token expired at {expired} and it is {now}")]
    Expired {
        /// The end of the validity period, leeway included.
        expired: Timestamp,
        /// The time of the check.
        now: Timestamp,
    },
    /// `nbf` or `iat` is in the future.
    #[error("the token is valid from {from} and it is {now}")]
    NotYetValid {
        /// The start of the validity period, leeway included.
        from: Timestamp,
        /// The time of the check.
        now: Timestamp,
    },
    /// The token's lifetime is too long.
    #[error("the token's lifetime, `exp` minus `iat`, is longer than the accepted maximum")]
    LivesTooLong,
}

impl ClaimError {
    /// Returns the reason code of this error.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Missing(_) | Self::MissingInside(_) | Self::NoValue(_) => Reason::ClaimMissing,
            Self::NotAllowed(_) => Reason::ClaimNotAllowed,
            Self::Invalid(_) | Self::Identity(_) => Reason::ClaimInvalid,
            Self::AudienceMissing | Self::Audience | Self::AudienceUnexpected => Reason::AudienceMismatch,
            Self::TypeMissing | Self::Type => Reason::TokenTypeNotAllowed,
            Self::Expired { .. } => Reason::TokenExpired,
            Self::NotYetValid { .. } => Reason::TokenNotYetValid,
            Self::LivesTooLong => Reason::TokenTooOld,
        }
    }
}

impl From<jose::ClaimError> for ClaimError {
    fn from(error: jose::ClaimError) -> Self {
        Self::Invalid(error.claim().into())
    }
}

/// The half-open period in which a token is valid, leeway included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidityPeriod {
    from: Timestamp,
    until: Timestamp,
}

impl ValidityPeriod {
    pub(super) const fn new(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until }
    }

    /// Returns its start, which is included.
    #[must_use]
    pub const fn from(self) -> Timestamp {
        self.from
    }

    /// Returns its end, which is excluded.
    #[must_use]
    pub const fn until(self) -> Timestamp {
        self.until
    }

    /// Checks that a time lies in the period.
    ///
    /// # Errors
    /// `Expired` from the very second of `exp` (RFC 7519 §4.1.4), `NotYetValid` before the start.
    pub fn check(self, now: Timestamp) -> Result<(), ClaimError> {
        if now < self.from {
            return Err(ClaimError::NotYetValid { from: self.from, now });
        }
        if now >= self.until {
            return Err(ClaimError::Expired { expired: self.until, now });
        }
        Ok(())
    }
}

/// The text for people.
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
    /// Validates a signed token except for the present time. Returns the caller's identity and the validity period.
    pub(super) fn validate_jwt(
        &self,
        token: &VerifiedToken,
        observer: &mut impl Observer,
    ) -> Result<(PackedIdentity, ValidityPeriod), ClaimError> {
        let typed = self.check_type(token);
        observer.step(|| match (&typed, token.header().token_type()) {
            (Ok(()), _) if self.types.is_empty() => Step::noted("typ", "not checked: the authenticator has no `types`"),
            (Ok(()), found) => Step::passed("typ", format!("`{}`", found.unwrap_or_default())),
            (Err(_), found) => Step::failed("typ", mismatch::token_type(found, &self.types)),
        });
        typed?;
        let claims = token.claims();
        let identity = PackedIdentity::new(&self.claims(claims, observer)?, claims);
        let period = self.period(claims);
        observer.step(|| match &period {
            Ok(_) => Step::passed("dates", "`exp` is present, and all dates are valid"),
            Err(error) => Step::failed("dates", dates_mismatch(error, claims, self)),
        });
        Ok((identity, period?))
    }

    /// Validates an introspection response, which may lack `exp` (RFC 7662 §2.2). `iat` is not compared with the present time: the server
    /// has just confirmed that the token is active.
    pub(super) fn validate_introspection(
        &self,
        claims: &Claims,
        observer: &mut impl Observer,
    ) -> Result<(PackedIdentity, ValidityPeriod), ClaimError> {
        let identity = PackedIdentity::new(&self.claims(claims, observer)?, claims);
        let period = self.period_of_response(claims);
        observer.step(|| match &period {
            Ok(_) => Step::passed("dates", "all dates are valid"),
            Err(error) => Step::failed("dates", dates_mismatch(error, claims, self)),
        });
        Ok((identity, period?))
    }

    fn claims<'c>(
        &'c self,
        claims: &'c Claims,
        observer: &mut impl Observer,
    ) -> Result<ResolvedIdentity<'c>, ClaimError> {
        let audience = self.check_audience(claims);
        observer.step(|| match (&audience, &self.audience, claims.get("aud")) {
            (Ok(()), AudiencePolicy::Unchecked, _) => Step::noted("aud", "not checked: `audiences` is `any`"),
            (Ok(()), _, None) => Step::passed("aud", "there is none, and the authenticator accepts none"),
            (Ok(()), _, Some(found)) => Step::passed("aud", quoted(&found.to_value())),
            (Err(_), policy, _) => Step::failed("aud", audience_mismatch(claims, policy)),
        });
        audience?;
        for name in ["sub", "jti"] {
            if let Err(error) = claims.text(name) {
                observer.step(|| Step::failed("text claim", mismatch::text(claims, name)));
                return Err(error.into());
            }
        }
        if observer.keeps_steps()
            && let Some(step) = elsewhere(claims)
        {
            observer.step(|| step);
        }
        // With another type, rules and revocations would not recognize the caller.
        let identity = self.identity.resolve(claims);
        if identity.is_err() {
            observer.step(|| Step::of("identity claim", &identity, ""));
        }
        let identity = identity?;
        for required in &self.require {
            let met = required.check(claims, &self.identity.null_strings);
            observer.step(|| match &met {
                Ok(()) => Step::passed("required claim", required.path.to_string()),
                Err(error) => Step::failed("required claim", required_mismatch(error, required, claims)),
            });
            met?;
        }
        Ok(identity)
    }

    /// Computes the validity period of a signed token, leeway included.
    fn period(&self, claims: &Claims) -> Result<ValidityPeriod, ClaimError> {
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

    /// Computes the validity period of an introspection response, leeway included.
    fn period_of_response(&self, claims: &Claims) -> Result<ValidityPeriod, ClaimError> {
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
            Some(_) => Err(ClaimError::Type),
            None => Err(ClaimError::TypeMissing),
        }
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), ClaimError> {
        let ours =
            |expected: &[Box<str>], found: &[&str]| found.iter().any(|one| expected.iter().any(|us| **us == **one));
        match (&self.audience, claims.audience()?) {
            (AudiencePolicy::Unchecked, _) | (AudiencePolicy::Absent, None) => Ok(()),
            (AudiencePolicy::AnyOf(expected), Some(found)) if ours(expected, &found) => Ok(()),
            (AudiencePolicy::AnyOf(_), Some(_)) => Err(ClaimError::Audience),
            (AudiencePolicy::AnyOf(_), None) => Err(ClaimError::AudienceMissing),
            (AudiencePolicy::Absent, Some(_)) => Err(ClaimError::AudienceUnexpected),
        }
    }
}

/// Returns a type without `application/`. RFC 7515 §4.1.9 allows omitting that prefix if the rest has no `/`.
fn media_type(text: &str) -> &str {
    let prefix = "application/";
    match text.split_at_checked(prefix.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(prefix) && !rest.contains('/') => rest,
        Some(_) | None => text,
    }
}

/// Describes an unaccepted `aud`.
fn audience_mismatch(claims: &Claims, policy: &AudiencePolicy) -> String {
    let needed = match policy {
        AudiencePolicy::AnyOf(expected) => format!("{} is needed", one_of(expected)),
        AudiencePolicy::Absent | AudiencePolicy::Unchecked => {
            "the authenticator accepts none; use `audiences`".to_owned()
        }
    };
    match claims.get("aud") {
        None => format!("the token has no `aud`, and {needed}"),
        Some(JsonRef::Array(list)) if claims.audience().is_ok() => {
            let list: Vec<String> = list.map(|one| quoted(&one.to_value())).collect();
            format!("the token's `aud` is {}, and {needed}", list.join(", "))
        }
        Some(JsonRef::String(found)) => format!("the token's `aud` is {}, and {needed}", quoted(&found.into())),
        Some(found) => format!("the token's `aud` is {}, and a text or a list of texts is needed", kind(&found)),
    }
}

/// Describes a required claim that is missing, or has another value.
fn required_mismatch(error: &ClaimError, required: &RequiredClaim, claims: &Claims) -> String {
    let RequiredClaim { path, values } = required;
    if let (ClaimError::NotAllowed(name), Some(found)) = (error, path.find(claims)) {
        let needed = one_of(values);
        return format!("the token's `{name}` is {}, and {needed} is needed", quoted(&found.to_value()));
    }
    let whole = path.to_string();
    if path.is_nested() && claims.get(&whole).is_some() {
        return format!("{error}; for the claim whose own name is `{whole}`, write `[\"{whole}\"]`");
    }
    error.to_string()
}

/// Describes the claims whose values are at another source; `None` if there is none.
fn elsewhere(claims: &Claims) -> Option<Step> {
    let names: Vec<String> =
        DistributedClaims::of(claims).names().into_iter().map(|name| quoted(&name.into())).collect();
    let text = format!("at another source, which modgud does not read: {}", names.join(", "));
    (!names.is_empty()).then(|| Step::noted("distributed claims", text))
}

/// Describes dates that can't be used.
fn dates_mismatch(error: &ClaimError, claims: &Claims, policy: &ClaimsPolicy) -> String {
    /// Dates are in milliseconds if they are of this size: as seconds they lie after the year 5000.
    const MILLIS: u64 = 100_000_000_000;
    match error {
        ClaimError::Invalid(name) => claims.get(name).map_or_else(
            || error.to_string(),
            |found| {
                let found = found.to_value();
                let hint = if found.as_u64().is_some_and(|number| number >= MILLIS) { " (milliseconds?)" } else { "" };
                format!("the token's `{name}`: {found} is no time in seconds{hint}")
            },
        ),
        ClaimError::LivesTooLong => {
            let date = |name| claims.get(name).map(|found| quoted(&found.to_value())).unwrap_or_default();
            let longest = policy.max_lifetime.unwrap_or_default().as_secs();
            format!(
                "the token's `iat` is {} and its `exp` {}, and `max_lifetime` is {longest} s",
                date("iat"),
                date("exp")
            )
        }
        error => error.to_string(),
    }
}
