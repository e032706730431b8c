//! `modules` and `core`, as written: the services behind Envoy, and how Envoy connects to them.

use super::service::{Cookies, Protocol, Retries, Service, ServiceTls, Upgrade};
use modgud_core::authz::Case;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use std::fmt;
use std::path::PathBuf;

/// A service behind Envoy with its own path prefix.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Module {
    /// The name: 1 to 128 visible ASCII characters, unique among modules, and neither `core` nor `modgud`. Its own rule is `module:NAME` in
    /// logs, its cluster NAME in Envoy.
    #[schemars(example = &"crm")]
    pub(in crate::config) name: String,
    /// The path prefix, such as `/crm`, which Envoy removes: `/crm/appointment/1/` reaches the module as `/appointment/1/`. The first
    /// segment must not be one of `core.reserved`, in any letter case. Of several prefixes that match, the longest decides.
    pub(in crate::config) prefix: String,
    /// If true, the module receives paths with the prefix: `/api/users/123` arrives unchanged at the module with the prefix `/api/users`.
    /// Rules compare the same path either way. Default: false.
    #[serde(default)]
    pub(in crate::config) keep_prefix: bool,
    /// The host and port, such as `crm:8080`, for `modgud envoy`.
    pub(in crate::config) upstream: String,
    /// The file of its API description (OpenAPI 2.0 or 3.x, YAML or JSON), for `modgud openapi merge`; no other command reads it. A relative
    /// path starts from the folder of this file. Default: none.
    #[schemars(example = &"crm-swagger.json")]
    pub(in crate::config) openapi: Option<PathBuf>,
    /// The comparison of letters below the prefix, by the module and so by every rule there: `exact` or `fold`. With `fold`, `/crm/Admin`
    /// equals `/crm/admin`, as in Express and IIS. The prefix itself is compared exactly, as in Envoy. Default: `exact`.
    #[serde(default)]
    pub(in crate::config) case: Case,
    /// Suffixes that only select a format of the same resource, without the dot, such as `[json, html]`. `/crm/admin.json` then gets the
    /// rule of `/crm/admin`, and parameters hold no such suffix. Letters, digits, `-` and `_`. Default: none.
    #[serde(default)]
    pub(in crate::config) suffixes: Vec<String>,
    /// The version of HTTP that Envoy uses to the module. Default: `http1`.
    #[serde(default)]
    pub(in crate::config) protocol: Protocol,
    /// TLS from Envoy to the module. Default: none, so that Envoy connects in plaintext.
    pub(in crate::config) tls: Option<ServiceTls>,
    /// The protocols to which the module may switch a connection. modgud decides on the request that asks for it, and not on what follows.
    /// Default: none, with which Envoy answers such a request with 403.
    #[serde(default)]
    #[schemars(example = ["websocket"])]
    pub(in crate::config) upgrades: Vec<Upgrade>,
    /// The maximum time from the end of a request to the end of its response: from `1ms` to `24h`. `0s` is no limit, as streams need.
    /// Afterwards Envoy answers 504. Default: `15s`.
    pub(in crate::config) timeout: Option<String>,
    /// The maximum time without a byte in either direction: from `1ms` to `24h`. Afterwards Envoy ends the request or the WebSocket. Default:
    /// `5m`.
    pub(in crate::config) idle_timeout: Option<String>,
    /// The requests that Envoy sends again: only those that the module has certainly not processed. Default: none.
    pub(in crate::config) retries: Option<Retries>,
    /// The client's cookies: `remove` or `keep`. Modules of one host get the same cookies. modgud removes a credential from them either way,
    /// except on public rules. Default: `remove`.
    pub(in crate::config) cookies: Option<Cookies>,
    /// The rights of organizations in the module. Rights of several entries add up; callers without an entry have none; `[]` denies every
    /// request. Default: every caller that the rules admit has all rights.
    pub(in crate::config) access: Option<Vec<ModuleAccess>>,
}

/// The rights of callers of one organization, or of any.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ModuleAccess {
    /// The organization, exactly as `principal.organization` finds it, or the word `any` for every caller, including those without one.
    #[schemars(example = &"any")]
    pub(in crate::config) organization: String,
    /// The rights.
    #[schemars(example = ["read", "update"])]
    pub(in crate::config) allow: Allow,
}

