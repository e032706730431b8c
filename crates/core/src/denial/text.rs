//! The public side of each reason: its text in the words that a style's clients know, its challenge, and the delay of a retry. Only this
//! file maps a reason to public text.

use super::style::{BodyStyle, ChallengeSchemes, Style};
use crate::jose::{Algorithm, KeyType};
use crate::reason::{Class, Reason};
use std::fmt;

/// Returns the text of a reason in a style.
pub(super) const fn of(reason: Reason, style: BodyStyle) -> &'static str {
    match style {
        BodyStyle::Problem | BodyStyle::Orchescala => public(reason),
        BodyStyle::Detail => detail(reason),
        BodyStyle::Error => error(reason),
    }
}

/// Returns the generic text of a reason: only the facts that help a client to react.
const fn public(reason: Reason) -> &'static str {
    match reason {
        Reason::CredentialMissing => "A credential is required.",
        Reason::CredentialMalformed | Reason::CredentialAmbiguous => "The request must carry exactly one credential.",
        Reason::TokenExpired => "The token has expired.",
        Reason::TokenNotYetValid => "The token is not valid yet.",
        Reason::TokenMalformed
        | Reason::TokenTooLarge
        | Reason::AlgorithmNotAllowed
        | Reason::IssuerUnknown
        | Reason::KeyUnknown
        | Reason::KeyAmbiguous
        | Reason::SignatureInvalid
        | Reason::TokenTooOld
        | Reason::AudienceMismatch
        | Reason::ClaimMissing
        | Reason::ClaimNotAllowed
        | Reason::ClaimInvalid
        | Reason::TokenTypeNotAllowed
        | Reason::CertificateNotAccepted
        | Reason::SenderUnproven
        | Reason::TokenRevoked
        | Reason::ApiKeyUnknown
        | Reason::ApiKeyExpired
        | Reason::TokenInactive
        | Reason::CredentialRefused => "The token is not valid here.",
        Reason::CallerRefused
        | Reason::RuleDenied
        | Reason::NoRule
        | Reason::PermissionMissing
        | Reason::RoleMissing
        | Reason::RuleUnknown
        | Reason::ContextInvalid
        | Reason::AuthenticatorNotAllowed
        | Reason::ClientNotAllowed
        | Reason::ConditionFalse
        | Reason::ConditionError => "This is not allowed.",
        Reason::RequestMalformed => "The request is malformed.",
        Reason::PathAmbiguous => "The path must be in its normal form.",
        Reason::UriTooLong => "The path and query are too long.",
        Reason::RequestTooLarge => "The request is too large.",
        Reason::HostAmbiguous => "The host must be in its normal form.",
        Reason::BodyUnreadable => "The body must be whole, and JSON without a name twice.",
        Reason::KeysUnavailable
        | Reason::IntrospectionUnavailable
        | Reason::AuthenticatorUnavailable
        | Reason::DeadlineExceeded
        | Reason::Overloaded
        | Reason::Internal => "The request could not be checked. Try again later.",
    }
}

/// Returns `BiFrost`'s own text, which its clients know; the generic text if it had none.
const fn detail(reason: Reason) -> &'static str {
    match reason.class() {
        Class::Unauthenticated if matches!(reason, Reason::CredentialMissing) => {
            "Authentication credentials were not provided."
        }
        Class::Unauthenticated if matches!(reason, Reason::TokenExpired) => "Signature has expired.",
        Class::Unauthenticated if matches!(reason, Reason::SignatureInvalid) => "Error decoding signature.",
        Class::Unauthenticated => "Incorrect authentication credentials.",
        Class::Forbidden => "You do not have permission to perform this action.",
        Class::BadRequest | Class::Unavailable => public(reason),
    }
}

/// Returns the text of the gateway that the profile `bearer` reproduces. It distinguishes only expired from invalid tokens.
const fn error(reason: Reason) -> &'static str {
    match reason.class() {
        Class::Unauthenticated if matches!(reason, Reason::TokenExpired) => "Token expired",
        Class::Unauthenticated => "Invalid or expired token",
        Class::Forbidden if matches!(reason, Reason::PermissionMissing | Reason::RoleMissing) => {
            "Insufficient permissions"
        }
        Class::Forbidden => "Forbidden",
        Class::BadRequest | Class::Unavailable => public(reason),
    }
}

/// The parts of a challenge that differ between requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Challenge<'c> {
    pub(super) reason: Reason,
    /// The sentence; `None` for that of the reason.
    pub(super) description: Option<&'c str>,
    /// The required scopes; `None` if they are not disclosed. A caller without access is challenged for them only (RFC 6750 §3.1).
    pub(super) scope: Option<&'c str>,
}

