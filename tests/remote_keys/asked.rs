//! A sidecar that is asked with the tokens of a provider, and says what became of each.

use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, NOW, Sidecar, check};
use modgud::envoy::proto::{AuthorizationClient, CheckRequest};
use modgud_core::time::Timestamp;
use modgud_testbed::http::Exchange;
use modgud_testbed::idp::IdpKey;
use serde_json::json;
use std::time::Duration;
use tokio::time::{interval, timeout};
use tonic::transport::Channel;

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked whether something has come about.
const ASK: Duration = Duration::from_millis(10);

/// The issuer of every token here.
pub(super) const ISSUER: &str = "https://login.example.com";

/// A sidecar of one authenticator, `idp`.
pub(super) struct Asked {
    pub(super) sidecar: Sidecar,
    client: AuthorizationClient<Channel>,
}

/// A configuration of one authenticator with this entry under `keys`.
pub(super) fn yaml(key: &str) -> String {
    yaml_of(ISSUER, key)
}

/// The same, of another issuer.
pub(super) fn yaml_of(issuer: &str, key: &str) -> String {
    format!(
        "profile: none\nserver: {{ deadline: 10s }}\nfallback: authenticated\nauthenticators:\n- name: idp\n  \
         from: [{{ header: authorization, schemes: [Bearer] }}]\n  \
         jwt: {{ issuer: {issuer:?}, algorithms: [EdDSA], keys: [{key}], leeway: 0s }}\n"
    )
}

/// A token of a provider's key, issued at a time; different numbers make different tokens.
pub(super) fn token(key: &IdpKey, issued: u64, number: u64) -> String {
    token_of(ISSUER, key, issued, number)
}

/// The same, of another issuer.
pub(super) fn token_of(issuer: &str, key: &IdpKey, at: u64, number: u64) -> String {
    let claims = [
        ("iss", json!(issuer)),
        ("sub", json!(format!("user-{number}"))),
        ("iat", json!(at)),
        ("exp", json!(NOW + 1_000_000)),
    ];
    key.sign(&claims.map(|(name, value)| (name.to_owned(), value)))
}

/// A check with a token.
pub(super) fn with(token: &str) -> CheckRequest {
    check(Encoding::Joined, "GET", "/", &[("authorization", format!("Bearer {token}").as_bytes())])
}

impl Asked {
    /// A sidecar of this configuration, as soon as it is ready.
    pub(super) async fn ready(yaml: &str) -> Self {
        let asked = Self::start(yaml).await;
        asked.until("ready\n").await;
        asked
    }

    /// A sidecar of this configuration, which may be ready or not.
    pub(super) async fn start(yaml: &str) -> Self {
        let sidecar = Sidecar::with(yaml).await;
        let client = sidecar.client().await;
        Self { sidecar, client }
    }

    /// Waits until `/readyz` says so.
    pub(super) async fn until(&self, expected: &str) {
        let mut asks = interval(ASK);
        let output = async {
            loop {
                asks.tick().await;
                if self.readyz().await == expected {
                    return;
                }
            }
        };
        timeout(PATIENCE, output).await.unwrap_or_else(|_| panic!("`/readyz` never says {expected:?}"));
    }

    /// What `/readyz` says.
    pub(super) async fn readyz(&self) -> String {
        String::from_utf8(Exchange::get(self.sidecar.addresses.admin, "/readyz").await.unwrap().body).unwrap()
    }

    /// Waits until a metric has at least this value, and gives all of them.
    pub(super) async fn metric(&self, name: &str, least: u64) -> Counters {
        let mut asks = interval(ASK);
        let reached = async {
            loop {
                asks.tick().await;
                let counters = Counters::read(&self.sidecar).await;
                if counters.get(name) >= least {
                    return counters;
                }
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{name} never comes to {least}"))
    }

    /// What became of a token: `allowed`, or the reason of the denial.
    pub(super) async fn ask(&mut self, token: &str) -> String {
        let before = Counters::read(&self.sidecar).await;
        let answer = Answer::read(self.client.check(with(token)).await.unwrap().into_inner()).unwrap();
        let reasons = Counters::read(&self.sidecar).await.reasons_since(&before);
        let [reason] = reasons.as_slice() else { panic!("one check is counted, not {reasons:?}") };
        match (answer.status(), reason.as_str()) {
            (None, "") => "allowed".to_owned(),
            (Some(401), reason @ ("key_unknown" | "signature_invalid")) | (Some(503), reason @ "keys_unavailable") => {
                reason.to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Sets the clock to so many seconds after [`NOW`].
    pub(super) fn at(&self, seconds: u64) {
        self.sidecar.clock.set(Timestamp::from_secs(NOW + seconds));
    }
}
