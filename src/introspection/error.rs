//! Errors of introspection, and their evidence about the server.

use super::absence::Sign;
use super::breaker::Health;
use crate::http_client::{Evidence, FetchError};
use http::StatusCode;
use modgud_core::authn::IntrospectionResponseError;

/// An error of introspection. The holder of the token is never at fault.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectionError {
    /// No response.
    #[error(transparent)]
    Fetch(FetchError),
    /// The server rejects modgud as a client.
    #[error(
        "the response has status {}: `client_id` or `client_secret` is not accepted; use those of a client that may introspect, \
             and its `client_authentication`", status.as_u16()
    )]
    Refused {
        /// The status.
        status: StatusCode,
    },
    /// An unusable response.
    #[error(transparent)]
    Answer(#[from] IntrospectionResponseError),
    /// The request was aborted by an internal error.
    #[error("internal error during introspection")]
    Internal,
}

impl From<FetchError> for IntrospectionError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Status { status } if matches!(status.as_u16(), 401 | 403) => Self::Refused { status },
            error => Self::Fetch(error),
        }
    }
}

impl IntrospectionError {
    /// Returns the evidence about the server. A failure that one odd token can cause is no evidence: otherwise a client
    /// that sends such tokens could get valid ones denied.
    pub(super) fn health(&self) -> Health {
        match self {
            Self::Fetch(FetchError::Size { .. }) => Health::Unknown,
            // Many requests can exhaust this machine's ports or descriptors, whatever the server does.
            Self::Fetch(FetchError::Unreachable(cause)) if cause.evidence() == Evidence::Local => Health::Unknown,
            // A firewall before the server may also respond so to a token that it rejects.
            Self::Fetch(FetchError::Status { status }) | Self::Refused { status }
                if status.is_client_error() && *status != StatusCode::UNAUTHORIZED =>
            {
                Health::Unknown
            }
            Self::Fetch(_) | Self::Refused { .. } | Self::Answer(_) | Self::Internal => Health::Down,
        }
    }

    /// Returns the evidence that the server is away. A timeout is none: modgud chooses the time limit, and a flood of
    /// requests can slow a server down. Nor is a status other than 502, 503 and 504, since a token can cause it.
    pub(super) fn sign(&self) -> Sign {
        match self {
            Self::Fetch(FetchError::Unreachable(cause)) => match cause.evidence() {
                Evidence::Away => Sign::Sure,
                Evidence::Closed => Sign::Likely,
                Evidence::Local | Evidence::Unclear => Sign::None,
            },
            // A proxy or a firewall before the server can respond so to a single token that it rejects.
            Self::Fetch(FetchError::Broken) => Sign::Likely,
            Self::Fetch(FetchError::Status { status }) => match *status {
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Sign::Likely,
                _ => Sign::None,
            },
            Self::Fetch(
                FetchError::Time { .. }
                | FetchError::Redirect { .. }
                | FetchError::Size { .. }
                | FetchError::Coding { .. },
            )
            | Self::Refused { .. }
            | Self::Answer(_)
            | Self::Internal => Sign::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Health, IntrospectionError, Sign};
    use crate::http_client::{Evidence, FetchError};
    use http::StatusCode;
    use std::time::Duration;

    #[test]
    fn only_a_server_that_no_client_can_make_look_so_is_surely_away() {
        for (status, sign) in [
            (400, Sign::None),
            (401, Sign::None),
            (403, Sign::None),
            (413, Sign::None),
            (429, Sign::None),
            (500, Sign::None),
            (502, Sign::Likely),
            (503, Sign::Likely),
            (504, Sign::Likely),
        ] {
            let error = IntrospectionError::from(FetchError::Status { status: StatusCode::from_u16(status).unwrap() });
            assert_eq!(error.sign(), sign, "{status}");
        }
        for (error, sign, health) in [
            (FetchError::unreachable(Evidence::Away), Sign::Sure, Health::Down),
            (FetchError::unreachable(Evidence::Closed), Sign::Likely, Health::Down),
            (FetchError::unreachable(Evidence::Unclear), Sign::None, Health::Down),
            (FetchError::unreachable(Evidence::Local), Sign::None, Health::Unknown),
            (FetchError::Broken, Sign::Likely, Health::Down),
            (FetchError::Time { limit: Duration::ZERO }, Sign::None, Health::Down),
            (FetchError::Size { limit: 1 }, Sign::None, Health::Unknown),
        ] {
            let error = IntrospectionError::from(error);
            assert_eq!((error.sign(), error.health()), (sign, health), "{error}");
        }
    }

    #[test]
    fn what_an_odd_token_brings_about_says_nothing_of_the_server() {
        for (status, expected) in [
            (400, Health::Unknown),
            (401, Health::Down),
            (403, Health::Unknown),
            (413, Health::Unknown),
            (429, Health::Unknown),
            (500, Health::Down),
            (503, Health::Down),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let health = IntrospectionError::from(FetchError::Status { status }).health();
            assert_eq!(health, expected, "{status}");
        }
    }
}
