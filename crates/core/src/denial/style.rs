//! The configurable style of denials, and their status.

use super::custom_headers::ExtraHeader;
use crate::reason::{Class, Reason};
use schemars::JsonSchema;
use serde::Deserialize;

/// The style of denials.
#[derive(Debug, Clone)]
pub struct Style {
    /// The style of the body.
    pub body: BodyStyle,
    /// The protection space in `WWW-Authenticate` (RFC 9110 §11.5).
    pub realm: Realm,
    /// The schemes in `WWW-Authenticate`.
    pub schemes: ChallengeSchemes,
    /// The status of the class "unauthenticated"; 401 unless a deployment must keep another.
    pub unauthenticated: Status,
    /// The status of the class "forbidden"; 403 unless a deployment must keep another.
    pub forbidden: Status,
    /// The custom headers of every denial.
    pub extra: Vec<ExtraHeader>,
    /// The handling of a check that could not be decided.
    pub on_error: OnError,
    /// The URL of the metadata of the protected resource, which challenges name (RFC 9728 §5.1); `None` if they don't.
    pub resource_metadata: Option<Box<str>>,
}

impl Style {
    /// Returns the status of a reason: that of its class, unless HTTP has one of its own for it.
    pub(super) const fn status(&self, reason: Reason) -> Status {
        match reason.class() {
            Class::Unauthenticated => self.unauthenticated,
            Class::Forbidden => self.forbidden,
            Class::BadRequest if matches!(reason, Reason::UriTooLong) => Status::URI_TOO_LONG,
            Class::BadRequest if matches!(reason, Reason::RequestTooLarge) => Status::TOO_LARGE,
            Class::BadRequest => Status::BAD_REQUEST,
            Class::Unavailable => Status::UNAVAILABLE,
        }
    }
}

/// The format of a denial's body.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BodyStyle {
    /// Problem details (RFC 9457), `application/problem+json`.
    #[default]
    Problem,
    /// `{"detail": "…"}`, with `BiFrost`'s texts.
    Detail,
    /// `{"error": "…"}`. For a missing permission, the text names those that the rule requires, and those of the caller.
    Error,
    /// `{"errorCode": 401, "errorMsg": "…"}`, as in Orchescala's gateway.
    Orchescala,
}

impl BodyStyle {
    /// Returns the media type of bodies in this format.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Problem => "application/problem+json",
            Self::Detail | Self::Error | Self::Orchescala => "application/json",
        }
    }
}

/// The result of an undecidable check: keys or an authorization server are unavailable, the deadline has passed, or too many checks are
/// running.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// A denial with 503, whatever Envoy's `failure_mode_allow`.
    #[default]
    Deny,
    /// An error, for which Envoy's `failure_mode_allow` decides (Envoy 1.37 or later): with `true`, every request passes meanwhile.
    #[serde(rename = "error")]
    DeferToEnvoy,
}

/// The authentication schemes of challenges, according to the credential locations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChallengeSchemes {
    /// `Bearer`, also if authenticators accept other schemes for the same tokens (RFC 6750).
    Bearer,
    /// `DPoP`: every token requires a proof (RFC 9449).
    Dpop,
    /// Both: some tokens require a proof.
    BearerAndDpop,
    /// The scheme that the configuration names, where it does not name `Bearer`.
    Named(Box<str>),
    /// `ApiKey`: every credential is in a header without a scheme. No RFC defines a scheme for that, and every 401 must have a
    /// challenge (RFC 9110 §15.5.2).
    ApiKey {
        /// The header.
        header: Box<str>,
    },
    /// `Cookie`: every credential is in a cookie.
    Cookie {
        /// The name of the cookie.
        name: Box<str>,
    },
    /// `Certificate`: every caller is authenticated by the certificate of the connection.
    Certificate,
}

/// A realm: text that needs no escaping between quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm(Box<str>);

/// A text that is not a valid realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write 1 to 64 visible ASCII characters or spaces, without `\"` and `\\`")]
pub struct RealmError;

impl Default for Realm {
    fn default() -> Self {
        Self("modgud".into())
    }
}

impl Realm {
    /// Parses a realm.
    ///
    /// # Errors
    /// [`RealmError`] if it is empty, too long, or would need escaping.
    pub fn parse(text: &str) -> Result<Self, RealmError> {
        let plain = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\'));
        if plain && matches!(text.len(), 1..=64) { Ok(Self(text.into())) } else { Err(RealmError) }
    }

    /// Returns the text.
    pub(super) const fn as_str(&self) -> &str {
        &self.0
    }
}

/// An HTTP status of a denial: 400 to 599, or 302 to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(u16);

/// The error of a status that no denial can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a number from 400 to 499")]
pub struct StatusError;

impl Status {
    /// The caller did not prove their identity (RFC 9110 §15.5.2).
    pub const UNAUTHENTICATED: Self = Self(401);
    /// The caller lacks access (RFC 9110 §15.5.4).
    pub const FORBIDDEN: Self = Self(403);
    /// The request can be read in more than one way (RFC 9110 §15.5.1).
    const BAD_REQUEST: Self = Self(400);
    /// The request is larger than the limit (RFC 9110 §15.5.14).
    const TOO_LARGE: Self = Self(413);
    /// The path and query are longer than the limit (RFC 9110 §15.5.15).
    const URI_TOO_LONG: Self = Self(414);
    /// The check could not be decided (RFC 9110 §15.6.4).
    const UNAVAILABLE: Self = Self(503);
    /// The browser is redirected to log in (RFC 9110 §15.4.3).
    pub(super) const FOUND: Self = Self(302);

    /// Creates a status that an operator chose.
    ///
    /// # Errors
    /// [`StatusError`] outside 400 to 499.
    pub const fn client_error(code: u16) -> Result<Self, StatusError> {
        match code {
            400..=499 => Ok(Self(code)),
            _ => Err(StatusError),
        }
    }

    /// Returns the number.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Returns the registered reason phrase of the status.
    #[must_use]
    pub fn canonical_reason(self) -> &'static str {
        let known = http::StatusCode::from_u16(self.0).ok().and_then(|status| status.canonical_reason());
        known.unwrap_or("Denied")
    }
}

#[cfg(test)]
mod tests {
    use super::{Realm, Status};

    #[test]
    fn a_realm_can_not_leave_its_quotes() {
        for bad in ["", "a\"b", "a\\b", "a\nb", "ä"] {
            assert!(Realm::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_status_that_lets_through_can_not_be_made() {
        for code in [0, 100, 200, 204, 302, 399, 500, 503, 600] {
            assert!(Status::client_error(code).is_err(), "{code}");
        }
    }

    #[test]
    fn a_status_has_words() {
        let words = |code| Status::client_error(code).unwrap().canonical_reason();
        assert_eq!([words(403), words(404), words(499)], ["Forbidden", "Not Found", "Denied"]);
    }
}
