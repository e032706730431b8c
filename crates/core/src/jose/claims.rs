//! The claims set (RFC 7519 §4) and typed access to it. The authenticator checks the values, such as `exp` and `aud`.

use std::fmt;

use serde_json::{Map, Number, Value};

use super::json::{JsonError, read_object};
use super::packed::{self, JsonMembers, JsonRef};
use crate::cache::allocated;
use crate::time::Timestamp;

/// The claims of one token: a strict JSON object without duplicate names, in a compact form.
#[derive(Clone)]
pub struct Claims(Box<str>);

/// The reason why a claim is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The claim is not a string.
    #[error("the claim `{0}` is not a string")]
    NotText(Box<str>),
    /// The claim is not a `NumericDate` (RFC 7519 §2).
    #[error("the claim `{0}` is not a number of seconds from 0 to {LAST_SECOND}")]
    NotADate(Box<str>),
    /// The claim is not an `aud` (RFC 7519 §4.1.3).
    #[error("the claim `{0}` is neither a string nor a non-empty array of strings")]
    NotAnAudience(Box<str>),
}

impl ClaimError {
    /// Returns the name of the claim.
    #[must_use]
    pub fn claim(&self) -> &str {
        match self {
            Self::NotText(claim) | Self::NotADate(claim) | Self::NotAnAudience(claim) => claim,
        }
    }
}

/// The end of the year 9999, in seconds since the epoch: the last second that RFC 3339 can express. A later date is rejected.
const LAST_SECOND: u64 = 253_402_300_799;

/// [`LAST_SECOND`] as binary64, which holds it exactly.
const LAST_SECOND_F64: f64 = 253_402_300_799.0;

impl Claims {
    pub(super) fn new(object: &Map<String, Value>) -> Self {
        Self(packed::pack(object))
    }

    /// Parses an object that is not a token's payload, such as an introspection response, as strictly as one.
    ///
    /// # Errors
    /// [`JsonError`].
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        Ok(Self::new(&read_object(text)?))
    }

    /// Parses an object like [`parse`](Self::parse), and takes this member out of it; `None` if it is absent.
    ///
    /// # Errors
    /// [`JsonError`].
    pub(crate) fn parse_without(text: &[u8], name: &str) -> Result<(Self, Option<Value>), JsonError> {
        let mut object = read_object(text)?;
        let member = object.remove(name);
        Ok((Self::new(&object), member))
    }

    /// Builds claims from JSON that is not a token's payload, such as an API key's entry. A value that is not an object has no claims.
    #[must_use]
    pub fn from_json(value: Value) -> Self {
        match value {
            Value::Object(members) => Self::new(&members),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Self(Box::default())
            }
        }
    }

    /// Returns the memory that the claims take on the heap, in bytes, which limits a cache of them.
    pub(crate) fn heap_size(&self) -> usize {
        allocated(self.0.len())
    }

    /// Returns the compact form, of which the texts of an identity are parts.
    pub(crate) fn packed(&self) -> &str {
        &self.0
    }

    fn members(&self) -> JsonMembers<'_> {
        packed::members(&self.0)
    }

    /// Returns the claim of that exact name at the top level, whatever its type; `null` is a value. `None` if it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<JsonRef<'_>> {
        self.members().get(name)
    }

    /// Returns the claim of that name, with the name as stored here. `None` if it is absent.
    #[must_use]
    pub fn get_key_value(&self, name: &str) -> Option<(&str, JsonRef<'_>)> {
        self.members().find(|(known, _)| *known == name)
    }

    /// Returns every claim at the top level.
    pub fn iter(&self) -> impl Iterator<Item = (&str, JsonRef<'_>)> {
        self.members()
    }

    /// Returns the claim as a string; `None` if it is absent.
    ///
    /// # Errors
    /// [`ClaimError::NotText`] for any other JSON type, `null` included.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ClaimError> {
        self.get(name).map(|value| value.as_str().ok_or_else(|| ClaimError::NotText(name.into()))).transpose()
    }

    /// Returns the claim as a point in time; `None` if it is absent.
    ///
    /// # Errors
    /// [`ClaimError::NotADate`] for any other JSON type, `null` included, and for numbers before 1970 or after 9999.
    pub fn numeric_date(&self, name: &str) -> Result<Option<NumericDate>, ClaimError> {
        let read = |value: JsonRef<'_>| value.as_number().and_then(NumericDate::read);
        self.get(name).map(|value| read(value).ok_or_else(|| ClaimError::NotADate(name.into()))).transpose()
    }

    /// Returns true if `aud` is one of these texts, or a list of texts with one of them. An `aud` of any other form names no audience.
    #[must_use]
    pub fn names_audience(&self, accepted: &[Box<str>]) -> bool {
        let is_accepted = |name: &str| accepted.iter().any(|one| **one == *name);
        match self.get("aud") {
            Some(JsonRef::String(name)) => is_accepted(name),
            Some(JsonRef::Array(names)) => {
                names.clone().all(|name| name.as_str().is_some())
                    && names.into_iter().any(|name| name.as_str().is_some_and(is_accepted))
            }
            Some(JsonRef::Null | JsonRef::Bool(_) | JsonRef::Number(_) | JsonRef::Object(_)) | None => false,
        }
    }

    /// Returns `aud` as a list, also if it is a single string; `None` if it is absent. The list is never empty.
    ///
    /// # Errors
    /// [`ClaimError::NotAnAudience`] if it is anything but a string or a non-empty array of strings.
    pub fn audience(&self) -> Result<Option<Vec<&str>>, ClaimError> {
        let names = match self.get("aud") {
            None => return Ok(None),
            Some(JsonRef::String(name)) => Some(vec![name]),
            Some(JsonRef::Array(names)) => {
                let names: Option<Vec<&str>> = names.map(|name| name.as_str()).collect();
                names.filter(|names| !names.is_empty())
            }
            Some(JsonRef::Null | JsonRef::Bool(_) | JsonRef::Number(_) | JsonRef::Object(_)) => None,
        };
        names.map(Some).ok_or_else(|| ClaimError::NotAnAudience("aud".into()))
    }
}

