//! Warnings about the collector of spans: who can read what is sent to it.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{Document, Otlp};
use crate::diagnostic::Issue;
use crate::otlp::{Collector, Protocol};

pub(super) fn find(document: &Document, collector: Option<&Collector>, diagnostics: &mut Diagnostics) {
    let (Some(otlp), Some(Collector { url, protocol, headers, claims, .. })) = (&document.telemetry.otlp, collector)
    else {
        return;
    };
    let at = Path::root("telemetry").key("otlp");
    let at_endpoint = match otlp {
        Otlp::Endpoint(_) => at.clone(),
        Otlp::Collector(_) => at.key("endpoint"),
    };
    if url.is_plain_to_others() && (!headers.is_empty() || !claims.is_empty()) {
        let message = "attackers on the network path can read `headers` and `claims`, which are sent in plaintext";
        let help = "write `https://`, or let a collector on this machine pass the spans on";
        diagnostics.add(at_endpoint.clone(), Issue::warning("otlp-plaintext", message, help));
    }
    if !claims.is_empty() {
        let message = "everyone who reads traces sees the values of these claims, for as long as the traces are kept";
        let help = "name only claims without personal data, or leave `claims` out";
        diagnostics.add(at.key("claims"), Issue::warning("otlp-claims", message, help));
    }
    let usual = match (protocol, url.port()) {
        (Protocol::Grpc, Some(4318)) => Some(("4318", "HTTP", "write `protocol: http`, or port 4317")),
        (Protocol::Http, Some(4317)) => Some(("4317", "gRPC", "write `protocol: grpc`, or port 4318")),
        (Protocol::Grpc | Protocol::Http, _) => None,
    };
    if let Some((port, other, help)) = usual {
        let message = format!("collectors receive {other} on port {port}, and this one gets {}", protocol.name());
        diagnostics.add(at_endpoint, Issue::warning("otlp-port", message, help));
    }
}
