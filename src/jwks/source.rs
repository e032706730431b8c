//! Where keys of an authenticator are published, as the configuration says it.

use crate::http_client::{AllowInsecure, FetchUrl, TrustAnchors};
use modgud_core::authn::RemoteJwks;
use std::path::PathBuf;
use std::time::Duration;

/// A provider whose keys an authenticator uses.
#[derive(Debug, Clone)]
pub struct KeySource {
    /// Where the authenticator finds them.
    pub keys: RemoteJwks,
    /// Where they are published.
    pub provider: Provider,
}

/// Where keys are published, and how they are asked for. Two that are equal are one and the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// What is asked.
    pub location: Location,
    /// Where plain HTTP may lead.
    pub plain: AllowInsecure,
    /// Whose certificates are trusted.
    pub roots: TrustAnchors,
    /// How often they are asked for.
    pub refresh: Duration,
    /// How long the last ones may be used while they can't be asked for.
    pub stale_if_error: Duration,
    /// Where the last ones are kept for the next start.
    pub cache_file: Option<PathBuf>,
}

/// What is asked for keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// The address of a JWK set (RFC 7517 §5).
    Jwks(FetchUrl),
    /// An issuer, whose configuration says where its JWK set is (OpenID Connect Discovery 1.0 §4).
    Oidc {
        /// The issuer, exactly as it names itself.
        issuer: Box<str>,
        /// The address of its configuration.
        discovery: FetchUrl,
    },
}

/// For people: the address of the set, or the issuer. Never a query.
impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Jwks(url) => url.fmt(f),
            Self::Oidc { issuer, discovery: _ } => f.write_str(issuer),
        }
    }
}
