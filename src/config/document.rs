//! The configuration file as it is written: every key optional, unknown keys refused. What a value means, and whether it
//! can be, is decided in `validate`.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One file, or a profile with a file laid over it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// The profile that this file is laid over.
    #[expect(dead_code, reason = "read before there is a document, to choose what this one is laid over")]
    pub(super) profile: Option<ProfileName>,
    /// Listeners and limits.
    #[serde(default)]
    pub(super) server: Server,
    /// Who vouches for callers.
    #[serde(default)]
    pub(super) authenticators: Vec<Authenticator>,
    /// How claims are read.
    #[serde(default)]
    pub(super) principal: Principal,
    /// Who may do what.
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    /// What happens to a request that no rule matches.
    pub(super) fallback: Option<Fallback>,
    /// What modules are told.
    #[serde(default)]
    pub(super) upstream: Upstream,
    /// What clients are told when they are turned away.
    #[serde(default)]
    pub(super) denials: Denials,
    /// What operators are told.
    #[serde(default)]
    pub(super) telemetry: Telemetry,
}

/// `profile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProfileName {
    /// `BiFrost`'s gateway: RS256 tokens of issuer `bifrost`, its reserved names, its error texts.
    Bifrost,
    /// Nothing: the file says everything.
    None,
}

/// `server`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    /// Where Envoy connects to, `IP:PORT`.
    pub(super) grpc: Option<String>,
    /// Where probes and metrics are served, `IP:PORT`.
    pub(super) admin: Option<String>,
    /// How long one check may take.
    pub(super) deadline: Option<String>,
    /// How long requests are still answered after SIGTERM.
    pub(super) drain: Option<String>,
    /// How many checks may be under way at once, 1 to 1000000; 4096 if not given. Above it: 503 at once.
    pub(super) max_in_flight: Option<u32>,
}

/// One entry of `authenticators`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Authenticator {
    /// Its name, for logs.
    pub(super) name: String,
    /// Where its credentials stand.
    pub(super) from: Vec<From>,
    /// Tokens of one issuer.
    pub(super) jwt: Jwt,
}

/// One entry of `from`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    /// The header's name.
    pub(super) header: String,
    /// The schemes that are accepted in it.
    pub(super) schemes: Vec<String>,
}

/// `jwt`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Jwt {
    /// The exact `iss`.
    pub(super) issuer: String,
    /// The accepted algorithms.
    pub(super) algorithms: Vec<String>,
    /// The keys that verify the tokens.
    pub(super) keys: Vec<Key>,
    /// Whom tokens must be meant for: a list, or `any`.
    #[serde(default)]
    pub(super) audiences: Audiences,
    /// Claims that must be there.
    #[serde(default)]
    pub(super) require: Vec<String>,
    /// How far clocks may be apart.
    pub(super) leeway: Option<String>,
    /// The longest life of a token.
    pub(super) max_lifetime: Option<String>,
    /// Accepted `typ` values.
    #[serde(default)]
    pub(super) types: Vec<String>,
}

/// `audiences`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a list of audiences, or `any` to turn the check off")]
pub(super) enum Audiences {
    /// These.
    List(Vec<String>),
    /// The check is off.
    Any(AnyWord),
}

impl Default for Audiences {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// The word `any`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum AnyWord {
    /// It.
    Any,
}

/// One entry of `keys`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// A public key as PEM text.
    pub(super) pem: Source,
}

/// Where a key or a secret stands: exactly one of the three.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Source {
    /// In an environment variable.
    Env(String),
    /// In a file.
    File(PathBuf),
    /// Here.
    Value(Text),
}

/// A text that may be a secret, so that it is never shown.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Text(pub(super) String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text(…)")
    }
}

/// `principal`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Principal {
    /// String values that mean "no value".
    #[serde(default)]
    pub(super) absent: Vec<String>,
}

/// One entry of `rules`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// Its name, for logs.
    pub(super) name: String,
    /// Which requests it decides.
    #[serde(rename = "match")]
    pub(super) matches: Match,
    /// What it asks of the caller.
    #[serde(default)]
    pub(super) access: Access,
}

/// `match`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Match {
    /// Methods; none named is every method.
    #[serde(default)]
    pub(super) methods: Vec<String>,
    /// Path patterns.
    pub(super) paths: Vec<String>,
}

/// `access`.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Access {
    /// A good credential.
    #[default]
    Authenticated,
    /// A good credential or none.
    Optional,
    /// Nothing.
    Public,
    /// Nobody may.
    Denied,
}

/// `fallback`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Fallback {
    /// A good credential is asked for.
    Authenticated,
    /// Nobody may.
    Denied,
}

/// `upstream`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    /// Identity headers by name.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, HeaderSource>,
    /// Client headers that are removed.
    #[serde(default)]
    pub(super) strip: Vec<String>,
    /// What becomes of the credential.
    pub(super) credential: Option<Forward>,
}

/// Where an identity header's value comes from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderSource {
    /// The claim's name.
    pub(super) claim: String,
}

/// `upstream.credential`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Forward {
    /// As the client sent it.
    Keep,
    /// Not at all.
    Remove,
    /// As `Authorization: SCHEME token`.
    #[serde(rename = "forward")]
    As(String),
}

/// `denials`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Denials {
    /// The form of the body.
    pub(super) body: Option<Body>,
    /// The realm that challenges name.
    pub(super) realm: Option<String>,
    /// Other statuses than 401 and 403.
    #[serde(default)]
    pub(super) status: Statuses,
}

/// `denials.body`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Body {
    /// RFC 9457.
    Problem,
    /// `{"detail": …}`.
    Detail,
}

/// `denials.status`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Statuses {
    /// Instead of 401.
    pub(super) unauthenticated: Option<u16>,
    /// Instead of 403.
    pub(super) forbidden: Option<u16>,
}

/// `telemetry`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Telemetry {
    /// The form of the log.
    pub(super) log: Option<LogFormat>,
    /// Which decisions are logged.
    pub(super) decisions: Option<LoggedDecisions>,
}

/// `telemetry.log`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for people.
    Text,
}

/// `telemetry.decisions`.
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
