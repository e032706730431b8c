//! Providers of a JWKS: their settings, their OpenID discovery documents, and a single fetch.

use super::format::{KeyFormat, ParseError};
use crate::http_client::{
    AllowInsecure, ClockOffset, FetchError, FetchRequest, FetchUrl, HttpClient, Limits, TrustAnchors, UrlError,
};
use bytes::Bytes;
use modgud_core::authn::RemoteJwks;
use modgud_core::jose::{KeySet, KeySetError, SkippedKey};
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Limits of one request to a provider; beyond them the fetch fails.
const LIMITS: Limits = Limits { bytes: 512 * 1024, time: Duration::from_secs(5) };

/// The path of the discovery document, relative to the issuer (OpenID Connect Discovery 1.0 §4).
pub const WELL_KNOWN: &str = ".well-known/openid-configuration";

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
    pub trust_anchors: TrustAnchors,
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
    /// The URL of a map of key ids to certificates.
    Certificates(FetchUrl),
    /// An issuer, whose discovery document names its JWKS URL (OpenID Connect Discovery 1.0 §4).
    Oidc {
        /// The issuer, exactly as it names itself.
        issuer: Box<str>,
        /// The URL of its discovery document.
        discovery: FetchUrl,
    },
}

/// Shows the URL of the keys, or the issuer, never a query.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jwks(url) | Self::Certificates(url) => url.fmt(f),
            Self::Oidc { issuer, discovery: _ } => f.write_str(issuer),
        }
    }
}

/// Errors of fetching a JWKS. Their users name the provider, so texts name only a URL that the provider chose.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The JWKS could not be fetched.
    #[error("the JWKS can't be fetched: {0}")]
    Fetch(#[from] FetchError),
    /// The map of certificates could not be fetched.
    #[error("the map of certificates can't be fetched: {0}")]
    Certificates(FetchError),
    /// The JWKS that the discovery document names could not be fetched.
    #[error("the JWKS at {url}, which the discovery document names, can't be fetched: {error}")]
    JwksUri {
        /// The URL in the document, without its query.
        url: FetchUrl,
        /// The error.
        error: FetchError,
    },
    /// The discovery document could not be fetched.
    #[error("the discovery document can't be fetched: {0}")]
    Discovery(FetchError),
    /// The discovery document is invalid.
    #[error(transparent)]
    Document(#[from] DiscoveryError),
    /// The response is no JWKS, or has no usable key.
    #[error("{}: {_0}", unusable(_0))]
    Parse(#[from] ParseError),
    /// Keys of the JWKS are ambiguous.
    #[error("the JWKS is unusable: {0}")]
    Set(#[from] KeySetError),
    /// An internal error.
    #[error("internal error while parsing the JWKS")]
    Internal,
}

/// Returns the start of the sentence about an unusable document.
const fn unusable(error: &ParseError) -> &'static str {
    match error {
        ParseError::Jwks(_) => "the JWKS is unusable",
        ParseError::Certificates(_) => "the certificates are unusable",
    }
}

/// Fetches the provider's JWKS, of at most 512 KiB, by one or two requests of at most five seconds each.
pub(super) async fn fetch(client: &HttpClient, provider: &Provider) -> Result<Bytes, KeysError> {
    fetch_timed(client, provider, &mut None).await
}

/// Fetches the JWKS like [`fetch`]. Sets `clock` to the offset of the clock of the server that answers first.
pub(super) async fn fetch_timed(
    client: &HttpClient,
    provider: &Provider,
    clock: &mut Option<ClockOffset>,
) -> Result<Bytes, KeysError> {
    match &provider.location {
        Location::Jwks(url) => Ok(client.send_timed(url, FetchRequest::Get, LIMITS, clock).await?),
        Location::Certificates(url) => {
            client.send_timed(url, FetchRequest::Get, LIMITS, clock).await.map_err(KeysError::Certificates)
        }
        Location::Oidc { issuer, discovery } => {
            let document = client.send_timed(discovery, FetchRequest::Get, LIMITS, clock).await;
            let url = jwks_url(issuer, &document.map_err(KeysError::Discovery)?, provider.plain)?;
            let sent = client.send(&url, FetchRequest::Get, LIMITS).await;
            sent.map_err(|error| KeysError::JwksUri { url, error })
        }
    }
}

/// Parses published keys. With many keys it takes milliseconds, so it runs off the threads that answer checks.
pub(super) async fn parse(text: Bytes, format: KeyFormat) -> Result<(KeySet, Vec<SkippedKey>), KeysError> {
    let parsed = spawn_blocking(move || {
        let (keys, skipped) = format.parse(&text)?.into_parts();
        Ok((KeySet::new(keys)?, skipped))
    });
    parsed.await.unwrap_or(Err(KeysError::Internal))
}

/// Errors of a discovery document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// It is malformed.
    #[error("the discovery document is not a JSON object with the string `jwks_uri`")]
    Form,
    /// It has no issuer.
    #[error("the discovery document has no `issuer` that is a string")]
    NoIssuer,
    /// It belongs to another issuer.
    #[error(
        "the discovery document has the `issuer` `{found}`, and the configured one is `{expected}`; both must be equal, character for character"
    )]
    Issuer {
        /// The issuer in the document, as far as it can be shown.
        found: String,
        /// The configured issuer.
        expected: Box<str>,
    },
    /// Its JWKS URL is not permitted.
    #[error("the `jwks_uri` of the discovery document {0}")]
    Keys(UrlError),
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    issuer: serde_json::Value,
    jwks_uri: String,
}

