//! The attributes of spans. `docs/traces.md` lists them. Each has a bounded value, and none holds a credential, a query, or a claim that the
//! operator has not named.

use crate::otlp::{AttributeValue, SpanRecord};
use modgud_core::authn::PendingLookup;
use modgud_core::credential::AuthenticatorId;
use modgud_core::decide::{Decision, Snapshot};
use modgud_core::http::request::Request;
use modgud_core::jose::JsonRef;
use modgud_core::principal::{ClaimPath, Principal};
use modgud_core::reason::{Class, Reason};
use std::borrow::Cow;

/// The number of attributes that most spans have.
pub(super) const USUAL: usize = 8;

/// Maximum size of a text in a span, in bytes. A longer one is cut: clients choose paths and claims, and spans wait in memory.
const MAX_TEXT_BYTES: usize = 256;

/// The methods that OpenTelemetry's conventions know (RFC 9110 §9, RFC 5789). Another one is `_OTHER`, since clients choose it.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// One attribute.
type Attribute = (Cow<'static, str>, AttributeValue);

/// Returns the value of `http.request.method`.
pub(super) fn method(method: &[u8]) -> &'static str {
    METHODS.into_iter().find(|known| known.as_bytes() == method).unwrap_or("_OTHER")
}

/// Adds the attributes of a decision.
pub(super) fn add(
    span: &mut SpanRecord,
    decision: &Decision,
    request: Option<&Request<'_>>,
    snapshot: &Snapshot,
    claims: &[(ClaimPath, Box<str>)],
) {
    let path = request.map(|request| ("url.path".into(), bounded(request.path.as_str()).into()));
    span.attributes.extend(path);
    match decision.reason() {
        None => span.attributes.push(("modgud.decision".into(), "allowed".into())),
        Some(reason) => failed(span, reason),
    }
    let rule = decision.rule.as_ref().map(|rule| ("modgud.rule".into(), rule.as_str().to_owned().into()));
    span.attributes.extend(rule);
    let by = decision.authenticator.as_ref().map(|name| named(name.as_str()));
    span.attributes.extend(by.or_else(|| authenticator(snapshot, decision.credential_for?)));
    if let Some(principal) = decision.principal.as_deref() {
        span.attributes.extend(claims.iter().filter_map(|(path, key)| claim(principal, path, key)));
    }
}

/// Adds the attributes of a denial. It is a failure only if modgud could not decide: to deny is what modgud is there for.
pub(super) fn failed(span: &mut SpanRecord, reason: Reason) {
    span.attributes.push(("modgud.decision".into(), reason.class().decision().into()));
    span.attributes.push(("modgud.reason".into(), reason.code().into()));
    match reason.class() {
        Class::Unavailable => {
            span.attributes.push(("error.type".into(), reason.code().into()));
            span.failure = Some(reason.code());
        }
        Class::Unauthenticated | Class::Forbidden | Class::BadRequest => {}
    }
}

/// Returns the name of a lookup's span, and its authenticator.
pub(super) const fn of_lookup(pending: PendingLookup) -> (&'static str, AuthenticatorId) {
    match pending {
        PendingLookup::Jwks(by) | PendingLookup::JwksRefresh(by) => ("jwks refresh", by),
        PendingLookup::Introspection(by) | PendingLookup::ServerUnavailable(by) => ("introspection", by),
        PendingLookup::Custom(by) => ("custom authenticator", by),
    }
}

/// Returns the attribute of an authenticator.
pub(super) fn authenticator(snapshot: &Snapshot, AuthenticatorId(index): AuthenticatorId) -> Option<Attribute> {
    snapshot.authenticators.list().get(index).map(|one| named(one.name().as_str()))
}

fn named(authenticator: &str) -> Attribute {
    ("modgud.authenticator".into(), authenticator.to_owned().into())
}

/// Returns the attribute of a claim; `None` without a value, and for an object. Of a list, the texts are joined by commas.
fn claim(principal: &Principal, path: &ClaimPath, key: &str) -> Option<Attribute> {
    let value = match principal.claim(path)? {
        JsonRef::Array(items) => {
            let mut joined = String::new();
            for item in items.filter_map(text) {
                if joined.len() > MAX_TEXT_BYTES {
                    break;
                }
                if !joined.is_empty() {
                    joined.push(',');
                }
                joined.push_str(bounded(&item).as_str());
            }
            bounded(&joined).into()
        }
        JsonRef::Bool(value) => AttributeValue::Bool(value),
        JsonRef::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => AttributeValue::Integer(whole),
            (None, Some(fraction)) => AttributeValue::Float(fraction),
            (None, None) => return None,
        },
        other => bounded(&text(other)?).into(),
    };
    Some((key.to_owned().into(), value))
}

/// Returns a single value as text; `None` for a list, an object and `null`.
fn text(value: JsonRef<'_>) -> Option<Cow<'_, str>> {
    match value {
        JsonRef::String(text) => Some(text.into()),
        JsonRef::Number(number) => Some(number.to_string().into()),
        JsonRef::Bool(value) => Some(if value { "true" } else { "false" }.into()),
        JsonRef::Null | JsonRef::Array(_) | JsonRef::Object(_) => None,
    }
}

/// Returns the beginning of a text, and a mark if it was cut.
fn bounded(text: &str) -> String {
    if text.len() <= MAX_TEXT_BYTES {
        return text.to_owned();
    }
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_TEXT_BYTES).last();
    format!("{}…", end.and_then(|end| text.get(..end)).unwrap_or_default())
}
