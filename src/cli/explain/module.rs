//! The module that receives an allowed request, and the path as it arrives there, by the routes that `modgud envoy` writes.

use crate::envoy::bootstrap::{GatewayConfig, Module};
use crate::envoy::proto::CheckRequest;
use serde::Serialize;

/// A module that receives a request.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Receiver {
    pub(super) name: String,
    pub(super) upstream: String,
    /// The path as the module receives it, without the query, which may hold a credential.
    pub(super) path: String,
}

impl Receiver {
    /// Returns the module with the longest prefix of the request's path. `None` if no module has the path.
    pub(super) fn of(check: &CheckRequest, gateway: &GatewayConfig) -> Option<Self> {
        let http = check.attributes.as_ref()?.request.as_ref()?.http.as_ref()?;
        let target = std::str::from_utf8(&http.path).ok()?;
        let path = target.split('?').next()?;
        let below = |module: &Module| {
            let rest = path.strip_prefix(module.prefix.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
        };
        let modules = gateway.modules.iter().filter_map(|module| Some((module, below(module)?)));
        let (Module { name, keep_prefix, upstream, .. }, rest) =
            modules.max_by_key(|(module, _)| module.prefix.segments())?;
        let path = match (keep_prefix, rest.as_str()) {
            (true, _) => path,
            (false, "") => "/",
            (false, rest) => rest,
        };
        Some(Self { name: name.as_str().to_owned(), upstream: upstream.to_string(), path: path.to_owned() })
    }
}
