//! Decision lines of modgud's log, JSON or text, as input of `modgud explain`: the recorded facts, and the request as far as a line has it.

use super::report::plain;
use crate::cli::input::{ContextArg, HeaderArg, check_request};
use crate::envoy::proto::CheckRequest;
use crate::envoy::with_client;
use modgud_core::http::path::encode_canonical;
use modgud_core::reason::Reason;
use modgud_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;
use std::net::IpAddr;

/// The fields of decision lines, in the order in which they are shown. In a text line, each ends the value before it.
const FIELDS: [&str; 41] = [
    "decision",
    "class",
    "reason",
    "detail",
    "rule",
    "would",
    "done",
    "done_reason",
    "done_rule",
    "authenticator",
    "issuer",
    "key",
    "key_id",
    "user.id",
    "user.hash",
    "subject",
    "organization.id",
    "user.roles",
    "http.request.method",
    "method",
    "server.address",
    "host",
    "url.path",
    "path",
    "client.address",
    "client",
    "client_address",
    "http.request.id",
    "request_id",
    "trace_id",
    "size",
    "limit",
    "bytes",
    "header",
    "before",
    "lines",
    "sampled",
    "rate_limited",
    "message",
    "target",
    "timestamp",
];

/// The names of fields in lines of older versions.
const OLD_NAMES: [(&str, &str); 3] =
    [("http.request.method", "method"), ("server.address", "host"), ("url.path", "path")];

/// Maximum size of a line, 64 KiB: the log cuts what clients choose to 256 bytes a field. A longer line is an error.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024;

/// The mark of a path that the log has cut.
const CUT: char = '…';

/// Errors of a line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("it is longer than {} KiB; give lines as modgud writes them", MAX_LINE_BYTES / 1024)]
    Long,
    #[error("it is not JSON: {0}")]
    Json(serde_json::Error),
    #[error("it is neither JSON nor a text line of modgud's log; give a whole line, from its time to its end")]
    Form,
    #[error("it is not about a decision; give a line with `decision`, whose message is `check` or `shadow`")]
    NoDecision,
}

impl LineError {
    /// Returns the error without the details of one line.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Long => "longer than 64 KiB",
            Self::Json(_) | Self::Form => "neither JSON nor a text line of modgud's log",
            Self::NoDecision => "not about a decision",
        }
    }
}

/// One decision line.
#[derive(Debug, Serialize)]
pub(super) struct LogLine {
    /// Its number in the input, from 1.
    pub(super) line: usize,
    recorded: Map<String, Value>,
    /// The facts that the line lacks, each with the option that adds it.
    missing: Vec<&'static str>,
}

impl LogLine {
    /// Reads a line. Text before a JSON object is skipped: container runtimes write a time there.
    pub(super) fn parse(line: usize, text: &str) -> Result<Self, LineError> {
        if text.len() > MAX_LINE_BYTES {
            return Err(LineError::Long);
        }
        let json = text.find('{').and_then(|at| text.get(at..)).filter(|json| json.starts_with("{\""));
        let recorded: Map<String, Value> = match json.map(serde_json::from_str) {
            Some(Ok(fields)) => fields,
            // The brace may be in a value of a text line.
            Some(Err(error)) => text_fields(text).ok_or(LineError::Json(error))?,
            None => text_fields(text).ok_or(LineError::Form)?,
        };
        let is_decision = ["decision", "would"].iter().any(|name| recorded.contains_key(*name))
            // A summary of lines that were left out.
            && !recorded.contains_key("rate_limited");
        if is_decision { Ok(Self { line, recorded, missing: Vec::new() }) } else { Err(LineError::NoDecision) }
    }

