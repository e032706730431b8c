//! JSON in one spelling of visible ASCII, for headers.

use serde_json::{Number, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Returns the value as compact JSON. Members are in the order of their names, so that equal objects have equal texts.
pub(super) fn json(value: &Value) -> String {
    let mut text = String::new();
    put(value, &mut text);
    text
}

/// Returns a number as the shortest decimal digits without an exponent.
pub(super) fn number(number: &Number) -> String {
    match (number.as_u64(), number.as_i64()) {
        (Some(whole), _) => whole.to_string(),
        (None, Some(whole)) => whole.to_string(),
        (None, None) => {
            let text = number.as_f64().unwrap_or_default().to_string();
            if text == "-0" { "0".to_owned() } else { text }
        }
    }
}

fn put(value: &Value, into: &mut String) {
    match value {
        Value::Null => into.push_str("null"),
        Value::Bool(value) => into.push_str(if *value { "true" } else { "false" }),
        Value::Number(value) => into.push_str(&number(value)),
        Value::String(text) => put_text(text, into),
        Value::Array(items) => {
            into.push('[');
            for (at, item) in items.iter().enumerate() {
                separate(at, into);
                put(item, into);
            }
            into.push(']');
        }
        Value::Object(members) => {
            into.push('{');
            let members: BTreeMap<&String, &Value> = members.iter().collect();
            for (at, (name, value)) in members.into_iter().enumerate() {
                separate(at, into);
                put_text(name, into);
                into.push(':');
                put(value, into);
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
fn put_text(text: &str, into: &mut String) {
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
