//! The formats in which providers publish keys.

use super::provider::Location;
use crate::http_client::FetchUrl;
use modgud_core::jose::{CertificatesError, Jwks, JwksError};

/// The format of published keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFormat {
    /// A JWKS (RFC 7517 §5).
    Jwks,
    /// A map of key ids to certificates, as Google publishes it.
    Certificates,
}

/// The reason why published keys are unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The JWKS is unusable.
    #[error(transparent)]
    Jwks(#[from] JwksError),
    /// The map of certificates is unusable.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
}

impl KeyFormat {
    /// Returns the noun for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jwks => "JWKS",
            Self::Certificates => "map of certificates",
        }
    }

    /// Returns the location of keys of this format at a URL.
    #[must_use]
    pub const fn at(self, url: FetchUrl) -> Location {
        match self {
            Self::Jwks => Location::Jwks(url),
            Self::Certificates => Location::Certificates(url),
        }
    }

    /// Parses keys of this format.
    ///
    /// # Errors
    /// [`ParseError`] if no key is usable.
    pub fn parse(self, text: &[u8]) -> Result<Jwks, ParseError> {
        Ok(match self {
            Self::Jwks => Jwks::parse(text)?,
            Self::Certificates => Jwks::from_certificates(text)?,
        })
    }
}

impl Location {
    /// Returns the format of the keys there.
    #[must_use]
    pub const fn format(&self) -> KeyFormat {
        match self {
            Self::Jwks(_) | Self::Oidc { .. } => KeyFormat::Jwks,
            Self::Certificates(_) => KeyFormat::Certificates,
        }
    }
}
