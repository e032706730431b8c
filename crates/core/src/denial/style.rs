//! How denials look: what an operator can choose about them.

use super::{ExtraHeader, Status};
use crate::reason::Class;

/// How denials look.
#[derive(Debug, Clone)]
pub struct Style {
    /// The form of the body.
    pub body: BodyStyle,
    /// The protection space that `WWW-Authenticate` names (RFC 9110 §11.5).
    pub realm: Realm,
    /// The schemes that `WWW-Authenticate` names.
    pub schemes: ChallengeSchemes,
    /// The status of the class "unauthenticated"; 401 unless a deployment must keep another.
    pub unauthenticated: Status,
    /// The status of the class "forbidden"; 403 unless a deployment must keep another.
    pub forbidden: Status,
    /// Headers that every answer has beside its own.
    pub extra: Vec<ExtraHeader>,
    /// What becomes of a check that could not be decided.
    pub undecided: OnError,
}

impl Style {
    /// The status of a class.
    pub(super) const fn status(&self, class: Class) -> Status {
        match class {
            Class::Unauthenticated => self.unauthenticated,
            Class::Forbidden => self.forbidden,
            Class::BadRequest => Status::BAD_REQUEST,
            Class::Unavailable => Status::UNAVAILABLE,
        }
    }
}

/// The form of a denial's body, for whoever asks for no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyStyle {
    /// `{"type": …, "title": …, "status": …}` (RFC 9457).
    Problem,
    /// `{"detail": …}`, as `BiFrost` answers.
    Detail,
    /// `{"error": …}`. Whoever lacks a permission is told which are required and which are there.
    Error,
    /// `{"errorCode": …, "errorMsg": …}`, as Orchescala's gateway answers.
    Orchescala,
}

/// What becomes of a check that could not be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// A denial with 503, whatever Envoy does with errors.
    Deny,
    /// An error, which Envoy's `failure_mode_allow` decides about.
    DeferToEnvoy,
}

/// The schemes by which clients may show their tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeSchemes {
    /// `Bearer`, whatever else stands for it (RFC 6750).
    Bearer,
    /// `DPoP`: every token needs a proof (RFC 9449).
    Dpop,
    /// Some tokens need one.
    BearerAndDpop,
}

/// A realm: text that can stand between quotes as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm(Box<str>);

/// The text can't be a realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a realm is 1 to 64 visible ASCII characters or spaces, without `\"` and `\\`")]
pub struct RealmError;

impl Default for Realm {
    fn default() -> Self {
        Self("modgud".into())
    }
}

impl Realm {
    /// Checks a realm.
    ///
    /// # Errors
    /// [`RealmError`] when it would need escaping.
    pub fn parse(text: &str) -> Result<Self, RealmError> {
        let plain = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\'));
        if plain && matches!(text.len(), 1..=64) { Ok(Self(text.into())) } else { Err(RealmError) }
    }

    /// The text.
    pub(super) const fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Realm;

    #[test]
    fn a_realm_can_not_leave_its_quotes() {
        for bad in ["", "a\"b", "a\\b", "a\nb", "ä"] {
            assert!(Realm::parse(bad).is_err(), "{bad:?}");
        }
    }
}
