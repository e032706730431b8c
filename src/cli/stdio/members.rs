//! The members of a JSON object whose grammar is known to be right, without its values being built: a value that is of
//! no interest costs nothing, whatever its depth. Errors name a member and types, never a value, since a value may be a
//! credential.

use std::fmt;

/// Bytes of a value or a name.
type Piece<'a> = &'a [u8];

/// The members of an object, in their order, duplicates included.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(Vec<Member<'a>>);

/// One member.
#[derive(Debug)]
pub(super) struct Member<'a> {
    /// The name; `None` if it is not Unicode.
    pub(super) name: Option<String>,
    pub(super) value: Json<'a>,
}

/// A value of which only the type is known.
#[derive(Debug, Clone, Copy)]
pub(super) enum Json<'a> {
    Null,
    Bool,
    Number(Piece<'a>),
    Text(Piece<'a>),
    List,
    Object(Piece<'a>),
}

/// The first error of a message, as its reply names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MemberError(String);

impl MemberError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// Where a member is, for an error.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    Top,
    /// In a member of this name.
    In(&'static str),
}

impl At {
    /// Returns the name of a member as errors write it.
    ///
    /// Only a short identifier is repeated, as a header's or a permission's name is. Anything else could be a credential
    /// in the wrong place.
    pub(super) fn name(self, name: Option<&str>) -> String {
        const LONGEST: usize = 40;
        let is_plain = |name: &&str| {
            (1..=LONGEST).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        match (self, name.filter(is_plain)) {
            (Self::Top, Some(name)) => format!("`{name}`"),
            (Self::In(outer), Some(name)) => format!("`{outer}.{name}`"),
            (Self::Top, None) => "a member whose name is not shown".to_owned(),
            (Self::In(outer), None) => format!("a member of `{outer}` whose name is not shown"),
        }
    }
}

impl<'a> Members<'a> {
    /// Splits an object into its members.
    pub(super) fn of(object: Piece<'a>) -> Self {
        let mut members = Vec::new();
        let (mut depth, mut start) = (0_usize, 0_usize);
        let (mut in_text, mut is_escaped) = (false, false);
        let mut name = None;
        for (at, byte) in object.iter().enumerate() {
            let next = at.saturating_add(1);
            if in_text {
                in_text = is_escaped || *byte != b'"';
                is_escaped = !is_escaped && *byte == b'\\';
                continue;
            }
            match byte {
                b'"' => in_text = true,
                b'{' | b'[' => {
                    depth = depth.saturating_add(1);
                    if depth == 1 {
                        start = next;
                    }
                }
                b':' if depth == 1 => {
                    name = object.get(start..at);
                    start = next;
                }
                b',' | b'}' | b']' => {
                    if depth == 1
                        && let (Some(name), Some(value)) = (name.take(), object.get(start..at))
                    {
                        members.push(Member { name: text(name.trim_ascii()), value: Json::of(value.trim_ascii()) });
                        start = next;
                    }
                    if *byte != b',' {
                        depth = depth.saturating_sub(1);
                    }
                }
                _ => {}
            }
        }
        Self(members)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member<'a>> {
        self.0.iter()
    }

    /// Returns every value of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = Json<'a>> {
        self.0.iter().filter(move |member| member.name.as_deref() == Some(name)).map(|member| member.value)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Returns the only value of this name; `None` if there is none.
    ///
    /// # Errors
    /// [`MemberError`] if there are several: two readers could take two different ones.
    pub(super) fn one(&self, at: At, name: &str) -> Result<Option<Json<'a>>, MemberError> {
        let mut values = self.all(name);
        let value = values.next();
        match values.next() {
            None => Ok(value),
            Some(_) => Err(MemberError(format!("{} is there twice; write it once", at.name(Some(name))))),
        }
    }

    /// Returns a required text. `example` is what would be right.
    ///
    /// # Errors
    /// [`MemberError`] if it is missing, there twice or of another type.
    pub(super) fn text(&self, at: At, name: &str, example: &str) -> Result<String, MemberError> {
        match self.one(at, name)? {
            Some(value) => value.text(|| at.name(Some(name)), example),
            None => Err(MemberError(format!("{} is missing; write {example}", at.name(Some(name))))),
        }
    }
}

impl<'a> Json<'a> {
    /// Returns the type of a value by its first byte, which decides (RFC 8259 §3).
    const fn of(value: Piece<'a>) -> Self {
        match value.first() {
            Some(b'"') => Self::Text(value),
            Some(b'{') => Self::Object(value),
            Some(b'[') => Self::List,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') => Self::Null,
            Some(_) | None => Self::Number(value),
        }
    }

    /// Returns the members of an object; `None` for anything else.
    pub(super) fn members(self) -> Option<Members<'a>> {
        match self {
            Self::Object(value) => Some(Members::of(value)),
            Self::Null | Self::Bool | Self::Number(_) | Self::Text(_) | Self::List => None,
        }
    }

    /// Returns the text.
    ///
    /// # Errors
    /// [`MemberError`] if it is something else, or not Unicode.
    pub(super) fn text(self, name: impl Fn() -> String, example: &str) -> Result<String, MemberError> {
        match self {
            Self::Text(value) => text(value).ok_or_else(|| {
                MemberError(format!("{} is not Unicode text; write UTF-8 without single surrogates", name()))
            }),
            other => Err(other.instead_of(name, example)),
        }
    }

    /// Returns the error about a value of another type.
    pub(super) fn instead_of(self, name: impl Fn() -> String, example: &str) -> MemberError {
        MemberError(format!("{} is {self}; write {example}", name()))
    }
}

/// Names the type for people.
impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "`null`",
            Self::Bool => "`true` or `false`",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List => "a list",
            Self::Object(_) => "an object",
        })
    }
}

