//! What reached a module, as the module says itself.

use modgud_testbed::http::Exchange;
use serde::Deserialize;
use serde_json::Value;

/// A request, as the module behind Envoy saw it.
#[derive(Debug, Deserialize)]
pub(crate) struct Seen {
    pub(crate) module: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// In order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// What `PyJWT` made of the Authorization header.
    pub(crate) decoded: Value,
}

impl Seen {
    pub(crate) fn of(answer: &Exchange) -> Self {
        serde_json::from_slice(&answer.body).unwrap_or_else(|error| {
            panic!("no module answered ({error}): {} {}", answer.status, String::from_utf8_lossy(&answer.body))
        })
    }

    /// Every value of this header.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Every header that some server could take for one of ours, sorted.
    pub(crate) fn identity(&self) -> Vec<(&str, &str)> {
        let ours = |name: &str| {
            let name = name.replace('_', "-");
            name == "x-username"
                || name == "x-scope"
                || name.starts_with("x-core-")
                || name.starts_with("x-organization-")
        };
        let mut found: Vec<(&str, &str)> = self
            .headers
            .iter()
            .filter(|(name, _)| ours(name))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        found.sort_unstable();
        found
    }
}
