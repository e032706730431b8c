//! `request`, as it is written: what is believed of Envoy about the connection of a request.

use schemars::JsonSchema;
use serde::Deserialize;

/// What is believed of Envoy about the connection of a request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Request")]
pub(in crate::config) struct RequestSection {
    /// The scheme of a request, `http` or `https`. On HTTP/2 the client chooses `:scheme`, so that it is never read. Default: `forwarded`.
    pub(in crate::config) scheme: Option<SchemeWord>,
}

/// Where the scheme of a request comes from.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum SchemeWord {
    /// `x-forwarded-proto`, which Envoy sets to what its listener saw; unknown unless it is there once and is `http` or `https`. With
    /// `xff_num_trusted_hops` Envoy passes on what it was sent.
    #[default]
    Forwarded,
    /// Always `https`: TLS ends before Envoy, and no request comes in without it.
    Https,
    /// Always `http`.
    Http,
}
