//! The settings of Envoy's filter that the configuration requires: what Envoy sends to modgud, lets it change, and removes early.

use crate::config::raw::{Correlation, Document, Impersonation, ProcessInstance, Sender};
use crate::envoy::bootstrap::{Filter, Transport};
use modgud_core::authz::Rules;
use modgud_core::credential::{CredentialExtractor, CredentialLocation};

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
pub(super) fn gather(document: &Document, locations: &CredentialExtractor, rules: &Rules) -> Filter {
    let mut filter = Filter::default();
    // `*` is a wildcard in these patterns. A name's own `*` becomes `-`, which matches any sign.
    filter.removed_early.extend(document.upstream.headers.keys().map(|name| name.replace('*', "-")));
    filter.removed_early.extend(document.upstream.strip.iter().cloned());
    let lower = |name: &str| name.to_ascii_lowercase();
    filter.spared.extend(READ.into_iter().chain(rules.header_names()).map(lower));
    filter.spared.extend(document.upstream.keep.iter().map(|name| lower(name)));
    filter.spared.extend(locations.headers().map(|name| name.as_str().to_owned()));
    filter.mutated_headers.push("authorization".to_owned());
    if let Some(Correlation { header, impersonation, process_instance, .. }) = &document.correlation {
        filter.removed_early.push(header.replace('*', "-"));
        let ProcessInstance { paths: _, header } = process_instance;
        filter.spared.extend(header.iter().map(|name| lower(name)));
        if let Some(Impersonation { header, body, permission: _ }) = impersonation {
            filter.mutated_headers.extend(header.iter().map(|name| name.replace('*', "-")));
            filter.spared.extend(header.iter().map(|name| lower(name)));
            if body.is_some() {
                filter.sends_bodies = true;
            }
        }
    }
    filter.mutated_headers.extend(filter.removed_early.iter().cloned());
    // A condition must see the cookies that it reads: a withheld one would look like none.
    if document.rules.iter().filter_map(|rule| rule.when.as_deref()).any(|when| when.contains("cookie")) {
        filter.sends_cookies = true;
    }
    for (location, _) in locations.all() {
        match location {
            CredentialLocation::Scheme(header, scheme) => {
                filter.mutated_headers.push(header.as_str().to_owned());
                if scheme.is_dpop() {
                    filter.mutated_headers.push("dpop".to_owned());
                }
            }
            CredentialLocation::Header(header) => filter.mutated_headers.push(header.as_str().to_owned()),
            CredentialLocation::Cookie(_) => {
                filter.sends_cookies = true;
                filter.mutated_headers.push("cookie".to_owned());
            }
            CredentialLocation::Query(_) => {}
        }
    }
    let by_certificate = document.authenticators.iter().any(|one| {
        let bound = one.jwt.as_ref().is_some_and(|jwt| matches!(jwt.sender_constraint, Some(Sender::Certificate)));
        bound || one.mtls.is_some()
    });
    if by_certificate {
        filter.sends_certificate = true;
    }
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
