//! Authorization over HTTP for proxies without Envoy's gRPC messages: conversion of a proxy's HTTP request into the check that a
//! [`proto::CheckRequest`](crate::envoy::proto::CheckRequest) holds, and of the response to it into an HTTP response. Only the headers of the
//! configured proxy are believed. `docs/proxies.md` is the contract.

mod request;
mod response;

pub use request::check_request;
pub use response::{not_expressible, response};

use modgud_core::credential::CredentialLocation;
use modgud_core::decide::Snapshot;
use modgud_core::http::header::{HeaderName, folds_to_same_name};
use modgud_core::upstream::Forward;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;

/// A header of modgud's response to `HAProxy`: the governed names.
pub const GOVERNED_HEADER: &str = "x-modgud-headers";
/// A header of a denial for nginx: the status that the client would have received.
pub const STATUS_HEADER: &str = "x-modgud-status";
/// A header of a denial for nginx: the body, if it is one line.
pub const BODY_HEADER: &str = "x-modgud-body";
/// The headers of modgud's answers that only proxies read.
pub(crate) const BETWEEN: [&str; 4] = [GOVERNED_HEADER, STATUS_HEADER, BODY_HEADER, response::REMOVE_HEADER];
/// The beginning of the headers of an answer that nginx obeys, such as `x-accel-redirect`.
const NGINX_ORDERS: &str = "x-accel-";
/// The header that carries the scheme, for every proxy.
const PROTO: &str = "X-Forwarded-Proto";

/// The proxy that asks over HTTP. modgud believes only the headers in which this proxy describes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Proxy {
    /// Envoy's `ext_authz` with `http_service`: the request line, `Host` and `X-Forwarded-Proto`. The gRPC service can do more.
    Envoy,
    /// nginx's `auth_request`: `X-Original-Method`, `X-Original-URI`, `X-Original-Host` and `X-Forwarded-Proto`, which its configuration
    /// must set.
    Nginx,
    /// Traefik's `forwardAuth`: `X-Forwarded-Method`, `X-Forwarded-Uri`, `X-Forwarded-Host` and `X-Forwarded-Proto`.
    Traefik,
    /// Caddy's `forward_auth`: the same headers as for Traefik.
    Caddy,
    /// `HAProxy` with modgud's Lua script: the same headers as for nginx.
    Haproxy,
}

/// The part of a client's request that a header of the proxy names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Method,
    Target,
    Host,
    Scheme,
}

/// A header in which a proxy names a part of the client's request.
#[derive(Debug, Clone, Copy)]
struct PartHeader {
    part: Part,
    name: &'static str,
    /// The value that the proxy must give it, for people.
    value: &'static str,
}

/// The headers that name a method, a path or a host for one kind of proxy only. No client sends one for a good reason.
const PROXY_HEADERS: [&str; 6] = [
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
];

const NGINX: [PartHeader; 4] = [
    PartHeader { part: Part::Method, name: "X-Original-Method", value: "`$request_method`" },
    PartHeader { part: Part::Target, name: "X-Original-URI", value: "`$request_uri`" },
    PartHeader {
        part: Part::Host,
        name: "X-Original-Host",
        value: "the host that the service receives, such as `$host`",
    },
    PartHeader { part: Part::Scheme, name: PROTO, value: "`$scheme`" },
];

const HAPROXY: [PartHeader; 4] = [
    PartHeader { part: Part::Method, name: "X-Original-Method", value: "the method of the client's request" },
    PartHeader { part: Part::Target, name: "X-Original-URI", value: "the path and query, as the client sent them" },
    PartHeader { part: Part::Host, name: "X-Original-Host", value: "the host of the client's request" },
    PartHeader { part: Part::Scheme, name: PROTO, value: "`https` or `http`" },
];

const FORWARDED: [PartHeader; 4] = [
    PartHeader { part: Part::Method, name: "X-Forwarded-Method", value: "the method of the client's request" },
    PartHeader { part: Part::Target, name: "X-Forwarded-Uri", value: "the path and query, as the client sent them" },
    PartHeader { part: Part::Host, name: "X-Forwarded-Host", value: "the host of the client's request" },
    PartHeader { part: Part::Scheme, name: PROTO, value: "`https` or `http`" },
];

