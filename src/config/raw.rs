//! The configuration file as written: every key is optional, unknown keys are errors.
//!
//! `validate` decides what a value means, and if it is valid. Editors show the comments on keys and words here: they are the descriptions
//! of the JSON Schema, written for operators. So are those on the words that the core and the introspection client define.

mod admin;
mod authenticators;
mod http;
mod keys;
mod modules;
mod otlp;
mod principal;
mod protected_resource;
mod require;
mod rules;
mod service;
mod socket;
mod telemetry;
mod upstream;

pub(super) use admin::{Admin, AdminListeners};
pub(super) use authenticators::{
    AnyWord, ApiKey, Audiences, Authenticator, Claim, From, Introspection, Jwt, Mtls, Sender,
};
pub(super) use http::Http;
pub(super) use keys::{
    ApiKeyEntry, Jwks, KEY, Key, Oidc, OidcProvider, SHARED_SECRET, SOURCE, SecretEncoding, SecretSource, SharedSecret,
    Text,
};
pub(super) use modules::{Allow, AnyRight, Core, Module, ModuleAccess};
pub(super) use otlp::{Otlp, OtlpProtocol};
pub(super) use principal::{OwnPrincipal, Principal, Roles};
pub(super) use protected_resource::ProtectedResource;
pub(super) use require::{Required, RequiredValue, Value};
pub(super) use rules::{
    Challenge, Denials, Deny, Match, Redirect, Require, RequireAny, Respond, Rule, Statuses, Template,
};
pub(super) use service::{Cookies, Protocol, Retries, RetryOn, Service, ServiceTls, Upgrade};
pub(super) use socket::{Group, Mode, Socket};
pub use telemetry::LogFormat;
pub(super) use telemetry::{DecisionLines, Decisions, MaskedField, MetricNames, Telemetry};
pub(super) use upstream::{
    Correlation, Encode, Forward, HeaderForm, HeaderSource, Impersonation, MetadataSource, Mint, MintAudience,
    MintClaim, ProcessInstance, TooLarge, Upstream, is_choice,
};

use modgud_core::authz::Fallback;
use modgud_core::http::client::ClientSource;
use modgud_core::http::request::SchemeSource;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The configuration of modgud. Every key is optional; an omitted one has the profile's value. Maps are merged with those of the profile;
/// lists and single values replace them. `modgud check` finds errors that a schema can't, and `modgud config` shows the result.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "modgud configuration")]
pub(super) struct Document {
    /// The profile onto which this file is merged. Required, unless `--profile` names one.
    pub(super) profile: Option<ProfileName>,
    /// The listeners and their limits.
    #[serde(default)]
    pub(super) server: Server,
    /// The source of facts about the connection of a request.
    #[serde(default)]
    pub(super) request: RequestSection,
    /// The authenticators, which verify credentials: one entry for each issuer of tokens. The list replaces that of the profile.
    #[serde(default)]
    pub(super) authenticators: Vec<Authenticator>,
    /// The claims that identify the caller and hold roles, permissions and scopes.
    #[serde(default)]
    pub(super) principal: Principal,
    /// Revoked tokens, subjects and organizations, which are rejected whatever a credential claims.
    pub(super) revocations: Option<Revocations>,
    /// Requirements and conditions that rules share, by name. A rule names one as its `template`. Default: none.
    #[serde(default)]
    pub(super) templates: BTreeMap<String, Template>,
    /// The rules: which requests match, and what they require. The most specific rule that matches decides; the order means nothing. The
    /// list replaces that of the profile: repeat those of its rules that you want to keep (`modgud config` prints them).
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    /// The decision on a request that no rule matches. Default: `denied`; in the profile `bifrost`: `authenticated`.
    pub(super) fallback: Option<Fallback>,
    /// The modules that Envoy routes to, from which `modgud envoy` writes routes and clusters. Each is a rule, too: paths below its prefix
    /// require a valid credential, unless a more specific rule matches. Default: none.
    #[serde(default)]
    pub(super) modules: Vec<Module>,
    /// The service behind the reserved names.
    #[serde(default)]
    pub(super) core: Core,
    /// The request as modules receive it: identity headers, removed client headers, credential; and the dynamic metadata for Envoy.
    #[serde(default)]
    pub(super) upstream: Upstream,
    /// Minted tokens for modules, of which `upstream.credential` names one. Default: none.
    #[serde(default)]
    pub(super) mint: Vec<Mint>,
    /// A header with the user and any impersonation, which the workers of a process engine can verify. Default: none; in the profile
    /// `orchescala`: `x-identity-correlation`.
    pub(super) correlation: Option<Correlation>,
    /// The responses to denied requests.
    #[serde(default)]
    pub(super) denials: Denials,
    /// The API as a protected resource: its metadata, by which clients find the authorization servers (RFC 9728). Default: none.
    pub(super) protected_resource: Option<ProtectedResource>,
    /// The log.
    #[serde(default)]
    pub(super) telemetry: Telemetry,
}

