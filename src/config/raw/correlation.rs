//! `correlation`, as it is written: who did something in a process engine, as a header that its workers can verify.

use super::{Claim, SecretSource};
use schemars::JsonSchema;
use serde::Deserialize;

/// The identity correlation of Orchescala's services and workers: user, email, whom the user acts for, time, process instance, and a
/// signature once the process instance is known.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Correlation {
    /// The header that carries it, as JSON. What a client sends under its name never arrives.
    #[schemars(example = &"x-identity-correlation")]
    pub(in super::super) header: String,
    /// The claim that is the user's name. Default: `preferred_username`.
    pub(in super::super) username: Option<Claim>,
    /// The claim that is the user's email address. Default: `email`.
    pub(in super::super) email: Option<Claim>,
    /// The secret that it is signed with, and that workers have too. Left out: it is never signed.
    pub(in super::super) key: Option<SecretSource>,
    /// How a caller acts for another. Left out: nobody does.
    pub(in super::super) impersonation: Option<Impersonation>,
    /// Where a request names its process instance. Left out: nowhere, so that nothing is signed.
    #[serde(default)]
    pub(in super::super) process_instance: ProcessInstance,
}

/// How a caller acts for another: either `header` or `body` says for whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Impersonation {
    /// The header that holds the value. The service never gets it: the correlation says it.
    #[schemars(example = &"x-impersonate")]
    pub(in super::super) header: Option<String>,
    /// The name of a member at the top of the JSON body. Envoy has to send bodies along whole (`with_request_body`); a request whose body
    /// is not there whole, or is not JSON, is refused.
    #[schemars(example = &"customerId")]
    pub(in super::super) body: Option<String>,
    /// The permission that a caller needs to act for another.
    #[schemars(example = &"impersonate")]
    pub(in super::super) permission: String,
}

/// Where a request names its process instance.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct ProcessInstance {
    /// Path patterns with a parameter that is called `process_instance`, such as `/process/{process_instance}/{*rest}`.
    pub(in super::super) paths: Vec<String>,
    /// A header.
    #[schemars(example = &"x-process-instance-id")]
    pub(in super::super) header: Option<String>,
}
