//! Providers of JWKS, as configured.

use crate::http_client::{AllowInsecure, FetchUrl, TrustAnchors};
use modgud_core::authn::RemoteJwks;
use std::path::PathBuf;
use std::time::Duration;

/// A provider and the JWKS that authenticators read.
#[derive(Debug, Clone)]
pub struct KeySource {
    /// The published JWKS.
    pub keys: RemoteJwks,
    /// The provider.
    pub provider: Provider,
}

/// A provider of a JWKS, and its fetch settings. Equal values share one refresher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The location of the JWKS.
    pub location: Location,
    /// Permitted targets of plain HTTP.
    pub plain: AllowInsecure,
    /// Trust anchors for its certificate.
    pub roots: TrustAnchors,
    /// Refresh interval.
    pub refresh: Duration,
    /// Maximum age of the JWKS while the provider is unreachable.
    pub stale_if_error: Duration,
    /// The cache file for the next start; `None` if there is none.
    pub cache_file: Option<PathBuf>,
}

/// The location of a JWKS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// The URL of a JWKS (RFC 7517 §5).
    Jwks(FetchUrl),
    /// An issuer, whose discovery document names its JWKS URL (OpenID Connect Discovery 1.0 §4).
    Oidc {
        /// The issuer, exactly as it names itself.
        issuer: Box<str>,
        /// The URL of its discovery document.
        discovery: FetchUrl,
    },
}

/// Shows the URL of the JWKS, or the issuer, never a query.
impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Jwks(url) => url.fmt(f),
            Self::Oidc { issuer, discovery: _ } => f.write_str(issuer),
        }
    }
}
