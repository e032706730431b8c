//! Validates `from`, the credential locations of an authenticator, and `sender_constraint`: proofs are required exactly where the scheme is
//! `DPoP`.

use super::super::{DurationRange, header_name, scheme};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, From, Sender};
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authn::{Authenticator, DpopPolicy, SenderConstraint};
use modgud_core::credential::{
    AuthenticatorId, ConflictingFormat, CookieName, CredentialExtractor, CredentialLocation, QueryName,
};
use modgud_core::denial::ChallengeSchemes;
use modgud_core::http::header::{folds_to_same_name, is_protocol_header};
use std::time::Duration;

/// Adds the credential locations of one authenticator to those of all.
pub(super) fn check(
    at: &Path,
    from: &[From],
    id: AuthenticatorId,
    locations: &mut CredentialExtractor,
    diagnostics: &mut Diagnostics,
) {
    if from.is_empty() {
        let help = "name the location of the credential, such as `{ header: authorization, schemes: [Bearer] }`";
        diagnostics.add(at.key("from"), Issue::error("empty", "is empty", help));
    }
    for (number, from) in from.iter().enumerate() {
        look(&at.key("from").position(number), from, id, locations, diagnostics);
    }
}

/// Returns true if both have a credential location in common.
pub(super) fn share(one: &[From], other: &[From]) -> bool {
    let same = |one: &From, other: &From| {
        let header = |from: &From| from.header.as_ref().map(|header| header.to_ascii_lowercase());
        let location = |from: &From| (header(from), from.cookie.clone(), from.query.clone());
        location(one) == location(other)
    };
    one.iter().any(|one| other.iter().any(|other| same(one, other)))
}

fn look(
    at: &Path,
    from: &From,
    id: AuthenticatorId,
    locations: &mut CredentialExtractor,
    diagnostics: &mut Diagnostics,
) {
    let From { header, schemes, cookie, query } = from;
    match (header, schemes, cookie, query) {
        (Some(header), schemes, None, None) => {
            in_header(at, header, schemes.as_deref(), id, locations, diagnostics);
        }
        (None, None, Some(cookie), None) => {
            let name = CookieName::parse(cookie).map_err(|error| {
                let message = format!("{} is not the name of a cookie: {error}", Quoted::new(cookie));
                Issue::parse("cookie-name-invalid", message)
            });
            if let Some(name) = diagnostics.ok_or_report(&at.key("cookie"), name) {
                locations.add_cookie(&name, id);
            }
        }
        (None, None, None, Some(query)) => {
            let name = QueryName::parse(query).map_err(|error| {
                let message = format!("{} is not the name of a query parameter: {error}", Quoted::new(query));
                Issue::parse("query-name-invalid", message)
            });
            if let Some(name) = diagnostics.ok_or_report(&at.key("query"), name) {
                locations.add_query(&name, id);
            }
        }
        (None, _, None, None) | (Some(_), _, Some(_), _) | (Some(_) | None, _, _, Some(_)) | (None, Some(_), _, _) => {
            let help = "write `{ header: authorization, schemes: [Bearer] }`, `{ header: x-api-key }`, `{ cookie: session }` or \
                        `{ query: access_token }`";
            diagnostics.add(at.clone(), Issue::error("location-invalid", "is not one credential location", help));
        }
    }
}

fn in_header(
    at: &Path,
    header: &str,
    schemes: Option<&[String]>,
    id: AuthenticatorId,
    locations: &mut CredentialExtractor,
    diagnostics: &mut Diagnostics,
) {
    let mut accepted = Vec::new();
    for (number, text) in schemes.unwrap_or_default().iter().enumerate() {
        accepted.extend(diagnostics.ok_or_report(&at.key("schemes").position(number), scheme(text)));
    }
    if schemes.is_some_and(<[String]>::is_empty) {
        let issue = Issue::error("empty", "is empty", "name at least one scheme, such as `Bearer`");
        diagnostics.add(at.key("schemes"), issue);
    }
    let Some(name) = diagnostics.ok_or_report(&at.key("header"), header_name(header)) else { return };
    if folds_to_same_name(name.as_str().as_bytes(), b"cookie") {
        let message = "the header `cookie` is not a credential location";
        let issue = Issue::error("cookie-header", message, "write the name of the cookie, as in `{ cookie: session }`");
        return diagnostics.add(at.key("header"), issue);
    }
    if folds_to_same_name(name.as_str().as_bytes(), b"sec-websocket-protocol") {
        // The server must choose from the list (RFC 6455 §4.2.2), so modgud could not remove the credential.
        let message = format!(
            "{} can't hold a credential: its value is a list of subprotocols, from which the server selects one",
            Quoted::new(header)
        );
        let help = "write `{ cookie: session }`, which browsers send with a WebSocket, or `{ query: access_token }`";
        return diagnostics.add(at.key("header"), Issue::error("websocket-protocol-header", message, help));
    }
    if is_protocol_header(name.as_str().as_bytes()) {
        let message = format!("{} can't hold a credential: HTTP or Envoy itself needs it", Quoted::new(header));
        let issue =
            Issue::error("credential-header-reserved", message, "write another header, such as `authorization`");
        return diagnostics.add(at.key("header"), issue);
    }
    let added = match schemes {
        Some(_) => locations.add_schemes(&name, &accepted, id),
        None => locations.add_raw(&name, id),
    };
    let added = added.map_err(|ConflictingFormat| {
        let message = format!("{} is configured both with and without `schemes`", Quoted::new(header));
        Issue::error("header-with-and-without-schemes", message, "use one form")
    });
    diagnostics.ok_or_report(&at.key("header"), added);
}

