//! The lookups that a decision can need, and their results. The core does no I/O: it returns the pending lookup, and is called again with
//! the result.

use super::custom::{CustomAnswer, CustomCallError};
use super::introspection::IntrospectionResponse;
use crate::credential::AuthenticatorId;
use crate::reason::Reason;
use crate::time::Timestamp;
use std::time::Duration;

/// A lookup that needs the network, or another wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PendingLookup {
    /// The JWKS of this authenticator: that of one of its providers was never fetched, or too long ago.
    #[error("the keys of the token's issuer are unavailable at present")]
    Jwks(AuthenticatorId),
    /// A refreshed JWKS: no key of the last one fits the token, and the provider may have published others since.
    #[error("the token's key is unknown, and the keys of its issuer can't be refreshed at present")]
    JwksRefresh(AuthenticatorId),
    /// The introspection response of this authenticator's authorization server.
    #[error("there is no usable introspection response about the token")]
    Introspection(AuthenticatorId),
    /// The introspection response of a server that proved unavailable. No request of a client causes that.
    #[error("the token's authorization server is unavailable")]
    ServerUnavailable(AuthenticatorId),
    /// The answer of this custom authenticator, which waits.
    #[error("the custom authenticator was not called")]
    Custom(AuthenticatorId),
}

impl PendingLookup {
    /// Returns the reason code of the denial when no result is supplied.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Jwks(_) | Self::JwksRefresh(_) => Reason::KeysUnavailable,
            Self::Introspection(_) | Self::ServerUnavailable(_) => Reason::IntrospectionUnavailable,
            Self::Custom(_) => Reason::AuthenticatorUnavailable,
        }
    }
}

/// The result of the lookup for one request.
#[derive(Debug, Clone, Default)]
pub enum LookupResult {
    /// No lookup has been done.
    #[default]
    Nothing,
    /// The JWKS was requested, or the request was not possible.
    Jwks(JwksRefresh),
    /// Introspection was requested, or the request was not possible.
    Introspection(IntrospectionOutcome),
    /// A custom authenticator was called, or the call was not possible.
    Custom(Result<CustomAnswer, CustomCallError>),
}

/// The resolution of `iat` at most issuers.
const ISSUE_GRANULARITY: Duration = Duration::from_secs(1);

impl LookupResult {
    /// Returns true if the JWKS is recent enough to conclude that an unknown `kid` does not exist. `issued` is the token's `iat`, `leeway`
    /// the tolerated clock skew of the issuer.
    #[must_use]
    pub fn proves_key_unknown(&self, issued: Option<Timestamp>, leeway: Duration) -> bool {
        match self {
            Self::Jwks(JwksRefresh::Refreshed) => true,
            // A key that signed before the JWKS was fetched was in it, or does not exist. `iat` is mostly a whole second, within which the
            // key may have been published and used: that second must be over.
            Self::Jwks(JwksRefresh::RateLimited { last }) => {
                issued.is_some_and(|issued| issued.plus(ISSUE_GRANULARITY).plus(leeway) <= *last)
            }
            // The provider may have published the key since.
            Self::Jwks(JwksRefresh::Failed) | Self::Introspection(_) | Self::Custom(_) | Self::Nothing => false,
        }
    }
}

/// The outcome of an introspection request about one token.
#[derive(Debug, Clone)]
pub enum IntrospectionOutcome {
    /// The server sent this response.
    Response(IntrospectionResponse),
    /// The response is unusable, or did not arrive within the timeout: the token itself may have caused that.
    Failed,
    /// The server is unavailable: there is no connection, or a proxy before it reports so, or the circuit breaker is open for that reason.
    Unavailable,
    /// No request was sent, because too many are in progress, whatever the state of the server. A client that causes so many must not
    /// extend tokens that the server has ended.
    Busy,
}

/// The outcome of a JWKS request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwksRefresh {
    /// The JWKS was just fetched: a key that it lacks does not exist.
    Refreshed,
    /// The provider sent no response, or no JWKS.
    Failed,
    /// The rate limit prevents another request. An unknown key of a token from before `last` does not exist; that of a later token may.
    RateLimited {
        /// The time of the last fetch.
        last: Timestamp,
    },
}

#[cfg(test)]
mod tests {
    use super::{JwksRefresh, LookupResult};
    use crate::time::Timestamp;
    use std::time::Duration;

    #[test]
    fn a_key_does_not_exist_only_if_it_would_have_been_there() {
        let at = Timestamp::from_secs;
        let too_soon = LookupResult::Jwks(JwksRefresh::RateLimited { last: at(100) });
        // Fetched within the second in which the token was issued: the key may be from later in it.
        let just_after = LookupResult::Jwks(JwksRefresh::RateLimited { last: Timestamp::from_millis(100_900) });
        for (supply, issued, leeway, settled) in [
            (LookupResult::Nothing, Some(at(1)), 0, false),
            (LookupResult::Jwks(JwksRefresh::Failed), Some(at(1)), 0, false),
            (LookupResult::Jwks(JwksRefresh::Refreshed), Some(at(1_000)), 0, true),
            (LookupResult::Jwks(JwksRefresh::Refreshed), None, 0, true),
            (too_soon.clone(), Some(at(99)), 0, true),
            (too_soon.clone(), Some(at(100)), 0, false),
            (just_after.clone(), Some(at(99)), 0, true),
            (just_after.clone(), Some(at(100)), 0, false),
            (just_after.clone(), Some(at(95)), 5, false),
            (just_after, Some(at(94)), 5, true),
            (too_soon.clone(), Some(at(101)), 0, false),
            (too_soon.clone(), None, 0, false),
            (too_soon.clone(), Some(at(95)), 5, false),
            (too_soon, Some(at(94)), 5, true),
        ] {
            let found = supply.proves_key_unknown(issued, Duration::from_secs(leeway));
            assert_eq!(found, settled, "{supply:?}, issued {issued:?}, leeway {leeway} s");
        }
    }
}
