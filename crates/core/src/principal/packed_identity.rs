//! An identity in one text, for as long as a principal is cached. Most of its texts are parts of the claims, and are not kept twice.

use super::{PermissionScope, ResolvedIdentity};
use crate::cache::allocated;
use crate::jose::Claims;
use crate::jose::packed::{PackedReader, push_number, push_text};

/// The lists of an identity, in the order of the packed text. The subject and the organization are lists of at most one text.
#[derive(Debug, Clone, Copy)]
enum List {
    Subject,
    Organization,
    Roles,
    Permissions,
    Scopes,
}

/// The identity of a caller with these claims, packed: the extent of its permissions as a number, and its lists.
#[derive(Debug, Clone)]
pub(crate) struct PackedIdentity(Box<str>);

impl PackedIdentity {
    pub(crate) fn new(identity: &ResolvedIdentity<'_>, claims: &Claims) -> Self {
        let ResolvedIdentity { subject, organization, roles, permissions, scopes, permission_scope } = identity;
        let mut packed = String::new();
        push_number(&mut packed, u64::from(*permission_scope == PermissionScope::All));
        for list in [subject.as_slice(), organization.as_slice(), roles, permissions, scopes] {
            let mut texts = String::new();
            for text in list {
                push(&mut texts, text, claims.packed());
            }
            push_text(&mut packed, &texts);
        }
        Self(Box::from(packed.as_str()))
    }

    /// Returns the memory that it takes on the heap, in bytes.
    pub(super) fn heap_size(&self) -> usize {
        allocated(self.0.len())
    }
}

/// Appends a text: its length, doubled, and one more if it is a part of the claims. Then its place there, or the text itself.
fn push(into: &mut String, text: &str, claims: &str) {
    let part = text.as_ptr().addr().checked_sub(claims.as_ptr().addr());
    let part = part.filter(|at| claims.get(*at..).is_some_and(|rest| rest.starts_with(text)));
    push_number(into, (text.len() as u64).saturating_mul(2).saturating_add(u64::from(part.is_some())));
    match part {
        Some(at) => push_number(into, at as u64),
        None => into.push_str(text),
    }
}

/// The identity and the permissions of a caller, borrowed from its [`Principal`](super::Principal).
#[derive(Debug, Clone, Copy)]
pub struct IdentityRef<'p> {
    claims: &'p str,
    packed: PackedReader<'p>,
}

impl<'p> IdentityRef<'p> {
    pub(super) fn new(claims: &'p Claims, identity: &'p PackedIdentity) -> Self {
        Self { claims: claims.packed(), packed: PackedReader::new(&identity.0) }
    }

    /// Returns the id of the user or service; `None` if it is unknown.
    #[must_use]
    pub fn subject(self) -> Option<&'p str> {
        self.list(List::Subject).next()
    }

    /// Returns the organization that the caller acts for; `None` without one.
    #[must_use]
    pub fn organization(self) -> Option<&'p str> {
        self.list(List::Organization).next()
    }

    /// Returns the roles, in the order in which they were given.
    #[must_use]
    pub fn roles(self) -> Texts<'p> {
        self.list(List::Roles)
    }

    /// Returns the permissions, in the order in which they were given, including those that roles grant.
    #[must_use]
    pub fn permissions(self) -> Texts<'p> {
        self.list(List::Permissions)
    }

    /// Returns the scopes of the token (RFC 6749 §3.3).
    #[must_use]
    pub fn scopes(self) -> Texts<'p> {
        self.list(List::Scopes)
    }

    /// Returns the extent of the permissions: `All` if one of the roles grants everything.
    #[must_use]
    pub fn permission_scope(mut self) -> PermissionScope {
        match self.packed.number() {
            Some(1) => PermissionScope::All,
            Some(_) | None => PermissionScope::Listed,
        }
    }

    /// Returns true if the caller has the permission.
    #[must_use]
    pub fn has_permission(self, permission: &str) -> bool {
        match self.permission_scope() {
            PermissionScope::All => true,
            PermissionScope::Listed => self.permissions().contains(permission),
        }
    }

    fn list(mut self, list: List) -> Texts<'p> {
        self.packed.number();
        let mut lists = std::iter::from_fn(|| self.packed.text());
        let texts = lists.nth(list as usize).unwrap_or_default();
        Texts { claims: self.claims, packed: PackedReader::new(texts) }
    }
}

