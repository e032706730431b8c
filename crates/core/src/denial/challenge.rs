//! `WWW-Authenticate` (RFC 6750 §3, RFC 9449 §7.1).

use super::style::{ChallengeSchemes, Style};
use super::text::public;
use crate::jose::{Algorithm, KeyType};
use crate::reason::{Class, Reason};

/// Returns the challenge for a reason; `None` if the class is not "unauthenticated".
///
/// A request without a credential gets no error code. One with an invalid token gets its code and a sentence that helps the client
/// but not an attacker. Every 401 requires a challenge. It is sent for the class, whatever its status: a client that gets 403
/// because of an old contract still sees the meaning. Error codes are those of tokens; other challenges have none.
pub(super) fn of(reason: Reason, style: &Style) -> Option<String> {
    match reason.class() {
        Class::Unauthenticated => {}
        Class::Forbidden | Class::BadRequest | Class::Unavailable => return None,
    }
    let realm = style.realm.as_str();
    let token = |scheme: &str| format!("{scheme} realm=\"{realm}\"{}", error(reason, "invalid_token"));
    let bearer = || token("Bearer");
    let dpop = || {
        let code = if reason == Reason::SenderUnproven { "invalid_dpop_proof" } else { "invalid_token" };
        let signed = Algorithm::ALL.iter().filter(|algorithm| algorithm.family() != KeyType::Hmac);
        let algorithms: Vec<&str> = signed.map(|algorithm| algorithm.name()).collect();
        format!("DPoP realm=\"{realm}\"{}, algs=\"{}\"", error(reason, code), algorithms.join(" "))
    };
    Some(match &style.schemes {
        ChallengeSchemes::Bearer => bearer(),
        ChallengeSchemes::Dpop => dpop(),
        ChallengeSchemes::BearerAndDpop => format!("{}, {}", bearer(), dpop()),
        ChallengeSchemes::Named(scheme) => token(scheme),
        ChallengeSchemes::ApiKey { header } => format!("ApiKey realm=\"{realm}\", header=\"{header}\""),
        ChallengeSchemes::Cookie { name } => format!("Cookie realm=\"{realm}\", cookie-name=\"{name}\""),
        ChallengeSchemes::Certificate => format!("Certificate realm=\"{realm}\""),
    })
}

fn error(reason: Reason, code: &str) -> String {
    if reason == Reason::CredentialMissing {
        return String::new();
    }
    format!(", error=\"{code}\", error_description=\"{}\"", public(reason))
}
