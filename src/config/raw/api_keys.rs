//! A table of API keys, as it is written: a list of these.

use serde::Deserialize;
use serde_json::{Map, Value};

/// One API key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ApiKey {
    /// Its name, no other key's: for people, logs and revocations.
    pub(in super::super) id: String,
    /// The SHA-256 of the key, 64 hexadecimal digits.
    pub(in super::super) sha256: String,
    /// Who shows it.
    pub(in super::super) subject: Option<String>,
    /// Its roles.
    #[serde(default)]
    pub(in super::super) roles: Vec<String>,
    /// Its permissions.
    #[serde(default)]
    pub(in super::super) permissions: Vec<String>,
    /// What a token would claim.
    #[serde(default)]
    pub(in super::super) claims: Map<String, Value>,
    /// From when on it is not accepted any more.
    pub(in super::super) expires: Option<String>,
}
