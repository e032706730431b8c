//! API keys: long random texts, of which modgud knows only the SHA-256. `config` loads the table; a command generates the keys.

use super::{AuthnError, LastUse};
use crate::cache::{Digest, sha256};
use crate::credential::RawToken;
use crate::explain::{Observer, Step};
use crate::jose::Claims;
use crate::principal::{AuthMethod, AuthenticatorName, ClaimMapping, IdentityClaimError, PackedIdentity, Principal};
use crate::time::Timestamp;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::SHA256_OUTPUT_LEN;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// An authenticator of API keys.
#[derive(Debug)]
pub struct ApiKeyAuthenticator {
    /// Its name in the configuration.
    pub name: AuthenticatorName,
    /// The keys that it accepts.
    pub keys: ApiKeys,
}

/// API keys by digest.
#[derive(Debug, Default)]
pub struct ApiKeys(HashMap<ApiKeyDigest, ApiKey>);

/// One API key and its caller.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The name of the key for people, logs and revocations. Never a secret.
    pub id: Box<str>,
    /// The caller that presents the key.
    pub principal: Arc<Principal>,
    /// The time from which the key is rejected; [`Timestamp::NEVER`] for a key without an end.
    pub expires: Timestamp,
    /// The time at which a client last presented the key, neither ended nor revoked.
    pub last_use: LastUse,
    /// The position of the key in its table.
    number: usize,
}

/// The claim that holds a key's `id`. Revocations identify a token by it (RFC 7519 §4.1.7).
const TOKEN_ID: &str = "jti";

/// A row of a table of API keys, without its digest.
#[derive(Debug)]
pub struct ApiKeyEntry<'a> {
    /// The key's name.
    pub id: &'a str,
    /// The caller's subject; `None` if the claims name it, or nothing does.
    pub subject: Option<&'a str>,
    /// Roles. They replace those of the claims unless empty.
    pub roles: &'a [String],
    /// Permissions. They replace those of the claims unless empty.
    pub permissions: &'a [String],
    /// Claims, as a token would hold them.
    pub claims: Map<String, Value>,
    /// The time from which the key is rejected.
    pub expires: Timestamp,
}

/// The reason why a row of a table defines no caller.
#[derive(Debug)]
pub enum ApiKeyEntryError {
    /// The claims hold `jti`, which is the key's `id`.
    TokenIdClaimed,
    /// The row gives the subject, and the claims have another value at this path or on the way to it.
    SubjectTwice(String),
    /// An item of `roles` or `permissions`, as named here, is empty.
    EmptyItem(&'static str),
    /// A claim that decides on access has an unexpected type.
    Claim(IdentityClaimError),
}

impl ApiKey {
    /// Builds the caller of a row from its claims. The `id` becomes the token id; the subject is added at the claim path for subjects.
    ///
    /// # Errors
    /// [`ApiKeyEntryError`] if the row contradicts itself or a claim has the wrong type.
    pub fn new(
        authenticator: &AuthenticatorName,
        entry: ApiKeyEntry<'_>,
        mapping: &ClaimMapping,
    ) -> Result<Self, ApiKeyEntryError> {
        let ApiKeyEntry { id, subject, roles, permissions, mut claims, expires } = entry;
        if claims.insert(TOKEN_ID.to_owned(), Value::from(id)).is_some() {
            return Err(ApiKeyEntryError::TokenIdClaimed);
        }
        if let (Some(subject), Some(path)) = (subject, &mapping.subject) {
            path.put(&mut claims, subject).map_err(|_| ApiKeyEntryError::SubjectTwice(path.to_string()))?;
        }
        for (key, list) in [("roles", roles), ("permissions", permissions)] {
            if list.iter().any(String::is_empty) {
                return Err(ApiKeyEntryError::EmptyItem(key));
            }
        }
        let claims = Claims::from_json(Value::Object(claims));
        let mut identity = mapping.extract(&claims).map_err(ApiKeyEntryError::Claim)?;
        identity.subject = subject.or(identity.subject);
        for (own, claimed) in [(roles, &mut identity.roles), (permissions, &mut identity.permissions)] {
            if !own.is_empty() {
                *claimed = own.iter().map(String::as_str).collect();
            }
        }
        mapping.grants.apply(&mut identity);
        let identity = PackedIdentity::new(&identity, &claims);
        let null_strings = Arc::clone(&mapping.null_strings);
        let principal = Principal::new(authenticator.clone(), claims, identity, null_strings, AuthMethod::ApiKey);
        let principal = principal.until(expires);
        Ok(Self { id: id.into(), principal: Arc::new(principal), expires, last_use: LastUse::default(), number: 0 })
    }
}

/// The SHA-256 of an API key. It compares in constant time. Its position in a table depends on a secret of the process, so the duration of
/// a look-up reveals nothing about the stored digests.
#[derive(Clone, Copy)]
pub struct ApiKeyDigest(Digest);

/// The error for a text that is not a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write 64 hexadecimal digits, as `modgud apikey new` and `sha256sum` do")]
pub struct ApiKeyDigestError;

impl ApiKeyDigest {
    /// Computes the digest of a key, as a client presents it.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(sha256(&[key.as_bytes()]))
    }

