//! What a decision can lack, and what the edges bring for it. The core asks for nothing itself: it says what it lacks, and is
//! asked again with what there is then.

use crate::clock::Timestamp;
use crate::credential::AuthenticatorIndex;
use crate::reason::Reason;

/// What only the network can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// Keys of this authenticator: it has none that may be used, or none that the token names.
    #[error("the keys of the token's issuer can't be had at present")]
    Keys(AuthenticatorIndex),
    /// What the authorization server of this authenticator says of the token.
    #[error("the authorization server that knows the token can't be asked at present")]
    Introspection(AuthenticatorIndex),
}

impl Lack {
    /// The reason that a request is denied for when nobody brings what is lacking.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Keys(_) => Reason::KeysUnavailable,
            Self::Introspection(_) => Reason::IntrospectionUnavailable,
        }
    }
}

/// What the edges bring for one request.
#[derive(Debug, Clone, Default)]
pub enum Supply {
    /// Nothing: nobody has been asked.
    #[default]
    Nothing,
    /// The provider of the keys was asked, or can't be.
    Keys(KeysAsked),
}

/// What became of asking for keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysAsked {
    /// They are those of just now: a key that is not among them does not exist.
    Fetched,
    /// The provider did not answer, or not with keys.
    Failed,
    /// It is too soon to ask again. A key that a token from before `last` names does not exist; a later one may.
    TooSoon {
        /// When the keys were last had.
        last: Timestamp,
    },
}
