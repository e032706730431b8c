//! Why an authorization server's answer could not be had, and what that says of the server.

use super::breaker::Health;
use crate::authn::AnswerFault;
use crate::fetch::FetchFault;
use http::StatusCode;

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

#[cfg(test)]
mod tests {
    use super::{Health, IntrospectionFault};
    use crate::fetch::FetchFault;
    use http::StatusCode;

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