    /// Parses 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`ApiKeyDigestError`] for any other text.
    pub fn parse(hex: &str) -> Result<Self, ApiKeyDigestError> {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        if hex.len() != SHA256_OUTPUT_LEN.saturating_mul(2) || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(ApiKeyDigestError);
        }
        for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| ApiKeyDigestError)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| ApiKeyDigestError)?;
        }
        Ok(Self(bytes))
    }
}

impl PartialEq for ApiKeyDigest {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for ApiKeyDigest {}

impl Hash for ApiKeyDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// 64 hexadecimal digits, the stored form.
impl fmt::Display for ApiKeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Hidden: a digest of a weak key would help to guess it.
impl fmt::Debug for ApiKeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyDigest(…)")
    }
}

/// The reason why an API key was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// The authenticator does not know the key.
    #[error("the credential is none of the API keys of the authenticator")]
    Unknown,
    /// The key has expired.
    #[error("the API key `{id}` expired at {expired} and it is {now}")]
    Expired {
        /// The key's name.
        id: Box<str>,
        /// The time of expiry.
        expired: Timestamp,
        /// The time of the check.
        now: Timestamp,
    },
}

impl ApiKeys {
    /// Adds a key. Returns the replaced key with the same digest, `None` if there was none.
    pub fn add(&mut self, digest: ApiKeyDigest, key: ApiKey) -> Option<ApiKey> {
        let number = self.0.len();
        self.0.insert(digest, ApiKey { number, ..key })
    }

    /// Returns the keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &ApiKey> {
        self.0.values()
    }

    /// Returns the keys, in the order in which they were added.
    #[must_use]
    pub fn in_order(&self) -> Vec<&ApiKey> {
        let mut keys: Vec<&ApiKey> = self.iter().collect();
        keys.sort_unstable_by_key(|key| key.number);
        keys
    }

    /// Inherits the last use of each key that is among the replaced keys. A new secret under an old `id` is another key.
    pub(super) fn inherit_last_use(&mut self, before: &Self) {
        for (digest, key) in &mut self.0 {
            if let Some(known) = before.0.get(digest).filter(|known| known.id == key.id) {
                key.last_use = known.last_use.clone();
            }
        }
    }
}

impl ApiKeyAuthenticator {
    /// Returns the `id` of a key; `None` if it is unknown.
    pub(super) fn id_of(&self, key: RawToken<'_>) -> Option<&str> {
        self.keys.0.get(&ApiKeyDigest::of(key.as_str())).map(|key| &*key.id)
    }

    /// Returns the key with its caller.
    ///
    /// # Errors
    /// [`ApiKeyError`] if the key is unknown or expired.
    pub(super) fn authenticate(
        &self,
        key: RawToken<'_>,
        now: Timestamp,
        observer: &mut impl Observer,
    ) -> Result<&ApiKey, AuthnError> {
        let known = self.keys.0.get(&ApiKeyDigest::of(key.as_str())).ok_or(ApiKeyError::Unknown);
        observer.step(|| {
            let id = known.as_ref().map(|key| &*key.id).unwrap_or_default();
            Step::of("api key", &known, format!("`{id}` of the authenticator `{}`", self.name.as_str()))
        });
        let key = known?;
        let ApiKey { id, expires, .. } = key;
        if now >= *expires {
            let error = ApiKeyError::Expired { id: id.clone(), expired: *expires, now };
            observer.step(|| Step::failed("expires", error.to_string()));
            return Err(error.into());
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiKeyDigest, ApiKeyDigestError};

    #[test]
    fn digests_are_those_of_sha256sum() {
        let digest = ApiKeyDigest::of("abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), hex);
        assert_eq!(ApiKeyDigest::parse(hex), Ok(digest));
        assert_eq!(ApiKeyDigest::parse(&hex.to_uppercase()), Ok(digest));
        assert_ne!(ApiKeyDigest::of("abd"), digest);
        assert_eq!(format!("{digest:?}"), "ApiKeyDigest(…)");
        for bad in [
            "",
            "ba78",
            hex.trim_start_matches('b'),
            &format!("{hex}0"),
            &hex.replace('b', "g"),
            &hex.replacen("ba", "+a", 1),
            &hex.replacen("ba", "ä", 1),
        ] {
            assert_eq!(ApiKeyDigest::parse(bad), Err(ApiKeyDigestError), "{bad}");
        }
    }
}
