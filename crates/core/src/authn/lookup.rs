//! What a decision can lack, and what the edges bring for it. The core asks for nothing itself: it says what it lacks, and is
//! asked again with what there is then.

use super::introspection::IntrospectionOutcome;
use crate::credential::AuthenticatorId;
use crate::reason::Reason;
use crate::time::Timestamp;
use std::time::Duration;

/// What only the network can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PendingLookup {
    /// Keys of this authenticator: those of one of its providers were never had, or too long ago.
    #[error("the keys of the token's issuer can't be had at present")]
    Jwks(AuthenticatorId),
    /// Keys that a provider may have brought since they were last had: none of those fits the token.
    #[error("the token names a key that is not known, and its issuer can't be asked at present whether it is new")]
    JwksRefresh(AuthenticatorId),
    /// What the authorization server of this authenticator says of the token.
    #[error("the authorization server that knows the token can't be asked at present")]
    Introspection(AuthenticatorId),
    /// The same, and the server was asked and is away. Nothing that clients send makes it so.
    #[error("the authorization server that knows the token is away")]
    ServerUnavailable(AuthenticatorId),
}

impl PendingLookup {
    /// The reason that a request is denied for when nobody brings what is lacking.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Jwks(_) | Self::JwksRefresh(_) => Reason::KeysUnavailable,
            Self::Introspection(_) | Self::ServerUnavailable(_) => Reason::IntrospectionUnavailable,
        }
    }
}

/// What the edges bring for one request.
#[derive(Debug, Clone, Default)]
pub enum LookupResult {
    /// Nothing: nobody has been asked.
    #[default]
    Nothing,
    /// The provider of the keys was asked, or can't be.
    Jwks(JwksRefresh),
    /// The authorization server was asked about the token, or can't be.
    Introspection(IntrospectionOutcome),
}

impl LookupResult {
    /// Whether a key that nobody knows can be told not to exist, for a token that says that it was issued at a time, or doesn't
    /// say. `leeway` is how far the issuer's clock may be from ours.
    #[must_use]
    pub fn proves_key_unknown(&self, issued: Option<Timestamp>, leeway: Duration) -> bool {
        match self {
            Self::Jwks(JwksRefresh::Refreshed) => true,
            // A key that signed before the keys were had was among them, or is none.
            Self::Jwks(JwksRefresh::RateLimited { last }) => issued.is_some_and(|issued| issued.plus(leeway) < *last),
            // The key may be one that the provider has brought since.
            Self::Jwks(JwksRefresh::Failed) | Self::Introspection(_) | Self::Nothing => false,
        }
    }
}

/// What became of asking for keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwksRefresh {
    /// They are those of just now: a key that is not among them does not exist.
    Refreshed,
    /// The provider did not answer, or not with keys.
    Failed,
    /// It is too soon to ask again. A key that a token from before `last` names does not exist; a later one may.
    RateLimited {
        /// When the keys were last had.
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
        for (supply, issued, leeway, settled) in [
            (LookupResult::Nothing, Some(at(1)), 0, false),
            (LookupResult::Jwks(JwksRefresh::Failed), Some(at(1)), 0, false),
            (LookupResult::Jwks(JwksRefresh::Refreshed), Some(at(1_000)), 0, true),
            (LookupResult::Jwks(JwksRefresh::Refreshed), None, 0, true),
            (too_soon.clone(), Some(at(99)), 0, true),
            (too_soon.clone(), Some(at(100)), 0, false),
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
