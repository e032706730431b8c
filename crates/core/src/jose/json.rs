//! Strict JSON: one value, mostly an object, that every reader reads alike (RFC 8259 §4, RFC 7519 §4, RFC 7493 §2). `serde_json` implements
//! the grammar; this module adds the restrictions.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::packed::JsonRef;

/// The maximum nesting of objects and arrays, the outermost included. Claims of real issuers need four; deeper ones are rejected.
const MAX_DEPTH: u8 = 32;

/// The reason why bytes are not a strict JSON object. Each text continues the name of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not UTF-8, for example surrogates written as bytes (RFC 8259 §8.1).
    #[error("is not UTF-8")]
    NotUtf8,
    /// The text violates the grammar: also a byte order mark, a lone surrogate, a number beyond binary64, bytes after the end.
    #[error("is not well-formed JSON")]
    Syntax,
    /// The text is JSON, but not an object.
    #[error("is not a JSON object")]
    NotAnObject,
    /// A name is repeated in one object, also in another spelling. Readers differ on which of the two counts.
    #[error("has an object with a repeated name")]
    DuplicateName,
    /// The nesting is too deep.
    #[error("nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

#[cfg(test)]
impl JsonError {
    pub(super) const ALL: [Self; 5] =
        [Self::NotUtf8, Self::Syntax, Self::NotAnObject, Self::DuplicateName, Self::TooDeep];
}

/// Parses `bytes` as one JSON object, in one pass. Whole numbers beyond 64 bits become binary64, and many of them the same one: check a
/// number with [`is_beyond_64_bits`] before passing it on.
///
/// # Errors
/// The first [`JsonError`] found. The position in the text decides between an error of the grammar and one of these restrictions.
pub(super) fn read_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match read_json(bytes)? {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(JsonError::NotAnObject)
        }
    }
}

/// Parses `bytes` as one JSON value of any kind that every reader reads alike: without duplicate names, and with at most 32 levels.
///
/// # Errors
/// The first [`JsonError`] found, which is never [`JsonError::NotAnObject`].
pub fn read_json(bytes: &[u8]) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
    let error = Cell::new(JsonError::Syntax);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let strict = Strict { error: &error, levels_left: MAX_DEPTH };
    let value = strict.deserialize(&mut deserializer).map_err(|_| error.get())?;
    deserializer.end().map_err(|_| JsonError::Syntax)?;
    Ok(value)
}

/// Returns true if the number may have been a whole number beyond 64 bits that was rounded. Readers with larger integers would mistake it
/// for the original. A number with an exponent of that size is indistinguishable from one.
#[must_use]
pub fn is_beyond_64_bits(number: &Number) -> bool {
    /// 2^63 and 2^64: smaller whole numbers are read exactly.
    const LIMITS: (f64, f64) = (-9_223_372_036_854_775_808.0, 18_446_744_073_709_551_616.0);
    number.is_f64() && number.as_f64().is_none_or(|value| value <= LIMITS.0 || value >= LIMITS.1)
}

/// Returns true if [`is_beyond_64_bits`] of a number anywhere in the value.
#[must_use]
pub fn holds_beyond_64_bits(value: &JsonRef<'_>) -> bool {
    match value {
        JsonRef::Null | JsonRef::Bool(_) | JsonRef::String(_) => false,
        JsonRef::Number(number) => is_beyond_64_bits(number),
        JsonRef::Array(items) => items.clone().any(|item| holds_beyond_64_bits(&item)),
        JsonRef::Object(members) => members.clone().any(|(_, value)| holds_beyond_64_bits(&value)),
    }
}

/// A builder of a [`Value`]. `serde_json` errors carry text only, so errors of this module leave through `error`.
#[derive(Clone, Copy)]
struct Strict<'a> {
    error: &'a Cell<JsonError>,
    levels_left: u8,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(self, error: JsonError) -> E {
        self.error.set(error);
        E::custom(error)
    }

    /// Enters a level. Checked here and not left to `serde_json`, whose limit is four times as high.
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.levels_left.checked_sub(1) {
            Some(levels_left) => Ok(Self { levels_left, ..self }),
            None => Err(self.refuse(JsonError::TooDeep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| self.refuse(JsonError::Syntax))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        // The name arrives unescaped: `a` and `\u0061` are one name.
        while let Some(name) = members.next_key::<String>()? {
            match object.entry(name) {
                Entry::Vacant(member) => {
                    member.insert(members.next_value_seed(inner)?);
                }
                Entry::Occupied(_) => return Err(self.refuse(JsonError::DuplicateName)),
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests;
