//! A line of the log of decisions, as JSON or text. `deploy/decision-log.schema.json` is its schema, and `docs/decision-log.md` describes it.

use super::fields::{CallerFields, RequestFields};
use crate::clock::Clock;
use crate::config::LogFormat;
use crate::telemetry::log::DecisionWriter;
use modgud_core::time::Timestamp;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

/// The message of an enforced decision.
pub(super) const CHECK: &str = "check";
/// The message of a shadow rule whose outcome differs.
pub(super) const SHADOW: &str = "shadow";
/// The message of an identity header that an allowed request lacks.
pub(super) const HEADER_OMITTED: &str = "identity header omitted";
/// The message of a summary of lines that were left out.
pub(super) const LEFT_OUT: &str = "decision lines left out";

/// The source of the lines in the log, beside the modules of other events.
const TARGET: &str = "modgud::decisions";
/// The usual size of a line, so that most are written without a second allocation.
const USUAL_BYTES: usize = 768;

/// The severity of a line.
#[derive(Debug, Default, Clone, Copy, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Level {
    #[default]
    Info,
    Warn,
}

/// A line. Fields without a value are left out.
#[derive(Debug, Default, Serialize)]
pub(super) struct Line<'a> {
    pub(super) level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<&'a str>,
    /// The decision of a shadow rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) would: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) done: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) done_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) done_rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) header: Option<&'a str>,
    #[serde(flatten)]
    pub(super) caller: CallerFields<'a>,
    #[serde(flatten)]
    pub(super) request: Option<&'a RequestFields<'a>>,
    /// The number of like events that have no line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<u64>,
    /// The message of the lines that were left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lines: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sampled: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rate_limited: Option<u64>,
    pub(super) message: &'static str,
}

/// A line as it is written.
#[derive(Serialize)]
struct Written<'l, 'a> {
    timestamp: Rfc3339,
    #[serde(flatten)]
    line: &'l Line<'a>,
    target: &'static str,
}

/// A time with milliseconds, in UTC (RFC 3339).
struct Rfc3339(Timestamp);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = UNIX_EPOCH.checked_add(Duration::from_millis(self.0.as_millis())).unwrap_or(UNIX_EPOCH);
        serializer.collect_str(&humantime::format_rfc3339_millis(time))
    }
}

impl Line<'_> {
    /// Writes the line, with the present time.
    pub(super) fn write(&self, writer: DecisionWriter) {
        let written = Written { timestamp: Rfc3339(Clock::System.now()), line: self, target: TARGET };
        let mut line = Vec::with_capacity(USUAL_BYTES);
        // Serializing texts and numbers to memory does not fail.
        if serde_json::to_writer(&mut line, &written).is_err() {
            return;
        }
        if writer.format == LogFormat::Text {
            line = text(&line).unwrap_or_default().into_bytes();
        }
        line.push(b'\n');
        writer.send(line);
    }
}

/// The fields of a line, in their order.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Returns a JSON line as text: `TIME LEVEL TARGET: MESSAGE NAME=VALUE …`, as other events have it. The text is for people, so it may cost more.
fn text(json: &[u8]) -> Option<String> {
    let Fields(fields) = serde_json::from_slice(json).ok()?;
    let of = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| value.as_str());
    let mut line = format!("{} {:>5} {}: {}", of("timestamp")?, of("level")?, of("target")?, of("message")?);
    for (name, value) in &fields {
        if !["timestamp", "level", "target", "message"].contains(&name.as_str()) {
            write!(line, " {name}={}", Quoted(value)).ok()?;
        }
    }
    Some(line)
}

/// A value in a text line: quotation marks, control characters and invisible ones are escaped.
struct Quoted<'v>(&'v Value);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => write!(f, "\"{}\"", text.escape_debug()),
            Value::Array(items) => {
                f.write_str("[")?;
                for (number, item) in items.iter().enumerate() {
                    write!(f, "{}{}", if number == 0 { "" } else { ", " }, Quoted(item))?;
                }
                f.write_str("]")
            }
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_text_line_has_the_fields_in_their_order() {
        let json = r#"{"timestamp":"2026-01-01T12:00:00.000Z","level":"INFO","reason":"a \"b\"\n\u202e","user.roles":["a b","c"],"before":3,"message":"check","target":"modgud::decisions"}"#;
        let expected = r#"2026-01-01T12:00:00.000Z  INFO modgud::decisions: check reason="a \"b\"\n\u{202e}" user.roles=["a b", "c"] before=3"#;
        assert_eq!(text(json.as_bytes()).as_deref(), Some(expected));
    }
}
