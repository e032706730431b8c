//! `WWW-Authenticate` (RFC 6750 §3, RFC 9449 §7.1).

use super::style::{ChallengeSchemes, Style};
use super::text::public;
use crate::jose::{Algorithm, KeyType};
use crate::reason::{Class, Reason};

/// The challenge of a reason. A request without a credential is told no error code; one with a bad token is told which it is and a
/// sentence that helps the client and not an attacker. Owed with every 401; sent with the class whatever its status, so that a
/// client that is told 403 for the sake of an old contract can still see what is meant.
pub(super) fn of(reason: Reason, style: &Style) -> Option<String> {
    match reason.class() {
        Class::Unauthenticated => {}
        Class::Forbidden | Class::BadRequest | Class::Unavailable => return None,
    }
    let realm = style.realm.as_str();
    let bearer = || format!("Bearer realm=\"{realm}\"{}", error(reason, "invalid_token"));
    let dpop = || {
        let code = if reason == Reason::SenderUnproven { "invalid_dpop_proof" } else { "invalid_token" };
        let signed = Algorithm::ALL.iter().filter(|algorithm| algorithm.family() != KeyType::Hmac);
        let algorithms: Vec<&str> = signed.map(|algorithm| algorithm.name()).collect();
        format!("DPoP realm=\"{realm}\"{}, algs=\"{}\"", error(reason, code), algorithms.join(" "))
    };
    Some(match style.schemes {
        ChallengeSchemes::Bearer => bearer(),
        ChallengeSchemes::Dpop => dpop(),
        ChallengeSchemes::BearerAndDpop => format!("{}, {}", bearer(), dpop()),
    })
}

fn error(reason: Reason, code: &str) -> String {
    if reason == Reason::CredentialMissing {
        return String::new();
    }
    format!(", error=\"{code}\", error_description=\"{}\"", public(reason))
}
