//! The location of a claim, including nested claims.

use crate::jose::{Claims, JsonRef};
use serde_json::{Map, Value};
use std::fmt;

/// The path of a claim: the names of the objects that contain it, from the outside in, and its own name. Written `a.b.c`, or as a
/// list of names if a name contains a dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimPath(Vec<Box<str>>);

/// A text or list that is not a valid claim path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a claim; write `sub`, `realm_access.roles`, or a list of names that are not empty")]
pub struct ClaimPathError;

impl ClaimPath {
    /// Parses `a.b.c`.
    ///
    /// # Errors
    /// [`ClaimPathError`] if a name is empty.
    pub fn parse(text: &str) -> Result<Self, ClaimPathError> {
        Self::of(text.split('.'))
    }

    /// Creates a path from names, which may contain dots.
    ///
    /// # Errors
    /// [`ClaimPathError`] without a name, or with an empty name.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, ClaimPathError> {
        let names: Vec<Box<str>> = names.into_iter().map(Into::into).collect();
        let good = !names.is_empty() && names.iter().all(|name| !name.is_empty());
        if good { Ok(Self(names)) } else { Err(ClaimPathError) }
    }

    /// Returns the names of the parent objects, from the outside in, and of the claim. Never empty.
    #[must_use]
    pub fn names(&self) -> &[Box<str>] {
        &self.0
    }

    /// Returns the name of the top-level claim.
    #[must_use]
    pub fn first(&self) -> &str {
        self.0.first().map_or("", |name| name)
    }

    /// Returns true if the claim is inside another claim.
    #[must_use]
    pub fn is_nested(&self) -> bool {
        self.0.len() > 1
    }

    /// Returns the claim and its parent objects for a sentence: `` `c` inside `b` inside `a` ``.
    #[must_use]
    pub fn described(&self) -> String {
        let (last, parents) = self.0.split_last().map_or(("", &[][..]), |(last, parents)| (&**last, parents));
        let names: Vec<String> = [last]
            .into_iter()
            .chain(parents.iter().rev().map(|name| &**name))
            .map(|name| format!("`{name}`"))
            .collect();
        names.join(" inside ")
    }

    /// Inserts a text at this path and creates missing parent objects.
    ///
    /// # Errors
    /// `ClaimPathError` if another value exists at the path or at a parent; existing values are never replaced.
    pub(crate) fn put(&self, claims: &mut Map<String, Value>, text: &str) -> Result<(), ClaimPathError> {
        let (last, parents) = self.0.split_last().ok_or(ClaimPathError)?;
        let mut object = claims;
        for name in parents {
            let next = object.entry(&**name).or_insert_with(|| Value::Object(Map::new()));
            object = next.as_object_mut().ok_or(ClaimPathError)?;
        }
        match object.get(&**last) {
            None => {
                object.insert((**last).into(), text.into());
                Ok(())
            }
            Some(present) if present.as_str() == Some(text) => Ok(()),
            Some(_) => Err(ClaimPathError),
        }
    }

    /// Returns the value at this path, of any type; `None` if it is missing or a parent is not an object.
    #[must_use]
    pub fn find<'c>(&self, claims: &'c Claims) -> Option<JsonRef<'c>> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |value, name| value.get(name))
    }

    /// Returns the first parent that is not an object, with its path; `None` if every existing parent is an object.
    #[must_use]
    pub fn obstacle<'c>(&self, claims: &'c Claims) -> Option<(Self, JsonRef<'c>)> {
        let (first, rest) = self.0.split_first()?;
        let mut value = claims.get(first)?;
        for (passed, name) in rest.iter().enumerate() {
            let JsonRef::Object(members) = value else {
                let parents = self.0.iter().take(passed.saturating_add(1)).cloned().collect();
                return Some((Self(parents), value));
            };
            value = members.get(name)?;
        }
        None
    }
}

/// For people: `a.b.c`.
impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::{ClaimPath, ClaimPathError};
    use crate::jose::Claims;
    use serde_json::json;

    #[test]
    fn a_path_leads_through_objects_only() {
        let claims = Claims::from_json(json!({
            "sub": "u", "realm_access": {"roles": ["a"], "n": null}, "a.b": 1, "list": [{"x": 1}], "https://example.com/org": "o"
        }));
        let find = |text: &str| ClaimPath::parse(text).unwrap().find(&claims).map(|value| value.to_value());
        assert_eq!(find("sub"), Some(json!("u")));
        assert_eq!(find("realm_access.roles"), Some(json!(["a"])));
        assert_eq!(find("realm_access.n"), Some(json!(null)));
        for nothing in ["realm_access.other", "sub.x", "list.0", "list.x", "a.b", "x", "Sub"] {
            assert_eq!(find(nothing), None, "{nothing}");
        }
        let listed =
            |names: &[&str]| ClaimPath::of(names.iter().copied()).unwrap().find(&claims).map(|value| value.to_value());
        assert_eq!(listed(&["a.b"]), Some(json!(1)));
        assert_eq!(listed(&["https://example.com/org"]), Some(json!("o")));
    }

    #[test]
    fn a_parent_that_is_no_object_is_found() {
        let claims = Claims::from_json(json!({"a": {"b": [{"c": 1}], "n": null, "o": {}}, "t": "x"}));
        let found = |text: &str| {
            let (path, value) = ClaimPath::parse(text).unwrap().obstacle(&claims)?;
            Some((path.to_string(), value.to_value()))
        };
        assert_eq!(found("a.b.c"), Some(("a.b".to_owned(), json!([{"c": 1}]))));
        assert_eq!(found("a.b.c.d"), Some(("a.b".to_owned(), json!([{"c": 1}]))));
        assert_eq!(found("a.n.c"), Some(("a.n".to_owned(), json!(null))));
        assert_eq!(found("t.x"), Some(("t".to_owned(), json!("x"))));
        for free in ["a", "t", "a.b", "a.o.x", "a.o.x.y", "x.y", "a.x.y"] {
            assert_eq!(found(free), None, "{free}");
        }
    }

    #[test]
    fn a_nested_claim_is_described_with_what_is_around_it() {
        for (text, described) in [
            ("sub", "`sub`"),
            ("a.b.c", "`c` inside `b` inside `a`"),
            ("https://example.com/tenant", "`com/tenant` inside `https://example`"),
        ] {
            assert_eq!(ClaimPath::parse(text).unwrap().described(), described);
        }
        assert_eq!(ClaimPath::of(["https://example.com/tenant"]).unwrap().described(), "`https://example.com/tenant`");
    }

    #[test]
    fn no_name_is_empty() {
        for text in ["", ".", "a.", ".a", "a..b"] {
            assert_eq!(ClaimPath::parse(text), Err(ClaimPathError), "{text:?}");
        }
        assert_eq!(ClaimPath::of([]), Err(ClaimPathError));
        assert_eq!(ClaimPath::of(["a", ""]), Err(ClaimPathError));
        assert_eq!(ClaimPath::of(["a", "b"]).unwrap().to_string(), "a.b");
    }
}
