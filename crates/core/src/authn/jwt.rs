//! JWTs of one issuer (RFC 7519, RFC 8725): the keys and algorithms that verify them, and the caller that they identify. `jose` parses
//! tokens and verifies signatures.
//!
//! A cache saves verification for repeated tokens. It holds outcomes, never tokens; its users check the validity period.

use super::claims_policy::{ClaimsPolicy, ValidityPeriod};
use super::jwks::{ActiveKeys, IssuerKeys, KeyCoverage};
use super::{AuthnError, LookupResult, PendingLookup, mismatch};
use crate::cache::{ByteCache, ByteWeighter, Digest, Weigh, sha256};
use crate::credential::{AuthenticatorId, RawToken};
use crate::explain::{Observer, Step};
use crate::jose::{Algorithm, KeyIdentity, TokenError, UnverifiedToken, VerifiedToken};
use crate::principal::{AuthMethod, AuthenticatorName, Principal};
use crate::time::Timestamp;
use std::sync::Arc;

/// An authenticator of one issuer's tokens. Two are equal if they accept the same tokens, and see the same caller in each.
#[derive(Debug, PartialEq, Eq)]
pub struct JwtAuthenticator {
    /// Its name in the configuration.
    pub name: AuthenticatorName,
    /// The exact `iss` of its tokens.
    pub issuer: Box<str>,
    /// The algorithms that its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// The keys that verify them.
    pub keys: IssuerKeys,
    /// The claims policy.
    pub checks: ClaimsPolicy,
}

/// A token with a valid signature and valid claims; the validity period is checked on each use. Its end is that of the principal.
#[derive(Debug, Clone)]
pub struct VerifiedJwt {
    by: AuthenticatorId,
    key: KeyIdentity,
    principal: Arc<Principal>,
    from: Timestamp,
}

impl VerifiedJwt {
    /// Returns the authenticator that verified it.
    #[must_use]
    pub const fn by(&self) -> AuthenticatorId {
        self.by
    }

    /// Returns the key that verified it.
    #[must_use]
    pub const fn key(&self) -> KeyIdentity {
        self.key
    }

    /// Returns the caller.
    #[must_use]
    pub fn into_principal(self) -> Arc<Principal> {
        self.principal
    }

    /// Returns its validity period: from the later of `nbf` and `iat` on, and before `exp`.
    #[must_use]
    pub fn period(&self) -> ValidityPeriod {
        ValidityPeriod::new(self.from, self.principal.valid_until())
    }
}

impl Weigh for VerifiedJwt {
    fn weight(&self) -> u64 {
        /// The memory of an entry in the tables of the cache: 112 bytes in one, and a slot of 5 to 11 bytes in another.
        const ENTRY_BYTES: usize = 120;
        u64::try_from(self.principal.heap_size().saturating_add(ENTRY_BYTES)).unwrap_or(u64::MAX)
    }
}

impl JwtAuthenticator {
    /// Returns the exact `iss` of its tokens.
    #[must_use]
    pub const fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Verifies a token and checks all its claims except for the validity period, which the calling function checks on each use.
    ///
    /// # Errors
    /// The first error: signature, type, audience, required claims, and malformed dates. [`PendingLookup::Jwks`] or
    /// [`PendingLookup::JwksRefresh`] if keys that are not available could still verify the token.
    pub(super) fn verify(
        &self,
        token: UnverifiedToken<'_>,
        by: AuthenticatorId,
        now: Timestamp,
        result: &LookupResult,
        observer: &mut impl Observer,
    ) -> Result<VerifiedJwt, AuthnError> {
        let algorithm = token.header().algorithm().name();
        let header = observer.keeps_steps().then(|| token.header().clone());
        let token = self.verify_signature(token, by, now, result);
        observer.step(|| match (&token, &header) {
            (Err(error), Some(header)) => Step::failed(
                "signature",
                mismatch::signature(error, header, &self.algorithms, &self.keys.active_at(now)),
            ),
            (result, _) => Step::of("signature", result, format!("valid, {algorithm}, by a key of the issuer")),
        });
        let token = token?;
        let key = token.key();
        let (identity, period) = self.checks.validate_jwt(&token, observer)?;
        let claims = token.into_claims();
        let null_strings = Arc::clone(&self.checks.identity.null_strings);
        let principal = Principal::new(self.name.clone(), claims, identity, null_strings, AuthMethod::Token);
        let principal = Arc::new(principal.until(period.until()));
        Ok(VerifiedJwt { by, key, principal, from: period.from() })
    }

