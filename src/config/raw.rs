//! The configuration file as it is written: every key optional, unknown keys refused. What a value means, and whether it
//! can be, is decided in `validate`. The comments on keys and words here are what editors show: they are the JSON Schema's
//! descriptions, written for an operator.

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
pub(super) use upstream::{
    Encode, Forward, HeaderForm, HeaderSource, MetadataSource, PrincipalWord, Upstream, is_choice,
};

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The configuration of modgud. Every key is optional: what is left out is as the profile says. Maps are laid over those of the
/// profile, lists and single values replace them. `modgud check` finds what a schema can't, and `modgud config` shows the whole.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "modgud configuration")]
pub(super) struct Document {
    /// The profile that this file is laid over. A file has to name one, unless `--profile` does.
    #[expect(
        dead_code,
        reason = "read before the documents are laid over each other; it stands here to be known and checked"
    )]
    pub(super) profile: Option<ProfileName>,
    /// Where modgud listens, and how long things may take.
    #[serde(default)]
    pub(super) server: Server,
    /// What is believed of Envoy about the connection of a request.
    #[serde(default)]
    pub(super) request: RequestSection,
    /// Who vouches for callers: one entry for each issuer of tokens. The list replaces that of the profile.
    #[serde(default)]
    pub(super) authenticators: Vec<Authenticator>,
    /// How claims are read.
    #[serde(default)]
    pub(super) principal: Principal,
    /// Tokens, subjects and organizations that are not accepted any more, whatever a credential says.
    pub(super) revocations: Option<Revocations>,
    /// Who may do what. The most specific rule that matches decides; the order means nothing. The list replaces that of the
    /// profile: repeat those of its rules that you want to keep (`modgud config` prints them).
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    /// What becomes of a request that no rule matches. Default: `denied`; in the profile `bifrost`: `authenticated`.
    pub(super) fallback: Option<Fallback>,
    /// The modules that Envoy routes to: `modgud envoy` writes its routes and clusters from this. Each is a rule of its own, too:
    /// what stands below its prefix asks for a good credential, unless a more specific rule says otherwise. Default: none.
    #[serde(default)]
    pub(super) modules: Vec<Module>,
    /// The service behind the reserved names.
    #[serde(default)]
    pub(super) core: Core,
    /// What modules behind Envoy are told about the caller.
    #[serde(default)]
    pub(super) upstream: Upstream,
    /// Tokens of modgud's own for modules, of which `upstream.credential` names one. Default: none.
    #[serde(default)]
    pub(super) mint: Vec<Mint>,
    /// Who did something in a process engine, as a header that its workers can verify. Default: none; it is that of the profile
    /// `orchescala`.
    pub(super) correlation: Option<Correlation>,
    /// What clients are told when they are turned away.
    #[serde(default)]
    pub(super) denials: Denials,
    /// What operators are told.
    #[serde(default)]
    pub(super) telemetry: Telemetry,
}

/// A configuration that comes with modgud, to lay a file over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProfileName {
    /// `BiFrost`'s gateway: RS256 tokens of issuer `bifrost`, its reserved names, its error texts.
    Bifrost,
    /// A gateway for bearer tokens with roles and permissions: `X-User-ID`, `X-User-Role`, `X-User-Permissions`, errors as
    /// `{"error": …}`.
    Bearer,
    /// Orchescala's gateway: the token goes on untouched, beside a header that says who acts for whom and that workers can verify. Your
    /// file names the authenticator.
    Orchescala,
    /// Nothing: the file says everything, and what it doesn't allow is denied.
    None,
}

/// How claims are read: who the caller is, whichever authenticator vouches for it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Principal {
    /// The claim that says who the caller is. Default: `sub`; in the profile `bifrost`: `core_user_uuid`.
    pub(super) subject: Option<Claim>,
    /// The claim that says for which organization the caller acts. Default: none; in the profile `bifrost`: `organization_uuid`.
    #[schemars(example = &"organization")]
    pub(super) organization: Option<Claim>,
    /// The claim that holds the caller's roles: an array of texts, or one text. Default: `roles`.
    pub(super) roles: Option<Claim>,
    /// The claims that hold the caller's permissions: arrays of texts, or texts with spaces between the permissions. All of them
    /// count. Default: `[permissions, scope]`.
    #[serde(default)]
    pub(super) permissions: Vec<Claim>,
    /// The claims that hold the token's scopes, in the same forms. Default: `[scope, scp]`.
    #[serde(default)]
    pub(super) scopes: Vec<Claim>,
    /// What roles grant: permissions by role, such as `{ reader: [read, list], admin: ["*"] }`. `*` is every permission; no claim
    /// says that by itself. Default: nothing.
    #[serde(default)]
    pub(super) grants: BTreeMap<String, Vec<String>>,
    /// Texts that mean "no value" when a claim holds them: the claim counts as missing. Default: `[""]`; in the profile `bifrost`:
    /// `["None", ""]`.
    #[serde(default)]
    #[schemars(example = ["", "None"])]
    pub(super) absent: Vec<String>,
}

/// What is not accepted any more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocations {
    /// The path of the list, from the folder of this file: YAML, or JSON when it is long, of the form `{ tokens: […], subjects: […],
    /// organizations: […] }`. Each item is a name, or `{ id: NAME, issued_before: TIME }`. A change takes effect within a second.
    #[schemars(example = &"revocations.json")]
    pub(super) file: PathBuf,
}

/// What operators are told.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Telemetry {
    /// The form of the log, which goes to standard output. Default: `json`. A change needs a restart.
    pub(super) log: Option<LogFormat>,
    /// Which decisions are logged. Default: `denied`.
    pub(super) decisions: Option<LoggedDecisions>,
}

/// The form of the log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for people.
    Text,
}

/// Which decisions are logged.
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
