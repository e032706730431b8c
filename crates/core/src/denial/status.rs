//! The status of an answer. Which one a denial gets is said by `style`.

/// An HTTP status that turns a client away: 400 to 599, or 302 to log in. An answer can't have another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(u16);

/// The status is not one that turns a client away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a denial's status is between 400 and 499")]
pub struct StatusError;

impl Status {
    /// For callers that did not prove who they are (RFC 9110 §15.5.2).
    pub const UNAUTHENTICATED: Self = Self(401);
    /// For callers that may not (RFC 9110 §15.5.4).
    pub const FORBIDDEN: Self = Self(403);
    /// For requests that can be read in more than one way (RFC 9110 §15.5.1).
    pub(super) const BAD_REQUEST: Self = Self(400);
    /// For checks that could not be decided (RFC 9110 §15.6.4).
    pub(super) const UNAVAILABLE: Self = Self(503);
    /// For browsers that are to log in (RFC 9110 §15.4.3).
    pub(super) const FOUND: Self = Self(302);

    /// Checks a status that an operator chose.
    ///
    /// # Errors
    /// [`StatusError`] outside 400 to 499.
    pub const fn client_error(code: u16) -> Result<Self, StatusError> {
        match code {
            400..=499 => Ok(Self(code)),
            _ => Err(StatusError),
        }
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }

    /// The status in words, as it is registered.
    #[must_use]
    pub fn canonical_reason(self) -> &'static str {
        let known = http::StatusCode::from_u16(self.0).ok().and_then(|status| status.canonical_reason());
        known.unwrap_or("Denied")
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

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