/// The listeners and their limits.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    /// The address that Envoy connects to: an IP address and a port, such as `127.0.0.1:9191` or `[::1]:9191`, or a socket, such as
    /// `unix:/run/modgud/check.sock`. `socket` restricts the access to its file. `unix:@modgud` is an abstract socket of Linux: it has no
    /// file, and every process in the same network namespace may connect. Default: `127.0.0.1:9191`. An address beyond this machine and an
    /// abstract socket require `tls`, or `insecure_plaintext: true`. A change requires a restart.
    pub(super) grpc: Option<String>,
    /// The listener for another proxy, which asks over HTTP/1.1. Default: none.
    pub(super) http: Option<Http>,
    /// `true`: something else, such as a network policy, restricts access. `grpc` may then be an address beyond this machine, an abstract
    /// socket, or one whose mode admits every user, without `tls`, and so may `http.listen`. Default: `false`, with which such an address
    /// is a warning, and an error for `http.listen` beyond this machine.
    #[serde(default)]
    pub(super) insecure_plaintext: bool,
    /// The mode and the group of the file of `grpc` and `http.listen`, if one is `unix:/PATH`. modgud sets them before it listens. A change requires a restart.
    pub(super) socket: Option<Socket>,
    /// The address of `/livez`, `/readyz`, `/metrics` and `/version`, or a map that also says where the page is. Default:
    /// `127.0.0.1:9192`. A change requires a restart.
    pub(super) admin: Option<Admin>,
    /// TLS (1.2 or 1.3) for `grpc`. Default: none. A change of these keys or files applies to every new connection.
    pub(super) tls: Option<Tls>,
    /// The time limit of one check, after which it gets 503: from `1ms` to `10s`, and less than the `timeout` of Envoy's `ext_authz`.
    /// Default: `150ms`.
    pub(super) deadline: Option<String>,
    /// The maximum time in which checks are still answered after SIGTERM: from `0s` to `10m`. The process ends earlier once every
    /// connection that carried calls is closed. Default: `20s`. A change requires a restart.
    pub(super) drain: Option<String>,
    /// The maximum number of concurrent checks, which are those that wait for the network: from 1 to 1000000. Above it, a check gets 503
    /// immediately. One connection gets at most a quarter while others have any. Default: 4096. A change requires a restart.
    pub(super) max_in_flight: Option<u32>,
    /// The maximum number of open connections to `grpc`, and as many to `http.listen`: from 16 to 65536. Above it, a connection that has
    /// carried no check is closed for the new one. Default: 4096, or less where the process may open few files: (`RLIMIT_NOFILE` - 256) / 2,
    /// or / 3 with `http`; `modgud check` shows it. A change requires a restart.
    pub(super) max_connections: Option<u32>,
    /// The maximum size of one check, which holds the request's headers and the body that Envoy sends along (`with_request_body`): from
    /// `64KiB` to `16MiB`. Above it, a check gets 413 `request_too_large`. Default: `1MiB`. A change requires a restart.
    #[schemars(example = &"4MiB")]
    pub(super) max_message: Option<Size>,
    /// The maximum size of a token: from `1KiB` to `64KiB`. Above it, the request gets 401 `token_too_large`. Envoy admits headers of 60 KiB
    /// in all. Default: `16KiB`.
    #[schemars(example = &"32KiB")]
    pub(super) max_token: Option<Size>,
    /// The memory for verified tokens, which need no signature check when they come again: from `1MiB` to `4GiB`. Above it, tokens that
    /// were not used again are forgotten. If small tokens are followed by large ones, up to 1.4 times as much is used. `modgud check` shows
    /// about how many tokens fit. Default: `64MiB`. A change empties the cache.
    #[schemars(example = &"256MiB")]
    pub(super) token_cache: Option<Size>,
}

/// TLS for the listener that Envoy connects to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    /// The file of the certificate (PEM), followed by those that lead from it to an authority that Envoy trusts. A relative path starts
    /// from the folder of this file.
    #[schemars(example = &"tls/tls.crt")]
    pub(super) cert: PathBuf,
    /// The file of the private key of the first certificate (PEM, not encrypted): RSA from 2048 bits, ECDSA or Ed25519.
    #[schemars(example = &"tls/tls.key")]
    pub(super) key: PathBuf,
    /// The file of the authorities (PEM) for client certificates. With it, a client needs a certificate of one of them; without it, every
    /// client that reaches the listener may connect.
    #[schemars(example = &"tls/envoy-ca.crt")]
    pub(super) client_ca: Option<PathBuf>,
}

/// The source of facts about the connection of a request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Request")]
pub(super) struct RequestSection {
    /// The scheme of a request, `http` or `https`. On HTTP/2 the client chooses `:scheme`, so modgud never reads it. Default: `forwarded`.
    pub(super) scheme: Option<SchemeSource>,
    /// The source of the client's address, which `require.clients`, `source.address` in conditions and the log use. Default: `peer`.
    pub(super) client: Option<ClientSource>,
    /// The maximum size of the path and query: from `1KiB` to `64KiB`. Above it, the request gets 414 `uri_too_long`. Default: `8KiB`.
    #[schemars(example = &"16KiB")]
    pub(super) max_target: Option<Size>,
}

/// A configuration that comes with modgud, onto which a file is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProfileName {
    /// `BiFrost`'s gateway: RS256 tokens of issuer `bifrost`, its reserved names, its error texts.
    Bifrost,
    /// A gateway for bearer tokens with roles and permissions: `X-User-ID`, `X-User-Role`, `X-User-Permissions`, errors as
    /// `{"error": …}`.
    Bearer,
    /// Orchescala's gateway: the token stays unchanged, and a header that workers can verify names the user and any impersonation. Your
    /// file names the authenticator.
    Orchescala,
    /// No settings of its own: the file sets everything, and what it does not allow is denied.
    None,
}

/// The revocation list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocations {
    /// The path of the list, relative to the folder of this file: YAML, or JSON if it is long, of the form `{ tokens: […], subjects: […],
    /// organizations: […] }`. Each item is a name, or `{ id: NAME, issued_before: TIME }`. A change takes effect within a second.
    #[schemars(example = &"revocations.json")]
    pub(super) file: PathBuf,
}

/// A number of bytes, or a number and a unit, such as `64KiB` or `1MiB`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a size, such as `64KiB`, `1MiB` or a number of bytes")]
pub(super) enum Size {
    /// A number of bytes.
    Bytes(u64),
    /// A number and its unit, `KiB`, `MiB` or `GiB`.
    Text(String),
}
