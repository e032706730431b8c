//! Validates `telemetry.otlp`: the collector of spans, and modgud's credential for it.

use super::authenticators::roots;
use super::out_of_range;
use super::principal::claim_path;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{Otlp, OtlpProtocol, SecretSource};
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::{Issue, Quoted};
use crate::http_client::{AllowInsecure, FetchUrl, UrlError};
use crate::otlp::{Collector, Protocol, ResourceAttribute, resource_attributes};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::collections::BTreeMap;

/// The default of `queue`.
const DEFAULT_QUEUE: u32 = 2_048;
/// The minimum of `queue`: less would not hold the spans of one second.
const LEAST_QUEUE: u32 = 64;
/// The maximum of `queue`; more is an error, since each span needs about 1 KiB.
const MAX_QUEUE: u32 = 65_536;
/// The maximum number of `claims`; more is an error, since requests to the collector must stay small.
const MAX_CLAIMS: usize = 16;

/// The path of OTLP over HTTP (OTLP specification, "OTLP/HTTP Request").
const PATH: &str = "v1/traces";

/// Headers that modgud writes, and those of the connection (RFC 9110 §7.6.1).
const OWN_HEADERS: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// The variable with attributes of this process (Resource SDK of OpenTelemetry).
const RESOURCE_VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// Returns the collector. `None` if it has an error, and for a policy test, which sends nothing.
pub(super) fn check(otlp: &Otlp, loader: &SecretLoader, diagnostics: &mut Diagnostics) -> Option<Collector> {
    let at = Path::root("telemetry").key("otlp");
    let (at_endpoint, endpoint, collector) = match otlp {
        Otlp::Endpoint(endpoint) => (at.clone(), endpoint, None),
        Otlp::Collector(collector) => (at.key("endpoint"), &collector.endpoint, Some(collector)),
    };
    let protocol = match collector.and_then(|collector| collector.protocol).unwrap_or_default() {
        OtlpProtocol::Grpc => Protocol::Grpc,
        OtlpProtocol::Http => Protocol::Http,
    };
    let url = diagnostics.ok_or_report(&at_endpoint, url(endpoint, protocol));
    let queue = collector.and_then(|collector| collector.queue).unwrap_or(DEFAULT_QUEUE);
    if !(LEAST_QUEUE..=MAX_QUEUE).contains(&queue) {
        diagnostics.add(at.key("queue"), out_of_range(queue, LEAST_QUEUE, MAX_QUEUE));
    }
    let named = collector.map(|collector| collector.claims.as_slice()).unwrap_or_default();
    let mut claims = Vec::new();
    for (number, claim) in named.iter().enumerate() {
        claims.extend(diagnostics.ok_or_report(&at.key("claims").position(number), claim_path(claim)));
    }
    if named.len() > MAX_CLAIMS {
        let message = format!("names {} claims, and a span has at most {MAX_CLAIMS}", named.len());
        diagnostics.add(at.key("claims"), Issue::error("otlp-claims-many", message, "leave some out"));
    }
    let headers = collector.map(|collector| headers(&at.key("headers"), &collector.headers, loader, diagnostics));
    if !loader.is_for_serving() {
        return None;
    }
    let ca = collector.and_then(|collector| collector.ca.as_deref());
    let trust_anchors = diagnostics.ok_or_report(&at.key("ca"), roots(loader, ca));
    Some(Collector {
        url: url?,
        protocol,
        headers: headers.unwrap_or_default(),
        trust_anchors: trust_anchors?,
        queue: usize::try_from(queue).unwrap_or(usize::MAX),
        claims,
        resource: resource(loader),
    })
}

/// Returns the attributes of this process. Of a malformed variable none counts; `modgud check` shows which do.
fn resource(loader: &SecretLoader) -> Vec<ResourceAttribute> {
    let variable = loader.variable(RESOURCE_VARIABLE);
    resource_attributes(variable.as_deref()).or_else(|_| resource_attributes(None)).unwrap_or_default()
}

/// Parses the address of a collector. Messages do not show it, because it may hold a password.
fn url(text: &str, protocol: Protocol) -> Result<FetchUrl, Issue> {
    let parsed = FetchUrl::parse(text, AllowInsecure::Anywhere).and_then(|url| match (protocol, url.path()) {
        (Protocol::Http, "" | "/") if !url.has_query() => url.join(PATH, AllowInsecure::Anywhere),
        (Protocol::Http | Protocol::Grpc, _) => Ok(url),
    });
    let url = parsed.map_err(|error| match error {
        UrlError::NotAbsolute | UrlError::Scheme => {
            let message = "the value (not shown) is not the address of a collector";
            Issue::error("url-invalid", message, "write one such as `http://127.0.0.1:4317`, with its scheme")
        }
        error => Issue::parse("url-invalid", format!("the value (not shown) {error}")),
    })?;
    match protocol {
        Protocol::Grpc if url.has_query() || !matches!(url.path(), "" | "/") => {
            let message = "the value (not shown) has a path or a query, which an address for gRPC has not";
            Err(Issue::error("otlp-path", message, "remove what follows host and port, or write `protocol: http`"))
        }
        Protocol::Grpc | Protocol::Http => Ok(url),
    }
}

/// Returns the headers, whose values are never shown.
fn headers(
    at: &Path,
    headers: &BTreeMap<String, SecretSource>,
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) -> HeaderMap {
    let mut read = HeaderMap::new();
    for (name, source) in headers {
        let at = at.key(name);
        let name = diagnostics.ok_or_report(&at, header_name(name));
        if loader.replaces_keys() {
            continue;
        }
        let value = loader.read_secret(source).and_then(|(text, origin)| {
            // gRPC's metadata is ASCII, but for keys that end in `-bin`.
            let is_text = |value: &HeaderValue| !value.is_empty() && value.to_str().is_ok();
            let mut value = HeaderValue::from_str(&text).ok().filter(is_text).ok_or_else(|| {
                let message = format!("{origin} is empty, or holds characters that a header can't have");
                Issue::error("otlp-header-value", message, "write the value in visible ASCII characters")
            })?;
            value.set_sensitive(true);
            Ok(value)
        });
        if let (Some(name), Some(value)) = (name, diagnostics.ok_or_report(&at, value)) {
            read.insert(name, value);
        }
    }
    read
}

fn header_name(text: &str) -> Result<HeaderName, Issue> {
    let name: HeaderName = text.parse().map_err(|_| {
        let message = format!("{} is not a header name", Quoted::new(text));
        Issue::error("header-name-invalid", message, "write one such as `authorization`")
    })?;
    if OWN_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("grpc-") {
        let message = format!("{} is a header that modgud writes by itself", Quoted::new(text));
        return Err(Issue::error("otlp-header-own", message, "leave it out"));
    }
    Ok(name)
}