/// Returns the beginning of an issuer, without control characters: logs show it.
fn shown(issuer: &str) -> String {
    const MAX_CHARS: usize = 256;
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    issuer.chars().take(MAX_CHARS).map(plain).collect()
}

/// Returns the JWKS URL of `issuer` from its discovery document.
///
/// # Errors
/// [`DiscoveryError`], above all if the document names another issuer (OpenID Connect Discovery 1.0 §4.3).
fn jwks_url(issuer: &str, document: &[u8], plain: AllowInsecure) -> Result<FetchUrl, DiscoveryError> {
    let Configuration { issuer: found, jwks_uri } =
        serde_json::from_slice(document).map_err(|_| DiscoveryError::Form)?;
    let found = found.as_str().ok_or(DiscoveryError::NoIssuer)?;
    if found != issuer {
        return Err(DiscoveryError::Issuer { found: shown(found), expected: issuer.into() });
    }
    // TLS authenticates the provider; its JWKS URL must not be one that an attacker on the network or this machine can
    // answer.
    let plain =
        if issuer.starts_with("https:") && plain == AllowInsecure::Loopback { AllowInsecure::Nowhere } else { plain };
    FetchUrl::parse(&jwks_uri, plain).map_err(DiscoveryError::Keys)
}

#[cfg(test)]
mod tests {
    use super::{AllowInsecure, DiscoveryError, UrlError, jwks_url};

    #[test]
    fn only_the_issuer_s_own_document_leads_to_a_jwks() {
        let of = |document: &str| {
            let plain = AllowInsecure::Loopback;
            jwks_url("https://login.example.com/", document.as_bytes(), plain).map(|url| url.to_string())
        };
        let good = r#"{"issuer": "https://login.example.com/", "jwks_uri": "https://keys.example.net/a", "more": [1]}"#;
        assert_eq!(of(good), Ok("https://keys.example.net/a".to_owned()));
        for other in ["https://login.example.com", "https://LOGIN.example.com/", "https://evil.example.com/", ""] {
            let document = format!(r#"{{"issuer": "{other}", "jwks_uri": "https://keys.example.net/a"}}"#);
            let error =
                DiscoveryError::Issuer { found: other.to_owned(), expected: "https://login.example.com/".into() };
            assert_eq!(of(&document), Err(error), "{other}");
        }
        for form in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"issuer": "https://login.example.com/"}"#,
            r#"{"issuer": "https://login.example.com/", "issuer": "https://login.example.com/", "jwks_uri": "https://a/"}"#,
        ] {
            assert_eq!(of(form), Err(DiscoveryError::Form), "{form}");
        }
        for none in [r#"{"jwks_uri": "https://a.example/"}"#, r#"{"issuer": 1, "jwks_uri": "https://a.example/"}"#] {
            assert_eq!(of(none), Err(DiscoveryError::NoIssuer), "{none}");
        }
        let plain = r#"{"issuer": "https://login.example.com/", "jwks_uri": "http://keys.example.net/a"}"#;
        assert_eq!(of(plain), Err(DiscoveryError::Keys(UrlError::Plain)));
        let here = r#"{"issuer": "https://login.example.com/", "jwks_uri": "http://127.0.0.1:9901/keys"}"#;
        assert_eq!(
            of(here),
            Err(DiscoveryError::Keys(UrlError::Plain)),
            "a provider far away can't lead to this machine"
        );
        let local = br#"{"issuer": "http://127.0.0.1:1", "jwks_uri": "http://127.0.0.1:1/keys"}"#;
        assert!(jwks_url("http://127.0.0.1:1", local, AllowInsecure::Loopback).is_ok());
    }
}
