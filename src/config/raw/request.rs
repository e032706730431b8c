//! `request`, as written: the source of facts about the connection of a request.

use super::Size;
use schemars::JsonSchema;
use serde::Deserialize;

/// The source of facts about the connection of a request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Request")]
pub(in crate::config) struct RequestSection {
    /// The scheme of a request, `http` or `https`. On HTTP/2 the client chooses `:scheme`, so modgud never reads it. Default: `forwarded`.
    pub(in crate::config) scheme: Option<SchemeWord>,
    /// The maximum size of the path and query: from `1KiB` to `64KiB`. Above it, the request gets 414 `uri_too_long`. Default: `8KiB`.
    #[schemars(example = &"16KiB")]
    pub(in crate::config) max_target: Option<Size>,
}

/// The source of a request's scheme.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum SchemeWord {
    /// `x-forwarded-proto`, which Envoy sets to what its listener saw. The scheme is unknown unless the header occurs once, with `http` or
    /// `https`. With `xff_num_trusted_hops`, Envoy forwards the value that it received.
    #[default]
    Forwarded,
    /// Always `https`: TLS ends before Envoy, and no request comes in without it.
    Https,
    /// Always `http`.
    Http,
}
