//! What was decided about one request, and what it was decided on. Says nothing about how the answer looks on the wire.

use crate::authn::{AuthnError, PendingLookup};
use crate::authz::{AuthzError, RuleName};
use crate::denial::Insufficient;
use crate::http::request::RequestError;
use crate::principal::{AuthenticatorName, Principal};
use crate::reason::Reason;
use crate::upstream::{Computed, CorrelationError, IdentityError, MintError, MintedClaimError, Mutations, ShapeError};
use std::sync::Arc;

/// The outcome of one check.
#[derive(Debug)]
pub struct Decision {
    /// Let through or not.
    pub verdict: Verdict,
    /// The rule that decided; `None` when the fallback did, or when the request could not be read.
    pub rule: Option<RuleName>,
    /// The authenticator that vouches for the caller; `None` when nobody was asked for or nobody was accepted.
    pub authenticator: Option<AuthenticatorName>,
    /// Who asked, as far as somebody vouches for it: also when it may not.
    pub principal: Option<Arc<Principal>>,
    /// What Envoy is told beside that and had to be computed.
    pub computed: Computed,
    /// Which permissions the caller lacks, where clients are told.
    pub insufficient: Option<Box<Insufficient>>,
    /// What a rule that is tried out would have come to, if one is for this request.
    pub tried: Option<Box<ShadowOutcome>>,
}

/// What a rule that is tried out would have come to. Nothing is done about it.
#[derive(Debug)]
pub struct ShadowOutcome {
    /// The rule.
    pub rule: RuleName,
    /// Why the request would not have been let through; `None`: it would have been.
    pub fault: Option<DecisionError>,
}

impl ShadowOutcome {
    /// The reason, when the request would not have been let through.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.fault.as_ref().map(DecisionError::reason)
    }
}

/// Let through, with these changes to the request, or not, and why.
#[derive(Debug)]
pub enum Verdict {
    /// Envoy routes the request on, changed so.
    Allow(Mutations),
    /// Envoy answers the client itself.
    Deny(DecisionError),
}

/// Why a request was not let through, with the facts of this very request. For operators: never sent to a client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// The request can't be decided on.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The rule, or the credential that it asked for.
    #[error(transparent)]
    Authz(#[from] AuthzError),
    /// A claim that modules rely on can't be handed on.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A claim that can't be handed on in a minted token.
    #[error(transparent)]
    Minted(#[from] MintedClaimError),
    /// Who acts for whom can't be told.
    #[error(transparent)]
    Correlation(#[from] CorrelationError),
    /// The check was not done in time.
    #[error("the check was not done in time")]
    Deadline,
    /// Too many checks are under way.
    #[error("too many checks are under way")]
    Overload,
    /// The check can't be read, or modgud failed inside.
    #[error("the check can't be read, or modgud failed inside")]
    Internal,
}

/// Which decisions are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedDecisions {
    /// Every one.
    All,
    /// Those that turn somebody away.
    Denied,
    /// None.
    None,
}

impl From<ShapeError> for DecisionError {
    fn from(fault: ShapeError) -> Self {
        match fault {
            ShapeError::Identity(fault) => Self::Identity(fault),
            ShapeError::Unminted(MintError::Claim(fault)) => Self::Minted(fault),
            ShapeError::Unminted(MintError::Signing(_)) => Self::Internal,
        }
    }
}

impl DecisionError {
    /// The reason that this fault is told as.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Request(fault) => fault.reason(),
            Self::Authz(fault) => fault.reason(),
            Self::Identity(_) | Self::Minted(_) => Reason::ClaimInvalid,
            Self::Correlation(fault) => fault.reason(),
            Self::Deadline => Reason::DeadlineExceeded,
            Self::Overload => Reason::Overloaded,
            Self::Internal => Reason::Internal,
        }
    }

    /// Returns true if modgud could not decide because a provider is away. Everything else stays a denial, since clients can bring it
    /// about: a key that nobody knows, too many checks or questions at once, a check that takes too long. They must not get past an
    /// Envoy that lets errors pass.
    #[must_use]
    pub const fn honours_failure_mode_allow(&self) -> bool {
        match self {
            Self::Authz(AuthzError::Credential(AuthnError::LookupRequired(
                PendingLookup::Jwks(_) | PendingLookup::ServerUnavailable(_),
            ))) => true,
            Self::Request(_)
            | Self::Authz(_)
            | Self::Identity(_)
            | Self::Correlation(_)
            | Self::Deadline
            | Self::Minted(_)
            | Self::Overload
            | Self::Internal => false,
        }
    }
}

impl Decision {
    /// A decision that no rule was asked for.
    #[must_use]
    pub const fn refused(fault: DecisionError) -> Self {
        Self {
            verdict: Verdict::Deny(fault),
            rule: None,
            authenticator: None,
            principal: None,
            computed: Computed::NOTHING,
            insufficient: None,
            tried: None,
        }
    }

    /// What the decision could not be made without, and the edges can bring.
    #[must_use]
    pub const fn pending_lookup(&self) -> Option<PendingLookup> {
        match &self.verdict {
            Verdict::Deny(DecisionError::Authz(AuthzError::Credential(AuthnError::LookupRequired(lack)))) => {
                Some(*lack)
            }
            Verdict::Deny(_) | Verdict::Allow(_) => None,
        }
    }

    /// The reason, when the request was not let through.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match &self.verdict {
            Verdict::Allow(_) => None,
            Verdict::Deny(fault) => Some(fault.reason()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DecisionError;
    use crate::authn::{AuthnError, PendingLookup};
    use crate::authz::AuthzError;
    use crate::credential::AuthenticatorId;

    #[test]
    fn no_bound_of_our_own_is_left_to_envoys_failure_mode_allow() {
        let by = AuthenticatorId(0);
        let lacking =
            |lack: PendingLookup| DecisionError::Authz(AuthzError::Credential(AuthnError::LookupRequired(lack)));
        for (fault, left) in [
            (lacking(PendingLookup::Jwks(by)), true),
            (lacking(PendingLookup::ServerUnavailable(by)), true),
            (lacking(PendingLookup::JwksRefresh(by)), false),
            (lacking(PendingLookup::Introspection(by)), false),
            (DecisionError::Deadline, false),
            (DecisionError::Overload, false),
            (DecisionError::Internal, false),
        ] {
            assert_eq!(fault.honours_failure_mode_allow(), left, "{fault:?}");
        }
    }
}