/// Returns the challenge for a reason (`WWW-Authenticate`, RFC 6750 §3, RFC 9449 §7.1); `None` if the class is not "unauthenticated", unless it
/// names scopes.
///
/// A request without a credential gets no error code. One with an invalid token gets its code and a sentence that helps the client
/// but not an attacker. Every 401 requires a challenge. It is sent for the class, whatever its status: a client that gets 403
/// because of an old contract still sees the meaning. Error codes are those of tokens; other challenges have none. `description`
/// replaces the sentence, if a challenge can hold it.
pub(super) fn challenge(challenge: &Challenge<'_>, style: &Style) -> Option<String> {
    let Challenge { reason, description, scope } = *challenge;
    let invalid = match (reason.class(), scope) {
        (Class::Unauthenticated, _) => "invalid_token",
        (Class::Forbidden, Some(_)) => "insufficient_scope",
        (Class::Forbidden | Class::BadRequest | Class::Unavailable, _) => return None,
    };
    let realm = style.realm.as_str();
    let description = description.filter(|text| text.bytes().all(is_description)).unwrap_or(public(reason));
    let error = |code: &str| error_parameters(reason, code, description);
    let scope = scope.map(|scope| format!(", scope=\"{scope}\"")).unwrap_or_default();
    let metadata = style.resource_metadata.as_ref().map(|url| format!(", resource_metadata=\"{url}\""));
    let more = format!("{scope}{}", metadata.unwrap_or_default());
    let token = |scheme: &str| format!("{scheme} realm=\"{realm}\"{}{more}", error(invalid));
    let bearer = || token("Bearer");
    let dpop = || {
        let code = if reason == Reason::SenderUnproven { "invalid_dpop_proof" } else { invalid };
        let signed = Algorithm::ALL.iter().filter(|algorithm| algorithm.key_type() != KeyType::Hmac);
        let algorithms: Vec<&str> = signed.map(|algorithm| algorithm.name()).collect();
        format!("DPoP realm=\"{realm}\"{}{more}, algs=\"{}\"", error(code), algorithms.join(" "))
    };
    Some(match &style.schemes {
        ChallengeSchemes::Bearer => bearer(),
        ChallengeSchemes::Dpop => dpop(),
        ChallengeSchemes::BearerAndDpop => format!("{}, {}", bearer(), dpop()),
        ChallengeSchemes::Named(scheme) => token(scheme),
        // These have no scopes and no authorization server, so a caller without access gets no challenge.
        ChallengeSchemes::ApiKey { .. } | ChallengeSchemes::Cookie { .. } | ChallengeSchemes::Certificate
            if reason.class() == Class::Forbidden =>
        {
            return None;
        }
        ChallengeSchemes::ApiKey { header } => format!("ApiKey realm=\"{realm}\", header=\"{header}\""),
        ChallengeSchemes::Cookie { name } => format!("Cookie realm=\"{realm}\", cookie-name=\"{name}\""),
        ChallengeSchemes::Certificate => format!("Certificate realm=\"{realm}\""),
    })
}

fn error_parameters(reason: Reason, code: &str, description: &str) -> String {
    if reason == Reason::CredentialMissing {
        return String::new();
    }
    format!(", error=\"{code}\", error_description=\"{description}\"")
}

/// Returns true if a description may have the character: ASCII that needs no escape in a quoted string (RFC 6750 §3).
const fn is_description(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Returns the seconds after which a retry is useful (`Retry-After`, RFC 9110 §10.2.3); `None` if a retry changes nothing.
///
/// The values are constants, so that responses can be built in advance. Requests to an unavailable provider are repeated after a
/// second, then after twice as long each time, up to 30 s (`jwks::backoff`, `introspection::circuit_breaker`). Within ten seconds the
/// provider has received another request, or the outage lasts. Capacity and time are free again as soon as other checks finish.
pub(super) const fn retry_after(reason: Reason) -> Option<u32> {
    match reason.class() {
        Class::Unauthenticated | Class::Forbidden | Class::BadRequest => None,
        Class::Unavailable if matches!(reason, Reason::DeadlineExceeded | Reason::Overloaded) => Some(1),
        Class::Unavailable if matches!(reason, Reason::Internal) => Some(5),
        Class::Unavailable => Some(10),
    }
}

/// The required and the existing permissions, for clients that may see them (`denials.body: error`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insufficient {
    /// The required permissions.
    pub required: Vec<Box<str>>,
    /// The caller's permissions.
    pub have: Vec<Box<str>>,
}

/// `Insufficient permissions: required [delete], have [read]`; long lists are truncated.
impl fmt::Display for Insufficient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { required, have } = self;
        write!(f, "Insufficient permissions: required [{}], have [{}]", List(required), List(have))
    }
}

struct List<'l>(&'l [Box<str>]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The maximum length of a displayed list, in bytes. An item beyond it is replaced by `…`, which ends the list.
        const MAX_LIST_BYTES: usize = 1_024;
        let mut left = MAX_LIST_BYTES;
        for (number, item) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            match left.checked_sub(item.len()) {
                None => return f.write_str("…"),
                Some(rest) => left = rest,
            }
            // A claim can hold any character; a line break would start a second line in a text body.
            item.chars().filter(|c| !c.is_control()).try_for_each(|c| fmt::Write::write_char(f, c))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyStyle, Insufficient, of, public};
    use crate::reason::Reason;

    #[test]
    fn styles_have_their_own_words() {
        let texts = |reason| [BodyStyle::Problem, BodyStyle::Detail, BodyStyle::Error].map(|style| of(reason, style));
        assert_eq!(texts(Reason::TokenExpired), ["The token has expired.", "Signature has expired.", "Token expired"]);
        assert_eq!(
            texts(Reason::AudienceMismatch),
            ["The token is not valid here.", "Incorrect authentication credentials.", "Invalid or expired token"]
        );
        assert_eq!(texts(Reason::NoRule)[2], "Forbidden");
        assert_eq!(texts(Reason::PathAmbiguous), [public(Reason::PathAmbiguous); 3]);
    }

    #[test]
    fn lists_are_disclosed_and_bounded() {
        let texts = |required: &[&str], have: &[&str]| {
            let list = |texts: &[&str]| texts.iter().map(|text| Box::from(*text)).collect();
            Insufficient { required: list(required), have: list(have) }.to_string()
        };
        assert_eq!(texts(&["delete"], &["read"]), "Insufficient permissions: required [delete], have [read]");
        assert_eq!(texts(&["a", "b"], &[]), "Insufficient permissions: required [a, b], have []");
        assert_eq!(texts(&["a"], &["b\r\nc"]), "Insufficient permissions: required [a], have [bc]");
        let long = "x".repeat(600);
        assert!(texts(&["a"], &[&long, &long]).ends_with(", …]"));
    }
}
