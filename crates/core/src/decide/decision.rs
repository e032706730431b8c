//! The decision about one request, and the facts that it is based on.

use crate::authn::{AuthnError, PendingLookup};
use crate::authz::{AuthzError, RuleName};
use crate::credential::AuthenticatorId;
use crate::denial::Insufficient;
use crate::http::request::RequestError;
use crate::principal::{AuthenticatorName, Principal};
use crate::reason::Reason;
use crate::upstream::{
    Computed, CorrelationError, IdentityError, MintError, MintedClaimError, MutationError, Mutations,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// The outcome of one check.
#[derive(Debug)]
pub struct Decision {
    /// The outcome: allowed or denied.
    pub verdict: Verdict,
    /// The rule that decided; `None` for the fallback, or if the request could not be read.
    pub rule: Option<RuleName>,
    /// The authenticator of the allowed caller; `None` if the request was denied or has no caller.
    pub authenticator: Option<AuthenticatorName>,
    /// The authenticator that the credential is for, also of a denied request; `None` if none was examined.
    pub credential_for: Option<AuthenticatorId>,
    /// The authenticated caller, also of a denied request; `None` if unauthenticated.
    pub principal: Option<Arc<Principal>>,
    /// The computed values for Envoy's dynamic metadata.
    pub computed: Computed,
    /// The permissions that the caller lacks; `None` unless the denial discloses them.
    pub insufficient: Option<Box<Insufficient>>,
    /// The outcome of the shadow rule; `None` if shadow rules make no difference.
    pub shadow: Option<Box<ShadowOutcome>>,
}

/// The outcome of a shadow rule. It is logged, never enforced.
#[derive(Debug)]
pub struct ShadowOutcome {
    /// The rule.
    pub rule: RuleName,
    /// The error for which the request would have been denied; `None` if it would have been allowed.
    pub error: Option<DecisionError>,
}

impl ShadowOutcome {
    /// Returns the reason for which the request would have been denied; `None` if it would have been allowed.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.error.as_ref().map(DecisionError::reason)
    }
}

/// The outcome of a check: allowed with changes to the request, or denied with an error.
#[derive(Debug)]
pub enum Verdict {
    /// Envoy routes the request with these changes.
    Allow(Mutations),
    /// Envoy sends a denial to the client.
    Deny(DecisionError),
}

/// The error of a denied request, with the details of this request. It is for operators and never sent to a client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// The request can't be read.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The rule denies the request, or the required credential is missing or invalid.
    #[error(transparent)]
    Authz(#[from] AuthzError),
    /// A claim for modules can't be written as a header.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A claim can't be written in a minted token.
    #[error(transparent)]
    Minted(#[from] MintedClaimError),
    /// The identity correlation can't be determined.
    #[error(transparent)]
    Correlation(#[from] CorrelationError),
    /// The check exceeded its deadline.
    #[error("the check was not completed in time")]
    Deadline,
    /// Too many checks are in progress.
    #[error("too many checks are in progress")]
    Overload,
    /// The check is larger than `server.max_message`.
    #[error("the check has {found} bytes, and `server.max_message` allows {limit}")]
    TooLarge {
        /// The size of the check, in bytes.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The check can't be read, or modgud failed internally.
    #[error("the check can't be read, or modgud failed internally")]
    Internal,
}

/// The decisions that are logged.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LoggedDecisions {
    /// Every decision.
    All,
    /// Denials only.
    #[default]
    Denied,
    /// None.
    None,
}

/// The number of log lines of decisions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogLimits {
    /// The share of allowed requests that are logged, from 0 to 1.
    pub sample: f64,
    /// Maximum number of lines in a second, beyond the first of each kind.
    pub max_per_second: u32,
}

/// How many names have metrics of their own, in the order of the configuration. All others share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedSeries {
    /// Number of rules.
    pub rules: u8,
    /// Number of API keys.
    pub api_keys: u16,
}

impl NamedSeries {
    /// Maximum number of rules: more than a dashboard shows, and few enough to store.
    pub const MAX_RULES: u8 = 200;
    /// Maximum number of API keys, each with two series.
    pub const MAX_API_KEYS: u16 = 1_000;
}

/// As many as a dashboard shows.
impl Default for NamedSeries {
    fn default() -> Self {
        Self { rules: 200, api_keys: 200 }
    }
}

