//! Why an authorization server's answer could not be had, and what that says of the server.

use super::breaker::Health;
use crate::http_client::FetchFault;
use http::StatusCode;
use modgud_core::authn::AnswerFault;

/// Why an authorization server's answer could not be had. Never the fault of whoever holds the token.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectionFault {
    /// No answer.
    #[error(transparent)]
    Fetch(FetchFault),
    /// The server does not answer modgud.
    #[error(
        "the server does not let modgud ask (status {}); `client_id`, `client_secret` and `client_authentication` must be \
             as the server has them, and the client must be allowed to introspect", status.as_u16()
    )]
    Refused {
        /// The status.
        status: StatusCode,
    },
    /// An answer that is none.
    #[error(transparent)]
    Answer(#[from] AnswerFault),
    /// The question came to no end.
    #[error("modgud failed inside while it asked")]
    Internal,
}

impl From<FetchFault> for IntrospectionFault {
    fn from(fault: FetchFault) -> Self {
        match fault {
            FetchFault::Status { status } if matches!(status.as_u16(), 401 | 403) => Self::Refused { status },
            fault => Self::Fetch(fault),
        }
    }
}

impl IntrospectionFault {
    /// What it says of the server. What a single odd token can bring about says nothing: else whoever sends some could have good
    /// ones turned away.
    pub(super) fn health(&self) -> Health {
        match self {
            Self::Fetch(FetchFault::Size { .. }) => Health::Unknown,
            // Also what stands before the server, such as a firewall, answers so to a token that it does not like.
            Self::Fetch(FetchFault::Status { status }) | Self::Refused { status }
                if status.is_client_error() && *status != StatusCode::UNAUTHORIZED =>
            {
                Health::Unknown
            }
            Self::Fetch(_) | Self::Refused { .. } | Self::Answer(_) | Self::Internal => Health::Down,
        }
    }
}

impl IntrospectionFault {
    /// Returns true if the server is away: there is no connection, or a proxy before it has none. A time-out is none of this: how long
    /// is waited is a bound of modgud's own, and a flood of questions can make a server that slow. Nor is any other status: a
    /// token can bring that about.
    pub(super) fn is_away(&self) -> bool {
        match self {
            Self::Fetch(FetchFault::Unreachable(_) | FetchFault::Broken) => true,
            Self::Fetch(FetchFault::Status { status }) => {
                matches!(
                    *status,
                    StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
                )
            }
            Self::Fetch(FetchFault::Time { .. } | FetchFault::Redirect { .. } | FetchFault::Size { .. })
            | Self::Refused { .. }
            | Self::Answer(_)
            | Self::Internal => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Health, IntrospectionFault};
    use crate::http_client::FetchFault;
    use http::StatusCode;
    use std::time::Duration;

    #[test]
    fn only_a_server_that_is_away_is_called_so() {
        for (status, away) in [
            (400, false),
            (401, false),
            (403, false),
            (413, false),
            (429, false),
            (500, false),
            (502, true),
            (503, true),
            (504, true),
        ] {
            let fault = IntrospectionFault::from(FetchFault::Status { status: StatusCode::from_u16(status).unwrap() });
            assert_eq!(fault.is_away(), away, "{status}");
        }
        assert!(IntrospectionFault::from(FetchFault::Broken).is_away());
        assert!(!IntrospectionFault::from(FetchFault::Time { most: Duration::ZERO }).is_away());
        assert!(!IntrospectionFault::from(FetchFault::Size { most: 1 }).is_away());
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
            let health = IntrospectionFault::from(FetchFault::Status { status }).health();
            assert_eq!(health, expected, "{status}");
        }
    }
}
