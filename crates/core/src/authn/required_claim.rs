//! A claim that an authenticator requires: present with a value, or with one of the allowed values.

use super::claims_policy::ClaimError;
use crate::jose::{Claims, JsonRef};
use crate::principal::{ClaimPath, NullStrings};
use std::fmt;

/// A required claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredClaim {
    /// The claim.
    pub path: ClaimPath,
    /// The allowed values; empty allows every value.
    pub values: Vec<AllowedValue>,
}

/// An allowed value. A claim of another type is never equal to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedValue {
    /// Exactly this text.
    Text(Box<str>),
    /// Every text that begins with this one.
    Prefix(Box<str>),
    /// Exactly `true` or `false`.
    Bool(bool),
}

/// The reason why a text is not an allowed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AllowedValueError {
    /// The text is empty.
    #[error("is empty")]
    Empty,
    /// The text is `*` alone.
    #[error("allows every text")]
    Anything,
    /// A `*` is not at the end.
    #[error("has a `*` that is not at its end")]
    Inside,
}

impl AllowedValue {
    /// Parses a text, or the beginning of texts before a `*`.
    ///
    /// # Errors
    /// [`AllowedValueError`].
    pub fn parse(text: &str) -> Result<Self, AllowedValueError> {
        let (start, value) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, Self::Prefix(prefix.into())),
            None => (text, Self::Text(text.into())),
        };
        match (text, start) {
            ("", _) => Err(AllowedValueError::Empty),
            (_, "") => Err(AllowedValueError::Anything),
            (_, start) if start.contains('*') => Err(AllowedValueError::Inside),
            _ => Ok(value),
        }
    }

    /// Returns true if a claim has this value, byte for byte. A list never does: readers differ on which of its items counts.
    fn matches(&self, found: &JsonRef<'_>) -> bool {
        match (self, found) {
            (Self::Text(text), JsonRef::String(found)) => **text == **found,
            (Self::Prefix(prefix), JsonRef::String(found)) => found.starts_with(&**prefix),
            (Self::Bool(value), JsonRef::Bool(found)) => value == found,
            (Self::Text(_) | Self::Prefix(_) | Self::Bool(_), _) => false,
        }
    }
}

/// As in a configuration.
impl fmt::Display for AllowedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Bool(value) => write!(f, "{value}"),
        }
    }
}

impl RequiredClaim {
    /// Checks a token's claims.
    ///
    /// # Errors
    /// `Missing`, `MissingInside` or `NoValue` without a value, `NotAllowed` with another one.
    pub(super) fn check(&self, claims: &Claims, null_strings: &NullStrings) -> Result<(), ClaimError> {
        let Self { path, values } = self;
        let found = path.find(claims);
        let is_there = found.is_some();
        let found = null_strings.present(found).ok_or_else(|| missing(path, is_there))?;
        if values.is_empty() || values.iter().any(|value| value.matches(&found)) {
            return Ok(());
        }
        Err(ClaimError::NotAllowed(path.to_string().into()))
    }
}

/// Returns the error for a required claim without a value. For a nested claim it names the path: `https://example.com/org` may also be a
/// single name.
fn missing(path: &ClaimPath, is_there: bool) -> ClaimError {
    match (is_there, path.is_nested()) {
        (true, _) => ClaimError::NoValue(path.to_string().into()),
        (false, true) => ClaimError::MissingInside(path.described().into()),
        (false, false) => ClaimError::Missing(path.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{AllowedValue, AllowedValueError, RequiredClaim};
    use crate::authn::ClaimError;
    use crate::jose::Claims;
    use crate::principal::{ClaimPath, NullStrings};
    use serde_json::{Value, json};

    #[test]
    fn a_star_is_a_wildcard_at_the_end_alone() {
        let text = |text: &str| Ok(AllowedValue::Text(text.into()));
        let prefix = |text: &str| Ok(AllowedValue::Prefix(text.into()));
        for (written, expected) in [
            ("access", text("access")),
            ("acme-*", prefix("acme-")),
            ("a *", prefix("a ")),
            (" ", text(" ")),
            ("", Err(AllowedValueError::Empty)),
            ("*", Err(AllowedValueError::Anything)),
            ("**", Err(AllowedValueError::Inside)),
            ("*-acme", Err(AllowedValueError::Inside)),
            ("a*b", Err(AllowedValueError::Inside)),
            ("a*b*", Err(AllowedValueError::Inside)),
        ] {
            assert_eq!(AllowedValue::parse(written), expected, "{written:?}");
        }
    }

    #[test]
    fn values_are_compared_exactly() {
        let required = RequiredClaim {
            path: ClaimPath::of(["https://example.com/use"]).unwrap(),
            values: vec![
                AllowedValue::Text("access".into()),
                AllowedValue::Prefix("acme-".into()),
                AllowedValue::Bool(true),
            ],
        };
        let null_strings = NullStrings::new(["None"]);
        let check = |value: Value| {
            required.check(&Claims::from_json(json!({ "https://example.com/use": value })), &null_strings)
        };
        for good in [json!("access"), json!("acme-"), json!("acme-eu"), json!("acme-*"), json!(true)] {
            assert_eq!(check(good.clone()), Ok(()), "{good}");
        }
        for bad in [
            json!("Access"),
            json!("access "),
            json!("access\u{0}"),
            json!("\u{430}ccess"),
            json!("acce\u{301}ss"),
            json!("id access"),
            json!("acme"),
            json!("ACME-eu"),
            json!("x-acme-eu"),
            json!(""),
            json!("*"),
            json!("true"),
            json!(false),
            json!(1),
            json!(["access"]),
            json!(["access", "id"]),
            json!({"access": true}),
            json!([]),
            json!({}),
        ] {
            assert_eq!(check(bad.clone()), Err(ClaimError::NotAllowed("https://example.com/use".into())), "{bad}");
        }
        for none in [json!(null), json!("None")] {
            assert_eq!(check(none.clone()), Err(ClaimError::NoValue("https://example.com/use".into())), "{none}");
        }
        let nested = Claims::from_json(json!({"https://example": {"com/use": "access"}}));
        assert_eq!(required.check(&nested, &null_strings), Err(ClaimError::Missing("https://example.com/use".into())));
    }
}