    /// Verifies the signature with the active keys. A mismatch is final only if no other key can exist.
    fn verify_signature(
        &self,
        token: UnverifiedToken<'_>,
        by: AuthenticatorId,
        now: Timestamp,
        result: &LookupResult,
    ) -> Result<VerifiedToken, AuthnError> {
        let keys = self.keys.active_at(now);
        let lookup = match keys.coverage() {
            KeyCoverage::Static => None,
            KeyCoverage::Missing => Some(PendingLookup::Jwks(by)),
            KeyCoverage::AsLastFetched => {
                let is_final = names_published_key(&token, &keys)
                    || result.proves_key_unknown(token.claimed_issue(), self.checks.leeway);
                if is_final { None } else { Some(PendingLookup::JwksRefresh(by)) }
            }
        };
        token.verify_by_any(keys.sets(), &self.algorithms).map_err(|error| match (error, lookup) {
            (
                TokenError::KeyUnknown
                | TokenError::KeyUnfit
                | TokenError::SignatureLength
                | TokenError::SignatureMismatch,
                Some(lookup),
            ) => lookup.into(),
            (error, _) => error.into(),
        })
    }
}

/// Returns true if a provider publishes a key with the `kid` of the token. A token without one is tried with every key: a refresh for each
/// such forged token would never end.
fn names_published_key(token: &UnverifiedToken<'_>, keys: &ActiveKeys<'_>) -> bool {
    token.header().key_id().is_none_or(|id| keys.published().any(|key| key.id() == Some(id)))
}

/// The cache key of a token: its SHA-256. No two tokens share one, and the token itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest(Digest);

impl TokenDigest {
    /// Computes the digest of a token.
    #[must_use]
    pub fn of(token: RawToken<'_>) -> Self {
        Self(sha256(&[token.as_str().as_bytes()]))
    }
}

/// Statistics of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStats {
    /// Look-ups that found the token.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Tokens held now.
    pub entries: u64,
    /// Their size, in bytes.
    pub bytes: u64,
}

/// Verified tokens by digest, with a limit on their memory; the least used entries are evicted first. Clones share the tokens.
#[derive(Debug, Clone)]
pub struct TokenCache {
    tokens: Arc<ByteCache<TokenDigest, VerifiedJwt>>,
    limit: u64,
}

impl TokenCache {
    /// The usual limit (`server.token_cache`): 64 MiB.
    pub const DEFAULT_BYTES: u64 = 64 * 1024 * 1024;

    /// The memory of a usual token: seven claims of 200 bytes in all, as in `BiFrost`'s.
    const USUAL_TOKEN_BYTES: u64 = 392;

    /// The initial capacity in tokens; the cache grows beyond it up to its limit.
    const EXPECTED: usize = 1_024;

    /// Creates an empty cache of at most this many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { tokens: Arc::new(ByteCache::with_weighter(Self::EXPECTED, limit, ByteWeighter)), limit }
    }

    /// Returns the limit, in bytes.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Returns about how many tokens of the usual size fit.
    #[must_use]
    pub const fn usual_tokens(&self) -> u64 {
        self.limit.div_euclid(Self::USUAL_TOKEN_BYTES)
    }

    /// Returns the outcome for this token; `None` if it is not cached.
    #[must_use]
    pub fn get(&self, digest: &TokenDigest) -> Option<VerifiedJwt> {
        self.tokens.get(digest)
    }

    /// Caches a token.
    pub fn put(&self, digest: TokenDigest, token: VerifiedJwt) {
        self.tokens.insert(digest, token);
    }

    /// Returns the statistics so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let Self { tokens, limit: _ } = self;
        let entries = u64::try_from(tokens.len()).unwrap_or(u64::MAX);
        CacheStats { hits: tokens.hits(), misses: tokens.misses(), entries, bytes: tokens.weight() }
    }
}

