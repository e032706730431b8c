//! The output of `modgud explain`: the request as modgud read it, the steps, the response. As text, and as JSON for
//! tools.

use super::super::Exit;
use super::module::Receiver;
use crate::envoy::bootstrap::GatewayConfig;
use crate::envoy::proto::CheckRequest;
use crate::envoy::{Check, read, unread_headers};
use crate::yaml::is_format_char;
use modgud_core::authn::{LookupResult, PendingLookup};
use modgud_core::authz::RuleName;
use modgud_core::decide::{Decision, DecisionError, ShadowOutcome, Verdict};
use modgud_core::decide::{Snapshot, decide_traced};
use modgud_core::denial::{DenialContext, DenialResponse, ParsedRequest, ResponseHeader};
use modgud_core::explain::{Outcome, Step, Steps};
use modgud_core::http::request::Request;
use modgud_core::reason::{Class, Reason};
use modgud_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// One decision, explained.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Report {
    /// The time of the decision (RFC 3339).
    at: String,
    /// The request in canonical form; `None` if modgud could not read it.
    request: Option<ReadRequest>,
    steps: Vec<Step>,
    /// The lookup that the decision needs; `None` if it is complete.
    #[serde(skip)]
    pub(in crate::cli) pending: Option<PendingLookup>,
    pub(in crate::cli) decision: Word,
    pub(in crate::cli) reason: Option<&'static str>,
    detail: Option<String>,
    pub(in crate::cli) rule: Option<String>,
    pub(in crate::cli) authenticator: Option<String>,
    /// Changes to the request for the module; `None` if it is denied.
    pub(in crate::cli) upstream: Option<Upstream>,
    /// The module that receives the request; `None` if it is denied, or no module has the path.
    module: Option<Receiver>,
    /// The response to the client; `None` if the request is allowed.
    pub(in crate::cli) answer: Option<ToClient>,
    /// Other dynamic metadata for Envoy's access log and filters.
    metadata: Map<String, Value>,
    /// The outcome of a shadow rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) shadow: Option<Shadow>,
}

/// A decision that is never enforced.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Shadow {
    pub(in crate::cli) rule: String,
    pub(in crate::cli) decision: Word,
    pub(in crate::cli) reason: Option<&'static str>,
}

