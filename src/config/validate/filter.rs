//! The settings of Envoy's filter that the configuration requires: what Envoy sends to modgud, lets it change, and removes early.

use crate::config::raw::{Correlation, Document, Impersonation, ProcessInstance, Sender};
use crate::envoy::bootstrap::{Filter, Transport};
use modgud_core::authz::Rules;
use modgud_core::credential::{CredentialExtractor, CredentialLocation};
use modgud_core::upstream::RequestMutator;

/// Headers that modgud or its filter reads, or that Envoy writes, whatever the configuration.
const READ: [&str; 14] = [
    "accept",
    "access-control-request-headers",
    "access-control-request-method",
    "client-cert",
    "content-length",
    "content-type",
    "origin",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "transfer-encoding",
    "x-envoy-external-address",
    "x-forwarded-client-cert",
    "x-forwarded-proto",
    "x-requested-with",
];

/// Gathers the filter's settings from a validated document.
pub(super) fn gather(
    document: &Document,
    locations: &CredentialExtractor,
    rules: &Rules,
    upstream: &RequestMutator,
) -> Filter {
    let mut filter = Filter::default();
    // `*` is a wildcard in these patterns. A name's own `*` becomes `-`, which matches any sign.
    filter.removed_early.extend(document.upstream.headers.keys().map(|name| name.replace('*', "-")));
    filter.removed_early.extend(document.upstream.strip.iter().cloned());
    let lower = |name: &str| name.to_ascii_lowercase();
    filter.spared.extend(READ.into_iter().chain(rules.header_names()).map(lower));
    filter.spared.extend(document.upstream.keep.iter().map(|name| lower(name)));
    filter.spared.extend(locations.headers().map(|name| name.as_str().to_owned()));
    if let Some(Correlation { header, impersonation, process_instance, .. }) = &document.correlation {
        filter.removed_early.push(header.replace('*', "-"));
        let ProcessInstance { paths: _, header } = process_instance;
        filter.spared.extend(header.iter().map(|name| lower(name)));
        if let Some(Impersonation { header, body, permission: _ }) = impersonation {
            filter.spared.extend(header.iter().map(|name| lower(name)));
            filter.sends_bodies = body.is_some();
        }
    }
    filter.client = document.request.client.unwrap_or_default();
    // An expression must see the cookies that it may read: withheld cookies would look like none.
    let in_cookie = locations.all().any(|(location, _)| matches!(location, CredentialLocation::Cookie(_)));
    filter.sends_cookies = in_cookie || rules.may_read_header("cookie") || upstream.may_read_header("cookie");
    filter.sends_certificate = document.authenticators.iter().any(|one| {
        let bound = one.jwt.as_ref().is_some_and(|jwt| matches!(jwt.sender_constraint, Some(Sender::Certificate)));
        bound || one.mtls.is_some()
    });
    filter
}

/// Returns the transport to modgud.
pub(super) fn transport(document: &Document) -> Transport {
    match &document.server.tls {
        None => Transport::Plain,
        Some(tls) if tls.client_ca.is_some() => Transport::MutualTls,
        Some(_) => Transport::Tls,
    }
}