#[cfg(test)]
mod tests {
    use super::{TokenCache, TokenDigest, VerifiedJwt};
    use crate::cache::sha256;
    use crate::credential::AuthenticatorId;
    use crate::jose::{Claims, KeyIdentity, VerificationKey};
    use crate::principal::{
        AuthMethod, AuthenticatorName, ClaimMapping, ClaimPath, PackedIdentity, Principal, RolePermissions,
    };
    use crate::time::Timestamp;
    use allocation_counter::measure;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn bifrost(number: usize) -> Value {
        json!({
            "iss": "bifrost", "exp": 1_700_036_000, "iat": 1_700_000_000, "scope": "read write",
            "core_user_uuid": format!("fd76ce0c-d8be-4aa6-91ed-{number:012}"),
            "organization_uuid": "70f0d039-e3d9-427e-b161-4e95dbd9e918", "username": format!("user{number:012}@example.com"),
        })
    }

    /// A cache, and what is the same for all its tokens.
    struct Filled {
        cache: TokenCache,
        name: AuthenticatorName,
        mapping: ClaimMapping,
        key: KeyIdentity,
    }

    impl Filled {
        fn new(limit: u64) -> Self {
            let path = |name| ClaimPath::parse(name).unwrap();
            let mapping = ClaimMapping {
                subject: Some(path("core_user_uuid")),
                organization: Some(path("organization_uuid")),
                roles: vec![path("roles")],
                permissions: vec![path("permissions"), path("scope")],
                scopes: vec![path("scope")],
                grants: RolePermissions::default(),
                null_strings: Arc::default(),
            };
            let key = VerificationKey::from_secret(&[7; 32]).unwrap().identity();
            Self { cache: TokenCache::new(limit), name: AuthenticatorName::new("bifrost"), mapping, key }
        }

        fn put(&self, number: usize, claims: Value) {
            let Self { cache, name, mapping, key } = self;
            let claims = Claims::from_json(claims);
            let identity = PackedIdentity::new(&mapping.resolve(&claims).unwrap(), &claims);
            let null_strings = Arc::clone(&mapping.null_strings);
            let principal = Principal::new(name.clone(), claims, identity, null_strings, AuthMethod::Token);
            let (by, principal) = (AuthenticatorId(0), Arc::new(principal));
            cache.put(digest(number), VerifiedJwt { by, key: *key, principal, from: Timestamp::EPOCH });
        }
    }

    fn digest(number: usize) -> TokenDigest {
        TokenDigest(sha256(&[&number.to_be_bytes()]))
    }

    /// The number of tokens is just below one at which every table is full: a larger table has free places, which take no memory yet.
    #[test]
    fn an_entry_is_charged_what_it_allocates() {
        const TOKENS: usize = 60_000;
        let kinds: [fn(usize) -> Value; 3] =
            [bifrost, |_| json!({}), |number| json!({ "roles": vec![number.to_string(); 100] })];
        for claims in kinds {
            let filled = Filled::new(1 << 30);
            let allocated = measure(|| (0..TOKENS).for_each(|number| filled.put(number, claims(number))));
            let stats = filled.cache.stats();
            assert_eq!(stats.entries, 60_000);
            let percent = allocated.bytes_current.unsigned_abs() * 100 / stats.bytes;
            assert!((80..110).contains(&percent), "{} bytes for {}", stats.bytes, allocated.bytes_current);
        }
    }

    #[test]
    fn a_usual_token_takes_as_much_as_is_said() {
        let filled = Filled::new(TokenCache::DEFAULT_BYTES);
        filled.put(1, bifrost(1));
        assert_eq!(filled.cache.stats().bytes, TokenCache::USUAL_TOKEN_BYTES);
        let tokens = filled.cache.usual_tokens();
        assert!(tokens >= 4 * 38_104, "four times as many as with trees of values: {tokens}");
    }

    #[test]
    fn the_limit_holds_and_old_tokens_are_evicted() {
        const LIMIT: u64 = 1 << 20;
        let filled = Filled::new(LIMIT);
        for number in 0..10_000 {
            filled.put(number, bifrost(number));
        }
        let stats = filled.cache.stats();
        assert!(stats.bytes <= LIMIT && stats.bytes > LIMIT * 9 / 10, "{stats:?}");
        assert!(filled.cache.get(&digest(9_999)).is_some());
    }
}
