//! Texts of failed steps: the token's value beside the expected one. They hold claims, so only `explain` builds them; logs get the errors.

use super::dpop::{self, DpopError, PopContext};
use super::jwks::ActiveKeys;
use super::sender_constraint::ConfirmationError;
use super::{AuthnError, PendingLookup};
use crate::jose::{Algorithm, Claims, JoseHeader, JsonRef, KeySet, TokenError, UnverifiedToken, unverified_header};
use serde_json::Value;
use std::fmt::Display;

/// The most characters of a value that a text shows; the rest is cut off and marked. A larger value is hardly compared by eye.
const MAX_SHOWN: usize = 200;

/// Returns a claim's value between backticks.
pub(crate) fn quoted(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let cut = text.char_indices().nth(MAX_SHOWN).and_then(|(at, _)| text.get(..at));
    cut.map_or_else(|| format!("`{text}`"), |head| format!("`{head}…`"))
}

/// Returns the expected values for a sentence: `` one of `a`, `b` ``.
pub(super) fn one_of(expected: impl IntoIterator<Item = impl Display>) -> String {
    let names: Vec<String> = expected.into_iter().map(|one| format!("`{one}`")).collect();
    format!("one of {}", names.join(", "))
}

pub(super) const fn kind(value: &JsonRef<'_>) -> &'static str {
    match value {
        JsonRef::Null => "`null`",
        JsonRef::Bool(_) => "a boolean",
        JsonRef::Number(_) => "a number",
        JsonRef::String(_) => "a text",
        JsonRef::Array(_) => "a list",
        JsonRef::Object(_) => "an object",
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

/// Describes an `iss` without an authenticator. `configured` has the issuers of the credential location, with their authenticators.
pub(super) fn issuer<'a>(token: &UnverifiedToken<'_>, configured: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    match token.claimed("iss") {
        None => "the token has no `iss`".to_owned(),
        Some(found @ Value::String(_)) => {
            let configured: Vec<String> = configured.map(|(issuer, name)| format!("`{issuer}` ({name})")).collect();
            format!("the token's `iss` is {}; configured there: {}", quoted(found), configured.join(", "))
        }
        Some(found) => not_a_text("iss", &found.into()),
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
    algorithms: &[Algorithm],
    keys: &ActiveKeys<'_>,
) -> String {
    match error {
        AuthnError::Token(TokenError::AlgorithmNotAllowed) => {
            let allowed = one_of(algorithms.iter().map(|algorithm| algorithm.name()));
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

/// Describes a claim that is not a text.
pub(super) fn text(claims: &Claims, name: &str) -> String {
    claims.get(name).map_or_else(|| format!("the token has no `{name}`"), |found| not_a_text(name, &found))
}

fn not_a_text(name: &str, found: &JsonRef<'_>) -> String {
    format!("the token's `{name}` is {}, and a text is needed", kind(found))
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
        Some(found) => format!("the proof's `{name}` is {}; {expected}", quoted(&found.to_value())),
    }
}