impl Proxy {
    /// Returns its name in the configuration and in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::Nginx => "nginx",
            Self::Traefik => "traefik",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
        }
    }

    /// Returns the headers in which the proxy describes a request; empty if it repeats the request line.
    const fn parts(self) -> &'static [PartHeader] {
        match self {
            Self::Envoy => &[],
            Self::Nginx => &NGINX,
            Self::Haproxy => &HAPROXY,
            Self::Traefik | Self::Caddy => &FORWARDED,
        }
    }

    /// Returns true if the proxy describes the request in the header of this name, in lower case.
    fn describes_in(self, name: &str) -> bool {
        self.parts().iter().any(|part| part.name.eq_ignore_ascii_case(name))
    }

    /// Returns true if the proxy removes every header that a response names, whatever its configuration.
    const fn removes_named(self) -> bool {
        match self {
            Self::Envoy => true,
            Self::Nginx | Self::Traefik | Self::Caddy | Self::Haproxy => false,
        }
    }

    /// Returns the headers that the proxy replaces when it asks, so that modgud does not see the client's. The client's own must not reach
    /// the service either.
    pub(crate) const fn hidden(self) -> &'static [&'static str] {
        match self {
            Self::Envoy => &[],
            Self::Nginx | Self::Haproxy => &["x-original-host", "x-original-method", "x-original-uri"],
            // Traefik writes `X-Real-Ip` into every request.
            Self::Traefik => &["x-forwarded-method", "x-forwarded-uri", "x-real-ip"],
            Self::Caddy => &["x-forwarded-method", "x-forwarded-uri"],
        }
    }

    /// Returns the headers that describe a request for other proxies only. modgud denies a request that has one.
    pub(crate) fn foreign(self) -> impl Iterator<Item = &'static str> {
        let is_own = move |name: &&str| self.parts().iter().any(|part| part.name.eq_ignore_ascii_case(name));
        PROXY_HEADERS.into_iter().filter(move |name| !is_own(name))
    }

    /// Returns true if only proxies send a header of this name, in any spelling. `X-Forwarded-Host` is for services, too.
    #[must_use]
    pub fn is_for_proxies(name: &str) -> bool {
        PROXY_HEADERS.iter().any(|header| folds_to_same_name(header.as_bytes(), name.as_bytes()))
    }

    /// Returns true if the proxy or modgud uses the name between them, in any spelling, so that no header of a service can have it.
    #[must_use]
    pub fn uses(self, name: &str) -> bool {
        let own = self.parts().iter().map(|part| part.name);
        let mut all = own.chain(PROXY_HEADERS).chain(BETWEEN);
        all.any(|used| folds_to_same_name(used.as_bytes(), name.as_bytes())) || self.obeys(name)
    }

    /// Returns true if the proxy would do what a header of this name in an answer says, instead of forwarding it.
    #[must_use]
    pub fn obeys(self, name: &str) -> bool {
        let start = name.as_bytes().get(..NGINX_ORDERS.len());
        self == Self::Nginx && start.is_some_and(|start| folds_to_same_name(start, NGINX_ORDERS.as_bytes()))
    }
}

/// Returns the governed headers of a configuration, sorted: those that modgud writes or removes by their exact names. Every response to an
/// allowed request has each of them, empty without a value: a proxy that copies headers would otherwise leave the client's.
#[must_use]
pub fn governed_headers(snapshot: &Snapshot, proxy: Proxy) -> Vec<&str> {
    let mut names: BTreeSet<&str> = proxy.hidden().iter().copied().collect();
    names.extend(snapshot.upstream.identity.headers().iter().map(|header| header.name.as_str()));
    if let Some(correlation) = &snapshot.correlation {
        names.insert(correlation.header.as_str());
        let source = correlation.impersonation.as_ref().and_then(|impersonation| impersonation.source.header());
        names.extend(source.map(HeaderName::as_str));
    }
    match snapshot.upstream.forward {
        Forward::Keep => {}
        Forward::Remove | Forward::As { .. } | Forward::Mint { .. } => {
            names.insert("authorization");
            for (location, _) in snapshot.extractor.all() {
                match location {
                    CredentialLocation::Scheme(header, scheme) => {
                        names.insert(header.as_str());
                        names.extend(scheme.is_dpop().then_some("dpop"));
                    }
                    CredentialLocation::Header(header) => {
                        names.insert(header.as_str());
                    }
                    CredentialLocation::Cookie(_) => {
                        names.insert("cookie");
                    }
                    // `config::validate` permits none with `server.http`.
                    CredentialLocation::Query(_) => {}
                }
            }
        }
    }
    names.into_iter().collect()
}