/// The rights of callers in a module.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(in crate::config) enum Allow {
    /// `BiFrost`'s mask, from 0 to 15: the sum of create 8, read 4, update 2, delete 1.
    Mask(#[schemars(range(max = 15))] u64),
    /// The rights as words.
    Rights(Vec<AnyRight>),
}

/// Unlike the derived one of an untagged enum, its errors name the wrong word.
impl<'de> Deserialize<'de> for Allow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AllowVisitor)
    }
}

struct AllowVisitor;

impl<'de> Visitor<'de> for AllowVisitor {
    type Value = Allow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of `create`, `read`, `update` and `delete`, or BiFrost's mask, a number from 0 to 15")
    }

    fn visit_u64<E: de::Error>(self, mask: u64) -> Result<Allow, E> {
        Ok(Allow::Mask(mask))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Allow, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Allow::Rights)
    }
}

/// A right of callers in a module.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum AnyRight {
    /// POST.
    Create,
    /// GET and HEAD.
    Read,
    /// PUT and PATCH.
    Update,
    /// DELETE.
    Delete,
}

/// The service behind the reserved names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Core {
    /// The host and port, such as `core:8080`, for `modgud envoy`. Default: none; the reserved names then lead to no service.
    pub(in crate::config) upstream: Option<String>,
    /// The first path segments that are its own and no module's, such as `[admin, oauth]`. Default: none; in the profile `bifrost`: its
    /// fifteen names. Rules decide which callers have access.
    #[serde(default)]
    pub(in crate::config) reserved: Vec<String>,
    /// The version of HTTP that Envoy uses to the core service. Default: `http1`.
    #[serde(default)]
    pub(in crate::config) protocol: Protocol,
    /// TLS from Envoy to the core service. Default: none, so that Envoy connects in plaintext.
    pub(in crate::config) tls: Option<ServiceTls>,
    /// The protocols to which the core service may switch a connection. modgud decides on the request that asks for it, and not on what follows.
    /// Default: none, with which Envoy answers such a request with 403.
    #[serde(default)]
    #[schemars(example = ["websocket"])]
    pub(in crate::config) upgrades: Vec<Upgrade>,
    /// The maximum time from the end of a request to the end of its response: from `1ms` to `24h`. `0s` is no limit, as streams need.
    /// Afterwards Envoy answers 504. Default: `15s`.
    pub(in crate::config) timeout: Option<String>,
    /// The maximum time without a byte in either direction: from `1ms` to `24h`. Afterwards Envoy ends the request or the WebSocket. Default:
    /// `5m`.
    pub(in crate::config) idle_timeout: Option<String>,
    /// The requests that Envoy sends again: only those that the core service has certainly not processed. Default: none.
    pub(in crate::config) retries: Option<Retries>,
    /// The client's cookies, as for modules. Default: `keep`.
    pub(in crate::config) cookies: Option<Cookies>,
}

impl Module {
    /// Returns the keys that modules share with the core service.
    pub(in crate::config) fn service(&self) -> Service<'_> {
        let Self { protocol, tls, upgrades, timeout, idle_timeout, retries, cookies, .. } = self;
        let (tls, retries) = (tls.as_ref(), retries.as_ref());
        Service {
            protocol: *protocol,
            tls,
            upgrades,
            timeout: timeout.as_ref(),
            idle_timeout: idle_timeout.as_ref(),
            retries,
            cookies: *cookies,
        }
    }
}

impl Core {
    /// Returns the keys that the core service shares with modules.
    pub(in crate::config) fn service(&self) -> Service<'_> {
        let Self { protocol, tls, upgrades, timeout, idle_timeout, retries, cookies, .. } = self;
        let (tls, retries) = (tls.as_ref(), retries.as_ref());
        Service {
            protocol: *protocol,
            tls,
            upgrades,
            timeout: timeout.as_ref(),
            idle_timeout: idle_timeout.as_ref(),
            retries,
            cookies: *cookies,
        }
    }
}
