//! Validates `from`: the credential locations of an authenticator.

use super::super::super::diagnostic::{Problem, Problems};
use super::super::super::path::Path;
use super::super::super::quoted::Quoted;
use super::super::super::raw::From;
use super::super::{header_name, scheme};
use modgud_core::credential::{AuthenticatorId, ConflictingFormat, CookieName, CredentialExtractor, QueryName};
use modgud_core::http::header::{folds_to_same_name, is_protocol_header};

/// Adds the credential locations of one authenticator to those of all.
pub(super) fn check(
    at: &Path,
    from: &[From],
    who: AuthenticatorId,
    places: &mut CredentialExtractor,
    problems: &mut Problems,
) {
    if from.is_empty() {
        let what = "say where the credential stands, such as `{ header: authorization, schemes: [Bearer] }`";
        problems.add(at.key("from"), Problem::Empty(what));
    }
    for (number, from) in from.iter().enumerate() {
        look(&at.key("from").position(number), from, who, places, problems);
    }
}

/// Returns true if both have a credential location in common.
pub(super) fn share(one: &[From], other: &[From]) -> bool {
    let same = |one: &From, other: &From| {
        let header = |from: &From| from.header.as_ref().map(|header| header.to_ascii_lowercase());
        let place = |from: &From| (header(from), from.cookie.clone(), from.query.clone());
        place(one) == place(other)
    };
    one.iter().any(|one| other.iter().any(|other| same(one, other)))
}

fn look(at: &Path, from: &From, who: AuthenticatorId, places: &mut CredentialExtractor, problems: &mut Problems) {
    let From { header, schemes, cookie, query } = from;
    match (header, schemes, cookie, query) {
        (Some(header), schemes, None, None) => {
            in_header(at, header, schemes.as_deref(), who, places, problems);
        }
        (None, None, Some(cookie), None) => {
            let name = CookieName::parse(cookie).map_err(|fault| Problem::Cookie { found: Quoted::new(cookie), fault });
            if let Some(name) = problems.take(&at.key("cookie"), name) {
                places.add_cookie(&name, who);
            }
        }
        (None, None, None, Some(query)) => {
            let name = QueryName::parse(query).map_err(|fault| Problem::Query { found: Quoted::new(query), fault });
            if let Some(name) = problems.take(&at.key("query"), name) {
                places.add_query(&name, who);
            }
        }
        (None, _, None, None) | (Some(_), _, Some(_), _) | (Some(_) | None, _, _, Some(_)) | (None, Some(_), _, _) => {
            problems.add(at.clone(), Problem::Place);
        }
    }
}

fn in_header(
    at: &Path,
    header: &str,
    schemes: Option<&[String]>,
    who: AuthenticatorId,
    places: &mut CredentialExtractor,
    problems: &mut Problems,
) {
    let mut accepted = Vec::new();
    for (number, text) in schemes.unwrap_or_default().iter().enumerate() {
        accepted.extend(problems.take(&at.key("schemes").position(number), scheme(text)));
    }
    if schemes.is_some_and(<[String]>::is_empty) {
        problems.add(at.key("schemes"), Problem::Empty("name at least one scheme, such as `Bearer`"));
    }
    let Some(name) = problems.take(&at.key("header"), header_name(header)) else { return };
    if folds_to_same_name(name.as_str().as_bytes(), b"cookie") {
        return problems.add(at.key("header"), Problem::CookieHeader);
    }
    if folds_to_same_name(name.as_str().as_bytes(), b"sec-websocket-protocol") {
        return problems.add(at.key("header"), Problem::WebSocketProtocol(Quoted::new(header)));
    }
    if is_protocol_header(name.as_str().as_bytes()) {
        return problems.add(at.key("header"), Problem::CredentialHeader(Quoted::new(header)));
    }
    let added = match schemes {
        Some(_) => places.add_schemes(&name, &accepted, who),
        None => places.add_raw(&name, who),
    };
    problems.take(&at.key("header"), added.map_err(|ConflictingFormat| Problem::TwoForms(Quoted::new(header))));
}
