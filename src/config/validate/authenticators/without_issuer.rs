//! Validates `issuer` and `without_issuer`: an authenticator that ignores `iss` is the only one at its locations, so that no token can belong
//! to two, and only an audience says which service a token is for.

use super::locations;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Audiences};
use crate::diagnostic::{Issue, Quoted};

/// Returns the `iss` of the tokens. `None` if it is ignored.
pub(super) fn issuer(at: &Path, jwt: &raw::Jwt, diagnostics: &mut Diagnostics) -> Option<Box<str>> {
    let raw::Jwt { issuer, without_issuer, audiences, .. } = jwt;
    match (issuer.as_deref(), without_issuer) {
        (Some(_), true) => {
            let message = "has no effect beside `issuer`, which is checked";
            let issue = Issue::error("without-issuer-unused", message, "leave out one of the two");
            diagnostics.add(at.key("without_issuer"), issue);
        }
        (Some(""), false) => {
            let issue = Issue::error("empty", "is empty", "write the exact `iss` of the tokens");
            diagnostics.add(at.key("issuer"), issue);
        }
        (Some(_), false) => {}
        (None, false) => {
            let help = "write the exact `iss` of the tokens; for tokens that need none, such as those of SPIFFE, write `without_issuer: true`";
            diagnostics.add(at.key("issuer"), Issue::error("issuer-missing", "is missing", help));
        }
        (None, true) => {
            if !matches!(audiences, Audiences::List(list) if !list.is_empty()) {
                let message =
                    "names no audience, and with `without_issuer` nothing else says that a token is for this service";
                let help = "name the audience of this service, such as `audiences: [spiffe://example.org/api]`";
                diagnostics.add(at.key("audiences"), Issue::error("without-issuer-audience", message, help));
            }
        }
    }
    issuer.as_deref().map(Into::into)
}

/// Checks that no authenticator before this one reads a location of it if either ignores `iss`.
pub(super) fn check_alone(at: &Path, list: &[raw::Authenticator], number: usize, diagnostics: &mut Diagnostics) {
    let ignores = |entry: &raw::Authenticator| entry.jwt.as_ref().is_some_and(|jwt| jwt.without_issuer);
    let Some(entry) = list.get(number) else { return };
    let shares =
        |other: &&raw::Authenticator| (ignores(entry) || ignores(other)) && locations::share(&other.from, &entry.from);
    if let Some(other) = list.iter().take(number).find(shares) {
        let sole = if ignores(other) { other } else { entry };
        let message = format!(
            "authenticators {} and {} read the same location, and every token there belongs to {}, which has `without_issuer`",
            Quoted::new(&other.name),
            Quoted::new(&entry.name),
            Quoted::new(&sole.name)
        );
        let help = "let one of them read another header, or write the `issuer` of both";
        diagnostics.add(at.key("from"), Issue::error("without-issuer-shared", message, help));
    }
}