/// In any order, as objects are.
impl PartialEq for Claims {
    fn eq(&self, other: &Self) -> bool {
        self.members() == other.members()
    }
}

impl fmt::Debug for Claims {
    /// Omits names and values: claims are personal data, and logs have other readers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("members", &self.members().count()).finish_non_exhaustive()
    }
}

/// A date of a token (RFC 7519 §2). A date between two milliseconds keeps both, and the calling function chooses: rounding must never
/// lengthen a token's life. (A date with a fraction is as exact as binary64, which is better than a microsecond until the year 2200.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumericDate {
    floor: Timestamp,
    ceil: Timestamp,
}

impl NumericDate {
    /// Returns the last millisecond that is not after the date: for `exp`, so that a token never outlives it.
    #[must_use]
    pub const fn floor(self) -> Timestamp {
        self.floor
    }

    /// Returns the first millisecond that is not before the date: for `nbf` and `iat`, so that a token is never early.
    #[must_use]
    pub const fn ceil(self) -> Timestamp {
        self.ceil
    }

    pub(super) fn read(number: &Number) -> Option<Self> {
        if let Some(seconds) = number.as_u64() {
            let date = (seconds <= LAST_SECOND).then(|| Timestamp::from_secs(seconds))?;
            return Some(Self { floor: date, ceil: date });
        }
        let seconds = number.as_f64().filter(|seconds| (0.0..=LAST_SECOND_F64).contains(seconds))?;
        // Separately, because the product of a date and 1000 would be rounded before the intended rounding.
        let (whole, part) = (seconds.trunc() * 1000.0, seconds.fract() * 1000.0);
        Some(Self { floor: timestamp(whole + part.floor()), ceil: timestamp(whole + part.ceil()) })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 0 to 2^48")]
fn timestamp(millis: f64) -> Timestamp {
    Timestamp::from_millis(millis as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{ClaimError, Claims, JsonRef, LAST_SECOND_F64};
    use crate::jose::json::read_object;
    use crate::jose::testing::assert_good_messages;

    fn claim(name: &str, json: &str) -> Claims {
        Claims::new(&read_object(format!("{{\"{name}\":{json}}}").as_bytes()).unwrap())
    }

    #[test]
    fn messages_are_unique_lowercase_sentences() {
        assert_good_messages(&[
            ClaimError::NotText("a".into()),
            ClaimError::NotADate("a".into()),
            ClaimError::NotAnAudience("a".into()),
        ]);
    }

    #[test]
    fn an_error_names_its_claim() {
        assert_eq!(claim("nbf", "null").numeric_date("nbf").unwrap_err().claim(), "nbf");
        assert_eq!(claim("aud", "null").audience().unwrap_err().claim(), "aud");
        assert_eq!(claim("sub", "null").text("sub").unwrap_err().claim(), "sub");
    }

    #[test]
    fn debug_shows_no_claim() {
        assert_eq!(format!("{:?}", claim("username", "\"admin\"")), "Claims { members: 1, .. }");
    }

    #[test]
    fn absent_is_not_wrong_and_null_is_not_absent() {
        let none = claim("x", "1");
        assert_eq!((none.get("aud"), none.text("iss")), (None, Ok(None)));
        assert_eq!((none.numeric_date("exp"), none.audience()), (Ok(None), Ok(None)));

        assert_eq!(claim("iss", "null").get("iss"), Some(JsonRef::Null));
        assert_eq!(claim("iss", "null").text("iss"), Err(ClaimError::NotText("iss".into())));
        assert_eq!(claim("exp", "null").numeric_date("exp"), Err(ClaimError::NotADate("exp".into())));
        assert_eq!(claim("aud", "null").audience(), Err(ClaimError::NotAnAudience("aud".into())));
    }

    #[test]
    fn text_is_a_string_of_that_exact_name() {
        assert_eq!(claim("iss", "\"bifrost\"").text("iss"), Ok(Some("bifrost")));
        assert_eq!(claim("Iss", "\"bifrost\"").text("iss"), Ok(None));
        for json in ["1", "true", "[\"bifrost\"]", "{\"iss\":\"bifrost\"}"] {
            assert_eq!(claim("iss", json).text("iss"), Err(ClaimError::NotText("iss".into())), "{json}");
        }
    }

    #[test]
    fn dates_round_towards_a_shorter_life() {
        for (json, floor, ceil) in [
            ("0", 0, 0),
            ("-0", 0, 0),
            ("1560604976", 1_560_604_976_000, 1_560_604_976_000),
            ("1560604976.0", 1_560_604_976_000, 1_560_604_976_000),
            ("1.560604976e9", 1_560_604_976_000, 1_560_604_976_000),
            ("1560604976.5", 1_560_604_976_500, 1_560_604_976_500),
            ("1560604976.0005", 1_560_604_976_000, 1_560_604_976_001),
            ("1560604976.9999", 1_560_604_976_999, 1_560_604_977_000),
            ("1e-300", 0, 1),
            ("253402300799", 253_402_300_799_000, 253_402_300_799_000),
            ("253402300798.75", 253_402_300_798_750, 253_402_300_798_750),
        ] {
            let date = claim("exp", json).numeric_date("exp").unwrap().unwrap();
            assert_eq!((date.floor().as_millis(), date.ceil().as_millis()), (floor, ceil), "{json}");
        }
    }

    #[test]
    fn a_date_is_a_number_of_our_time() {
        for json in [
            "\"1560604976\"",
            "\"2030-01-01T00:00:00Z\"",
            "-1",
            "-0.5",
            "-1e300",
            "253402300800",
            "253402300799.5",
            "18446744073709551615",
            "18446744073709551616",
            "1e300",
            "true",
            "false",
            "[1560604976]",
            "{}",
        ] {
            assert_eq!(claim("exp", json).numeric_date("exp"), Err(ClaimError::NotADate("exp".into())), "{json}");
        }
    }

    #[test]
    fn an_audience_is_one_or_more_strings() {
        assert_eq!(claim("aud", "\"a\"").audience(), Ok(Some(vec!["a"])));
        assert_eq!(claim("aud", "[\"a\"]").audience(), Ok(Some(vec!["a"])));
        assert_eq!(claim("aud", "[\"a\",\"b\"]").audience(), Ok(Some(vec!["a", "b"])));
        for json in ["[]", "[1]", "[\"a\",null]", "[\"a\",[\"b\"]]", "1", "true", "{}", "{\"a\":\"b\"}"] {
            assert_eq!(claim("aud", json).audience(), Err(ClaimError::NotAnAudience("aud".into())), "{json}");
        }
    }

    proptest! {
        #[test]
        fn the_two_roundings_enclose_the_date(seconds in 0.0..LAST_SECOND_F64) {
            let date = claim("exp", &json!(seconds).to_string()).numeric_date("exp").unwrap().unwrap();
            prop_assert!([0, 1].contains(&date.ceil().as_millis().checked_sub(date.floor().as_millis()).unwrap()));
            // Whole seconds are exact, so they enclose both.
            let whole = |seconds: f64| claim("exp", &json!(seconds).to_string()).numeric_date("exp").unwrap().unwrap();
            prop_assert!(whole(seconds.floor()).floor() <= date.floor());
            prop_assert!(date.ceil() <= whole(seconds.ceil()).ceil());
        }
    }
}
