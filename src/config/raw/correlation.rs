//! `correlation`, as written: a header with the user and any impersonation, which the workers of a process engine can verify.

use super::{Claim, SecretSource};
use schemars::JsonSchema;
use serde::Deserialize;

/// The identity correlation of Orchescala's services and workers: user, email, impersonation, time, process instance, and a signature once
/// the process instance is known.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Correlation {
    /// The header that carries it, as JSON. A client's own header of this name never reaches a service.
    #[schemars(example = &"x-identity-correlation")]
    pub(in super::super) header: String,
    /// The claim that holds the user's name. Default: `preferred_username`.
    pub(in super::super) username: Option<Claim>,
    /// The claim that holds the user's email address. Default: `email`.
    pub(in super::super) email: Option<Claim>,
    /// The secret that signs it, which workers share. Default: none, which leaves it unsigned.
    pub(in super::super) key: Option<SecretSource>,
    /// The impersonation of others by a caller. Default: none.
    pub(in super::super) impersonation: Option<Impersonation>,
    /// The location of the process instance in a request. Default: none, so that nothing is signed.
    #[serde(default)]
    pub(in super::super) process_instance: ProcessInstance,
}

/// The impersonation of others by a caller: either `header` or `body` names the person.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Impersonation {
    /// The header that holds the value. Services never receive it: the correlation contains the value.
    #[schemars(example = &"x-impersonate")]
    pub(in super::super) header: Option<String>,
    /// The name of a member at the top of the JSON body. Envoy must send complete bodies (`with_request_body`); a request without a
    /// complete JSON body is denied.
    #[schemars(example = &"customerId")]
    pub(in super::super) body: Option<String>,
    /// The permission that impersonation requires.
    #[schemars(example = &"impersonate")]
    pub(in super::super) permission: String,
}

/// The location of the process instance in a request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct ProcessInstance {
    /// Path patterns with a parameter named `process_instance`, such as `/process/{process_instance}/{*rest}`.
    pub(in super::super) paths: Vec<String>,
    /// The name of a header.
    #[schemars(example = &"x-process-instance-id")]
    pub(in super::super) header: Option<String>,
}