impl Shadow {
    fn of(outcome: &ShadowOutcome) -> Self {
        let decision = if outcome.error.is_none() { Word::Allowed } else { Word::Denied };
        Self { rule: outcome.rule.as_str().to_owned(), decision, reason: outcome.reason().map(Reason::code) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Word {
    Allowed,
    Denied,
}

impl Word {
    pub(in crate::cli) const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }
}

#[derive(Debug, Serialize)]
struct ReadRequest {
    method: String,
    host: Option<String>,
    path: String,
    has_query: bool,
}

impl ReadRequest {
    fn of(request: &Request<'_>) -> Self {
        Self {
            method: request.method.as_str().to_owned(),
            host: request.host.name().map(str::to_owned),
            path: request.path.as_str().to_owned(),
            has_query: request.query.is_some(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct Upstream {
    set: Vec<(String, String)>,
    remove: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remove_query: Vec<String>,
    /// The headers that are added to the module's response.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    respond: Vec<(String, String)>,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct ToClient {
    pub(in crate::cli) status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// The most characters of a body that the text shows: more than any denial has but a page from a file. `--json` has all of it.
const MAX_SHOWN_BODY: usize = 1_024;

/// Returns headers as text.
fn texts_of(headers: &[ResponseHeader]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    headers.iter().map(|header| (text(&header.name), text(&header.value))).collect()
}

impl ToClient {
    /// Returns the value of a header, several joined by `, `. Names compare case-insensitively.
    pub(in crate::cli) fn value(&self, name: &str) -> Option<String> {
        values(&self.headers, name)
    }
}

fn values(headers: &[(String, String)], name: &str) -> Option<String> {
    let of_name = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    let values: Vec<&str> = of_name.map(|(_, value)| value.as_str()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

impl Upstream {
    /// Returns the value of a header that is added to the module's response.
    pub(in crate::cli) fn on_response(&self, name: &str) -> Option<String> {
        values(&self.respond, name)
    }

    /// Returns the value that a header is set to. Names compare case-insensitively.
    pub(in crate::cli) fn value(&self, name: &str) -> Option<&str> {
        self.set.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns true if a header is removed.
    pub(in crate::cli) fn removes(&self, name: &str) -> bool {
        self.remove.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

impl Report {
    /// Decides a check at a time, with a lookup result, and records every step.
    pub(in crate::cli) fn of(check: &CheckRequest, snapshot: &Snapshot, now: Timestamp, lookup: &LookupResult) -> Self {
        let mut steps = Steps::default();
        let mut check = Check::of(check);
        let (decision, request) = match read(&mut check, snapshot.scheme, snapshot.max_target) {
            Ok(request) => (decide_traced(&request, snapshot, now, lookup, &mut steps), Some(request)),
            Err(error) => (Decision::denied(DecisionError::Request(error)), None),
        };
        let (reason, pending) = (decision.reason(), decision.pending_lookup());
        let Decision { verdict, rule, authenticator, principal, computed, insufficient, shadow, credential_for: _ } =
            decision;
        let metadata = snapshot.upstream.metadata.entries(principal.as_deref(), &computed);
        let metadata = metadata.map(|(name, value)| (name.to_owned(), value.to_json())).collect();
        let (word, detail, upstream, answer) = match verdict {
            Verdict::Allow(mutations) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let set =
                    mutations.set.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()));
                let texts = |list: &[bytes::Bytes]| list.iter().map(|name| text(name)).collect();
                let upstream = Upstream {
                    set: set.collect(),
                    remove: texts(&mutations.remove),
                    remove_query: texts(&mutations.remove_query),
                    respond: texts_of(snapshot.responses.of(rule.as_ref().map(RuleName::as_str))),
                };
                (Word::Allowed, None, Some(upstream), None)
            }
            Verdict::Deny(error) => {
                let rule = rule.as_ref().map(RuleName::as_str);
                let unread = if request.is_none() { unread_headers(&check) } else { None };
                let seen = ParsedRequest::of(request.as_ref(), unread);
                let denied = DenialContext {
                    reason: error.reason(),
                    rule,
                    lacks_scope: error.lacks_scope(),
                    insufficient: insufficient.as_deref(),
                    text: error.client_text(),
                    request: seen,
                };
                let DenialResponse { status, headers, body } = snapshot.denials.to(&denied);
                let body = String::from_utf8_lossy(&body).into_owned();
                let answer = ToClient { status: status.code(), headers: texts_of(&headers), body };
                (Word::Denied, Some(error.to_string()), None, Some(answer))
            }
        };
        Self {
            at: now.to_string(),
            request: request.as_ref().map(ReadRequest::of),
            steps: steps.into_vec(),
            pending,
            decision: word,
            reason: reason.map(Reason::code),
            detail,
            rule: rule.map(|rule| rule.as_str().to_owned()),
            authenticator: authenticator.map(|name| name.as_str().to_owned()),
            upstream,
            module: None,
            answer,
            metadata,
            shadow: shadow.as_deref().map(Shadow::of),
        }
    }

    /// Adds the module that receives the request, if it is allowed.
    pub(super) fn with_module(self, check: &CheckRequest, gateway: &GatewayConfig) -> Self {
        let module = self.upstream.as_ref().and_then(|_| Receiver::of(check, gateway));
        Self { module, ..self }
    }

    /// Returns the report as JSON, for tools.
    pub(in crate::cli) fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }

    /// Returns true if a lookup failed, so that the request could not be decided.
    pub(super) fn is_undecided(&self) -> bool {
        let mut unavailable = Reason::ALL.iter().filter(|reason| reason.class() == Class::Unavailable);
        self.pending.is_some() || unavailable.any(|reason| self.reason == Some(reason.code()))
    }

    /// Returns the command's exit code.
    pub(in crate::cli) const fn exit(&self) -> Exit {
        match self.decision {
            Word::Allowed => Exit::Done,
            Word::Denied => Exit::Denied,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "at          {}", self.at)?;
        match &self.request {
            Some(ReadRequest { method, host, path, has_query }) => {
                let host = plain(host.as_deref().unwrap_or("(no host)"));
                let query = if *has_query { ", and a query" } else { "" };
                writeln!(f, "request     {} {} at {host}{query}", plain(method), plain(path))?;
            }
            None => writeln!(f, "request     could not be read")?,
        }
        for Step { what, outcome, found } in &self.steps {
            let mark = match outcome {
                Outcome::Passed => "✓",
                Outcome::Failed => "✗",
                Outcome::Noted => "·",
            };
            writeln!(f, "{mark} {what:<15}{}", plain(found))?;
        }
        match (&self.upstream, &self.answer) {
            (Some(Upstream { set, remove, remove_query, respond }), _) => {
                write!(f, "allowed")?;
                if let Some(Receiver { name, upstream, path }) = &self.module {
                    let (name, path) = (plain(name), plain(path));
                    write!(f, "\n  module    {name} at {upstream} receives {path}")?;
                }
                set.iter().try_for_each(|(name, value)| {
                    write!(f, "\n  set       {}: {}", plain(name), short(&plain(value)))
                })?;
                remove.iter().try_for_each(|name| write!(f, "\n  remove    {}", plain(name)))?;
                remove_query.iter().try_for_each(|name| write!(f, "\n  remove    {} from the query", plain(name)))?;
                respond
                    .iter()
                    .try_for_each(|(name, value)| write!(f, "\n  response  {}: {}", plain(name), plain(value)))?;
            }
            (None, Some(ToClient { status, headers, body })) => {
                let (reason, detail) = (self.reason.unwrap_or_default(), self.detail.as_deref().unwrap_or_default());
                write!(f, "denied      {reason}: {}\n  status    {status}", plain(detail))?;
                for (name, value) in headers.iter().map(|(name, value)| (name.as_str(), plain(value))) {
                    match name {
                        // These are in every response and explain nothing.
                        "cache-control" | "content-security-policy" | "content-type" | "x-content-type-options" => {}
                        "www-authenticate" => write!(f, "\n  challenge {value}")?,
                        name => write!(f, "\n  header    {}: {value}", plain(name))?,
                    }
                }
                let body = body.trim_end();
                match body.char_indices().nth(MAX_SHOWN_BODY) {
                    None => write!(f, "\n  body      {}", plain(body))?,
                    Some((end, _)) => {
                        let shown = body.get(..end).unwrap_or_default();
                        write!(f, "\n  body      {}… ({} bytes)", plain(shown), body.len())?;
                    }
                }
            }
            (None, None) => {}
        }
        self.metadata.iter().try_for_each(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            write!(f, "\n  metadata  {}: {}", plain(name), short(&plain(&value)))
        })
    }
}

/// Returns the beginning of a text: enough to recognize an identity, too little of a token to use it.
fn short(text: &str) -> String {
    const SHOWN: usize = 64;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => text.get(..at).map_or_else(String::new, |head| format!("{head}…")),
        None => text.to_owned(),
    }
}

/// Returns a text with control and invisible characters replaced: a terminal would act on them, or show another text.
pub(in crate::cli) fn plain(text: &str) -> String {
    let harmless = |c: char| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(harmless).collect()
}

/// Returns a value as JSON of several lines, in which the characters that [`plain`] replaces are escaped.
pub(in crate::cli) fn to_json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut json = String::new();
    for c in serde_json::to_string_pretty(value)?.chars() {
        if c != '\n' && is_harmful(c) {
            // A character beyond U+FFFF has two escapes (RFC 8259 §7).
            json.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            json.push(c);
        }
    }
    Ok(json)
}

fn is_harmful(c: char) -> bool {
    c.is_control() || is_format_char(c)
}
