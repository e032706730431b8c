//! Who is not to be accepted any more, whatever a credential says: tokens by their ids, subjects, organizations. Asked on every
//! check, for known tokens too. Where the list comes from is `revocations`' to know.

use crate::jose::NumericDate;
use crate::principal::{Identity, Principal};
use crate::time::Timestamp;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The list of revocations of a configuration; clones share it. It changes while the configuration serves.
#[derive(Debug, Clone)]
pub struct Revocations {
    /// The file that it is read from.
    pub file: PathBuf,
    list: Arc<ArcSwap<RevocationList>>,
}

/// What is revoked, as one file says it.
#[derive(Debug, Default)]
pub struct RevocationList {
    /// By the token's `jti`, or the API key's `id`.
    pub tokens: Revoked,
    /// By the subject, as `principal.subject` finds it.
    pub subjects: Revoked,
    /// By the organization, as `principal.organization` finds it.
    pub organizations: Revoked,
}

/// Names that are revoked, each with the time before which what was issued to it counts no more: [`Timestamp::NEVER`] for all
/// times. The cost of a look-up does not depend on how many there are.
#[derive(Debug, Default)]
pub struct Revoked(HashMap<Box<str>, Timestamp>);

/// What of a caller is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// The token itself.
    #[error("the token's id is on the list of revocations")]
    Token,
    /// Everything of this subject.
    #[error("the token's subject is on the list of revocations")]
    Subject,
    /// Everything of this organization.
    #[error("the token's organization is on the list of revocations")]
    Organization,
}

impl Revoked {
    /// Revokes a name; of two times the later one counts.
    pub fn add(&mut self, name: Box<str>, before: Timestamp) {
        self.0.entry(name).and_modify(|known| *known = before.max(*known)).or_insert(before);
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether what was issued then to this name is revoked. What does not say when it was issued may be from any time.
    fn holds(&self, name: Option<&str>, issued: Option<Timestamp>) -> bool {
        let before = || name.and_then(|name| self.0.get(name));
        !self.0.is_empty() && before().is_some_and(|before| issued.is_none_or(|issued| issued < *before))
    }
}

impl RevocationList {
    /// How many names there are in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len().saturating_add(self.subjects.len()).saturating_add(self.organizations.len())
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a caller is revoked.
    ///
    /// # Errors
    /// The first that is found of token, subject and organization.
    pub fn check(&self, principal: &Principal) -> Result<(), RevocationError> {
        if self.is_empty() {
            return Ok(());
        }
        let claims = principal.claims();
        let Identity { subject, organization, .. } = principal.identity();
        let token = claims.text("jti").ok().flatten();
        // The earlier of the two that a date with a fraction lies between: when in doubt it is revoked.
        let issued = claims.numeric_date("iat").ok().flatten().map(NumericDate::floor);
        let found = [
            (self.tokens.holds(token, issued), RevocationError::Token),
            (self.subjects.holds(subject.as_deref(), issued), RevocationError::Subject),
            (self.organizations.holds(organization.as_deref(), issued), RevocationError::Organization),
        ];
        found.into_iter().find(|(revoked, _)| *revoked).map_or(Ok(()), |(_, fault)| Err(fault))
    }
}

impl Revocations {
    /// A list that was read from a file.
    #[must_use]
    pub fn new(file: PathBuf, list: RevocationList) -> Self {
        Self { file, list: Arc::new(ArcSwap::from_pointee(list)) }
    }

    /// Whether both are one list, and not two of one file.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.list, &other.list)
    }

    /// The list as it is now.
    #[must_use]
    pub fn now(&self) -> arc_swap::Guard<Arc<RevocationList>> {
        self.list.load()
    }

    /// Puts another list in the place of the present one, for every check that comes after.
    pub fn replace(&self, list: RevocationList) {
        self.list.store(Arc::new(list));
    }
}

#[cfg(test)]
mod tests {
    use super::{RevocationError, RevocationList};
    use crate::jose::Claims;
    use crate::principal::{AuthMethod, AuthenticatorName, Identity, Principal};
    use crate::time::Timestamp;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn principal(claims: Value, subject: &str, organization: &str) -> Principal {
        let identity =
            Identity { subject: Some(subject.into()), organization: Some(organization.into()), ..Identity::default() };
        Principal::new(
            AuthenticatorName::new("a"),
            Claims::from_json(claims),
            identity,
            Arc::default(),
            AuthMethod::Token,
        )
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
