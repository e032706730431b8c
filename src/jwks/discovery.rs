//! OpenID discovery documents, of which modgud reads only the issuer and the JWKS URL.

use crate::http_client::{AllowInsecure, FetchUrl, UrlError};
use serde::Deserialize;

/// The path of the discovery document, relative to the issuer (OpenID Connect Discovery 1.0 §4).
pub const WELL_KNOWN: &str = ".well-known/openid-configuration";

/// Errors of a discovery document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// It is malformed.
    #[error("the discovery document is not a JSON object with the texts `issuer` and `jwks_uri`")]
    Form,
    /// It belongs to another issuer.
    #[error(
        "the discovery document is that of another issuer; its `issuer` must be the configured one, character for character"
    )]
    Issuer,
    /// Its JWKS URL is not permitted.
    #[error("the `jwks_uri` of the discovery document {0}")]
    Keys(UrlError),
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

/// Returns the JWKS URL of `issuer` from its discovery document.
///
/// # Errors
/// [`DiscoveryError`], above all if the document names another issuer (OpenID Connect Discovery 1.0 §4.3).
pub(super) fn keys_of(issuer: &str, document: &[u8], plain: AllowInsecure) -> Result<FetchUrl, DiscoveryError> {
    let Configuration { issuer: named, jwks_uri } =
        serde_json::from_slice(document).map_err(|_| DiscoveryError::Form)?;
    if named != issuer {
        return Err(DiscoveryError::Issuer);
    }
    // TLS authenticates the provider; its JWKS URL must not be one that an attacker on the network or this machine can
    // answer.
    let plain =
        if issuer.starts_with("https:") && plain == AllowInsecure::Loopback { AllowInsecure::Nowhere } else { plain };
    FetchUrl::parse(&jwks_uri, plain).map_err(DiscoveryError::Keys)
}

#[cfg(test)]
mod tests {
    use super::{AllowInsecure, DiscoveryError, UrlError, keys_of};

    #[test]
    fn only_the_configuration_of_the_very_issuer_leads_to_keys() {
        let of = |document: &str| {
            let plain = AllowInsecure::Loopback;
            keys_of("https://login.example.com/", document.as_bytes(), plain).map(|url| url.to_string())
        };
        let good = r#"{"issuer": "https://login.example.com/", "jwks_uri": "https://keys.example.net/a", "more": [1]}"#;
        assert_eq!(of(good), Ok("https://keys.example.net/a".to_owned()));
        for other in ["https://login.example.com", "https://LOGIN.example.com/", "https://evil.example.com/", ""] {
            let document = format!(r#"{{"issuer": "{other}", "jwks_uri": "https://keys.example.net/a"}}"#);
            assert_eq!(of(&document), Err(DiscoveryError::Issuer), "{other}");
        }
        for form in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"issuer": "https://login.example.com/"}"#,
            r#"{"issuer": 1, "jwks_uri": "https://keys.example.net/a"}"#,
            r#"{"issuer": "https://login.example.com/", "issuer": "https://login.example.com/", "jwks_uri": "https://a/"}"#,
        ] {
            assert_eq!(of(form), Err(DiscoveryError::Form), "{form}");
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
        assert!(keys_of("http://127.0.0.1:1", local, AllowInsecure::Loopback).is_ok());
    }
}
