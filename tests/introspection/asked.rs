//! A sidecar whose tokens an authorization server knows, and what became of each that it was asked with.

use super::server::{AuthorizationServer, ID, SECRET};
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, NOW, Sidecar, check};
use modgud::envoy::proto::{AuthorizationClient, CheckRequest};
use modgud_core::time::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;
use tokio::time::{interval, timeout};
use tonic::transport::Channel;

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sidecar of one authenticator, `opaque`.
pub(super) struct Asked {
    pub(super) sidecar: Sidecar,
    client: AuthorizationClient<Channel>,
}

/// A configuration of one authenticator that asks this server, with more keys under `introspection`.
pub(crate) fn yaml(server: &AuthorizationServer, more: &str) -> String {
    yaml_with(server, SECRET, more)
}

/// The same with another secret.
pub(super) fn yaml_with(server: &AuthorizationServer, secret: &str, more: &str) -> String {
    format!(
        "profile: none\nserver: {{ deadline: 10s }}\nfallback: authenticated\n\
         upstream: {{ headers: {{ x-user: {{ principal: subject }}, x-active: {{ claim: active }} }} }}\n\
         authenticators:\n- name: opaque\n  from: [{{ header: authorization, schemes: [Bearer] }}]\n  \
         introspection: {{ url: {:?}, client_id: {ID:?}, client_secret: {{ value: {secret:?} }}, {more} }}\n",
        server.url()
    )
}

/// A check with a token.
pub(super) fn with(token: &str) -> CheckRequest {
    check(Encoding::Joined, "GET", "/", &[("authorization", format!("Bearer {token}").as_bytes())])
}

impl Asked {
    /// A sidecar of a configuration.
    pub(super) async fn start(yaml: &str) -> Self {
        Self::start_with(yaml, &BTreeMap::new()).await
    }

    /// The same with files in the configuration's folder.
    pub(super) async fn start_with(yaml: &str, files: &BTreeMap<String, String>) -> Self {
        let sidecar = Sidecar::with_files(yaml, files).await;
        let client = sidecar.client().await;
        Self { sidecar, client }
    }

    /// What became of a token: `allowed`, or the reason of the denial.
    pub(super) async fn ask(&mut self, token: &str) -> String {
        self.check(with(token)).await
    }

    /// What became of a check.
    pub(super) async fn check(&mut self, check: CheckRequest) -> String {
        let before = self.counters().await;
        let answer = Answer::read(self.client.check(check).await.unwrap().into_inner()).unwrap();
        let reasons = self.counters().await.reasons_since(&before);
        let [reason] = reasons.as_slice() else { panic!("one check is counted, not {reasons:?}") };
        match (answer.status(), reason.as_str()) {
            (None, "") => "allowed".to_owned(),
            (Some(503), "introspection_unavailable") => reason.clone(),
            (Some(401), reason) if reason != "introspection_unavailable" => reason.to_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// The answer itself.
    pub(super) async fn answer(&mut self, check: CheckRequest) -> Answer {
        Answer::read(self.client.check(check).await.unwrap().into_inner()).unwrap()
    }

    /// What has been counted.
    pub(super) async fn counters(&self) -> Counters {
        Counters::read(&self.sidecar).await
    }

    /// How often something became of a token that the server was to be asked about.
    pub(super) async fn outcome(&self, outcome: &str) -> u64 {
        self.counters().await.get(&outcome_metric(outcome))
    }

    /// Waits until a metric has at least this value.
    pub(super) async fn metric(&self, name: &str, least: u64) {
        let mut asks = interval(Duration::from_millis(10));
        let reached = async {
            while self.counters().await.get(name) < least {
                asks.tick().await;
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{name} never comes to {least}"));
    }

    /// Sets the clock to so many milliseconds after [`NOW`].
    pub(super) fn at(&self, millis: u64) {
        self.sidecar.clock.set(Timestamp::from_millis(NOW * 1_000 + millis));
    }

    /// Puts another configuration in the place of the present one, and waits until it serves.
    pub(super) async fn change(&self, yaml: &str, reloads: u64) {
        fs::write(self.sidecar.folder().join("modgud.yaml"), yaml).unwrap();
        self.metric("modgud_config_reloads_total", reloads).await;
    }
}

/// The metric that counts an outcome.
pub(super) fn outcome_metric(outcome: &str) -> String {
    format!("modgud_introspections_total{{authenticator=\"opaque\",outcome=\"{outcome}\"}}")
}
