//! The collector of spans in the summary of `modgud check`.

use crate::cli::explain::report::plain;
use crate::cli::print_line;
use crate::otlp::Collector;

/// Prints where spans go, and what is in them beside the decision. No header has its value.
pub(super) fn print(collector: &Collector) {
    let Collector { url, protocol, headers, trust_anchors: _, queue, claims, resource } = collector;
    print_line(format_args!("  spans to {url} over {}, at most {queue} waiting", protocol.name()));
    let list = |what: &str, names: Vec<String>| {
        if !names.is_empty() {
            // Attributes come from a variable, and so perhaps from elsewhere.
            print_line(format_args!("    {what}: {}", plain(&names.join(", "))));
        }
    };
    list("headers", headers.keys().map(ToString::to_string).collect());
    list("claims", claims.iter().map(ToString::to_string).collect());
    list("attributes of the process", resource.iter().map(|(key, value)| format!("{key}={value}")).collect());
}
