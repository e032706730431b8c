//! The status of a denial. `style` determines the status of each class.

/// An HTTP status of a denial: 400 to 599, or 302 to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(u16);

/// The error of a status that no denial can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a denial's status is between 400 and 499")]
pub struct StatusError;

impl Status {
    /// The caller did not prove their identity (RFC 9110 §15.5.2).
    pub const UNAUTHENTICATED: Self = Self(401);
    /// The caller lacks access (RFC 9110 §15.5.4).
    pub const FORBIDDEN: Self = Self(403);
    /// The request can be read in more than one way (RFC 9110 §15.5.1).
    pub(super) const BAD_REQUEST: Self = Self(400);
    /// The check could not be decided (RFC 9110 §15.6.4).
    pub(super) const UNAVAILABLE: Self = Self(503);
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
