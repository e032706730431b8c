//! A sidecar that exports spans, and checks with a trace.

use super::receiver::{Protocol, Receiver};
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, Sidecar, check};
use modgud::envoy::proto::{AuthorizationClient, CheckRequest};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{interval, timeout};
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A trace, and the id of the span that is the parent.
pub(super) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(super) const PARENT: &str = "00f067aa0ba902b7";

/// A `traceparent` with these flags.
pub(super) fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// The keys of a collector at this address, with more.
pub(super) fn otlp(address: SocketAddr, protocol: Protocol, more: &str) -> String {
    format!("telemetry: {{ otlp: {{ endpoint: \"http://{address}\", protocol: {}, {more} }} }}\n", protocol.key())
}

/// A sidecar of the profile `bifrost`.
pub(super) struct Asked {
    pub(super) sidecar: Sidecar,
    client: AuthorizationClient<Channel>,
}

impl Asked {
    /// Exports to this receiver, with more keys of `otlp`.
    pub(super) async fn to(receiver: &Receiver, protocol: Protocol, more: &str) -> Self {
        let yaml = format!("profile: bifrost\nserver: {{ deadline: 10s }}\n{}", otlp(receiver.address, protocol, more));
        Self::start(&yaml).await
    }

    pub(super) async fn start(yaml: &str) -> Self {
        Self::start_with(yaml, &BTreeMap::new()).await
    }

    pub(super) async fn start_with(yaml: &str, files: &BTreeMap<String, String>) -> Self {
        let sidecar = Sidecar::with_files(yaml, files).await;
        let client = sidecar.client().await;
        Self { sidecar, client }
    }

    /// The status of a check's answer; `None` if it is allowed.
    pub(super) async fn ask(&mut self, check: CheckRequest) -> Option<u16> {
        self.call(check, &[]).await
    }

    /// The same of a call with this metadata.
    pub(super) async fn call(&mut self, check: CheckRequest, metadata: &[(&'static str, &str)]) -> Option<u16> {
        let mut request = Request::new(check);
        for (name, value) in metadata {
            request.metadata_mut().append(*name, MetadataValue::try_from(*value).unwrap());
        }
        Answer::read(self.client.check(request).await.unwrap().into_inner()).unwrap().status()
    }

    pub(super) async fn counter(&self, name: &str) -> u64 {
        Counters::read(&self.sidecar).await.get(name)
    }

    /// Waits until a counter has this value.
    pub(super) async fn until(&self, name: &str, value: u64) {
        let mut asks = interval(Duration::from_millis(10));
        let reached = async {
            while self.counter(name).await != value {
                asks.tick().await;
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{name} never comes to {value}"));
    }
}

/// The name of the counter of spans dropped for this reason.
pub(super) fn dropped(reason: &str) -> String {
    format!("modgud_spans_dropped_total{{reason=\"{reason}\"}}")
}

/// The name of the counter of exported spans.
pub(super) const EXPORTED: &str = "modgud_spans_exported_total";

/// A check of a GET request without a credential in a sampled trace.
pub(super) fn sampled(path: &str) -> CheckRequest {
    check(Encoding::Joined, "GET", path, &[("traceparent", traceparent("01").as_bytes())])
}
