//! Texts of failed steps: the token's value beside the expected one. They hold claims, so only `explain` builds them; logs get the errors.

use super::authenticators::Authenticator;
use super::claims_policy::{AudiencePolicy, ClaimError, ClaimsPolicy};
use super::dpop::{self, DpopError, PopContext};
use super::jwks::ActiveKeys;
use super::jwt::JwtAuthenticator;
use super::sender_constraint::ConfirmationError;
use super::{AuthnError, PendingLookup};
use crate::credential::Credential;
use crate::jose::{Claims, JoseHeader, KeySet, TokenError, UnverifiedToken, unverified_header};
use crate::principal::ClaimPath;
use serde_json::Value;
use std::fmt::Display;

/// The most characters of a value that a text shows; the rest is cut off and marked. A larger value is hardly compared by eye.
const MAX_SHOWN: usize = 200;

/// Returns a claim's value between backticks.
pub(super) fn quoted(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let cut = text.char_indices().nth(MAX_SHOWN).and_then(|(at, _)| text.get(..at));
    cut.map_or_else(|| format!("`{text}`"), |head| format!("`{head}…`"))
}

/// Returns the expected values for a sentence: `` one of `a`, `b` ``.
fn one_of(expected: impl IntoIterator<Item = impl Display>) -> String {
    let names: Vec<String> = expected.into_iter().map(|one| format!("`{one}`")).collect();
    format!("one of {}", names.join(", "))
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "`null`",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Describes a token that can't be parsed.
pub(super) fn token(error: TokenError, token: &str) -> String {
    let algorithm = || unverified_header(token)?.remove("alg");
    match error {
        TokenError::AlgorithmUnknown => algorithm().map_or_else(
            || error.to_string(),
            |found| format!("the header's `alg` is {}, which is not a supported signature algorithm", quoted(&found)),
        ),
        error => error.to_string(),
    }
}

/// Describes an `iss` without an authenticator.
pub(super) fn issuer(token: &UnverifiedToken<'_>, credential: &Credential<'_, '_>, list: &[Authenticator]) -> String {
    match token.claimed("iss") {
        None => "the token has no `iss`".to_owned(),
        Some(found @ Value::String(_)) => {
            let there = credential.authenticators.iter().filter_map(|id| list.get(id.0)?.as_jwt());
            let there: Vec<String> = there.map(|one| format!("`{}` ({})", one.issuer(), one.name.as_str())).collect();
            format!("the token's `iss` is {}; configured there: {}", quoted(found), there.join(", "))
        }
        Some(found) => not_a_text("iss", found),
    }
}

/// Describes the `iss` of an introspection response.
pub(super) fn answered_issuer(found: &str, expected: &str) -> String {
    format!("the response's `iss` is {}, and `{expected}` is expected", quoted(&found.into()))
}

/// Describes a failed signature verification.
pub(super) fn signature(
    error: &AuthnError,
    header: &JoseHeader,
    issuer: &JwtAuthenticator,
    keys: &ActiveKeys<'_>,
) -> String {
    match error {
        AuthnError::Token(TokenError::AlgorithmNotAllowed) => {
            let allowed = one_of(issuer.algorithms.iter().map(|algorithm| algorithm.name()));
            format!("the token's `alg` is `{}`, and {allowed} is allowed", header.algorithm().name())
        }
        AuthnError::Token(TokenError::KeyUnknown) | AuthnError::LookupRequired(PendingLookup::JwksRefresh(_)) => {
            let Some(id) = header.key_id() else { return error.to_string() };
            let mut names: Vec<String> = Vec::new();
            for key in keys.sets().flat_map(KeySet::keys) {
                names.push(key.id().map_or_else(|| "one without `kid`".to_owned(), ToString::to_string));
            }
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let and = if matches!(error, AuthnError::Token(_)) { String::new() } else { format!("; {error}") };
            format!("the token's `kid` is {id}; the issuer's keys are {names}{and}")
        }
        AuthnError::Token(TokenError::KeyUnfit) => {
            let kinds = keys.sets().flat_map(KeySet::keys).map(|key| key.key_type().name());
            format!("the token's `alg` is `{}`; the issuer's keys are {}", header.algorithm().name(), one_of(kinds))
        }
        error => error.to_string(),
    }
}

/// Describes an unaccepted `typ`.
pub(super) fn token_type(found: Option<&str>, accepted: &[Box<str>]) -> String {
    let accepted = one_of(accepted);
    found.map_or_else(
        || format!("the token has no `typ`, and {accepted} is needed"),
        |found| format!("the token's `typ` is {}, and {accepted} is needed", quoted(&found.into())),
    )
}

/// Describes an unaccepted `aud`.
pub(super) fn audience(claims: &Claims, policy: &AudiencePolicy) -> String {
    let needed = match policy {
        AudiencePolicy::AnyOf(expected) => format!("{} is needed", one_of(expected)),
        AudiencePolicy::Absent | AudiencePolicy::Unchecked => {
            "the authenticator accepts none; use `audiences`".to_owned()
        }
    };
    match claims.get("aud") {
        None => format!("the token has no `aud`, and {needed}"),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) && !list.is_empty() => {
            let list: Vec<String> = list.iter().map(quoted).collect();
            format!("the token's `aud` is {}, and {needed}", list.join(", "))
        }
        Some(found @ Value::String(_)) => format!("the token's `aud` is {}, and {needed}", quoted(found)),
        Some(found) => format!("the token's `aud` is {}, and a text or a list of texts is needed", kind(found)),
    }
}

