//! What tokens are charged, and that the limit holds.

use super::{TokenCache, TokenDigest, VerifiedJwt};
use crate::cache::{MIN_ENTRY_BYTES, sha256};
use crate::credential::AuthenticatorId;
use crate::jose::{Claims, KeyIdentity, VerificationKey};
use crate::principal::{AuthMethod, AuthenticatorName, ClaimMapping, ClaimPath, PackedIdentity, Principal, RoleSource};
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
            roles: RoleSource::FirstOf(vec![path("roles")]),
            permissions: vec![path("permissions"), path("scope")],
            scopes: vec![path("scope")],
            grants: Arc::default(),
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
    let kinds: [fn(usize) -> Value; 2] = [bifrost, |number| json!({ "roles": vec![number.to_string(); 100] })];
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
fn the_limit_holds_and_tokens_that_are_not_used_again_are_evicted() {
    const LIMIT: u64 = 1 << 20;
    let filled = Filled::new(LIMIT);
    for number in 0..10_000 {
        filled.put(number, bifrost(number));
    }
    let stats = filled.cache.stats();
    assert!(stats.bytes <= LIMIT && stats.bytes > LIMIT * 9 / 10, "{stats:?}");
    // As many as fit four times, and each of them is used in every round.
    for round in 0..5 {
        let found = (20_000..20_640).filter(|number| {
            let found = filled.cache.get(&digest(*number), |_| true).is_some();
            if !found {
                filled.put(*number, bifrost(*number));
            }
            found
        });
        let found = found.count();
        assert!(round < 2 || found >= 608, "{found} of 640 in round {round}");
    }
}

/// The tables keep the size that they had for the most tokens, which are the smallest ones.
#[test]
fn the_tables_take_at_most_two_fifths_of_the_limit_besides() {
    const LIMIT: u64 = 4 << 20;
    let filled = Filled::new(LIMIT);
    for number in 0..30_000 {
        filled.put(number, json!({}));
    }
    let most = filled.cache.stats().entries;
    assert!(most > 9 * LIMIT / MIN_ENTRY_BYTES / 10, "{most}");
    for number in 30_000..31_000 {
        filled.put(number, json!({ "pad": "x".repeat(12_000) }));
        for _ in 0..3 {
            assert!(filled.cache.get(&digest(number), |_| true).is_some());
        }
    }
    let stats = filled.cache.stats();
    assert!(stats.entries < most / 20, "{stats:?}");
    let used = stats.bytes + u64::try_from(filled.cache.shared.tokens.memory_used().total()).unwrap();
    assert!(used <= LIMIT * 7 / 5, "{used} bytes, of which {} are tokens", stats.bytes);
}

/// A token of 64 KiB with thousands of roles and scopes takes several times as much.
#[test]
fn the_largest_token_fits_into_the_smallest_cache() {
    let filled = Filled::new(1 << 20);
    filled.put(1, json!({ "roles": vec!["u"; 3_000], "scope": "p ".repeat(18_000) }));
    assert!(filled.cache.get(&digest(1), |_| true).is_some());
    let stats = filled.cache.stats();
    assert!(stats.bytes > 150 << 10, "{stats:?}");
}

#[test]
fn only_a_usable_token_counts_as_a_hit() {
    let filled = Filled::new(1 << 20);
    filled.put(1, bifrost(1));
    let found = [(1, true), (1, false), (2, true)]
        .map(|(number, is_usable)| filled.cache.get(&digest(number), |_| is_usable).is_some());
    assert_eq!(found, [true, false, false]);
    let stats = filled.cache.stats();
    assert_eq!((stats.hits, stats.misses), (1, 2));
}
