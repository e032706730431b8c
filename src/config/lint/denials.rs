//! Warnings about responses that do not help clients, and about checks that can't be decided and pass.

use super::super::path::Path;
use super::super::raw::{Denials, Deny, Document, Statuses, Unavailable};
use super::{Warning, Warnings};

/// Statuses that make clients and proxies repeat the request (RFC 9110 §15.5.9 and §15.5.20, RFC 8470 §5.2, RFC 6585 §4).
const RETRIED: [u16; 4] = [408, 421, 425, 429];

pub(super) fn find(document: &Document, warnings: &mut Warnings<'_>) {
    let Denials { status: Statuses { unauthenticated, forbidden }, unavailable, .. } = &document.denials;
    let at = Path::root("denials");
    if let Some(found) = unauthenticated.filter(|status| RETRIED.contains(status)) {
        warnings.add(&at.key("status").key("unauthenticated"), Warning::StatusRetried { found, right: 401 });
    }
    of_forbidden(&at.key("status").key("forbidden"), *forbidden, warnings);
    match unavailable {
        Unavailable::Deny => {}
        Unavailable::Error => warnings.add(&at.key("unavailable"), Warning::UndecidedLeftToEnvoy),
    }
    for (number, rule) in document.rules.iter().enumerate() {
        if let Some(Deny { status, detail: _ }) = &rule.deny {
            of_forbidden(&Path::root("rules").position(number).key("deny").key("status"), *status, warnings);
        }
    }
}

/// Checks also for 401, upon which clients log in again. That does not help an authenticated caller without access.
fn of_forbidden(at: &Path, status: Option<u16>, warnings: &mut Warnings<'_>) {
    match status {
        Some(401) => warnings.add(at, Warning::ForbiddenAsUnknown),
        Some(found) if RETRIED.contains(&found) => warnings.add(at, Warning::StatusRetried { found, right: 403 }),
        Some(_) | None => {}
    }
}
