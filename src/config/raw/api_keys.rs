//! A table of API keys, as written: a list of entries.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The entry of one API key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ApiKey {
    /// The unique name, for operators, logs and revocations.
    pub(in super::super) id: String,
    /// The SHA-256 of the key, 64 hexadecimal digits.
    pub(in super::super) sha256: String,
    /// The caller that presents the key.
    pub(in super::super) subject: Option<String>,
    /// The caller's roles.
    #[serde(default)]
    pub(in super::super) roles: Vec<String>,
    /// The caller's permissions.
    #[serde(default)]
    pub(in super::super) permissions: Vec<String>,
    /// Claims, as a token would have them.
    #[serde(default)]
    pub(in super::super) claims: Map<String, Value>,
    /// The time from which the key is rejected.
    pub(in super::super) expires: Option<String>,
}
