//! The configuration file as written: every key is optional, unknown keys are errors.
//!
//! `validate` decides what a value means, and if it is valid. Editors show the comments on keys and words here: they are the descriptions
//! of the JSON Schema, written for operators.

mod api_keys;
mod authenticators;
mod correlation;
mod denials;
mod introspection;
mod keys;
mod mint;
mod modules;
mod request;
mod rules;
mod server;
mod size;
mod upstream;

pub(super) use api_keys::ApiKey as ApiKeyEntry;
pub(super) use authenticators::{
    AnyWord, ApiKey, Audiences, Authenticator, Claim, From, Jwt, Mtls, SOURCE, SecretSource, Sender, Text,
};
pub(super) use correlation::{Correlation, Impersonation, ProcessInstance};
pub(super) use denials::{Body, Denials, Deny, Redirect, Statuses, Unavailable};
pub(super) use introspection::{ClientAuthentication, Introspection};
pub(super) use keys::{Jwks, KEY, Key, Oidc, OidcProvider};
pub(super) use mint::{Mint, MintClaim};
pub(super) use modules::{Allow, AnyRight, Core, Module, ModuleAccess};
pub(super) use request::{RequestSection, SchemeWord};
pub(super) use rules::{Access, Case, Fallback, Match, Require, RequireAny, Rule};
pub(super) use server::{Server, Tls};
pub(super) use size::Size;
pub(super) use upstream::{
    Encode, Forward, HeaderForm, HeaderSource, MetadataSource, PrincipalWord, TooLarge, Upstream, is_choice,
};

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
    #[expect(
        dead_code,
        reason = "read before the documents are laid over each other; it stands here to be known and checked"
    )]
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
    /// The log.
    #[serde(default)]
    pub(super) telemetry: Telemetry,
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

/// The claims that identify the caller and hold roles, permissions and scopes, for every authenticator.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Principal {
    /// The claim that identifies the caller. Default: `sub`; in the profile `bifrost`: `core_user_uuid`.
    pub(super) subject: Option<Claim>,
    /// The claim that names the organization for which the caller acts. Default: none; in the profile `bifrost`: `organization_uuid`.
    #[schemars(example = &"organization")]
    pub(super) organization: Option<Claim>,
    /// The claim that holds the caller's roles: an array of texts, or one text. Default: `roles`.
    pub(super) roles: Option<Claim>,
    /// The claims that hold the caller's permissions: arrays of texts, or texts with spaces between the permissions. All of them count.
    /// Default: `[permissions, scope]`.
    #[serde(default)]
    pub(super) permissions: Vec<Claim>,
    /// The claims that hold the token's scopes, in the same forms. Default: `[scope, scp]`.
    #[serde(default)]
    pub(super) scopes: Vec<Claim>,
    /// The permissions that roles grant, by role, such as `{ reader: [read, list], admin: ["*"] }`. `*` is every permission; a claim can't
    /// grant that. Default: none.
    #[serde(default)]
    pub(super) grants: BTreeMap<String, Vec<String>>,
    /// Texts that mean "no value" when a claim holds them: the claim counts as missing. Default: `[""]`; in the profile `bifrost`:
    /// `["None", ""]`.
    #[serde(default)]
    #[schemars(example = ["", "None"])]
    pub(super) absent: Vec<String>,
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

/// The log.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Telemetry {
    /// The format of the log, which goes to standard output. Default: `json`. A change requires a restart.
    pub(super) log: Option<LogFormat>,
    /// The decisions that are logged: `denied`, `all` or `none`, or a map that also says what is in the lines. Default: `denied`.
    pub(super) decisions: Option<Decisions>,
}

/// The format of the log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// Human-readable text.
    Text,
}

/// The log of decisions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected `denied`, `all` or `none`, or a map with `which`, `mask` and `principal`")]
pub(super) enum Decisions {
    /// The decisions that are logged.
    Which(LoggedDecisions),
    /// The decisions that are logged, and the personal data in their lines.
    Lines(DecisionLines),
}

/// The decisions that are logged, and the personal data in their lines.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionLines {
    /// The decisions that are logged. Default: `denied`.
    pub(super) which: Option<LoggedDecisions>,
    /// The personal data that is masked: `subject` as a hash that is stable until a restart, `client` as the network of the address.
    /// `[]` masks nothing. Default: `[subject, client]`.
    pub(super) mask: Option<Vec<MaskedField>>,
    /// `true`: lines name the caller's subject. Default: `false`.
    #[serde(default)]
    pub(super) principal: bool,
}

/// A field of the log with personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum MaskedField {
    /// The caller's subject.
    Subject,
    /// The address of the client.
    Client,
}

/// The decisions that are logged.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LoggedDecisions {
    /// Every decision.
    All,
    /// Denials only.
    #[default]
    Denied,
    /// None.
    None,
}
