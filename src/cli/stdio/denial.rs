//! Denied requests: the reply for the sender, and the cause for the operator on standard error.
//!
//! A cause names the reason and what the configuration expects. It holds no token, and no value of a claim.

use super::members::At;
use super::message::MessageId;
use crate::yaml::is_format_char;
use modgud_core::authn::{Authenticator, AuthnError, JwtAuthenticator};
use modgud_core::authz::{AuthzError, RuleName};
use modgud_core::decide::{DecisionError, Snapshot};
use modgud_core::denial::{DenialContext, Insufficient, ParsedRequest};
use modgud_core::http::method::MethodError;
use modgud_core::http::path::PathError;
use modgud_core::http::request::RequestError;
use modgud_core::reason::Reason;
use std::fmt::Write;

/// Maximum number of characters of a cause, so that a line stays readable. The rest is cut off.
const MAX_CAUSE_CHARS: usize = 400;

/// Maximum number of issuers in a cause: more are not compared by eye.
const MAX_ISSUERS: usize = 3;

/// An example of a path for errors.
const PATH: &str = "a text, such as `/api/users/123`";

/// A denied request.
#[derive(Debug)]
pub(super) struct Denial {
    pub(super) status: u16,
    /// The text for the sender.
    pub(super) text: String,
    /// The reason and its explanation, for the operator.
    cause: String,
}

impl Denial {
    /// The request needs a key, and `init` brought none.
    pub(super) fn no_key() -> Self {
        let cause = "no_key: no token can be verified; send `init` with a usable `jwt_public_key` first";
        Self { status: 401, text: "Invalid or expired token".to_owned(), cause: cause.to_owned() }
    }

    /// No service has the path.
    pub(super) fn no_service() -> Self {
        let cause = "no_service: no service has this path; add one with `--service PATH=NAME`";
        Self { status: 404, text: "No service for this path".to_owned(), cause: cause.to_owned() }
    }

    /// The configuration denies the request.
    pub(super) fn new(
        error: &DecisionError,
        rule: Option<&RuleName>,
        insufficient: Option<&Insufficient>,
        snapshot: &Snapshot,
    ) -> Self {
        let (reason, text, rule) = (error.reason(), error.client_text(), rule.map(RuleName::as_str));
        let (lacks_scope, request) = (error.lacks_scope(), ParsedRequest::None);
        let denied = DenialContext { reason, rule, lacks_scope, insufficient, text, request };
        let (status, text) = snapshot.denials.summary(&denied);
        let mut cause = reason.code().to_owned();
        // Writing to a `String` always succeeds.
        let _ = match rule {
            Some(rule) => write!(cause, ", rule {rule}: "),
            None => write!(cause, ": "),
        };
        let _ = match error {
            // Their own texts hold values of claims.
            _ if matches!(reason, Reason::TokenExpired | Reason::TokenNotYetValid) => {
                write!(cause, "{}", reason.explanation())
            }
            error => write!(cause, "{error}"),
        };
        if matches!(error, DecisionError::Authz(AuthzError::Credential(AuthnError::IssuerUnknown))) {
            cause.push_str(&expected_issuers(snapshot));
        }
        Self { status: status.code(), text, cause }
    }

    /// The request is malformed. The text names the member.
    pub(super) fn malformed(error: RequestError, method: &str, at: At, snapshot: &Snapshot) -> Self {
        let text = request_error(&error, method, at);
        Self { text, ..Self::new(&error.into(), None, None, snapshot) }
    }

    /// Returns the line for the operator.
    pub(super) fn report(&self, id: &MessageId) -> String {
        let cause = self.cause.chars().filter(|c| !c.is_control() && !is_format_char(*c)).take(MAX_CAUSE_CHARS);
        format!("message {id}: status {}, {}", self.status, cause.collect::<String>())
    }
}

/// Names the issuers of the configuration, so that a wrong slash is seen.
fn expected_issuers(snapshot: &Snapshot) -> String {
    let authenticators = snapshot.authenticators.list().iter();
    let issuers: Vec<&str> = authenticators
        .filter_map(Authenticator::as_jwt)
        .filter_map(JwtAuthenticator::issuer)
        .take(MAX_ISSUERS)
        .collect();
    if issuers.is_empty() { String::new() } else { format!("; the configuration has `{}`", issuers.join("`, `")) }
}

/// Names the member that makes the request malformed, and what would be right. Repeats no value.
fn request_error(error: &RequestError, method: &str, at: At) -> String {
    const USUAL: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    const METHOD: &str = "a text, such as `GET`";
    let member = |name| at.name(Some(name));
    match error {
        RequestError::Method(error) => {
            let name = member("method");
            match error {
                MethodError::Empty => format!("{name} is empty; write {METHOD}"),
                MethodError::LowerCase(_) => {
                    let usual = USUAL.iter().find(|usual| usual.eq_ignore_ascii_case(method));
                    let example = usual.map_or_else(|| "`A` to `Z`".to_owned(), |usual| format!("`{usual}`"));
                    format!("{name} is not in capitals; write {example}")
                }
                MethodError::TooLong | MethodError::NotAToken(_) => format!("{name} is wrong: {error}; write {METHOD}"),
            }
        }
        RequestError::Path(error) => {
            let name = member("path");
            match error {
                PathError::Empty => format!("{name} is empty; write {PATH}"),
                PathError::NotOriginForm => format!("{name} does not start with `/`; write {PATH}"),
                PathError::TooLong { .. } => format!("{name} is too long: {error}"),
                error => format!("{name} is not in its normal form: {error}"),
            }
        }
        RequestError::TooManyHeaders | RequestError::HeaderName | RequestError::Connection => {
            format!("{} is wrong: {error}", member("headers"))
        }
        RequestError::NoHttpRequest | RequestError::Host(_) | RequestError::Context | RequestError::Forwarded(_) => {
            error.to_string()
        }
    }
}
