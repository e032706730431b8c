//! Checks `api_key`: reads the table of keys, and makes of each entry the caller that it stands for.

use super::super::super::beside::Beside;
use super::super::super::document::{self, ApiKeyEntry};
use super::super::super::path::Path;
use super::super::super::problem::{Problem, Problems};
use super::super::super::quoted::Quoted;
use super::super::super::source::Reader;
use super::super::{named, timestamp};
use modgud_core::authn::{ApiKey, ApiKeyAuthenticator, ApiKeyDigest, ApiKeys};
use modgud_core::jose::Claims;
use modgud_core::principal::{AuthenticatorName, Identity, IdentityClaims, Principal, Proof, Reach};
use modgud_core::time::Timestamp;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// The claim that holds a key's `id`: what revocations know a token by (RFC 7519 §4.1.7).
const TOKEN_ID: &str = "jti";

pub(super) fn check(
    at: &Path,
    name: &str,
    api_key: &document::ApiKey,
    identity: &Arc<IdentityClaims>,
    reader: &Reader,
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
    identity: &Arc<IdentityClaims>,
    problems: &mut Problems,
) -> ApiKeys {
    let table = match Beside::<Vec<ApiKeyEntry>>::read(origin, text) {
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
        let principal = principal(entry, name, identity);
        let principal = principal.map_err(|(key, problem)| found.add(at.key(key), problem)).ok();
        if let (Some(digest), Some(principal)) = (digest, principal) {
            let expires = expires.unwrap_or(Some(Timestamp::NEVER)).unwrap_or(Timestamp::EPOCH);
            let key = ApiKey { id: entry.id.as_str().into(), principal: Arc::new(principal.until(expires)), expires };
            if let Some(other) = keys.add(digest, key) {
                found.add(at.key("sha256"), Problem::ApiKeyTwice(Quoted::new(&other.id)));
            }
        }
    }
    problems.add_beside(table.placed(found));
    keys
}

/// The caller that an entry stands for: its claims, the `id` as the token's, and the subject where subjects are looked for. A problem
/// comes with the key that it belongs to.
fn principal(
    entry: &ApiKeyEntry,
    name: &AuthenticatorName,
    mapping: &IdentityClaims,
) -> Result<Principal, (&'static str, Problem)> {
    let ApiKeyEntry { id, sha256: _, subject, roles, permissions, claims, expires: _ } = entry;
    let mut claims = claims.clone();
    if claims.insert(TOKEN_ID.to_owned(), Value::from(id.as_str())).is_some() {
        return Err(("subject", Problem::TokenIdClaimed));
    }
    if let (Some(subject), Some(path)) = (subject, &mapping.subject) {
        let put = path.put(&mut claims, subject);
        put.map_err(|_| ("subject", Problem::SubjectTwice(Quoted::new(&path.to_string()))))?;
    }
    for (key, list) in [("roles", roles), ("permissions", permissions)] {
        if list.iter().any(String::is_empty) {
            return Err((key, Problem::ApiKeyEmptyItem));
        }
    }
    let claims = Claims::of_json(Value::Object(claims));
    let claimed = mapping.claimed(&claims).map_err(|fault| ("claims", Problem::ApiKeyClaim(fault)))?;
    let own = |list: &[String], claimed: Vec<Box<str>>| match list {
        [] => claimed,
        list => list.iter().map(|text| text.as_str().into()).collect(),
    };
    let mut identity = Identity {
        subject: subject.as_deref().map(Box::from).or(claimed.subject),
        organization: claimed.organization,
        roles: own(roles, claimed.roles),
        permissions: own(permissions, claimed.permissions),
        scopes: claimed.scopes,
        reach: Reach::Named,
    };
    mapping.grants.apply(&mut identity);
    Ok(Principal::new(name.clone(), claims, identity, Arc::clone(&mapping.absent), Proof::ApiKey))
}