/// Decodes a JSON text; `None` if it is not Unicode.
fn text(quoted: Piece<'_>) -> Option<String> {
    serde_json::from_slice(quoted).ok()
}

#[cfg(test)]
mod tests {
    use super::{At, Json, Members};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn members_are_those_of_another_parser() {
        let object = r#"{ "a" : {"b":[1,{"c":"}"}], "d":"\\"} ,"e":"\"},{","f":[],"":null,"g":-1.5e3 , "a":true}"#;
        let found = Members::of(object.as_bytes());
        let names: Vec<_> = found.iter().map(|member| member.name.clone().unwrap()).collect();
        assert_eq!(names, ["a", "e", "f", "", "g", "a"]);
        let kinds: Vec<_> = found.iter().map(|member| member.value.to_string()).collect();
        assert_eq!(kinds, ["an object", "a text", "a list", "`null`", "a number", "`true` or `false`"]);
        assert!(found.one(At::Top, "a").is_err() && found.one(At::Top, "e").unwrap().is_some());
        assert_eq!(Members::of(b" { } ").iter().count(), 0);
    }

    #[test]
    fn texts_that_are_not_unicode_have_no_value() {
        let object = b"{\"a\":\"\\ud800\",\"b\":\"\xff\",\"\\udc00\":1,\"c\":\"\\ud834\\udd1e\"}";
        let found = Members::of(object);
        let error = |name| found.text(At::Top, name, "a text").map_err(super::MemberError::into_text);
        assert_eq!(error("a").unwrap_err(), "`a` is not Unicode text; write UTF-8 without single surrogates");
        assert_eq!(error("b").unwrap_err(), "`b` is not Unicode text; write UTF-8 without single surrogates");
        assert_eq!(error("c").unwrap(), "\u{1d11e}");
        assert!(found.iter().any(|member| member.name.is_none()));
    }

    #[test]
    fn only_short_identifiers_are_repeated() {
        for (name, shown) in [
            (Some("required_permissions"), "`body.required_permissions`"),
            (Some("eyJhbGciOiJIUzI1NiJ9.e30.c2ln"), "a member of `body` whose name is not shown"),
            (Some("a b"), "a member of `body` whose name is not shown"),
            (Some(""), "a member of `body` whose name is not shown"),
            (None, "a member of `body` whose name is not shown"),
        ] {
            assert_eq!(At::In("body").name(name), shown);
        }
        assert!(!At::Top.name(Some(&"a".repeat(41))).contains("aaa"));
    }

    proptest! {
        #[test]
        fn any_object_has_the_members_of_another_parser(
            members in prop::collection::btree_map("([ -~]|\\PC|[\\x00-\\x1f]){0,6}", prop_oneof![
                Just(json!(null)), Just(json!([{"a": "]},{"}, 1])), Just(json!({"x": {"y": ["\\\"", {}]}})),
                any::<i64>().prop_map(Value::from), "([ -~]|\\PC){0,6}".prop_map(Value::from),
            ], 0..6),
            pretty in any::<bool>(),
        ) {
            let object = Value::Object(members.clone().into_iter().collect());
            let bytes = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.unwrap();
            let found = Members::of(&bytes);
            prop_assert_eq!(found.iter().count(), members.len());
            for (name, value) in &members {
                let read = found.one(At::Top, name).unwrap().unwrap();
                let raw = match read {
                    Json::Null => b"null".as_slice(),
                    Json::Number(raw) | Json::Text(raw) | Json::Object(raw) => raw,
                    Json::Bool | Json::List => { prop_assert!(value.is_array()); continue }
                };
                prop_assert_eq!(&serde_json::from_slice::<Value>(raw).unwrap(), value);
            }
        }
    }
}