    /// Returns the fact whose lack was found last.
    pub(super) fn last_missing(&self) -> &'static str {
        self.missing.last().copied().unwrap_or_default()
    }

    /// Returns a recorded text. An older version may have written it under another name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let old = || OLD_NAMES.iter().find(|(new, _)| *new == name).and_then(|(_, old)| self.recorded.get(*old));
        self.recorded.get(name).or_else(old)?.as_str()
    }

    /// Returns true if the line is that of an enforced decision, and not of a shadow rule.
    pub(super) fn is_check(&self) -> bool {
        self.text("message") == Some("check") && self.recorded.contains_key("decision")
    }

    /// Returns the recorded reason; `None` without one that this version knows.
    pub(super) fn reason(&self) -> Option<Reason> {
        let code = self.text("reason")?;
        Reason::ALL.iter().copied().find(|reason| reason.code() == code)
    }

    /// Returns true if the request was denied for its own form. The path is then not the canonical one, but the beginning of what was sent.
    pub(super) fn has_bad_form(&self) -> bool {
        matches!(
            self.reason(),
            Some(
                Reason::RequestMalformed
                    | Reason::PathAmbiguous
                    | Reason::HostAmbiguous
                    | Reason::UriTooLong
                    | Reason::RequestTooLarge
            )
        )
    }

    /// Returns the time of the decision; `None` if the line has none that can be read.
    pub(super) fn time(&self) -> Option<Timestamp> {
        super::time(self.text("timestamp")?).ok()
    }

    /// Returns the recorded address of the client; `None` if the line has none, or a masked one.
    pub(super) fn client(&self) -> Option<IpAddr> {
        self.text("client.address")?.parse().ok()
    }

    /// Returns the check of the recorded request, with the headers and the context that the command line adds. `None` if the line does
    /// not identify a request.
    pub(super) fn check(
        &mut self,
        host: Option<&String>,
        headers: &[HeaderArg],
        context: &[ContextArg],
        client: Option<IpAddr>,
    ) -> Option<CheckRequest> {
        let text = |name| self.text(name).map(str::to_owned);
        let (method, path, found) = (text("http.request.method"), text("url.path"), text("server.address"));
        if headers.is_empty() {
            self.missing.push("the credential and other headers: no log has them; use --header");
        }
        if found.is_none() && host.is_none() {
            self.missing.push("the host; use --host");
        }
        if context.is_empty() {
            self.missing.push("context extensions of the Envoy route, if it has any; use --context");
        }
        let (Some(method), Some(path)) = (method, path) else {
            self.missing.push(
                "the method and the path: modgud did not read the request; use --method and --path without --log",
            );
            return None;
        };
        if path.ends_with(CUT) {
            self.missing.push("the end of the path, which the log has cut; use --method and --path without --log");
            return None;
        }
        self.missing.push("the query: no log has it; use --path without --log if a rule reads it");
        let path = if self.has_bad_form() { path } else { encode_canonical(&path) };
        let host = found.or_else(|| host.cloned()).unwrap_or_else(|| super::HOST.to_owned());
        let check = check_request(method, path, host, headers.to_vec(), context.to_vec());
        Some(match client.or_else(|| self.client()) {
            Some(client) => with_client(check, client),
            None => check,
        })
    }
}

/// The recorded facts and what is missing, for people.
impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "line {}", self.line)?;
        let known = FIELDS.iter().filter_map(|name| self.recorded.get_key_value(*name));
        let other = self.recorded.iter().filter(|(name, _)| !FIELDS.contains(&name.as_str()));
        for (name, value) in known.chain(other) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            writeln!(f, "  recorded  {}: {}", plain(name), plain(&value))?;
        }
        self.missing.iter().try_for_each(|missing| writeln!(f, "  missing   {missing}"))
    }
}

/// Reads the fields of a text line: `TIME LEVEL TARGET: MESSAGE NAME=VALUE …`. `None` if it has another form. Of two fields with one name
/// the first counts.
fn text_fields(line: &str) -> Option<Map<String, Value>> {
    let line = line.trim();
    let (timestamp, rest) = line.split_once(' ')?;
    super::time(timestamp).ok()?;
    let (level, rest) = rest.trim_start().split_once(' ')?;
    let (target, rest) = rest.trim_start().split_once(": ")?;
    let mut fields = Map::new();
    let mut keep = |name: &str, value: Value| {
        fields.entry(name).or_insert(value);
    };
    keep("timestamp", timestamp.into());
    keep("level", level.into());
    keep("target", target.into());
    let mut rest = rest;
    let end = next_field(rest).unwrap_or(rest.len());
    keep("message", rest.get(..end)?.trim().into());
    rest = rest.get(end..)?.trim_start();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, left) = if after.starts_with('"') { quoted(after)? } else { bare(after)? };
        keep(name, value);
        rest = left.trim_start();
    }
    rest.is_empty().then_some(fields)
}