/// Texts of an identity, in their order.
#[derive(Debug, Clone)]
pub struct Texts<'p> {
    claims: &'p str,
    packed: PackedReader<'p>,
}

impl Texts<'_> {
    /// Returns true if there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Returns true if this text is one of them.
    #[must_use]
    pub fn contains(mut self, text: &str) -> bool {
        self.any(|one| one == text)
    }

    /// Returns copies of the texts.
    #[must_use]
    pub fn to_vec(self) -> Vec<Box<str>> {
        self.map(Box::from).collect()
    }
}

impl<'p> Iterator for Texts<'p> {
    type Item = &'p str;

    fn next(&mut self) -> Option<&'p str> {
        let head = self.packed.number()?;
        let length = usize::try_from(head >> 1).ok()?;
        if head & 1 == 0 {
            return self.packed.text_of(length);
        }
        let at = usize::try_from(self.packed.number()?).ok()?;
        self.claims.get(at..at.checked_add(length)?)
    }
}

impl PartialEq for Texts<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{IdentityRef, PackedIdentity};
    use crate::jose::Claims;
    use crate::principal::{PermissionScope, ResolvedIdentity};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn parts_of_the_claims_are_kept_once() {
        let claims = Claims::from_json(json!({"sub": "s".repeat(500), "roles": ["r".repeat(500)], "scope": "a b"}));
        let role = claims.get("roles").unwrap().to_value()[0].as_str().unwrap().to_owned();
        let identity = ResolvedIdentity {
            subject: claims.text("sub").unwrap(),
            roles: vec![&role],
            permissions: vec!["from a grant"],
            scopes: claims.text("scope").unwrap().unwrap().split(' ').collect(),
            permission_scope: PermissionScope::All,
            ..ResolvedIdentity::default()
        };
        let packed = PackedIdentity::new(&identity, &claims);
        assert!((500..600).contains(&packed.0.len()), "the role is a copy, the subject is not: {}", packed.0.len());
        let read = IdentityRef::new(&claims, &packed);
        assert_eq!(read.subject(), claims.text("sub").unwrap());
        assert_eq!(read.organization(), None);
        assert_eq!(read.roles().collect::<Vec<_>>(), [role.as_str()]);
        assert_eq!(read.permissions().collect::<Vec<_>>(), ["from a grant"]);
        assert_eq!(read.scopes().collect::<Vec<_>>(), ["a", "b"]);
        assert!(read.has_permission("anything"));
    }

    proptest! {
        #[test]
        fn an_identity_is_read_as_it_was(
            lists in prop::collection::vec(prop::collection::vec(".{0,80}", 0..6), 3),
            single in prop::collection::vec(prop::option::of(".{0,80}"), 2),
            claimed in prop::collection::vec(".{0,80}", 0..6),
            all in any::<bool>(),
        ) {
            let claims = Claims::from_json(json!({ "claimed": claimed }));
            let own = |at: usize| lists[at].iter().map(String::as_str);
            let claimed = match claims.get("claimed") {
                Some(crate::jose::JsonRef::Array(items)) => items,
                other => panic!("{other:?}"),
            };
            let claimed = || claimed.clone().filter_map(|item| item.as_str());
            let identity = ResolvedIdentity {
                subject: single[0].as_deref(),
                organization: single[1].as_deref(),
                roles: own(0).chain(claimed()).collect(),
                permissions: claimed().chain(own(1)).collect(),
                scopes: own(2).collect(),
                permission_scope: if all { PermissionScope::All } else { PermissionScope::Listed },
            };
            let packed = PackedIdentity::new(&identity, &claims);
            let read = IdentityRef::new(&claims, &packed);
            prop_assert_eq!(&ResolvedIdentity {
                subject: read.subject(),
                organization: read.organization(),
                roles: read.roles().collect(),
                permissions: read.permissions().collect(),
                scopes: read.scopes().collect(),
                permission_scope: read.permission_scope(),
            }, &identity);
            for permission in claimed().chain(own(1)) {
                prop_assert!(read.has_permission(permission));
            }
            prop_assert_eq!(read.has_permission("\u{0}none"), all);
        }
    }
}