/// Describes a claim that is not a text.
pub(super) fn text(claims: &Claims, name: &str) -> String {
    claims.get(name).map_or_else(|| format!("the token has no `{name}`"), |found| not_a_text(name, found))
}

fn not_a_text(name: &str, found: &Value) -> String {
    format!("the token's `{name}` is {}, and a text is needed", kind(found))
}

/// Describes a required claim that is missing.
pub(super) fn required(error: &ClaimError, path: &ClaimPath, claims: &Claims) -> String {
    let whole = path.to_string();
    if path.is_nested() && claims.get(&whole).is_some() {
        return format!("{error}; for the claim whose own name is `{whole}`, write `[\"{whole}\"]`");
    }
    error.to_string()
}

/// Describes dates that can't be used.
pub(super) fn dates(error: &ClaimError, claims: &Claims, policy: &ClaimsPolicy) -> String {
    /// Dates are in milliseconds if they are of this size: as seconds they lie after the year 5000.
    const MILLIS: u64 = 100_000_000_000;
    match error {
        ClaimError::Invalid(name) => claims.get(name).map_or_else(
            || error.to_string(),
            |found| {
                let hint = if found.as_u64().is_some_and(|number| number >= MILLIS) { " (milliseconds?)" } else { "" };
                format!("the token's `{name}`: {found} is no time in seconds{hint}")
            },
        ),
        ClaimError::LivesTooLong => {
            let date = |name| claims.get(name).map(quoted).unwrap_or_default();
            let longest = policy.max_lifetime.unwrap_or_default().as_secs();
            format!(
                "the token's `iat` is {} and its `exp` {}, and `max_lifetime` is {longest} s",
                date("iat"),
                date("exp")
            )
        }
        error => error.to_string(),
    }
}

/// Describes a sender that has not proven to be the holder of the token.
pub(super) fn sender(error: &ConfirmationError, shown: &PopContext<'_, '_>) -> String {
    let ConfirmationError::Proof(fault) = error else { return error.to_string() };
    let (name, expected) = match fault {
        DpopError::OtherAddress | DpopError::Claim("htu") => ("htu", dpop::address(shown.request)),
        DpopError::OtherMethod | DpopError::Claim("htm") => ("htm", shown.request.method.as_str().to_owned()),
        _ => return error.to_string(),
    };
    let part = if name == "htu" { "address" } else { "method" };
    let expected = format!("the {part} of the request is `{expected}`");
    match dpop::claims(shown.request).as_ref().and_then(|claims| claims.get(name)) {
        None => format!("the proof has no `{name}`; {expected}"),
        Some(found) => format!("the proof's `{name}` is {}; {expected}", quoted(found)),
    }
}
