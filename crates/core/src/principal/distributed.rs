//! Claims whose values are at another source (OpenID Connect Core §5.6.2). An identity without them would be another caller's: so they are
//! an error where the identity depends on them.

use super::claim_mapping::{ClaimTypeError, IdentityClaimError, JsonType};
use crate::jose::{Claims, JsonRef};

/// The claim with the names of those at other sources.
const CLAIM_NAMES: &str = "_claim_names";
/// The claim by which Microsoft Entra ID says the same of `groups`, in tokens that a browser receives in a URL.
const HAS_GROUPS: &str = "hasgroups";
/// The claim that [`HAS_GROUPS`] concerns.
const GROUPS: &str = "groups";

/// The claims of a token whose values are at other sources.
#[derive(Debug)]
pub(crate) struct DistributedClaims<'c> {
    names: Option<JsonRef<'c>>,
    has_groups: bool,
}

impl<'c> DistributedClaims<'c> {
    pub(crate) fn of(claims: &'c Claims) -> Self {
        let names = claims.get(CLAIM_NAMES).filter(|names| *names != JsonRef::Null);
        let has_groups = !matches!(claims.get(HAS_GROUPS), None | Some(JsonRef::Null | JsonRef::Bool(false)));
        Self { names, has_groups }
    }

    /// Returns true if the value of this claim at the top level is at another source, even if the token has a part of it.
    ///
    /// # Errors
    /// `IdentityClaimError` if the token does not say so in a known form: then no claim is known to be complete.
    pub(crate) fn has(&self, name: &str) -> Result<bool, IdentityClaimError> {
        if self.has_groups && name == GROUPS {
            return Ok(true);
        }
        match &self.names {
            None => Ok(false),
            Some(JsonRef::Object(members)) => Ok(members.get(name).is_some()),
            Some(other) => Err(IdentityClaimError {
                claim: CLAIM_NAMES.into(),
                error: ClaimTypeError::NotClaimNames(JsonType::of(other)),
            }),
        }
    }

    /// Returns the names of the claims at other sources, each once.
    pub(crate) fn names(&self) -> Vec<&'c str> {
        let members = match &self.names {
            Some(JsonRef::Object(members)) => Some(members.clone()),
            Some(_) | None => None,
        };
        let mut names: Vec<&str> = members.into_iter().flatten().map(|(name, _)| name).collect();
        if self.has_groups && !names.contains(&GROUPS) {
            names.push(GROUPS);
        }
        names
    }
}