/// The default lifetime of a proof.
const LIFETIME: Duration = Duration::from_secs(60);
/// The minimum leeway for clients' clocks, which are less accurate than those of issuers.
const LEAST_LEEWAY: Duration = Duration::from_secs(5);

/// Returns the proof of possession that a token requires. `None` if it requires none. `leeway` is the written one: the default of tokens
/// would let proofs be dated further ahead.
pub(super) fn constraint(
    at: &Path,
    constraint: Option<Sender>,
    lifetime: Option<&String>,
    leeway: Option<Duration>,
    diagnostics: &mut Diagnostics,
) -> Option<SenderConstraint> {
    let span = DurationRange { least: ("1s", 1_000), most: ("5m", 300_000) };
    let at = at.key("proof_lifetime");
    match (constraint, lifetime) {
        (Some(Sender::Dpop), lifetime) => {
            let lifetime = lifetime.map_or(LIFETIME, |text| span.read(&at, Some(text), diagnostics));
            return Some(SenderConstraint::Dpop(DpopPolicy {
                lifetime,
                leeway: leeway.unwrap_or_default().max(LEAST_LEEWAY),
            }));
        }
        (Some(Sender::Certificate) | None, Some(_)) => {
            let message = "has no effect without `sender_constraint: dpop`";
            diagnostics.add(at, Issue::error("proof-lifetime-unused", message, "leave it out"));
        }
        (Some(Sender::Certificate) | None, None) => {}
    }
    constraint.map(|_| SenderConstraint::Certificate)
}

/// Returns the schemes of challenges, which follow the credential locations: a client must not send a token where none is read.
pub(in crate::config::validate) fn challenge_schemes(
    list: &[Authenticator],
    places: &CredentialExtractor,
) -> ChallengeSchemes {
    let (mut is_bearer, mut is_dpop, mut scheme, mut header, mut cookie) = (false, false, None, None, None);
    for (place, _) in places.all() {
        match place {
            CredentialLocation::Scheme(_, found) if found.is_dpop() => is_dpop = true,
            CredentialLocation::Scheme(_, found) if found.is_bearer() => is_bearer = true,
            CredentialLocation::Scheme(_, found) => scheme = scheme.or(Some(found)),
            // A token in a query is a `Bearer` token (RFC 6750 §2.3).
            CredentialLocation::Query(_) => is_bearer = true,
            CredentialLocation::Header(found) => header = header.or(Some(found)),
            CredentialLocation::Cookie(found) => cookie = cookie.or(Some(found)),
        }
    }
    let is_mtls = list.iter().any(|one| matches!(one, Authenticator::Mtls(_)));
    match (is_bearer, is_dpop, scheme, header, cookie) {
        (true, true, ..) | (false, true, Some(_), ..) => ChallengeSchemes::BearerAndDpop,
        (false, true, None, ..) => ChallengeSchemes::Dpop,
        (false, false, Some(scheme), ..) => ChallengeSchemes::Named(scheme.as_str().into()),
        (false, false, None, Some(header), _) => ChallengeSchemes::ApiKey { header: header.as_str().into() },
        (false, false, None, None, Some(cookie)) => ChallengeSchemes::Cookie { name: cookie.as_str().into() },
        (false, false, None, None, None) if is_mtls => ChallengeSchemes::Certificate,
        (true, false, ..) | (false, false, None, None, None) => ChallengeSchemes::Bearer,
    }
}

/// Checks that tokens that require a proof follow the scheme `DPoP` and have no other location (RFC 9449 §7.1, §7.2).
///
/// Other tokens never follow that scheme, because their holder would believe that a thief can't use them.
pub(super) fn check_dpop(at: &Path, entry: &raw::Authenticator, diagnostics: &mut Diagnostics) {
    let raw::Authenticator { jwt, introspection, .. } = entry;
    let of_jwt = jwt.as_ref().and_then(|jwt| jwt.sender_constraint);
    let bound = introspection.as_ref().and_then(|one| one.sender_constraint).or(of_jwt) == Some(Sender::Dpop);
    for (number, from) in entry.from.iter().enumerate() {
        let at = at.key("from").position(number);
        let schemes = from.schemes.as_deref().unwrap_or_default();
        let is_dpop = |text: &String| scheme(text).is_ok_and(|scheme| scheme.is_dpop());
        match schemes.iter().position(is_dpop) {
            Some(_) if bound && schemes.iter().all(is_dpop) => {}
            Some(index) if !bound => {
                let message = "is the scheme of tokens with a proof, and this authenticator requires none";
                let help = "add `sender_constraint: dpop`, or leave the scheme out";
                diagnostics.add(at.key("schemes").position(index), Issue::error("dpop-scheme", message, help));
            }
            Some(_) | None if bound => {
                let message = "is not the location of tokens with a proof (`sender_constraint: dpop`), which follow the scheme `DPoP` in a \
                               header";
                let help = "write `{ header: authorization, schemes: [DPoP] }`";
                diagnostics.add(at, Issue::error("dpop-location", message, help));
            }
            Some(_) | None => {}
        }
    }
}
