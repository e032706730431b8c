//! Validates `api_key`: reads the table of keys, and creates the caller of each entry.

use super::super::named;
use crate::config::de::IncludedDocument;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, ApiKeyEntry};
use crate::config::revocations::{TIME_HELP, timestamp};
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::{Diagnostic, Issue, Quoted};
use modgud_core::authn::{ApiKey, ApiKeyAuthenticator, ApiKeyDigest, ApiKeyEntryError, ApiKeys};
use modgud_core::principal::{AuthenticatorName, ClaimMapping, RoleSource};
use modgud_core::time::Timestamp;
use std::collections::HashSet;
use std::sync::Arc;

pub(super) fn check(
    at: &Path,
    name: &str,
    api_key: &raw::ApiKey,
    identity: &Arc<ClaimMapping>,
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) -> ApiKeyAuthenticator {
    let name = AuthenticatorName::new(name);
    let table = loader.table(&api_key.file);
    let keys = match diagnostics.ok_or_report(&at.key("file"), table) {
        Some(Some((origin, text))) => keys(&origin, &text, &name, identity, diagnostics),
        Some(None) | None => ApiKeys::default(),
    };
    ApiKeyAuthenticator { name, keys }
}

fn keys(
    origin: &str,
    text: &str,
    name: &AuthenticatorName,
    identity: &Arc<ClaimMapping>,
    diagnostics: &mut Diagnostics,
) -> ApiKeys {
    let (keys, errors) = read(origin, text, name, identity);
    diagnostics.extend_included(errors);
    keys
}

/// Checks a table, as every authenticator does, and returns the `id` of each entry.
pub(in crate::config) fn ids(origin: &str, text: &str) -> Result<Vec<String>, Vec<Diagnostic>> {
    let identity = ClaimMapping {
        subject: None,
        organization: None,
        roles: RoleSource::default(),
        permissions: Vec::new(),
        scopes: Vec::new(),
        grants: Arc::default(),
        null_strings: Arc::default(),
    };
    let (_, errors) = read(origin, text, &AuthenticatorName::new("table"), &Arc::new(identity));
    if !errors.is_empty() {
        return Err(errors);
    }
    let table = IncludedDocument::<Vec<ApiKeyEntry>>::read(origin, text).map_err(|error| vec![*error])?;
    Ok(table.document.into_iter().map(|entry| entry.id).collect())
}

/// Reads a table, and returns its keys and all errors.
fn read(
    origin: &str,
    text: &str,
    name: &AuthenticatorName,
    identity: &Arc<ClaimMapping>,
) -> (ApiKeys, Vec<Diagnostic>) {
    let table = match IncludedDocument::<Vec<ApiKeyEntry>>::read(origin, text) {
        Ok(table) => table,
        Err(diagnostic) => return (ApiKeys::default(), vec![*diagnostic]),
    };
    let mut keys = ApiKeys::default();
    let mut found = Diagnostics::default();
    let mut taken = HashSet::new();
    for (number, entry) in table.document.iter().enumerate() {
        let at = Path::default().position(number);
        named(&at, "id", &entry.id, &mut taken, &mut found);
        let digest = ApiKeyDigest::parse(&entry.sha256).map_err(|error| {
            Issue::parse("digest-invalid", format!("the value (not shown: it may be the key) is not a digest: {error}"))
        });
        let digest = found.ok_or_report(&at.key("sha256"), digest);
        let expires = entry.expires.as_ref().map(|text| {
            timestamp(text).map_err(|_| {
                let message = "the value (not shown: it may be a secret) is not a point in time";
                Issue::error("time-invalid", message, TIME_HELP)
            })
        });
        let expires = expires.map(|expires| found.ok_or_report(&at.key("expires"), expires));
        let row = modgud_core::authn::ApiKeyEntry {
            id: &entry.id,
            subject: entry.subject.as_deref(),
            roles: &entry.roles,
            permissions: &entry.permissions,
            claims: entry.claims.clone(),
            expires: expires.unwrap_or(Some(Timestamp::NEVER)).unwrap_or(Timestamp::EPOCH),
        };
        let key = ApiKey::new(name, row, identity).map_err(invalid_entry);
        let key = key.map_err(|(key, issue)| found.add(at.key(key), issue)).ok();
        if let (Some(digest), Some(key)) = (digest, key)
            && let Some(other) = keys.add(digest, key)
        {
            let message = format!("{} has this digest, too", Quoted::new(&other.id));
            found.add(at.key("sha256"), Issue::error("digest-duplicate", message, "write one entry for each key"));
        }
    }
    (keys, table.located(found))
}

/// Returns the error of an entry, and the key that it concerns.
fn invalid_entry(error: ApiKeyEntryError) -> (&'static str, Issue) {
    match error {
        ApiKeyEntryError::TokenIdClaimed => {
            let message = "the claims contain `jti`, which is always the entry's `id`";
            ("subject", Issue::error("token-id-claimed", message, "leave it out"))
        }
        ApiKeyEntryError::SubjectTwice(path) => {
            let message = format!("the claim {} has another value", Quoted::new(&path));
            ("subject", Issue::error("subject-contradicted", message, "write the subject once"))
        }
        ApiKeyEntryError::EmptyItem(key) => (key, Issue::error("item-empty", "has an empty item", "leave it out")),
        ApiKeyEntryError::Claim(error) => ("claims", Issue::parse("identity-claim-invalid", error)),
    }
}