/// Reads a text between quotes, as Rust's `Debug` writes it.
fn quoted(text: &str) -> Option<(Value, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value.into(), text.get(at.checked_add(1)?..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                '0' => value.push('\0'),
                'u' => {
                    let code: String = chars.by_ref().map(|(_, c)| c).skip(1).take_while(|c| *c != '}').collect();
                    value.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
                }
                c => value.push(c),
            },
            c => value.push(c),
        }
    }
    None
}

/// Reads a value without quotes, which may hold blanks, up to the next field.
fn bare(text: &str) -> Option<(Value, &str)> {
    let (value, rest) = text.split_at_checked(next_field(text).unwrap_or(text.len()))?;
    let value = value.trim();
    Some((value.parse::<u64>().map_or_else(|_| value.into(), Value::from), rest))
}

/// Returns where the next known field begins. Reads the text no further than that.
fn next_field(text: &str) -> Option<usize> {
    let starts = text.match_indices(' ').filter_map(|(at, _)| at.checked_add(1));
    let mut known = starts.filter(|start| text.get(*start..).is_some_and(begins_field));
    known.next()
}

fn begins_field(text: &str) -> bool {
    FIELDS.iter().any(|name| text.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
}

#[cfg(test)]
mod tests {
    use super::{LogLine, MAX_LINE_BYTES};
    use serde_json::{Value, json};
    use std::time::{Duration, Instant};

    fn read(text: &str) -> Result<Value, String> {
        let line = LogLine::parse(1, text).map_err(|error| error.to_string())?;
        Ok(Value::Object(line.recorded))
    }

    #[test]
    fn json_and_text_lines_have_the_same_facts() {
        let text = r#"2026-11-29T12:00:00.5Z  INFO modgud::server::check: check decision="denied" class="unauthenticated" reason="token_expired" detail=the token expired at 1 and it is 2, a=b rule="a \"b\" \u{e9}" method="GET" path="/crm/" before=3"#;
        let json = json!({
            "timestamp": "2026-11-29T12:00:00.5Z", "level": "INFO", "target": "modgud::server::check", "message": "check",
            "decision": "denied", "class": "unauthenticated", "reason": "token_expired",
            "detail": "the token expired at 1 and it is 2, a=b", "rule": "a \"b\" é", "method": "GET", "path": "/crm/", "before": 3
        });
        assert_eq!(read(text), Ok(json.clone()));
        assert_eq!(read(&json.to_string()), Ok(json.clone()));
        let of_a_container = format!("2026-11-29T12:00:00.600000001Z stdout F {json}");
        assert_eq!(read(&of_a_container), Ok(json));
    }

    #[test]
    fn the_first_of_two_equal_fields_of_a_text_line_counts() {
        let line = r#"2026-11-29T12:00:00Z INFO a: check decision="denied" detail=a b detail=c decision="allowed" message="m""#;
        let fields = read(line).unwrap();
        assert_eq!((&fields["decision"], &fields["detail"]), (&json!("denied"), &json!("a b")));
        assert_eq!(fields["message"], json!("check"));
    }

    /// A line at the limit is read in one scan, and a longer one is not read at all.
    #[test]
    fn long_lines_cost_little() {
        let start = r#"2026-11-29T12:00:00Z INFO a: check decision="denied""#;
        let line = format!("{start}{}", " key=a".repeat((MAX_LINE_BYTES - start.len()) / 6));
        let began = Instant::now();
        assert_eq!(read(&line).unwrap()["key"], json!("a"));
        let blank = format!("{start} detail={}", " ".repeat(MAX_LINE_BYTES - start.len() - 8));
        assert_eq!(read(&blank).unwrap()["detail"], json!(""));
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(
            read(&format!("{blank} ")),
            Err("it is longer than 64 KiB; give lines as modgud writes them".to_owned())
        );
    }

    #[test]
    fn other_lines_are_refused_with_their_fault() {
        for (line, expected) in [
            ("hello", "neither JSON nor a text line"),
            ("2026-11-29T12:00:00Z INFO", "neither JSON nor a text line"),
            (r#"2026-11-29T12:00:00Z INFO a: check decision="denied"#, "neither JSON nor a text line"),
            (r#"{"decision": "denied""#, "it is not JSON: EOF"),
            (r#"{"message": "serving"}"#, "not about a decision"),
            ("2026-11-29T12:00:00Z INFO modgud::server::app: serving grpc=127.0.0.1:1", "not about a decision"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
