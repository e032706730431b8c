//! Validates `api_key`: reads the table of keys, and creates the caller of each entry.

use super::super::super::diagnostic::{Problem, Problems};
use super::super::super::included::IncludedDocument;
use super::super::super::path::Path;
use super::super::super::raw::{self, ApiKeyEntry};
use super::super::super::secret_source::SecretLoader;
use super::super::{named, timestamp};
use crate::diagnostic::Quoted;
use modgud_core::authn::{ApiKey, ApiKeyAuthenticator, ApiKeyDigest, ApiKeyEntryError, ApiKeys};
use modgud_core::principal::{AuthenticatorName, ClaimMapping};
use modgud_core::time::Timestamp;
use std::collections::HashSet;
use std::sync::Arc;

pub(super) fn check(
    at: &Path,
    name: &str,
    api_key: &raw::ApiKey,
    identity: &Arc<ClaimMapping>,
    reader: &SecretLoader,
    problems: &mut Problems,
) -> ApiKeyAuthenticator {
    let name = AuthenticatorName::new(name);
    let table = reader.table(&api_key.file);
    let keys = match problems.take(&at.key("file"), table) {
        Some(Some((origin, text))) => keys(&origin, &text, &name, identity, problems),
        Some(None) | None => ApiKeys::default(),
    };
    ApiKeyAuthenticator { name, keys }
}

fn keys(
    origin: &str,
    text: &str,
    name: &AuthenticatorName,
    identity: &Arc<ClaimMapping>,
    problems: &mut Problems,
) -> ApiKeys {
    let table = match IncludedDocument::<Vec<ApiKeyEntry>>::read(origin, text) {
        Ok(table) => table,
        Err(placed) => {
            problems.add_beside([*placed]);
            return ApiKeys::default();
        }
    };
    let mut keys = ApiKeys::default();
    let mut found = Problems::default();
    let mut taken = HashSet::new();
    for (number, entry) in table.document.iter().enumerate() {
        let at = Path::default().position(number);
        named(&at, "id", &entry.id, &mut taken, &mut found);
        let digest = ApiKeyDigest::parse(&entry.sha256).map_err(Problem::ApiKeyDigest);
        let digest = found.take(&at.key("sha256"), digest);
        let expires = entry.expires.as_ref().map(|text| timestamp(text).map_err(|_| Problem::TimeHidden));
        let expires = expires.map(|expires| found.take(&at.key("expires"), expires));
        let row = modgud_core::authn::ApiKeyEntry {
            id: &entry.id,
            subject: entry.subject.as_deref(),
            roles: &entry.roles,
            permissions: &entry.permissions,
            claims: entry.claims.clone(),
            expires: expires.unwrap_or(Some(Timestamp::NEVER)).unwrap_or(Timestamp::EPOCH),
        };
        let key = ApiKey::new(name, row, identity).map_err(problem);
        let key = key.map_err(|(key, problem)| found.add(at.key(key), problem)).ok();
        if let (Some(digest), Some(key)) = (digest, key)
            && let Some(other) = keys.add(digest, key)
        {
            found.add(at.key("sha256"), Problem::ApiKeyTwice(Quoted::new(&other.id)));
        }
    }
    problems.add_beside(table.placed(found));
    keys
}

/// Converts an error of an entry to a problem, with the key that it concerns.
fn problem(fault: ApiKeyEntryError) -> (&'static str, Problem) {
    match fault {
        ApiKeyEntryError::TokenIdClaimed => ("subject", Problem::TokenIdClaimed),
        ApiKeyEntryError::SubjectTwice(path) => ("subject", Problem::SubjectTwice(Quoted::new(&path))),
        ApiKeyEntryError::EmptyItem(key) => (key, Problem::ApiKeyEmptyItem),
        ApiKeyEntryError::Claim(fault) => ("claims", Problem::ApiKeyClaim(fault)),
    }
}
