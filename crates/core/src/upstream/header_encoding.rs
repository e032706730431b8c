//! The encoding of values in headers, from which the module decodes exactly the original: visible ASCII with inner spaces, and one text for
//! each value.
//!
//! | value | written as |
//! |---|---|
//! | text | as it is; with [`HeaderEncoding::Percent`] percent-encoded; with [`HeaderEncoding::List`] as a list of one |
//! | number | decimal digits without an exponent, the shortest for this number: `7`, `-0.5`; `1.0` is `1`; not beyond 64 bits |
//! | boolean | `true`, `false` |
//! | list | its items, percent-encoded, with commas between; no value if it is empty |
//! | object | only with [`HeaderEncoding::Json`] |
//!
//! A value that can't be encoded is an [`EncodeError`], and never written in part.

use crate::http::header::{HeaderText, HeaderTextError};
use crate::http::percent::{self, INVISIBLE};
use crate::jose::{JsonRef, holds_beyond_64_bits, is_beyond_64_bits};
use crate::principal::Texts;
use percent_encoding::AsciiSet;
use serde_json::{Number, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A value to encode.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue<'a> {
    /// A text.
    Text(&'a str),
    /// Texts in their order; an empty list is no value.
    Texts(Texts<'a>),
    /// A claim or a result of an expression, of any type; never `null`.
    Json(JsonRef<'a>),
}

impl FieldValue<'_> {
    /// Returns the value as JSON, without the limits of headers.
    #[must_use]
    pub fn to_json(self) -> Value {
        match self {
            Self::Text(text) => text.into(),
            Self::Texts(texts) => texts.map(Value::from).collect(),
            Self::Json(value) => value.to_value(),
        }
    }
}

/// The characters that the list and percent encodings escape.
const ESCAPED: &AsciiSet = &INVISIBLE.add(b'%').add(b',');

/// The encoding of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderEncoding {
    /// A text as it is.
    Plain,
    /// A text percent-encoded: every byte of its UTF-8 that is not visible ASCII, and `%` and `,`, as `%XX`.
    Percent,
    /// Always a list: a text is its only item.
    List,
    /// Compact JSON, the members of objects in the order of their names, every character beyond ASCII as `\uXXXX`.
    Json,
}

/// The reason why a value can't be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The value is an object, and the encoding is not JSON.
    #[error("is an object; use `as: json`")]
    Object,
    /// The text is not a header value.
    #[error(transparent)]
    Text(#[from] HeaderTextError),
    /// The text or an item has CR, LF, NUL or the like: no encoding protects a reader that decodes it.
    #[error("has a control character")]
    Control,
    /// An item is empty, and would be invisible among the others.
    #[error("has an empty item")]
    EmptyItem,
    /// An item is `null`, a list or an object.
    #[error("has an item that is not a text, number or boolean")]
    Item,
    /// The value is or contains a rounded number: a token could have had another one.
    #[error("has a number beyond 64 bits, which readers of the token may round differently")]
    Number,
    /// The expression has no result: it reads a value of an unexpected type, for example.
    #[error("can't be evaluated for this request")]
    Expression,
    /// The encoded value is longer than `upstream.max_header_bytes`.
    #[error("has {found} bytes when encoded, and `upstream.max_header_bytes` allows {limit}")]
    TooLong {
        /// The length of the encoded value, in bytes.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

/// The longest list or JSON text that is written by default: 8 KiB; a longer one is an error. A single text is shorter:
/// [`HeaderText::MAX_BYTES`].
pub const MAX_BYTES: usize = 8192;

/// Encodes a value, as a list or JSON in at most `limit` bytes; `None` for a list without items.
pub(super) fn encode(
    found: FieldValue<'_>,
    encoding: HeaderEncoding,
    limit: usize,
) -> Result<Option<HeaderText>, EncodeError> {
    match (encoding, found) {
        (HeaderEncoding::Json, found) => {
            let text = match found {
                FieldValue::Json(value) if holds_beyond_64_bits(&value) => return Err(EncodeError::Number),
                found => json(&found.to_json()),
            };
            bounded(text.into_bytes(), limit).map(Some)
        }
        (_, FieldValue::Texts(texts)) => list(texts.map(item), limit),
        (encoding, FieldValue::Text(one)) => text(one, encoding, limit).map(Some),
        (encoding, FieldValue::Json(value)) => match value {
            JsonRef::String(one) => text(one, encoding, limit).map(Some),
            JsonRef::Array(values) => list(
                values.map(|value| match value {
                    JsonRef::String(text) => item(text),
                    JsonRef::Number(one) if is_beyond_64_bits(&one) => Err(EncodeError::Number),
                    JsonRef::Number(one) => Ok(number(&one)),
                    JsonRef::Bool(one) => Ok(one.to_string()),
                    JsonRef::Null | JsonRef::Array(_) | JsonRef::Object(_) => Err(EncodeError::Item),
                }),
                limit,
            ),
            JsonRef::Number(one) if is_beyond_64_bits(&one) => Err(EncodeError::Number),
            JsonRef::Number(one) => bounded(number(&one).into_bytes(), limit).map(Some),
            JsonRef::Bool(one) => bounded(one.to_string().into_bytes(), limit).map(Some),
            JsonRef::Null => Ok(None),
            JsonRef::Object(_) => Err(EncodeError::Object),
        },
    }
}

fn text(text: &str, encoding: HeaderEncoding, limit: usize) -> Result<HeaderText, EncodeError> {
    match encoding {
        HeaderEncoding::Plain | HeaderEncoding::Json => Ok(HeaderText::parse(text)?),
        HeaderEncoding::Percent => Ok(HeaderText::parse(&percent_encoded(text)?)?),
        HeaderEncoding::List => bounded(item(text)?.into_bytes(), limit),
    }
}

fn list(
    items: impl Iterator<Item = Result<String, EncodeError>>,
    limit: usize,
) -> Result<Option<HeaderText>, EncodeError> {
    let mut all = String::new();
    for item in items {
        if !all.is_empty() {
            all.push(',');
        }
        all.push_str(&item?);
    }
    if all.is_empty() { Ok(None) } else { bounded(all.into_bytes(), limit).map(Some) }
}

fn item(text: &str) -> Result<String, EncodeError> {
    if text.is_empty() { Err(EncodeError::EmptyItem) } else { percent_encoded(text) }
}

/// Percent-encodes a text as visible ASCII without `,`, from which its UTF-8 can be decoded (RFC 3986 §2.1).
fn percent_encoded(text: &str) -> Result<String, EncodeError> {
    if text.chars().any(char::is_control) {
        return Err(EncodeError::Control);
    }
    Ok(percent::encode(text, ESCAPED))
}

/// Checks the length only. The text is already visible ASCII, with spaces inside of JSON texts only.
fn bounded(text: Vec<u8>, limit: usize) -> Result<HeaderText, EncodeError> {
    let found = text.len();
    if found > limit { Err(EncodeError::TooLong { found, limit }) } else { Ok(HeaderText::from_checked(text)) }
}

/// Returns the value as compact JSON. Members are in the order of their names, so that equal objects have equal texts.
fn json(value: &Value) -> String {
    let mut text = String::new();
    write_json(value, &mut text);
    text
}

/// Returns a number as the shortest decimal digits without an exponent.
fn number(number: &Number) -> String {
    match (number.as_u64(), number.as_i64()) {
        (Some(whole), _) => whole.to_string(),
        (None, Some(whole)) => whole.to_string(),
        (None, None) => {
            let text = number.as_f64().unwrap_or_default().to_string();
            if text == "-0" { "0".to_owned() } else { text }
        }
    }
}

fn write_json(value: &Value, into: &mut String) {
    match value {
        Value::Null => into.push_str("null"),
        Value::Bool(value) => into.push_str(if *value { "true" } else { "false" }),
        Value::Number(value) => into.push_str(&number(value)),
        Value::String(text) => write_json_text(text, into),
        Value::Array(items) => {
            into.push('[');
            for (at, item) in items.iter().enumerate() {
                separate(at, into);
                write_json(item, into);
            }
            into.push(']');
        }
        Value::Object(members) => {
            into.push('{');
            let members: BTreeMap<&String, &Value> = members.iter().collect();
            for (at, (name, value)) in members.into_iter().enumerate() {
                separate(at, into);
                write_json_text(name, into);
                into.push(':');
                write_json(value, into);
            }
            into.push('}');
        }
    }
}

fn separate(at: usize, into: &mut String) {
    if at > 0 {
        into.push(',');
    }
}

/// Writes a text in quotes (RFC 8259 §7); characters other than visible ASCII and spaces are escaped.
fn write_json_text(text: &str, into: &mut String) {
    into.push('"');
    for c in text.chars() {
        match c {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            ' '..='~' => into.push(c),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a string does not fail.
                    let _ = write!(into, "\\u{unit:04x}");
                }
            }
        }
    }
    into.push('"');
}

#[cfg(test)]
mod tests {
    use super::{EncodeError, FieldValue, HeaderEncoding, MAX_BYTES, encode};
    use crate::http::header::HeaderTextError;
    use crate::principal::{Identity, Principal};
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn written(value: &Value, encoding: HeaderEncoding) -> Result<Option<String>, EncodeError> {
        encode(FieldValue::Json(value.into()), encoding, MAX_BYTES)
            .map(|text| text.map(|text| text.as_str().to_owned()))
    }

    #[test]
    fn one_value_has_one_text() {
        let object = json!({"b": [1.0, "é\n\u{7f}😀"], "a": {"d": null, "c": true}});
        for (value, form, expected) in [
            (json!("a b"), HeaderEncoding::Plain, Some("a b")),
            (json!("a,b%"), HeaderEncoding::Plain, Some("a,b%")),
            (json!("José A,b%"), HeaderEncoding::Percent, Some("Jos%C3%A9%20A%2Cb%25")),
            (json!(" a "), HeaderEncoding::Percent, Some("%20a%20")),
            (json!("a,b"), HeaderEncoding::List, Some("a%2Cb")),
            (json!(7), HeaderEncoding::Plain, Some("7")),
            (json!(7), HeaderEncoding::List, Some("7")),
            (json!(-7), HeaderEncoding::Plain, Some("-7")),
            (json!(1.0), HeaderEncoding::Plain, Some("1")),
            (json!(-0.0), HeaderEncoding::Plain, Some("0")),
            (json!(-0.5), HeaderEncoding::Plain, Some("-0.5")),
            (json!(1e19), HeaderEncoding::Plain, Some("10000000000000000000")),
            (json!(9_007_199_254_740_993_u64), HeaderEncoding::Plain, Some("9007199254740993")),
            (json!(-9_223_372_036_854_775_808_i64), HeaderEncoding::Plain, Some("-9223372036854775808")),
            (json!(1e-7), HeaderEncoding::Plain, Some("0.0000001")),
            (json!(18_446_744_073_709_551_615_u64), HeaderEncoding::Plain, Some("18446744073709551615")),
            (json!(true), HeaderEncoding::Percent, Some("true")),
            (json!(["a", "b,c", "d%2C", " ", "ü"]), HeaderEncoding::Plain, Some("a,b%2Cc,d%252C,%20,%C3%BC")),
            (json!(["a", 1, false]), HeaderEncoding::List, Some("a,1,false")),
            (json!([]), HeaderEncoding::Plain, None),
            (json!(null), HeaderEncoding::Plain, None),
            (object, HeaderEncoding::Json, Some(r#"{"a":{"c":true,"d":null},"b":[1,"\u00e9\n\u007f\ud83d\ude00"]}"#)),
            (json!("a\"b"), HeaderEncoding::Json, Some(r#""a\"b""#)),
            (json!([]), HeaderEncoding::Json, Some("[]")),
        ] {
            assert_eq!(written(&value, form), Ok(expected.map(str::to_owned)), "{value} {form:?}");
        }
    }

    /// Read from a token and written into a header, a fraction has the digits that the issuer wrote.
    #[test]
    fn a_decimal_fraction_keeps_its_last_digit() {
        for text in ["1761071417.3472319", "0.1", "1699999999.0000002", "123456.78901234567", "5e-324"] {
            let value = crate::jose::read_json(text.as_bytes()).unwrap();
            let exact: f64 = text.parse().unwrap();
            assert_eq!(value.as_f64().map(f64::to_bits), Some(exact.to_bits()), "{text}");
            let expected = if text.contains('e') { exact.to_string() } else { text.to_owned() };
            for form in [HeaderEncoding::Plain, HeaderEncoding::Json] {
                assert_eq!(written(&value, form), Ok(Some(expected.clone())), "{text}");
            }
        }
    }

    #[test]
    fn what_can_not_be_written_is_not_written_in_part() {
        let long = "a".repeat(MAX_BYTES);
        for (value, form, problem) in [
            (json!({}), HeaderEncoding::Plain, EncodeError::Object),
            (json!({}), HeaderEncoding::List, EncodeError::Object),
            (json!("é"), HeaderEncoding::Plain, HeaderTextError::Character.into()),
            (json!("a\r\nb"), HeaderEncoding::Plain, HeaderTextError::Character.into()),
            (json!("a\r\nb"), HeaderEncoding::Percent, EncodeError::Control),
            (json!("a\u{85}"), HeaderEncoding::Percent, EncodeError::Control),
            (json!(["a", "\0"]), HeaderEncoding::Plain, EncodeError::Control),
            (json!(""), HeaderEncoding::Percent, HeaderTextError::Empty.into()),
            (json!(""), HeaderEncoding::List, EncodeError::EmptyItem),
            (json!(["", "a"]), HeaderEncoding::Plain, EncodeError::EmptyItem),
            (json!(["a", null]), HeaderEncoding::Plain, EncodeError::Item),
            (json!([["a"]]), HeaderEncoding::List, EncodeError::Item),
            (json!([long, "a"]), HeaderEncoding::Plain, EncodeError::TooLong { found: 8_194, limit: 8_192 }),
            (json!([long]), HeaderEncoding::Json, EncodeError::TooLong { found: 8_196, limit: 8_192 }),
            (json!(1e21), HeaderEncoding::Plain, EncodeError::Number),
            (json!(18_446_744_073_709_551_616.0), HeaderEncoding::List, EncodeError::Number),
            (json!(-9_223_372_036_854_775_808.0), HeaderEncoding::Percent, EncodeError::Number),
            (json!(["a", 1e30]), HeaderEncoding::Plain, EncodeError::Number),
            (json!({"a": [{"b": 1e30}]}), HeaderEncoding::Json, EncodeError::Number),
            (json!("é".repeat(200)), HeaderEncoding::Percent, HeaderTextError::TooLong { found: 1_200 }.into()),
        ] {
            assert_eq!(written(&value, form), Err(problem), "{form:?}");
        }
        assert!(written(&json!([long]), HeaderEncoding::Plain).is_ok());
    }

    #[test]
    fn what_a_principal_holds_is_a_list_also_when_it_is_one() {
        let texts = |texts: &[&str], encoding| {
            let roles = texts.iter().map(|text| Box::from(*text)).collect();
            let principal = Principal::of(json!({}), &Identity { roles, ..Identity::default() }, Arc::default());
            encode(FieldValue::Texts(principal.identity().roles()), encoding, MAX_BYTES)
                .map(|text| text.map(|text| text.as_str().to_owned()))
        };
        assert_eq!(texts(&["a,b"], HeaderEncoding::Plain), Ok(Some("a%2Cb".to_owned())));
        assert_eq!(texts(&["a", "b c"], HeaderEncoding::Percent), Ok(Some("a,b%20c".to_owned())));
        assert_eq!(texts(&["a", "é"], HeaderEncoding::Json), Ok(Some(r#"["a","\u00e9"]"#.to_owned())));
        assert_eq!(texts(&["a", ""], HeaderEncoding::Plain), Err(EncodeError::EmptyItem));
    }
}
