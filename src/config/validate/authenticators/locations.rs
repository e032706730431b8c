//! Validates `from`: the credential locations of an authenticator.

use super::super::{header_name, scheme};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::From;
use crate::diagnostic::{Issue, Quoted};
use modgud_core::credential::{AuthenticatorId, ConflictingFormat, CookieName, CredentialExtractor, QueryName};
use modgud_core::http::header::folds_to_same_name;

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