/// The personal data in the log lines of decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFields {
    /// True if the caller's subject, organization and roles are logged.
    pub has_principal: bool,
    /// True if the subject is logged as a hash.
    pub masks_subject: bool,
    /// True if the client's address is logged as its network.
    pub masks_client: bool,
}

impl From<MutationError> for DecisionError {
    fn from(error: MutationError) -> Self {
        match error {
            MutationError::Identity(error) => Self::Identity(error),
            MutationError::Minting(MintError::Claim(error)) => Self::Minted(error),
            MutationError::Minting(MintError::Signing(_)) => Self::Internal,
        }
    }
}

impl DecisionError {
    /// Returns the reason code of this error.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Request(error) => error.reason(),
            Self::Authz(error) => error.reason(),
            Self::Identity(_) | Self::Minted(_) => Reason::ClaimInvalid,
            Self::Correlation(error) => error.reason(),
            Self::Deadline => Reason::DeadlineExceeded,
            Self::Overload => Reason::Overloaded,
            Self::TooLarge { .. } => Reason::RequestTooLarge,
            Self::Internal => Reason::Internal,
        }
    }

    /// Returns the text for the client that a custom authenticator wrote; `None` for the general text of the reason.
    #[must_use]
    pub fn client_text(&self) -> Option<&str> {
        match self {
            Self::Authz(AuthzError::Credential(error)) | Self::Correlation(CorrelationError::Authenticator(error)) => {
                error.client_text()
            }
            Self::Request(_)
            | Self::Authz(_)
            | Self::Identity(_)
            | Self::Correlation(_)
            | Self::Deadline
            | Self::Minted(_)
            | Self::Overload
            | Self::TooLarge { .. }
            | Self::Internal => None,
        }
    }

    /// Returns true if the caller's token lacks a scope, so that a token with more scopes would do (RFC 6750 §3.1).
    #[must_use]
    pub const fn lacks_scope(&self) -> bool {
        matches!(self, Self::Authz(AuthzError::ScopeMissing(_) | AuthzError::NoneOfTheScopes))
    }

    /// Returns true if modgud could not decide because a provider or authorization server is unavailable.
    ///
    /// Every other error stays a denial, because clients can cause it: an unknown key, too many concurrent checks or lookups, a
    /// slow check. Such requests must not pass an Envoy that allows requests on errors.
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
            | Self::TooLarge { .. }
            | Self::Internal => false,
        }
    }
}

impl Decision {
    /// Creates the decision of a request that is denied before a rule is selected.
    #[must_use]
    pub const fn denied(error: DecisionError) -> Self {
        Self {
            verdict: Verdict::Deny(error),
            rule: None,
            authenticator: None,
            credential_for: None,
            principal: None,
            computed: Computed::NOTHING,
            insufficient: None,
            shadow: None,
        }
    }

    /// Returns the lookup that the decision needs from the calling code; `None` if it needs none.
    #[must_use]
    pub const fn pending_lookup(&self) -> Option<PendingLookup> {
        match &self.verdict {
            Verdict::Deny(DecisionError::Authz(AuthzError::Credential(AuthnError::LookupRequired(lookup)))) => {
                Some(*lookup)
            }
            Verdict::Deny(_) | Verdict::Allow(_) => None,
        }
    }

    /// Returns the reason of a denial; `None` if the request is allowed.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match &self.verdict {
            Verdict::Allow(_) => None,
            Verdict::Deny(error) => Some(error.reason()),
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
        let pending =
            |lookup: PendingLookup| DecisionError::Authz(AuthzError::Credential(AuthnError::LookupRequired(lookup)));
        for (error, left) in [
            (pending(PendingLookup::Jwks(by)), true),
            (pending(PendingLookup::ServerUnavailable(by)), true),
            (pending(PendingLookup::JwksRefresh(by)), false),
            (pending(PendingLookup::Introspection(by)), false),
            (pending(PendingLookup::Custom(by)), false),
            (DecisionError::Deadline, false),
            (DecisionError::Overload, false),
            (DecisionError::TooLarge { found: 2, limit: 1 }, false),
            (DecisionError::Internal, false),
        ] {
            assert_eq!(error.honours_failure_mode_allow(), left, "{error:?}");
        }
    }
}
