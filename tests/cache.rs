//! The cache of verified tokens, from outside: what is remembered, and that remembering loosens nothing.

#![expect(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use crate::decisions::PATIENT;
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, KEY, NOW, STRANGER, Sidecar, check, claims, token};
use modgud::envoy::proto::AuthorizationClient;
use modgud_core::time::Timestamp;
use serde_json::Value;
use tonic::transport::Channel;

/// A sidecar, and what it has counted since it was looked at last.
struct Watched {
    sidecar: Sidecar,
    client: AuthorizationClient<Channel>,
    seen: Counters,
}

/// What one check did.
#[derive(Debug, PartialEq, Eq)]
struct Effect {
    /// The reason of a denial; empty when it was let through.
    reason: String,
    hits: u64,
    misses: u64,
    /// How many tokens are held afterwards.
    entries: u64,
}

fn effect(reason: &str, (hits, misses, entries): (u64, u64, u64)) -> Effect {
    Effect { reason: reason.to_owned(), hits, misses, entries }
}

impl Watched {
    async fn set_up(yaml: &str) -> Self {
        let sidecar = Sidecar::with(&format!("{PATIENT}{yaml}")).await;
        let client = sidecar.client().await;
        let seen = Counters::read(&sidecar).await;
        Self { sidecar, client, seen }
    }

    async fn send(&mut self, header: &str, token: &str) -> Effect {
        let value = format!("JWT {token}");
        let check = check(Encoding::Raw, "GET", "/crm/", &[(header, value.as_bytes())]);
        let answer = Answer::read(self.client.check(check).await.unwrap().into_inner()).unwrap();
        let now = Counters::read(&self.sidecar).await;
        let rise = |name| now.get(name) - self.seen.get(name);
        let effect = Effect {
            reason: now.reasons_since(&self.seen).concat(),
            hits: rise("modgud_token_cache_hits_total"),
            misses: rise("modgud_token_cache_misses_total"),
            entries: now.get("modgud_token_cache_entries"),
        };
        assert_eq!(answer.status().is_none(), effect.reason.is_empty(), "{answer:?} was counted as {effect:?}");
        self.seen = now;
        effect
    }

    fn time(&self, seconds: u64) {
        self.sidecar.clock.set(Timestamp::from_secs(seconds));
    }
}

#[tokio::test]
async fn a_token_is_verified_once() {
    let mut watched = Watched::set_up("").await;
    let token = token();
    assert_eq!(watched.send("authorization", &token).await, effect("", (0, 1, 1)));
    for _ in 0..3 {
        assert_eq!(watched.send("authorization", &token).await, effect("", (1, 0, 1)));
    }
}

#[tokio::test]
async fn a_known_token_is_refused_once_it_has_expired() {
    let mut watched = Watched::set_up("").await;
    let token = token();
    assert_eq!(watched.send("authorization", &token).await, effect("", (0, 1, 1)));
    watched.time(NOW + 35_999);
    assert_eq!(watched.send("authorization", &token).await, effect("", (1, 0, 1)));
    watched.time(NOW + 36_000);
    assert_eq!(watched.send("authorization", &token).await, effect("token_expired", (1, 0, 1)));
}

#[tokio::test]
async fn a_known_token_is_refused_before_its_time_when_the_clock_steps_back() {
    let mut watched = Watched::set_up("").await;
    let token = token();
    assert_eq!(watched.send("authorization", &token).await, effect("", (0, 1, 1)));
    watched.time(NOW - 1);
    assert_eq!(watched.send("authorization", &token).await, effect("token_not_yet_valid", (1, 0, 1)));
    watched.time(NOW);
    assert_eq!(watched.send("authorization", &token).await, effect("", (1, 0, 1)));
}

#[tokio::test]
async fn another_token_with_the_same_claims_is_an_entry_of_its_own() {
    let mut watched = Watched::set_up("").await;
    let members: Vec<String> =
        claims().iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
    let payload = format!("{{{}}}", members.join(","));
    let headers = [r#"{"typ":"JWT","alg":"RS256"}"#, r#"{"alg":"RS256","typ":"JWT"}"#];
    let [one, other] = headers.map(|header| KEY.sign_raw(header, &payload).unwrap());
    assert_eq!(one, token(), "the first is the standard token");
    assert_eq!(watched.send("authorization", &one).await, effect("", (0, 1, 1)));
    assert_eq!(watched.send("authorization", &other).await, effect("", (0, 1, 2)));
    assert_eq!(watched.send("authorization", &one).await, effect("", (1, 0, 2)));
    assert_eq!(watched.send("authorization", &other).await, effect("", (1, 0, 2)));
}

#[tokio::test]
async fn a_refused_token_is_not_remembered() {
    let mut watched = Watched::set_up("").await;
    let forged = STRANGER.sign(&claims()).unwrap();
    for _ in 0..2 {
        assert_eq!(watched.send("authorization", &forged).await, effect("signature_invalid", (0, 1, 0)));
    }
    watched.time(NOW + 36_000);
    let token = token();
    for _ in 0..2 {
        assert_eq!(watched.send("authorization", &token).await, effect("token_expired", (0, 1, 0)));
    }
}

#[tokio::test]
async fn a_forged_signature_under_known_claims_is_refused() {
    let mut watched = Watched::set_up("").await;
    let good = token();
    assert_eq!(watched.send("authorization", &good).await, effect("", (0, 1, 1)));
    let forged = STRANGER.sign(&claims()).unwrap();
    assert_eq!(good.rsplit_once('.').unwrap().0, forged.rsplit_once('.').unwrap().0);
    assert_eq!(watched.send("authorization", &forged).await, effect("signature_invalid", (0, 1, 1)));
}

/// What one authenticator has verified is not good for another that looks elsewhere.
#[tokio::test]
async fn a_known_token_is_refused_where_its_authenticator_does_not_look() {
    let stranger = serde_json::to_string(&STRANGER.public_pem().unwrap()).unwrap();
    let other = serde_json::to_string(include_str!("data/configuration/good/keys/issuer.pem")).unwrap();
    let yaml = format!(
        r"
authenticators:
  - name: bifrost
    from: [{{ header: authorization, schemes: [JWT] }}]
    jwt: {{ issuer: bifrost, algorithms: [RS256], keys: [{{ pem: {{ env: JWT_PUBLIC_KEY_RSA_BIFROST }} }}] }}
  - name: same-issuer
    from: [{{ header: x-same, schemes: [JWT] }}]
    jwt: {{ issuer: bifrost, algorithms: [RS256], keys: [{{ pem: {{ value: {stranger} }} }}] }}
  - name: other-issuer
    from: [{{ header: x-other, schemes: [JWT] }}]
    jwt: {{ issuer: other, algorithms: [RS256], keys: [{{ pem: {{ value: {other} }} }}] }}
"
    );
    let mut watched = Watched::set_up(&yaml).await;
    let token = token();
    assert_eq!(watched.send("authorization", &token).await, effect("", (0, 1, 1)));
    assert_eq!(watched.send("x-same", &token).await, effect("signature_invalid", (0, 1, 1)));
    assert_eq!(watched.send("x-other", &token).await, effect("issuer_unknown", (0, 1, 1)));
    assert_eq!(watched.send("authorization", &token).await, effect("", (1, 0, 1)));
}
