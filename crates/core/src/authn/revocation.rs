//! Revocation of tokens by id, of subjects and of organizations, whatever a credential claims. It applies to every check, also for cached
//! tokens. `revocations` loads the list.

use crate::jose::NumericDate;
use crate::principal::Principal;
use crate::time::Timestamp;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The revocation list of a configuration; clones share it. It changes at runtime.
#[derive(Debug, Clone)]
pub struct Revocations {
    /// The file of the list.
    pub file: PathBuf,
    list: Arc<ArcSwap<RevocationList>>,
}

/// The revocations of one file.
#[derive(Debug, Default)]
pub struct RevocationList {
    /// Tokens by `jti`, and API keys by `id`.
    pub tokens: Revoked,
    /// Subjects, as `principal.subject` finds them.
    pub subjects: Revoked,
    /// Organizations, as `principal.organization` finds them.
    pub organizations: Revoked,
}

/// Revoked names, each with the time before which tokens were issued that it rejects: [`Timestamp::NEVER`] for all. The cost of a look-up
/// does not depend on their number.
#[derive(Debug, Default)]
pub struct Revoked(HashMap<Box<str>, Timestamp>);

/// The reason why a caller is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// The token is revoked.
    #[error("the token's id is on the revocation list")]
    Token,
    /// The subject is revoked.
    #[error("the token's subject is on the revocation list")]
    Subject,
    /// The organization is revoked.
    #[error("the token's organization is on the revocation list")]
    Organization,
}

impl Revoked {
    /// Revokes a name; if it is revoked already, the later time counts.
    pub fn add(&mut self, name: Box<str>, before: Timestamp) {
        self.0.entry(name).and_modify(|known| *known = before.max(*known)).or_insert(before);
    }

    /// Returns the number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if this name is revoked for tokens issued at this time. A token without `iat` may be of any time, so it is revoked.
    fn contains(&self, name: Option<&str>, issued: Option<Timestamp>) -> bool {
        let before = || name.and_then(|name| self.0.get(name));
        !self.0.is_empty() && before().is_some_and(|before| issued.is_none_or(|issued| issued < *before))
    }
}

impl RevocationList {
    /// Returns the number of all names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len().saturating_add(self.subjects.len()).saturating_add(self.organizations.len())
    }

    /// Returns true if nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that a caller is not revoked.
    ///
    /// # Errors
    /// The first error of token, subject and organization.
    pub fn check(&self, principal: &Principal) -> Result<(), RevocationError> {
        if self.is_empty() {
            return Ok(());
        }
        let claims = principal.claims();
        let identity = principal.identity();
        let token = claims.text("jti").ok().flatten();
        // Rounded down: in doubt, a date with a fraction of a second counts as the earlier one and is revoked.
        let issued = claims.numeric_date("iat").ok().flatten().map(NumericDate::floor);
        let found = [
            (self.tokens.contains(token, issued), RevocationError::Token),
            (self.subjects.contains(identity.subject(), issued), RevocationError::Subject),
            (self.organizations.contains(identity.organization(), issued), RevocationError::Organization),
        ];
        found.into_iter().find(|(revoked, _)| *revoked).map_or(Ok(()), |(_, error)| Err(error))
    }
}

impl Revocations {
    /// Builds the list that was read from a file.
    #[must_use]
    pub fn new(file: PathBuf, list: RevocationList) -> Self {
        Self { file, list: Arc::new(ArcSwap::from_pointee(list)) }
    }

    /// Returns true if both share one list; two lists of one file differ.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.list, &other.list)
    }

    /// Returns the present list.
    #[must_use]
    pub fn now(&self) -> arc_swap::Guard<Arc<RevocationList>> {
        self.list.load()
    }

    /// Replaces the list, for all checks from now on.
    pub fn replace(&self, list: RevocationList) {
        self.list.store(Arc::new(list));
    }
}

#[cfg(test)]
mod tests {
    use super::{RevocationError, RevocationList};
    use crate::principal::{Identity, Principal};
    use crate::time::Timestamp;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn principal(claims: Value, subject: &str, organization: &str) -> Principal {
        let identity =
            Identity { subject: Some(subject.into()), organization: Some(organization.into()), ..Identity::default() };
        Principal::of(claims, &identity, Arc::default())
    }

    #[test]
    fn what_was_issued_before_is_revoked() {
        let mut list = RevocationList::default();
        assert_eq!(list.check(&principal(json!({"jti": "t"}), "s", "o")), Ok(()));
        list.tokens.add("t".into(), Timestamp::NEVER);
        list.subjects.add("s".into(), Timestamp::from_secs(100));
        list.subjects.add("s".into(), Timestamp::from_secs(50));
        list.organizations.add("o".into(), Timestamp::NEVER);
        assert_eq!(list.len(), 3);
        for (claims, subject, organization, expected) in [
            (json!({"jti": "t", "iat": 4_000_000_000_u64}), "x", "x", Err(RevocationError::Token)),
            (json!({"jti": "x", "iat": 99}), "s", "x", Err(RevocationError::Subject)),
            (json!({"iat": 99.999}), "s", "x", Err(RevocationError::Subject)),
            (json!({"iat": 100}), "s", "x", Ok(())),
            (json!({}), "s", "x", Err(RevocationError::Subject)),
            (json!({"iat": 100}), "s", "o", Err(RevocationError::Organization)),
            (json!({"jti": "s", "iat": 1}), "t", "t", Ok(())),
            (json!({"iat": 1}), "S", "O", Ok(())),
        ] {
            assert_eq!(list.check(&principal(claims.clone(), subject, organization)), expected, "{claims} {subject}");
        }
    }
}
